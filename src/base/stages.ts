/** Where a thread's time goes: it is in one stage at a time, and says when it enters the next. */

/** Names of the stages, in the order of their numbers. */
export const STAGES = ['idle', 'walk', 'read', 'cut', 'hash', 'compress', 'seal', 'plan', 'pages'] as const

export const STAGE = { idle: 0, walk: 1, read: 2, cut: 3, hash: 4, compress: 5, seal: 6, plan: 7, pages: 8 } as const

/** Milliseconds that a thread was in each stage. */
export type StageTimes = Record<(typeof STAGES)[number], number>

let times: Float64Array = new Float64Array(STAGES.length)
let current: number = STAGE.idle
let since = performance.now()

/** @returns the stage that ends with this */
export function enter(stage: number): number {
  const now = performance.now()
  times[current]! += now - since
  since = now
  const before = current
  current = stage
  return before
}

/** Makes this thread count in `shared`: f64[STAGES.length], so that another can read it. */
export function countIn(shared: Float64Array): void {
  enter(current)
  shared.set(times)
  times = shared
}

/** What this thread has counted so far. */
export function ownTimes(): StageTimes {
  enter(current)
  return toTimes(times)
}

export function toTimes(counted: Float64Array): StageTimes {
  return Object.fromEntries(STAGES.map((name, i) => [name, counted[i]])) as StageTimes
}

/** Time counted between two looks at one thread. */
export function timesBetween(before: StageTimes, after: StageTimes): StageTimes {
  return Object.fromEntries(STAGES.map((name) => [name, after[name] - before[name]])) as StageTimes
}
