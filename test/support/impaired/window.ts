/** How much a sender of TCP has under way: without it a stream would run at full rate through any loss. */

export interface Window {
  /** Bytes that may be on their way, not acknowledged. */
  readonly bytes: number
  acknowledged(bytes: number, nowMs: number): void
  /** A segment was lost, or came to a full queue. */
  lost(nowMs: number): void
}

/** Payload of a segment on an Ethernet. */
export const SEGMENT_BYTES = 1448

/** net.ipv4.tcp_rmem of Linux: what a receiver grants at most, by default. */
const MAX_BYTES = 6 * 1024 * 1024
const INITIAL_SEGMENTS = 10 // RFC 6928
const BETA = 0.7 // RFC 9438 §4.6
const C = 0.4 // RFC 9438 §5

export function fixedWindow(): Window {
  return { bytes: MAX_BYTES, acknowledged: () => {}, lost: () => {} }
}

/** CUBIC, the congestion control of Linux. Source: RFC 9438 §4, without its fast convergence. */
export class CubicWindow implements Window {
  readonly #rttMs: number
  #segments = INITIAL_SEGMENTS
  #threshold = Infinity
  /** Where it was when it last had to shrink. */
  #highest = 0
  /** What Reno would have by now: the floor of CUBIC. */
  #reno = 0
  #shrunkAtMs = -Infinity

  constructor(rttMs: number) {
    this.#rttMs = rttMs
  }

  get bytes(): number {
    return Math.min(this.#segments * SEGMENT_BYTES, MAX_BYTES)
  }

  acknowledged(bytes: number, nowMs: number): void {
    const segments = bytes / SEGMENT_BYTES
    if (this.#segments < this.#threshold) {
      this.#segments = Math.min(this.#segments + segments, MAX_BYTES / SEGMENT_BYTES)
      return
    }
    const seconds = (nowMs - this.#shrunkAtMs + this.#rttMs) / 1000
    const rise = seconds - Math.cbrt(this.#highest * (1 - BETA) / C)
    const target = Math.min(this.#highest + C * rise ** 3, 1.5 * this.#segments)
    this.#reno += (3 * (1 - BETA) / (1 + BETA)) * segments / this.#segments
    this.#segments += Math.max(0, target - this.#segments) * segments / this.#segments
    this.#segments = Math.min(Math.max(this.#segments, this.#reno), MAX_BYTES / SEGMENT_BYTES)
  }

  lost(nowMs: number): void {
    // Losses of one round trip are one event.
    if (nowMs < this.#shrunkAtMs + this.#rttMs) return
    this.#shrunkAtMs = nowMs
    this.#highest = this.#segments
    this.#segments = this.#threshold = this.#reno = Math.max(2, this.#segments * BETA)
  }
}
