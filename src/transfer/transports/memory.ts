/** Connections within one process, for tests and as the plainest example of a transport. */
import { WarpError } from '../../base/errors.ts'
import type { Connection, ConnectOptions, Listener, ListenOptions, Transport } from './connection.ts'
import { AcceptQueue } from './accept-queue.ts'
import { BaseConnection, lost } from './base-connection.ts'

/**
 * One end of a pair. `write` copies into the inbox of the other end, and waits while that is full: at most
 * INBOX_BYTES and one write wait to be read. What one end does reaches the other in a later turn of the event
 * loop, as with every transport.
 */
class MemoryConnection extends BaseConnection {
  other!: MemoryConnection
  #isHeld = false
  /** The other end's write that waits for room here. */
  #whenFree: (() => void) | null = null

  protected put(pieces: Uint8Array[]): Promise<void> {
    const copy = Buffer.concat(pieces)
    return new Promise((resolve) => {
      setImmediate(() => {
        this.other.inbox.push(copy)
        if (this.other.#isHeld) this.other.#whenFree = resolve
        else resolve()
      })
    })
  }

  protected async finish(): Promise<void> {
    setImmediate(() => this.other.inbox.end('orderly'))
  }

  protected abandon(): void {
    setImmediate(() => this.other.fail(lost(this.other.remoteAddress)))
  }

  protected hold(isHeld: boolean): void {
    this.#isHeld = isHeld
    if (isHeld) return
    this.#whenFree?.()
    this.#whenFree = null
  }
}

/** @returns two ends of one connection, the initiator's first */
export function memoryPair(initiatorFingerprint: Uint8Array | null = null, responderFingerprint: Uint8Array | null = null): [Connection, Connection] {
  const facts = { kind: 'memory', remoteAddress: 'this process' } as const
  const initiator = new MemoryConnection({
    ...facts, isInitiator: true, localFingerprint: initiatorFingerprint, remoteFingerprint: responderFingerprint,
  })
  const responder = new MemoryConnection({
    ...facts, isInitiator: false, localFingerprint: responderFingerprint, remoteFingerprint: initiatorFingerprint,
  })
  initiator.other = responder
  responder.other = initiator
  return [initiator, responder]
}

interface Open {
  fingerprint: Uint8Array
  queue: AcceptQueue
}

/** Listeners by port; hosts are all the same one. */
const open = new Map<number, Open>()

function freePort(): number {
  let port = 1
  while (open.has(port)) port++
  return port
}

async function listen({ host, port: wanted, certificate, signal }: ListenOptions): Promise<Listener> {
  signal?.throwIfAborted()
  const port = wanted === 0 ? freePort() : wanted
  if (open.has(port)) throw new WarpError('ERR_WARP_USAGE', `port ${port} of memory is in use`)
  const queue = new AcceptQueue()
  open.set(port, { fingerprint: certificate.fingerprint, queue })
  let isOpen = true
  const close = async (): Promise<void> => {
    signal?.removeEventListener('abort', onAbort)
    if (isOpen) open.delete(port)
    isOpen = false
    queue.close()
  }
  const onAbort = (): void => void close()
  signal?.addEventListener('abort', onAbort)
  return { address: { host, port }, accept: () => queue.take(), close }
}

async function connect({ host, port, certificate, fingerprint, signal }: ConnectOptions): Promise<Connection> {
  signal?.throwIfAborted()
  const listener = open.get(port)
  if (!listener) throw new WarpError('ERR_WARP_PEER_UNREACHABLE', `nobody listens at ${host}:${port} of memory`)
  if (!Buffer.from(listener.fingerprint).equals(fingerprint)) {
    throw new WarpError('ERR_WARP_PEER_AUTH', `who listens at ${host}:${port} shows another certificate`)
  }
  const [own, theirs] = memoryPair(certificate.fingerprint, listener.fingerprint)
  listener.queue.offer(theirs)
  return own
}

export const memory: Transport = { kind: 'memory', unavailable: async () => null, connect, listen }
