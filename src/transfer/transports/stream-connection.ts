/**
 * A connection over Node's streams: one to read, one to write, which may be the same. Bounded on both sides: a
 * write waits until the streams have handed it to the system, and a full inbox pauses the reading.
 */
import { finished, type Readable, type Writable } from 'node:stream'
import { BaseConnection, lost, type ConnectionFacts } from './base-connection.ts'

export interface StreamEnds {
  readable: Readable
  writable: Writable
  /** Ends both at once, without sending what waits. */
  abandon(hasEnded: boolean): void
}

export class StreamConnection extends BaseConnection {
  readonly #ends: StreamEnds
  #hasEnded = false

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
      writable.cork()
      pieces.forEach((piece, i) => {
        // The callback says that the system has it: until then the streams keep the caller's memory.
        if (i < last) writable.write(piece)
        else writable.write(piece, (error) => (error ? reject(error) : resolve()))
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

  protected abandon(): void {
    this.#ends.abandon(this.#hasEnded)
  }

  protected hold(isHeld: boolean): void {
    if (isHeld) this.#ends.readable.pause()
    else this.#ends.readable.resume()
  }
}
