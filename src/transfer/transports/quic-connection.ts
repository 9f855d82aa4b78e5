/**
 * A connection over QUIC: one bidirectional stream for the bytes, and one for the ends. The binding holds back what is
 * not read beyond its window, and takes some 10 MB ahead of what the peer has acknowledged.
 *
 * Ending a QUIC connection takes back what is still on its way. So who has read the other's bytes to the end says so
 * by ending its half of the second stream, and who has ended waits for that before the connection goes.
 */
import { BaseConnection, lost, type ConnectionFacts } from './base-connection.ts'
import type { NativeConnection, NativeStream } from './quic-binding.ts'

/** Bytes asked for at a time; the binding allocates so many. */
const READ_BYTES = 128 * 1024
/** Pieces are joined up to this: a call into the binding costs more than the copy. */
const JOIN_BYTES = 256 * 1024
/** Milliseconds for which a closed connection waits for the peer to have read to the end. */
const LINGER_MS = 5000

/** Of one connection. */
export interface Streams {
  bytes: NativeStream
  /** Nothing more is to come on it but its end, each way. */
  ends: NativeStream
}

export class QuicConnection extends BaseConnection {
  readonly #native: NativeConnection
  readonly #stream: NativeStream
  /** Kept also because the binding ends a stream that nobody holds. */
  readonly #ends: NativeStream
  readonly #onGone: () => void
  #hasEnded = false
  #isGone = false
  #whenFree: (() => void) | null = null
  #isHeld = false
  /** The peer has read to the end. */
  readonly #delivered: Promise<void>

  /** @param onGone called once, when the binding has been let go of */
  constructor(facts: ConnectionFacts, native: NativeConnection, { bytes, ends }: Streams, onGone: () => void) {
    super(facts)
    this.#native = native
    this.#stream = bytes
    this.#ends = ends
    this.#onGone = onGone
    this.#delivered = this.#awaitDelivery()
    void native.closed().then(() => this.#closedByPeer())
    void this.#pump()
  }

  protected async put(pieces: Uint8Array[]): Promise<void> {
    let joined: Uint8Array[] = []
    let bytes = 0
    for (const piece of pieces) {
      if (joined.length > 0 && bytes + piece.length > JOIN_BYTES) {
        await this.#stream.write(joined.length === 1 ? joined[0]! : Buffer.concat(joined))
        joined = []
        bytes = 0
      }
      joined.push(piece)
      bytes += piece.length
    }
    await this.#stream.write(joined.length === 1 ? joined[0]! : Buffer.concat(joined))
  }

  protected async finish(): Promise<void> {
    await this.#stream.finishWrite()
    this.#hasEnded = true
  }

  protected abandon(isBroken: boolean): void {
    this.hold(false)
    if (isBroken || !this.#hasEnded) return this.#go()
    const timer = setTimeout(() => this.#go(), LINGER_MS)
    void this.#delivered.finally(() => {
      clearTimeout(timer)
      this.#go()
    })
  }

  protected hold(isHeld: boolean): void {
    this.#isHeld = isHeld
    if (isHeld) return
    this.#whenFree?.()
    this.#whenFree = null
  }

  protected override pathStats(): { rttMs: number; lostPackets: number } {
    return { rttMs: this.#native.rtt(), lostPackets: Number(this.#native.stats().pathLostPackets) }
  }

  #go(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#native.abort()
    this.#onGone()
  }

  #closedByPeer(): void {
    this.fail(lost(this.remoteAddress, 'the peer closed it, or does not answer'))
    this.#go()
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        const bytes = await this.#stream.read(READ_BYTES)
        if (bytes === null) break
        this.inbox.push(bytes)
        if (this.#isHeld) await new Promise<void>((resolve) => (this.#whenFree = resolve))
      }
      this.inbox.end('orderly')
      await this.#ends.finishWrite()
    } catch (error) {
      this.fail(lost(this.remoteAddress, error))
    }
  }

  async #awaitDelivery(): Promise<void> {
    try {
      await this.#ends.read(1)
    } catch {
      // It has ended, and `closed` says so.
    }
  }
}
