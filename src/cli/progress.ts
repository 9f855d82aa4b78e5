/** Shows work in progress on stderr: a bar on a terminal, NDJSON with --json, nothing in a pipe. */
import { countOf, formatBytes, formatCount } from './sizes.ts'
import type { Context } from './context.ts'
import type { Output } from './output.ts'
import type { Progress, Watch } from '../index.ts'

/** Time over which the rate is taken. */
const RATE_WINDOW_MS = 5_000
export const EVENT_INTERVAL_MS = 250
export const MIN_BAR_COLUMNS = 10
export const MAX_BAR_COLUMNS = 40
const CLEAR_LINE = '\r\x1b[K'
/** DECSC: the bar goes back to where it was saved when it stops. */
const SAVE_CURSOR = '\x1b7'

export interface Watching {
  /** For the library. */
  watch: Watch
  /** Takes the bar away. */
  stop: () => void
}

/**
 * @param verb what is being done, for the line: `create`
 * @param atOnce shows the bar before there is progress; not where a passphrase may still be asked for
 */
export async function startProgress(context: Context, verb: string, atOnce = false): Promise<Watching> {
  const { args, output, signal } = context
  const watch: Watch = { signal, onProblem: problem => output.problem(problem) }
  const silent = output.quiet || args.flag('no-progress')
  if (silent) return { watch, stop: () => {} }
  if (output.json) {
    let last = -Infinity
    watch.onProgress = progress => {
      const now = performance.now()
      if (now - last < EVENT_INTERVAL_MS) return
      last = now
      output.event({ event: 'progress', ...progress })
    }
    return { watch, stop: () => {} }
  }
  if (!process.stderr.isTTY) return { watch, stop: () => {} }
  return await showBar(context, watch, verb, atOnce)
}

async function showBar({ output }: Context, watch: Watch, verb: string, atOnce: boolean): Promise<Watching> {
  const rate = new Rate()
  let current: Progress = { bytes: 0, totalBytes: null, entries: 0, totalEntries: null }
  const line = await startLine(output, columns => {
    return formatProgress(verb, current, rate.at(current.bytes, performance.now()), columns)
  })
  if (atOnce) line.draw()
  watch.onProgress = progress => {
    current = progress
    line.draw()
  }
  return { watch, stop: line.stop }
}

/** The last line of the terminal, while work is in progress. */
export interface Line {
  /** Shows it, and from then on draws it a few times a second. */
  draw: () => void
  /** Takes it away; `draw` brings it back. */
  stop: () => void
}

/** @param format gives its text; must be shorter than `columns` */
export async function startLine(output: Output, format: (columns: number | undefined) => string): Promise<Line> {
  const { SingleBar } = (await import('cli-progress')).default
  const bar = new SingleBar({
    stream: process.stderr,
    clearOnComplete: true,
    forceRedraw: true, // a message may have taken the line
    gracefulExit: false, // signals are handled elsewhere
    hideCursor: null, // a killed process could not bring it back
    noTTYOutput: false,
    fps: 5,
    format: () => format(process.stderr.columns),
  })
  return {
    draw: () => {
      if (output.bar === undefined) {
        bar.start(1, 0)
        output.bar = {
          clear: () => process.stderr.write(CLEAR_LINE),
          resume: () => process.stderr.write(SAVE_CURSOR),
        }
      }
      bar.update(0)
    },
    stop: () => {
      if (output.bar === undefined) return
      output.bar = undefined
      bar.stop()
    },
  }
}

/** Bytes per second over the last seconds. */
export class Rate {
  #samples: { bytes: number; timeMs: number }[] = []

  at(bytes: number, timeMs: number): number {
    this.#samples.push({ bytes, timeMs })
    const samples = this.#samples
    while (samples.length > 2 && timeMs - samples[0].timeMs > RATE_WINDOW_MS) samples.shift()
    const [first] = samples
    const elapsedMs = timeMs - first.timeMs
    return elapsedMs <= 0 ? 0 : (bytes - first.bytes) * 1000 / elapsedMs
  }
}

/** One line that fits the terminal; the bar takes what the figures leave. */
export function formatProgress(verb: string, progress: Progress, rate: number, columns = 80): string {
  const { bytes, totalBytes, entries, totalEntries } = progress
  const known = totalBytes !== null && totalBytes > 0
  const figures = [
    known ? `${formatBytes(bytes)} of ${formatBytes(totalBytes)}` : formatBytes(bytes),
    `${formatBytes(Math.round(rate))}/s`,
    totalEntries === null
      ? countOf(entries, 'file')
      : `${formatCount(entries)} of ${formatCount(totalEntries)} files`,
  ]
  if (!known) return [verb, ...figures].join('  ').slice(0, columns - 1)
  const share = Math.min(1, bytes / totalBytes)
  if (rate > 0) figures.push(`${formatClock((totalBytes - bytes) / rate)} left`)
  const percent = `${String(Math.floor(share * 100)).padStart(3)} %`
  const rest = [percent, ...figures].join('  ')
  // the verb, two brackets, two gaps, and the last column, which would wrap
  const room = columns - verb.length - rest.length - 7
  if (room < MIN_BAR_COLUMNS) return `${verb}  ${rest}`.slice(0, columns - 1)
  const width = Math.min(room, MAX_BAR_COLUMNS)
  const full = Math.round(share * width)
  return `${verb}  [${'#'.repeat(full)}${'-'.repeat(width - full)}]  ${rest}`
}

/** `0:05`, `4:10:00` */
export function formatClock(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds))
  const two = (value: number) => String(value).padStart(2, '0')
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}
