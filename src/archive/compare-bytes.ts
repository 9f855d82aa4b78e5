/** Holds a file's bytes, as they come, against the extents of another file. */
import { Hasher } from '../codec/blake3.ts'
import type { Extent } from '../format/entry.ts'

export class BytesComparer {
  readonly #extents: AsyncIterator<Extent>
  readonly #hasher: Hasher
  #extent: Extent | null = null
  /** Bytes of the extent that have not come yet. */
  #left = 0

  /** @param chunkIdKey key of the extents' chunk ids; null: not keyed */
  constructor(extents: AsyncIterable<Extent>, chunkIdKey: Uint8Array | null) {
    this.#extents = extents[Symbol.asyncIterator]()
    this.#hasher = new Hasher(chunkIdKey)
  }

  /** @returns false as soon as the bytes are known to differ */
  async push(bytes: Uint8Array): Promise<boolean> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#left === 0 && !(await this.#next())) return false
      const part = bytes.subarray(at, at + this.#left)
      at += part.length
      this.#left -= part.length
      if (this.#extent!.kind === 'hole') {
        if (part.some((byte) => byte !== 0)) return false
      } else {
        this.#hasher.update(part)
        if (this.#left === 0 && !this.#matches(this.#extent!.id)) return false
      }
    }
    return true
  }

  /** @returns whether the other file ends here too */
  async end(): Promise<boolean> {
    return this.#left === 0 && !(await this.#next())
  }

  async #next(): Promise<boolean> {
    const { done, value } = await this.#extents.next()
    this.#extent = done ? null : value
    this.#left = this.#extent?.length ?? 0
    return !done
  }

  #matches(id: Uint8Array): boolean {
    const found = this.#hasher.digest()
    this.#hasher.reset()
    return Buffer.compare(found, id) === 0
  }
}
