/** What the connections of all transports have in common: an inbox, a write that a break ends, and the figures. */
import { WarpError } from '../../base/errors.ts'
import type { Connection, ConnectionStats, TransportKind } from './connection.ts'
import { Inbox } from './inbox.ts'

export interface ConnectionFacts {
  kind: TransportKind
  isInitiator: boolean
  localFingerprint: Uint8Array | null
  remoteFingerprint: Uint8Array | null
  remoteAddress: string
}

/** `error` of a binding as the loss of the peer at `address`. */
export function lost(address: string, error?: unknown): WarpError {
  const reason = error instanceof Error ? `: ${error.message}` : typeof error === 'string' ? `: ${error}` : ''
  return new WarpError('ERR_WARP_PEER_LOST', `the connection to ${address} broke${reason}`, { cause: error })
}

export abstract class BaseConnection implements Connection {
  readonly kind: TransportKind
  readonly isInitiator: boolean
  readonly localFingerprint: Uint8Array | null
  readonly remoteFingerprint: Uint8Array | null
  readonly remoteAddress: string
  protected readonly inbox = new Inbox((isHeld) => {
    if (!this.#failure) this.hold(isHeld)
  })
  #failure: WarpError | null = null
  /** Rejects the write or the end under way. */
  #interrupt: ((error: WarpError) => void) | null = null
  #ending: Promise<void> | null = null
  #sentBytes = 0
  #receivedBytes = 0
  #busyMs = 0
  #busySince: number | null = null

  constructor(facts: ConnectionFacts) {
    this.kind = facts.kind
    this.isInitiator = facts.isInitiator
    this.localFingerprint = facts.localFingerprint
    this.remoteFingerprint = facts.remoteFingerprint
    this.remoteAddress = facts.remoteAddress
  }

  async write(pieces: Uint8Array[]): Promise<void> {
    if (this.#failure) throw this.#failure
    if (this.#ending || this.#interrupt) throw new WarpError('ERR_WARP_INTERNAL', 'a connection is written to out of turn')
    const filled = pieces.filter((piece) => piece.length > 0)
    if (filled.length === 0) return
    this.#busySince = performance.now()
    try {
      await this.#untilBroken(this.put(filled))
      for (const piece of filled) this.#sentBytes += piece.length
    } finally {
      this.#busyMs = this.#busyTotal()
      this.#busySince = null
    }
  }

  async read(): Promise<Uint8Array | null> {
    const bytes = await this.inbox.read()
    if (bytes) this.#receivedBytes += bytes.length
    return bytes
  }

  async end(): Promise<void> {
    if (this.#failure) throw this.#failure
    this.#ending ??= this.#untilBroken(this.finish())
    await this.#ending
  }

  close(): void {
    const error = new WarpError('ERR_WARP_PEER_LOST', `the connection to ${this.remoteAddress} was closed`)
    const isFirst = this.#failure === null
    this.#failure ??= error
    this.inbox.discard(error)
    this.#interrupt?.(error)
    // A connection that broke has been let go of by `fail`.
    if (isFirst) this.abandon(false)
  }

  stats(): ConnectionStats {
    const { rttMs, lostPackets } = this.pathStats()
    return { rttMs, lostPackets, sentBytes: this.#sentBytes, receivedBytes: this.#receivedBytes, writeBusyMs: this.#busyTotal() }
  }

  /** It broke: what came before can still be read. */
  protected fail(error: WarpError): void {
    if (this.#failure) return
    this.#failure = error
    this.inbox.end(error)
    this.#interrupt?.(error)
    this.abandon(true)
  }

  /** Hands `pieces`, none of them empty, to the binding; resolves when they are no longer borrowed and it can take more. */
  protected abstract put(pieces: Uint8Array[]): Promise<void>
  /** Ends what is written; resolves when all of it is handed to the network. */
  protected abstract finish(): Promise<void>
  /** Lets go of the binding; called once. After an orderly end, what was written must still arrive unless it `isBroken`. */
  protected abstract abandon(isBroken: boolean): void
  /** Asks the binding to push no more, or to go on. */
  protected abstract hold(isHeld: boolean): void

  protected pathStats(): { rttMs: number | null; lostPackets: number | null } {
    return { rttMs: null, lostPackets: null }
  }

  #busyTotal(): number {
    return this.#busyMs + (this.#busySince === null ? 0 : performance.now() - this.#busySince)
  }

  #untilBroken(work: Promise<void>): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#interrupt = reject
      work.then(resolve, (error: unknown) => {
        const failure = error instanceof WarpError ? error : lost(this.remoteAddress, error)
        this.fail(failure)
        reject(failure)
      })
    }).finally(() => (this.#interrupt = null))
  }
}
