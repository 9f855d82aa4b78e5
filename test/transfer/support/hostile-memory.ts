/** What this process holds on to, without what is only not collected yet. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heldBytes(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Looks every so often, since each look takes some milliseconds. */
export class HeldMemory {
  readonly #before = heldBytes()
  readonly #every: number
  #calls = 0
  /** The most that was held beyond what was in the beginning, bytes. */
  peakBytes = 0

  constructor(every: number) {
    this.#every = every
  }

  look(): void {
    if (this.#calls++ % this.#every === 0) this.peakBytes = Math.max(this.peakBytes, heldBytes() - this.#before)
  }
}
