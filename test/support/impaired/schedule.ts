/** What is to happen later, in order of time: a heap and one timer, however many packets are under way. */

interface Entry {
  dueMs: number
  /** Ends ties: first come, first served. */
  order: number
  run: () => void
}

export class Schedule {
  readonly #heap: Entry[] = []
  #order = 0
  #timer: NodeJS.Timeout | null = null
  #timerDueMs = Infinity
  #isPaused = false
  #isDraining = false

  /**
   * Calls `run` when `performance.now()` has come to `dueMs`, never before; within this call if it has, unless something
   * earlier is still to be run.
   */
  at(dueMs: number, run: () => void): void {
    this.#push({ dueMs, order: this.#order++, run })
    if (this.#isPaused || this.#isDraining) return
    if (dueMs <= performance.now()) this.#drain()
    else this.#arm()
  }

  /** Runs nothing until `resume`. */
  pause(): void {
    this.#isPaused = true
    this.#disarm()
  }

  resume(): void {
    this.#isPaused = false
    this.#drain()
  }

  /** Forgets everything. */
  clear(): void {
    this.#heap.length = 0
    this.#disarm()
  }

  #drain(): void {
    this.#isDraining = true
    while (!this.#isPaused && this.#heap.length > 0 && this.#heap[0].dueMs <= performance.now()) this.#pop().run()
    this.#isDraining = false
    this.#arm()
  }

  #arm(): void {
    const next = this.#heap[0]
    if (this.#isPaused || next === undefined || (this.#timer !== null && this.#timerDueMs <= next.dueMs)) return
    this.#disarm()
    this.#timerDueMs = next.dueMs
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#drain()
    }, Math.ceil(next.dueMs - performance.now()))
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let at = heap.length
    for (; at > 0; at = (at - 1) >> 1) {
      const parent = heap[(at - 1) >> 1]
      if (!isBefore(entry, parent)) break
      heap[at] = parent
    }
    heap[at] = entry
  }

  #pop(): Entry {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()!
    if (heap.length === 0) return first
    let at = 0
    while (true) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++
      if (!isBefore(heap[child], last)) break
      heap[at] = heap[child]
      at = child
    }
    heap[at] = last
    return first
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order)
}
