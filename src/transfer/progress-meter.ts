/** What people see of a transfer while it runs: how far it is, how fast, and what keeps it from being faster. */
import type { Channel, ChannelStats } from './channel/channel.ts'
import type { Bottleneck, TransferCommon, TransferProgress } from './types.ts'
import { displayPath } from '../format/path.ts'

const TICK_MS = 250
/** Share of a tick that has to be spent in waiting for one thing, for it to be called the limit. */
const MOST = 0.4

export class ProgressMeter {
  readonly #options: TransferCommon
  readonly #role: 'send' | 'receive'
  readonly #timer: NodeJS.Timeout
  /** How much there is, once it is known. */
  totals: () => { bytes: number; entries: number } | null = () => null
  /** Milliseconds that the disk of this side has taken so far. */
  diskBusyMs: () => number = () => 0
  reusedBytes = 0
  /** Over connections that are no more. */
  earlierSent = 0
  earlierReceived = 0
  #started: number | null = null
  #channel: Channel | null = null
  #before: { stats: ChannelStats; diskBusyMs: number; at: number } | null = null
  #state: TransferProgress['state'] = 'waiting'
  #bytes = 0
  #entries = 0
  #path: Uint8Array | null = null
  #bottleneck: Bottleneck | null = null

  constructor(options: TransferCommon, role: 'send' | 'receive') {
    this.#options = options
    this.#role = role
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#timer.unref()
  }

  /** Since the first connection, milliseconds. */
  get elapsedMs(): number {
    return this.#started === null ? 0 : performance.now() - this.#started
  }

  begin(channel: Channel): void {
    this.#started ??= performance.now()
    this.#channel = channel
    this.#before = null
    this.#state = 'connected'
  }

  end(channel: Channel): void {
    const { sentBytes, receivedBytes } = channel.stats()
    if (this.#channel !== channel) return
    this.earlierSent += sentBytes
    this.earlierReceived += receivedBytes
    this.#channel = null
    this.#state = 'waiting'
  }

  /** What is restored, or found in place, at the receiver. */
  at({ bytes, entries = 0, reusedBytes = 0 }: { bytes: number; entries?: number; reusedBytes?: number }): void {
    this.#bytes = bytes
    this.#entries = entries
    this.reusedBytes = reusedBytes
    if (this.#state !== 'finishing') this.#state = 'transferring'
  }

  offered(path: Uint8Array): void {
    this.#path = path
  }

  finishing(): void {
    this.#state = 'finishing'
  }

  close(): void {
    clearInterval(this.#timer)
    this.#tick()
  }

  #tick(): void {
    const { onProgress } = this.#options
    if (!onProgress) return
    const stats = this.#channel?.stats() ?? null
    if (stats) this.#judge(stats)
    const totals = this.totals()
    onProgress({
      state: this.#state, bytes: this.#bytes, totalBytes: totals?.bytes ?? null, entries: this.#entries, totalEntries: totals?.entries ?? null,
      ...(this.#path ? { path: displayPath(this.#path) } : {}),
      wireBytes: this.earlierSent + this.earlierReceived + (stats ? stats.sentBytes + stats.receivedBytes : 0),
      transport: stats?.kind ?? null, rttMs: stats?.rttMs ?? null, lostPackets: stats?.lostPackets ?? null, bottleneck: this.#bottleneck,
    })
  }

  #judge(stats: ChannelStats): void {
    const now = { stats, diskBusyMs: this.diskBusyMs(), at: performance.now() }
    const before = this.#before
    this.#before = now
    if (!before) return
    const elapsed = now.at - before.at
    if (elapsed < TICK_MS / 2) return
    const share = (from: number, to: number) => (to - from) / elapsed
    if (share(before.diskBusyMs, now.diskBusyMs) > MOST) this.#bottleneck = 'disk'
    else if (share(before.stats.creditWaitMs, stats.creditWaitMs) > MOST) this.#bottleneck = 'window'
    else if (share(before.stats.writeBusyMs, stats.writeBusyMs) > MOST) this.#bottleneck = 'network'
    // Nothing was waited for: of a sender its own work is what there is; a receiver waits for bytes.
    else this.#bottleneck = this.#role === 'send' ? 'cpu' : 'network'
  }
}
