/**
 * Collects what is wanted of each frame, so that a frame that several pages refer to is opened once as
 * long as they are near each other, and bounds the frames that are worked on at a time.
 */
import { ID_BYTES } from '../base/limits.ts'

/** What is wanted of one frame; `T` says what for. */
export interface FrameJob<T> {
  /** File offset of the frame's block, negative in the base. */
  offset: number
  /** [offset, length] pairs in the frame's plaintext. */
  chunks: number[]
  ids: Uint8Array[]
  wants: T[]
}

/** Frames that wait for more pages to refer to them: more than one batch makes. */
const HELD_FRAMES = 16
/** Chunks that wait: of tiny files, or of files that share one chunk, a frame can hold very many. */
const HELD_WANTS = 16_384

export class FrameJobs<T> {
  readonly #held = new Map<number, FrameJob<T>>()
  readonly #running = new Set<Promise<void>>()
  readonly #limit: number
  readonly #run: (job: FrameJob<T>) => Promise<void>
  #failure: { error: unknown } | null = null
  #heldWants = 0

  /**
   * @param limit jobs that run at a time
   * @param run does one job; if it rejects, so does everything after
   */
  constructor(limit: number, run: (job: FrameJob<T>) => Promise<void>) {
    this.#limit = limit
    this.#run = run
  }

  /** Wants a chunk of the frame at `frame`. */
  add(frame: number, offset: number, length: number, id: Uint8Array, want: T): void {
    let job = this.#held.get(frame)
    if (!job) this.#held.set(frame, (job = { offset: frame, chunks: [], ids: [], wants: [] }))
    job.chunks.push(offset, length)
    job.ids.push(id)
    job.wants.push(want)
    this.#heldWants++
  }

  /** Starts jobs until few enough frames and chunks are held; waits while too many run. */
  async settle(): Promise<void> {
    while (this.#held.size > HELD_FRAMES || this.#heldWants > HELD_WANTS) await this.#start()
  }

  /** Starts all that is held; waits while too many run. */
  async flush(): Promise<void> {
    while (this.#held.size > 0) await this.#start()
  }

  /** Starts all that is held, and waits for all that runs, also after a failure: then nothing runs any more. */
  async drain(): Promise<void> {
    while (this.#held.size > 0 && !this.#failure) await this.#start()
    await Promise.all(this.#running)
    this.#check()
  }

  async #start(): Promise<void> {
    while (this.#running.size >= this.#limit) await Promise.race(this.#running)
    if (this.#failure) return this.drain()
    // Frames lie in the order of their first use: the first is the least likely to be wanted again.
    let first = Infinity
    for (const offset of this.#held.keys()) if (Math.abs(offset) < Math.abs(first)) first = offset
    const job = this.#held.get(first)!
    this.#held.delete(first)
    this.#heldWants -= job.wants.length
    const running = this.#run(job)
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  #check(): void {
    if (this.#failure) throw this.#failure.error
  }
}

export function packIds(ids: Uint8Array[]): Uint8Array {
  const packed = new Uint8Array(ids.length * ID_BYTES)
  ids.forEach((id, i) => packed.set(id, i * ID_BYTES))
  return packed
}
