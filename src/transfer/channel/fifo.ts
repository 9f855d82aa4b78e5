/** A queue whose ends are both cheap: taking the first of a long array moves all the others. */
export class Fifo<T> {
  #items: (T | undefined)[] = []
  #first = 0

  get length(): number {
    return this.#items.length - this.#first
  }

  get first(): T | undefined {
    return this.#items[this.#first]
  }

  push(item: T): void {
    this.#items.push(item)
  }

  shift(): T | undefined {
    const item = this.#items[this.#first]
    if (this.#first === this.#items.length) return undefined
    this.#items[this.#first++] = undefined
    // Each move of the rest is paid for by as many that were taken.
    if (this.#first * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#first)
      this.#first = 0
    }
    return item
  }

  /** Takes all. */
  drain(): T[] {
    const items = this.#items.slice(this.#first) as T[]
    this.#items = []
    this.#first = 0
    return items
  }
}
