/** The frames that a forward pass has gone over: 13 bytes for each, since there can be very many. */

export class FrameTable {
  /** File offsets, ascending. */
  #offsets = new Float64Array(256)
  /** Bytes before compression. */
  #lengths = new Uint32Array(256)
  /** 1: a page refers to it. */
  #referred = new Uint8Array(256)
  #count = 0
  #referredCount = 0

  /** Adds the frame whose block is at `offset`, beyond all before. */
  add(offset: number, length: number): void {
    if (this.#count === this.#offsets.length) this.#grow()
    this.#offsets[this.#count] = offset
    this.#lengths[this.#count++] = length
  }

  /**
   * Notes that a page refers to the frame at `offset`.
   * @returns its length before compression; undefined if there is none
   */
  refer(offset: number): number | undefined {
    const at = this.#find(offset)
    if (at < 0) return undefined
    if (this.#referred[at] === 0) this.#referredCount++
    this.#referred[at] = 1
    return this.#lengths[at]
  }

  /** File offset of the first frame that no page refers to; null if there is none. */
  get unreferred(): number | null {
    if (this.#referredCount === this.#count) return null
    return this.#offsets[this.#referred.indexOf(0)]!
  }

  #find(offset: number): number {
    let low = 0
    let high = this.#count - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const at = this.#offsets[middle]!
      if (at === offset) return middle
      if (at < offset) low = middle + 1
      else high = middle - 1
    }
    return -1
  }

  #grow(): void {
    const capacity = this.#count * 2
    const offsets = new Float64Array(capacity)
    const lengths = new Uint32Array(capacity)
    const referred = new Uint8Array(capacity)
    offsets.set(this.#offsets)
    lengths.set(this.#lengths)
    referred.set(this.#referred)
    this.#offsets = offsets
    this.#lengths = lengths
    this.#referred = referred
  }
}
