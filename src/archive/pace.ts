/** Fits the level of compression to what takes the archive: a pipe that is slower than the CPU leaves time for more. */
import { STAGES, type StageTimes } from '../base/stages.ts'

/** Level of what is compressed, unless a pipe leaves time for more. */
export const DEFAULT_LEVEL = 3
/** zstd levels, each about twice as slow as the one before (bench/micro/zstd-tables.mjs). */
const LEVELS = [DEFAULT_LEVEL, 5, 7, 9]

/** How long is looked before a level is changed, milliseconds. */
const WINDOW_MS = 1000

/** Share of the time that it is written for, above which the sink holds everything up. */
const SINK_IS_FULL = 0.9
/** Share of the threads' time that is work, below which there is room for the next level. */
const POOL_HAS_ROOM = 0.45
const POOL_IS_FULL = 0.95

export interface PaceOptions {
  /** Time that was spent in writing so far, milliseconds. */
  sinkBusyMs: () => number
  /** What each thread has counted so far. */
  stageTimes: () => StageTimes[]
  /** For tests. */
  now?: () => number
}

interface Look {
  at: number
  sinkMs: number
  poolMs: number
}

export class Pace {
  readonly #options: PaceOptions
  #rung = 0
  #last: Look

  constructor(options: PaceOptions) {
    this.#options = options
    this.#last = this.#look()
  }

  /** The level for what is compressed next. */
  level(): number {
    const look = this.#look()
    const wall = look.at - this.#last.at
    if (wall >= WINDOW_MS) {
      const sinkShare = (look.sinkMs - this.#last.sinkMs) / wall
      const poolShare = (look.poolMs - this.#last.poolMs) / wall / this.#options.stageTimes().length
      if (sinkShare > SINK_IS_FULL && poolShare < POOL_HAS_ROOM) this.#rung = Math.min(this.#rung + 1, LEVELS.length - 1)
      else if (sinkShare < SINK_IS_FULL && poolShare > POOL_IS_FULL) this.#rung = Math.max(this.#rung - 1, 0)
      this.#last = look
    }
    return LEVELS[this.#rung]!
  }

  #look(): Look {
    const { sinkBusyMs, stageTimes, now = () => performance.now() } = this.#options
    let poolMs = 0
    for (const times of stageTimes()) for (const stage of STAGES) if (stage !== 'idle') poolMs += times[stage]
    return { at: now(), sinkMs: sinkBusyMs(), poolMs }
  }
}
