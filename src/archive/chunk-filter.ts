/**
 * A Bloom filter of chunk ids: tells of most ids that are not in a set that they are not, in about a byte
 * each. Ids are uniform, so their words serve as hash values.
 */

/** Bits for each id at which about one of a hundred others seems to be in the set. */
export const FULL_FILTER_BITS = 10
/** Below this a filter lets nearly everything through. */
export const LEAST_FILTER_BITS = 2
const MAX_PROBES = 6

export class ChunkFilter {
  readonly #words: Uint32Array
  readonly #bits: number
  readonly #probes: number

  /**
   * @param bytes memory for it, below 2²⁹
   * @param count ids that will be added
   */
  constructor(bytes: number, count: number) {
    this.#words = new Uint32Array(Math.max(1, Math.floor(bytes / 4)))
    this.#bits = this.#words.length * 32
    // The best number of probes is ln 2 times the bits for each id.
    this.#probes = Math.min(MAX_PROBES, Math.max(1, Math.round((Math.LN2 * this.#bits) / count)))
  }

  get bytes(): number {
    return this.#words.byteLength
  }

  /** @param words the id is at `words[at..at+8]` */
  add(words: Uint32Array, at: number): void {
    for (let probe = 1; probe <= this.#probes; probe++) {
      const bit = this.#bitOf(words[at + probe]!)
      this.#words[bit >>> 5]! |= 1 << (bit & 31)
    }
  }

  /** False: it was not added. */
  mayHold(words: Uint32Array, at: number): boolean {
    for (let probe = 1; probe <= this.#probes; probe++) {
      const bit = this.#bitOf(words[at + probe]!)
      if ((this.#words[bit >>> 5]! & (1 << (bit & 31))) === 0) return false
    }
    return true
  }

  #bitOf(word: number): number {
    return Math.floor(word * (this.#bits / 2 ** 32))
  }
}
