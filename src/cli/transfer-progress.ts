/** Shows a transfer while it runs: a line on a terminal that says how far it is, how fast, and why not faster. */
import { EVENT_INTERVAL_MS, MAX_BAR_COLUMNS, MIN_BAR_COLUMNS, Rate, formatClock, startLine } from './progress.ts'
import { formatBytes, formatCount } from './sizes.ts'
import type { Context } from './context.ts'
import type { Bottleneck, TransferProgress } from '../index.ts'

export interface TransferLine {
  onProgress?: (progress: TransferProgress) => void
  /** Takes the line away until there is progress again. */
  stop: () => void
}

const START: TransferProgress = {
  state: 'waiting', bytes: 0, totalBytes: null, entries: 0, totalEntries: null, wireBytes: 0,
  transport: null, rttMs: null, lostPackets: null, bottleneck: null,
}

/** @param verb what is being done, for the line: `send` */
export async function startTransferLine({ args, output }: Context, verb: string): Promise<TransferLine> {
  if (output.quiet || args.flag('no-progress') || args.flag('ssh-peer')) return { stop: () => {} }
  if (output.json) return { onProgress: everySome(progress => output.event({ event: 'progress', ...progress })), stop: () => {} }
  if (!process.stderr.isTTY) return { stop: () => {} }
  let rate = new Rate()
  let current = START
  const line = await startLine(output, columns => {
    return formatTransfer(verb, current, rate.at(current.bytes, performance.now()), columns)
  })
  return {
    onProgress: progress => {
      current = progress
      line.draw()
    },
    stop: () => {
      line.stop()
      rate = new Rate()
    },
  }
}

/** Passes on the first of each state, and otherwise one in a while, but nothing more while nobody is there. */
function everySome(tell: (progress: TransferProgress) => void): (progress: TransferProgress) => void {
  let last = -Infinity
  let state: string | undefined
  return progress => {
    const now = performance.now()
    if (progress.state === state && (state === 'waiting' || now - last < EVENT_INTERVAL_MS)) return
    last = now
    state = progress.state
    tell(progress)
  }
}

/** What the limit is, seen from this side. */
const LIMIT_TEXT: Readonly<Record<Bottleneck, string>> = {
  disk: 'disk', cpu: 'CPU', network: 'network', window: 'other side',
}

/**
 * One line that fits the terminal: what does not fit is left out, the least important first; the bar takes what the
 * figures leave.
 * @param rate bytes of content a second
 */
export function formatTransfer(verb: string, progress: TransferProgress, rate: number, columns = 80): string {
  const { state, bytes, totalBytes, wireBytes, transport, rttMs, lostPackets, bottleneck } = progress
  if (state === 'waiting' && bytes === 0) return `${verb}  waiting for the other side`.slice(0, columns - 1)
  const known = totalBytes !== null && totalBytes > 0
  const share = known ? Math.min(1, bytes / totalBytes) : 0
  const main = [
    ...known ? [`${String(Math.floor(share * 100)).padStart(3)} %`, `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`] : [formatBytes(bytes)],
    ...state === 'waiting' ? ['waiting for the other side'] : state === 'finishing' ? ['finishing'] : [`${formatBytes(Math.round(rate))}/s`],
    ...state === 'transferring' && known && rate > 0 ? [`${formatClock(Math.max(0, totalBytes - bytes) / rate)} left`] : [],
  ]
  const more = [
    ...bottleneck === null || state !== 'transferring' ? [] : [`limit: ${LIMIT_TEXT[bottleneck]}`],
    ...wireBytes > 0 ? [`${formatBytes(wireBytes)} on the wire`] : [],
    ...transport === null || state === 'waiting' ? [] : [rttMs === null ? transport : `${transport} ${formatRoundTrip(rttMs)}`],
    ...lostPackets !== null && lostPackets > 0 ? [`${formatCount(lostPackets)} lost`] : [],
  ]
  let text = main.join('  ')
  for (const piece of more) {
    if (verb.length + text.length + piece.length + 5 > columns) break
    text += `  ${piece}`
  }
  // the verb, two brackets, two gaps, and the last column, which would wrap
  const room = columns - verb.length - text.length - 7
  if (!known || room < MIN_BAR_COLUMNS) return `${verb}  ${text}`.slice(0, columns - 1)
  const width = Math.min(room, MAX_BAR_COLUMNS)
  const full = Math.round(share * width)
  return `${verb}  [${'#'.repeat(full)}${'-'.repeat(width - full)}]  ${text}`
}

/** `0.4 ms`, `12 ms` */
export function formatRoundTrip(rttMs: number): string {
  return `${rttMs < 10 ? rttMs.toFixed(1) : Math.round(rttMs)} ms`
}
