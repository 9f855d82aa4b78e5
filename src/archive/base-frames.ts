/** The frames of a base that a new archive goes on using: copied, or in a thin one referred to. */

export interface BaseFrame {
  /** File offset of its block in the base. */
  readonly offset: number
  /** Bytes before compression. */
  readonly plainLength: number
  readonly number: number
  /** It was decided that it is copied. */
  isUsed: boolean
  /** Number of its copy among the frames of the new archive; −1 while there is none. */
  copiedAs: number
}

export class BaseFrames {
  readonly #limit: number
  readonly #forgets: boolean
  readonly #byOffset = new Map<number, BaseFrame>()
  readonly #byNumber = new Map<number, BaseFrame>()
  #next = 0

  /**
   * @param limit frames that are remembered, some 200 bytes each
   * @param forgets beyond the limit the oldest is let go; else nothing more is remembered
   */
  constructor(limit: number, forgets: boolean) {
    this.#limit = limit
    this.#forgets = forgets
  }

  at(offset: number): BaseFrame | undefined {
    return this.#byOffset.get(offset)
  }

  numbered(number: number): BaseFrame | undefined {
    return this.#byNumber.get(number)
  }

  /** The frame at `offset`, which becomes known; null if there is no room. */
  add(offset: number, plainLength: number): BaseFrame | null {
    const known = this.#byOffset.get(offset)
    if (known) return known
    if (this.#byOffset.size >= this.#limit) {
      if (!this.#forgets) return null
      const oldest: BaseFrame = this.#byOffset.values().next().value!
      this.#byOffset.delete(oldest.offset)
      this.#byNumber.delete(oldest.number)
    }
    const frame = { offset, plainLength, number: this.#next++, isUsed: false, copiedAs: -1 }
    this.#byOffset.set(offset, frame)
    this.#byNumber.set(frame.number, frame)
    return frame
  }
}
