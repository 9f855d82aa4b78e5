/**
 * Which chunks were checked, and where they lay, so that what many files share is checked once. Bounded:
 * what does not fit is checked again.
 */
import { ChunkIndex } from './chunk-index.ts'

/** Words of a place: file offset of the frame's block (low, high), offset in the frame, length. */
const PLACE_WORDS = 4
const TWO_32 = 2 ** 32

export class CheckedChunks {
  readonly #index: ChunkIndex
  #places = new Uint32Array(256 * PLACE_WORDS)
  readonly #id = new Uint32Array(8)
  readonly #idBytes = new Uint8Array(this.#id.buffer)

  /** @param maxBytes memory for the index, bytes; the places take a third more */
  constructor(maxBytes: number) {
    this.#index = new ChunkIndex(maxBytes)
  }

  /**
   * Whether this chunk, at this place and with this length, has not been asked about; from then on it has.
   * A hostile archive may state another length, or another place, for the same id.
   */
  isNew(id: Uint8Array, frame: number, offset: number, length: number): boolean {
    this.#idBytes.set(id)
    // Two's complement, so that a frame of the base is told from one of the archive itself.
    const place = [frame >>> 0, Math.floor(frame / TWO_32) >>> 0, offset, length]
    const slot = this.#index.find(this.#id, 0)
    if (slot >= 0) {
      const at = this.#index.frameAt(slot) * PLACE_WORDS
      return place.some((word, i) => this.#places[at + i] !== word)
    }
    const number = this.#index.size
    this.#index.set(this.#id, 0, number, 0)
    if (this.#index.size === number) return true
    if ((number + 1) * PLACE_WORDS > this.#places.length) {
      const places = new Uint32Array(this.#places.length * 2)
      places.set(this.#places)
      this.#places = places
    }
    this.#places.set(place, number * PLACE_WORDS)
    return true
  }
}
