/**
 * Walks the inputs ahead of their being read: how much there is decides the chunk size (§4.1), whether
 * threads are worth while, and what a progress bar says.
 */
import { ARCHIVE_ID_BYTES, GIB, KIB, MIB, TIB } from '../base/limits.ts'
import { STAGE, enter } from '../base/stages.ts'
import { Hasher } from '../codec/blake3.ts'
import { comparePaths } from '../format/path.ts'
import { toBytes, type Root } from './inputs.ts'
import type { Found, Walk } from './walk.ts'

/** Objects that are remembered from the survey; for those of a larger tree it is walked a second time. */
const MAX_REMEMBERED = 100_000

/** Objects after which others get a turn. */
const STRIDE = 256

export class Survey {
  /** Sum of the sizes of regular files so far. */
  bytes = 0
  entries = 0
  isDone = false
  readonly hasStream: boolean
  /** Resolves when all was walked. */
  readonly done: Promise<void>
  readonly #walk: Walk
  readonly #roots: Root[]
  readonly #hasher: Hasher | null
  #remembered: Found[] = []
  /** Objects that were remembered in all. */
  #count = 0
  /** Objects that were handed out and let go. */
  #dropped = 0
  #last: Found | null = null
  #wake: () => void = () => {}

  /** @param identify whether `archiveId` is wanted */
  constructor(walk: Walk, roots: Root[], { identify, signal }: { identify: boolean; signal: AbortSignal | undefined }) {
    this.#walk = walk
    this.#roots = roots
    this.hasStream = roots.some(({ stream }) => stream !== null)
    this.#hasher = identify ? new Hasher() : null
    this.done = this.#run(signal)
    this.done.catch(() => {})
  }

  /** What a reproducible archive takes its id from: paths, kinds, sizes and times. */
  get archiveId(): Uint8Array {
    return this.#hasher!.digest().subarray(0, ARCHIVE_ID_BYTES)
  }

  /** T of §4.1, so far. */
  get total(): number {
    return this.hasStream ? Math.max(this.bytes, SMALL_TOTAL_BYTES) : this.bytes
  }

  /** Resolves as soon as there are `bytes`, or all was walked, or the time is over. */
  async reach(bytes: number, withinMs = Infinity): Promise<void> {
    const end = performance.now() + withinMs
    while (this.bytes < bytes && !this.isDone && performance.now() < end) await this.#more()
    if (this.isDone) await this.done
  }

  /** The walk from its start, as it proceeds. */
  async *found(): AsyncGenerator<Found[]> {
    if (this.#dropped > 0) {
      await this.done
      yield* this.#walkAfter(null)
      return
    }
    let taken = 0
    while (!this.isDone || taken < this.#count) {
      if (taken === this.#count) {
        await this.#more()
        continue
      }
      const from = taken - this.#dropped
      const group = this.#remembered.slice(from, from + 4 * STRIDE)
      taken += group.length
      // Until all is known, the chunk size may turn out wrong and everything be wanted again.
      if (this.isDone) {
        this.#remembered = this.#remembered.slice(taken - this.#dropped)
        this.#dropped = taken
      }
      yield group
    }
    await this.done
    if (this.entries > taken) yield* this.#walkAfter(this.#last)
  }

  async #run(signal: AbortSignal | undefined): Promise<void> {
    try {
      enter(STAGE.walk)
      for (const found of this.#walk.of(this.#roots)) {
        this.bytes += found.size
        this.#hasher?.update(toBytes(`${found.kind} ${found.size} ${found.mtimeMs} ${found.path}\0`))
        if (this.#count < MAX_REMEMBERED) {
          this.#remembered.push(found)
          this.#count++
          this.#last = found
        }
        if (++this.entries % STRIDE !== 0) continue
        this.#wake()
        enter(STAGE.idle)
        await new Promise((resolve) => setImmediate(resolve))
        enter(STAGE.walk)
        signal?.throwIfAborted()
      }
    } finally {
      enter(STAGE.idle)
      this.isDone = true
      this.#wake()
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      const others = this.#wake
      this.#wake = () => {
        this.#wake = () => {}
        others()
        resolve()
      }
    })
  }

  *#walkAfter(last: Found | null): Generator<Found[]> {
    const lastPath = last && toBytes(last.path)
    let group: Found[] = []
    for (const found of this.#walk.of(this.#roots)) {
      if (lastPath && comparePaths(toBytes(found.path), lastPath) <= 0) continue
      if (group.push(found) < STRIDE) continue
      yield group
      group = []
    }
    yield group
  }
}

/** Below this, chunks are small (§4.1); a stream, whose length is not known, makes it at least this much. */
export const SMALL_TOTAL_BYTES = 256 * MIB

/** Average chunk size for `total` bytes of regular files. Source: §4.1. */
export function averageFor(total: number): number {
  if (total < SMALL_TOTAL_BYTES) return 8 * KIB
  if (total < 64 * GIB) return 64 * KIB
  if (total < 128 * GIB) return 128 * KIB
  if (total < 256 * GIB) return 256 * KIB
  if (total < 1 * TIB) return 512 * KIB
  if (total < 16 * TIB) return 1 * MIB
  return 4 * MIB
}
