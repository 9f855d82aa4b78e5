/** Standard input, which only one thing can read, and from which an archive may have to be read twice. */
import { Readable } from 'node:stream'
import { WarpError } from '../base/errors.ts'

/** Enough for the header and all key slots of an archive, after which no key is asked for any more. */
const REPLAY_LIMIT_BYTES = 1024 * 1024

export class Stdin {
  #purpose: string | undefined

  /**
   * @param purpose what will read it, for the message to whoever comes second
   * @throws {WarpError} ERR_WARP_USAGE: it is taken
   */
  claim(purpose: string): NodeJS.ReadStream {
    if (this.#purpose !== undefined) {
      throw new WarpError('ERR_WARP_USAGE', `standard input cannot be both ${this.#purpose} and ${purpose}`)
    }
    this.#purpose = purpose
    return process.stdin
  }

  async readAll(purpose: string): Promise<Buffer> {
    const chunks: Buffer[] = []
    for await (const chunk of this.claim(purpose)) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  }
}

/** A stream that can be read again from its start, as long as little of it was read. */
export class Replay {
  readonly #source: AsyncIterator<Uint8Array>
  /** Read and still kept; everything since the start until the limit is passed. */
  #kept: Uint8Array[] = []
  #readBytes = 0
  #reading: Promise<boolean> | undefined

  constructor(source: Readable) {
    this.#source = source.iterator({ destroyOnReturn: false })
  }

  /** The stream from its start. The one given before must be done with. */
  open(): Readable {
    if (this.#isPastLimit()) throw new WarpError('ERR_WARP_INTERNAL', 'too much was read to read it again')
    return Readable.from(this.#chunks(), { objectMode: false })
  }

  #isPastLimit(): boolean {
    return this.#readBytes > REPLAY_LIMIT_BYTES
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    let at = 0
    for (;;) {
      if (at === this.#kept.length && !await this.#readMore()) return
      const chunk = this.#kept[at++]
      if (this.#isPastLimit()) {
        this.#kept.splice(0, at)
        at = 0
        yield chunk
      } else {
        // the reader may decrypt in place
        yield Uint8Array.from(chunk)
      }
    }
  }

  /** One read at a time, so that a reader that was given up takes nothing from the next. */
  #readMore(): Promise<boolean> {
    this.#reading ??= this.#source.next().then(({ value, done }) => {
      this.#reading = undefined
      if (done) return false
      this.#kept.push(value)
      this.#readBytes += value.length
      return true
    })
    return this.#reading
  }
}
