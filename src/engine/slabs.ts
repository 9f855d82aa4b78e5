/** A bounded set of equal SharedArrayBuffers: what bounds the bytes in flight. */

export class Slabs {
  readonly slabBytes: number
  #unmade: number
  readonly #free: SharedArrayBuffer[] = []
  readonly #waiting: ((slab: SharedArrayBuffer) => void)[] = []

  /** @param count how many slabs may exist at once, at least 1 */
  constructor(slabBytes: number, count: number) {
    this.slabBytes = slabBytes
    this.#unmade = count
  }

  /** A slab with undefined content, as soon as one is free. */
  acquire(): Promise<SharedArrayBuffer> {
    const free = this.#free.pop()
    if (free) return Promise.resolve(free)
    if (this.#unmade > 0) {
      this.#unmade--
      return Promise.resolve(new SharedArrayBuffer(this.slabBytes))
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Takes a slab out of use for good, and makes room for another: somebody might still write to it. */
  discard(): void {
    const next = this.#waiting.shift()
    if (next) next(new SharedArrayBuffer(this.slabBytes))
    else this.#unmade++
  }

  release(slab: SharedArrayBuffer): void {
    const next = this.#waiting.shift()
    if (next) next(slab)
    else this.#free.push(slab)
  }
}
