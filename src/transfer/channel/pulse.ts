/**
 * Whether the peer is there: pings, and deadlines that are counted in ticks of a timer, so that the time in which this
 * process itself was stopped or busy does not count against the peer. Source: warp-transfer, deadlines.
 */
import { WarpError } from '../../base/errors.ts'
import { brokenProtocol } from './credit.ts'

/** So that the round-trip time that is shown stays fresh. */
const MAX_TICK_MS = 2000
/** A peer may ping as often in the long run, and so many times more at once: a connection that stood still delivers late. */
const PING_INTERVAL_MS = 50
const PING_BURST = 64
/** Pings without an answer; no more are sent beyond. */
const MAX_UNANSWERED = 64
/** A write may take longer than a silence: it waits for the peer to take what a binding has buffered too. */
const WRITE_SILENCES = 4

export interface PulseOptions {
  silenceMs: number
  /** A ping is due. */
  onTick: () => void
  onSilent: (error: WarpError) => void
}

export class Pulse {
  /** Smoothed round-trip time of pings, milliseconds; what waits before them on the connection counts. */
  rttMs: number | null = null
  readonly #options: PulseOptions
  readonly #maxTicks: number
  readonly #timer: NodeJS.Timeout
  readonly #began = performance.now()
  #quietTicks = 0
  /** Null: nothing is written. */
  #writeTicks: number | null = null
  #unanswered: number[] = []
  #pings = 0

  constructor(options: PulseOptions) {
    this.#options = options
    const tickMs = Math.max(1, Math.min(options.silenceMs / 4, MAX_TICK_MS))
    this.#maxTicks = Math.ceil(options.silenceMs / tickMs)
    this.#timer = setInterval(() => this.#tick(), tickMs)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Something came from the peer. */
  heard(): void {
    this.#quietTicks = 0
  }

  writes(isBusy: boolean): void {
    this.#writeTicks = isBusy ? 0 : null
  }

  /** @returns whether a ping is to be sent; if so, it is counted as sent now */
  ping(): boolean {
    if (this.#unanswered.length >= MAX_UNANSWERED) return false
    this.#unanswered.push(performance.now())
    return true
  }

  /** @throws {WarpError} ERR_WARP_PEER_PROTOCOL: no ping has no answer yet */
  ponged(): void {
    const sent = this.#unanswered.shift()
    if (sent === undefined) throw brokenProtocol('an answer to a ping that was not sent')
    const took = performance.now() - sent
    // RFC 6298 §2: alpha is 1/8.
    this.rttMs = this.rttMs === null ? took : this.rttMs + (took - this.rttMs) / 8
  }

  /** @throws {WarpError} ERR_WARP_PEER_PROTOCOL: the peer pings without end */
  pinged(): void {
    this.#pings++
    const allowed = PING_BURST + (performance.now() - this.#began) / PING_INTERVAL_MS
    if (this.#pings > allowed) throw brokenProtocol('it pings without end')
  }

  #tick(): void {
    // The first tick comes at any time after the last sign of life.
    if (++this.#quietTicks > this.#maxTicks) this.#options.onSilent(silent('nothing was heard from the other side'))
    else if (this.#writeTicks !== null && ++this.#writeTicks > WRITE_SILENCES * this.#maxTicks) {
      this.#options.onSilent(silent('the other side takes nothing of what is sent'))
    } else this.#options.onTick()
  }
}

function silent(what: string): WarpError {
  const hint = 'look whether the other side still runs and the network passes; run both again to continue'
  return new WarpError('ERR_WARP_PEER_SILENT', `${what} for too long`, { hint })
}
