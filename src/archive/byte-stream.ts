/** A stream that is read piece by piece and can be given up at any time, also while a read waits. */
import { Readable } from 'node:stream'

export class ByteStream {
  readonly #stream: Readable | AsyncIterable<Uint8Array>
  readonly #pieces: AsyncIterator<Uint8Array>

  constructor(stream: Readable | AsyncIterable<Uint8Array>) {
    this.#stream = stream
    this.#pieces = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  }

  /** The next bytes; null at the end. */
  async next(): Promise<Uint8Array | null> {
    const { done, value } = await this.#pieces.next()
    return done ? null : value
  }

  close(): void {
    // An iterator that waits for its next value would wait to return, too.
    if (this.#stream instanceof Readable) this.#stream.destroy()
    void this.#pieces.return?.().catch(() => {})
  }
}
