/** A connection over a session of WebTransport: its first bidirectional stream, which the initiator opens. */
import type { Http2Session } from 'node:http2'
import { BaseConnection, lost, type ConnectionFacts } from './base-connection.ts'
import { holdBack, http2Of, quietPings, type Session, type WebStream } from './webtransport-binding.ts'
import { widenIfBulk } from './webtransport-window.ts'

/** Bytes handed over at a time: well below what the binding takes for an attack. */
const WRITE_BYTES = 256 * 1024
/** Milliseconds for which a closed session may still send. */
const LINGER_MS = 5000

export class WebTransportConnection extends BaseConnection {
  readonly #session: Session
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #destroy: () => void
  #whenFree: (() => void) | null = null
  #isHeld = false
  #hasEnded = false
  #isGone = false

  /** @param destroy ends what the session goes over, at once */
  constructor(facts: ConnectionFacts, session: Session, stream: WebStream, destroy: () => void) {
    super(facts)
    this.#session = session
    this.#destroy = destroy
    this.#writer = stream.writable.getWriter()
    this.#reader = stream.readable.getReader()
    this.#writer.closed.catch((error: unknown) => this.fail(lost(this.remoteAddress, error)))
    session.closed.then(
      () => this.#closedByPeer('the peer closed it'),
      (error: unknown) => this.#closedByPeer(error),
    )
    const http2 = http2Of(session)
    if (http2) quietPings(http2)
    void this.#pump(http2)
    void this.#refuseStreams()
  }

  protected async put(pieces: Uint8Array[]): Promise<void> {
    // A copy: the binding keeps what it was given until the network has taken it, and tells nobody.
    const bytes = Buffer.concat(pieces)
    for (let at = 0; at < bytes.length; at += WRITE_BYTES) await this.#writer.write(bytes.subarray(at, at + WRITE_BYTES))
  }

  protected async finish(): Promise<void> {
    await this.#writer.close()
    this.#hasEnded = true
  }

  protected abandon(isBroken: boolean): void {
    this.hold(false)
    if (isBroken || !this.#hasEnded) return this.#go()
    const timer = setTimeout(() => this.#go(), LINGER_MS)
    const gone = (): void => {
      clearTimeout(timer)
      this.#go()
    }
    // The peer has read to the end, or it goes on and does not care.
    this.#session.closed.then(gone, gone)
    this.#reader.closed.then(gone, gone)
  }

  protected hold(isHeld: boolean): void {
    this.#isHeld = isHeld
    if (isHeld) return holdBack(this.#session)
    this.#whenFree?.()
    this.#whenFree = null
  }

  #go(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#session.close()
    // What is to be sent goes first; the session of HTTP below may be kept open by the peer.
    setTimeout(this.#destroy, 1000).unref()
  }

  #closedByPeer(error: unknown): void {
    this.fail(lost(this.remoteAddress, error))
  }

  async #pump(http2: Http2Session | undefined): Promise<void> {
    let isSettled = http2 === undefined
    try {
      for (;;) {
        const { value, done } = await this.#reader.read()
        if (done) break
        this.inbox.push(value)
        if (!isSettled) {
          const { receivedBytes, sentBytes } = this.stats()
          isSettled = widenIfBulk(http2!, receivedBytes, sentBytes)
        }
        if (this.#isHeld) await new Promise<void>((resolve) => (this.#whenFree = resolve))
      }
      this.inbox.end('orderly')
    } catch (error) {
      this.fail(lost(this.remoteAddress, error))
    }
  }

  async #refuseStreams(): Promise<void> {
    try {
      const { value } = await this.#session.incomingBidirectionalStreams.getReader().read()
      if (value) this.fail(lost(this.remoteAddress, 'the peer opens streams that nobody asked for'))
    } catch {
      // The session has ended, and `closed` says so.
    }
  }
}
