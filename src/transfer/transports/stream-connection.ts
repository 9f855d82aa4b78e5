/**
 * A connection over Node's streams: one to read, one to write, which may be the same. Bounded on both sides: a
 * write waits until the streams have handed it to the system, and a full inbox pauses the reading.
 *
 * The end of a stream does not say whether the peer ended it in order or was killed, and not even a reset of TCP
 * is told reliably: all of these may be an end to `read`. What runs above tells them apart by its own last message.
 */
import { finished, type Readable, type Writable } from 'node:stream'
import { BaseConnection, lost, type ConnectionFacts } from './base-connection.ts'

/** Milliseconds for which a closed connection waits for the peer's end. */
const LINGER_MS = 5000

export interface StreamEnds {
  readable: Readable
  writable: Writable
  /** Called once, when both are destroyed. */
  onGone?(): void
}

export class StreamConnection extends BaseConnection {
  readonly #ends: StreamEnds
  #hasEnded = false
  #isGone = false

  constructor(facts: ConnectionFacts, ends: StreamEnds) {
    super(facts)
    this.#ends = ends
    const { readable, writable } = ends
    const fail = (error: unknown): void => this.fail(lost(this.remoteAddress, error))
    readable.on('data', (bytes: Buffer) => this.inbox.push(bytes))
    readable.once('end', () => this.inbox.end('orderly'))
    readable.on('error', fail)
    readable.once('close', () => {
      if (!this.inbox.isEnded) fail('it was closed')
    })
    writable.on('error', fail)
    writable.once('close', () => {
      if (!writable.writableFinished) fail('it was closed')
    })
  }

  protected put(pieces: Uint8Array[]): Promise<void> {
    const { writable } = this.#ends
    return new Promise((resolve, reject) => {
      const last = pieces.length - 1
      const settle = (error?: Error | null): void => {
        if (error) reject(error)
        // A write that the end of the stream cut short is reported as done.
        else if (writable.destroyed) reject(new Error('it was closed'))
        else resolve()
      }
      writable.cork()
      pieces.forEach((piece, i) => {
        // The callback says that the system has it: until then the streams keep the caller's memory.
        if (i < last) writable.write(piece)
        else writable.write(piece, settle)
      })
      writable.uncork()
    })
  }

  protected finish(): Promise<void> {
    const { writable } = this.#ends
    return new Promise((resolve, reject) => {
      finished(writable, { readable: false }, (error) => {
        if (error) return reject(error)
        this.#hasEnded = true
        resolve()
      })
      writable.end()
    })
  }

  protected abandon(isBroken: boolean): void {
    const { readable } = this.#ends
    if (isBroken || !this.#hasEnded || readable.destroyed || readable.readableEnded) return this.#go()
    // A socket that is closed while something waits to be read takes back what it has sent.
    const timer = setTimeout(() => this.#go(), LINGER_MS)
    finished(readable, { writable: false }, () => {
      clearTimeout(timer)
      this.#go()
    })
    readable.resume()
  }

  protected hold(isHeld: boolean): void {
    if (isHeld) this.#ends.readable.pause()
    else this.#ends.readable.resume()
  }

  #go(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#ends.readable.destroy()
    this.#ends.writable.destroy()
    this.#ends.onGone?.()
  }
}
