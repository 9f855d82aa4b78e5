/**
 * Walks the inputs ahead of their being read: how much there is decides the chunk size (§4.1), whether
 * threads are worth while, and what a progress bar says.
 */
import { ARCHIVE_ID_BYTES, GIB, KIB, MIB, TIB } from '../base/limits.ts'
import { STAGE, enter } from '../base/stages.ts'
import { Hasher } from '../codec/blake3.ts'
import { FoundQueue } from './found-queue.ts'
import { toBytes, type Root } from './inputs.ts'
import type { Found, Walk } from './walk.ts'

/** For what is remembered from the survey, some 300,000 objects; after those of a larger tree it is walked a second time. */
const REMEMBERED_BYTES = 40 * MIB

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
  readonly #remembered: FoundQueue
  /** Not all that was handed out is still there. */
  #hasDropped = false
  /** Path of the last one that is remembered, if not all are. */
  #last: string | null = null
  /** Path of the one before. */
  #previous = ''
  #wake: () => void = () => {}

  /** @param identify whether `archiveId` is wanted */
  constructor(
    walk: Walk, roots: Root[],
    { identify, signal, rememberedBytes = REMEMBERED_BYTES }: { identify: boolean; signal: AbortSignal | undefined; rememberedBytes?: number },
  ) {
    this.#remembered = new FoundQueue(rememberedBytes)
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
    if (this.#hasDropped) {
      await this.done
      yield* this.#walkAfter(null)
      return
    }
    const cursor = this.#remembered.start()
    while (!this.isDone || cursor.taken < this.#remembered.count) {
      const group = this.#remembered.take(cursor, 4 * STRIDE)
      if (group.length === 0) {
        await this.#more()
        continue
      }
      // Until all is known, the chunk size may turn out wrong and everything be wanted again.
      if (this.isDone) {
        this.#remembered.drop(cursor)
        this.#hasDropped = true
      }
      yield group
    }
    await this.done
    if (this.#last !== null) yield* this.#walkAfter(this.#last)
  }

  async #run(signal: AbortSignal | undefined): Promise<void> {
    try {
      const walk = this.#walk.of(this.#roots)
      for (;;) {
        enter(STAGE.walk)
        const isOver = this.#stride(walk)
        if (isOver) break
        this.#wake()
        enter(STAGE.idle)
        await new Promise((resolve) => setImmediate(resolve))
        signal?.throwIfAborted()
      }
    } finally {
      enter(STAGE.idle)
      this.isDone = true
      this.#wake()
    }
  }

  /** The next STRIDE objects. V8 optimizes what is called often, not the one loop of a function that waits. @returns whether there are no more */
  #stride(walk: Iterator<Found, void>): boolean {
    for (let i = 0; i < STRIDE; i++) {
      const { done, value: found } = walk.next()
      if (done) return true
      this.bytes += found.size
      this.entries++
      this.#hasher?.update(toBytes(`${found.kind} ${found.size} ${found.mtimeMs} ${found.path}\0`))
      if (this.#last === null && !this.#remembered.push(found)) this.#last = this.#previous
      this.#previous = found.path
    }
    return false
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

  *#walkAfter(last: string | null): Generator<Found[]> {
    let group: Found[] = []
    let before = enter(STAGE.walk)
    for (const found of this.#walk.of(this.#roots, last)) {
      if (group.push(found) < STRIDE) continue
      enter(before)
      yield group
      group = []
      before = enter(STAGE.walk)
    }
    enter(before)
    yield group
  }
}

/** Below this, chunks are small (§4.1); a stream, whose length is not known, makes it at least this much. */
export const SMALL_TOTAL_BYTES = 256 * MIB

/** §4.1: average chunk size below so many bytes of regular files. */
const AVERAGES = [
  [SMALL_TOTAL_BYTES, 8 * KIB],
  [64 * GIB, 64 * KIB],
  [128 * GIB, 128 * KIB],
  [256 * GIB, 256 * KIB],
  [1 * TIB, 512 * KIB],
  [16 * TIB, 1 * MIB],
  [Infinity, 4 * MIB],
] as const

/** Average chunk size for `total` bytes of regular files. Source: §4.1. */
export function averageFor(total: number): number {
  return AVERAGES.find(([below]) => total < below)![1]
}

/** The least total for which `average` is too small. */
export function limitOf(average: number): number {
  return AVERAGES.find((row) => row[1] === average)![0]
}
