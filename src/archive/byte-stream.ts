/** A stream that is read piece by piece and can be given up at any time, also while a read waits. */
import { Readable } from 'node:stream'

export class ByteStream<Piece = Uint8Array> {
  readonly #stream: Readable | AsyncIterable<Piece>
  readonly #pieces: AsyncIterator<Piece>

  constructor(stream: Readable | AsyncIterable<Piece>) {
    this.#stream = stream
    this.#pieces = stream[Symbol.asyncIterator]() as AsyncIterator<Piece>
  }

  /** The next bytes; null at the end. */
  async next(): Promise<Piece | null> {
    const { done, value } = await this.#pieces.next()
    return done ? null : value
  }

  close(): void {
    // An iterator that waits for its next value would wait to return, too.
    if (this.#stream instanceof Readable) this.#stream.destroy()
    void this.#pieces.return?.().catch(() => {})
  }
}
