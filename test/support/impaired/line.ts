/** What a line does to packets, as numbers; both directions are alike and independent. */

export interface Impairment {
  /** One way: half of the round-trip time. */
  delayMs: number
  /** Up to this much is added to the delay, evenly spread. It does not change the order. */
  jitterMs: number
  /** Of the packets, each way. */
  lossPercent: number
  /** Of the datagrams, each way: they are held back for REORDER_MS more, and others overtake them. */
  reorderPercent: number
  /** Bytes a second that each direction carries, all flows together. */
  rate: number
  /** Bytes that wait where the rate is less than what comes; what comes then is lost. */
  queueBytes: number
}

export const UNIMPAIRED: Impairment = {
  delayMs: 0, jitterMs: 0, lossPercent: 0, reorderPercent: 0, rate: Infinity, queueBytes: 256 * 1024,
}

export const REORDER_MS = 4

/** What went through one direction. */
export interface Counters {
  /** Datagrams, or segments of a stream. */
  packets: number
  /** But for those of datagrams that were lost or overflowed. */
  bytes: number
  /** Lost by chance; of a stream, sent again. */
  lost: number
  /** Came to a full queue. */
  overflowed: number
  reordered: number
}

export function newCounters(): Counters {
  return { packets: 0, bytes: 0, lost: 0, overflowed: 0, reordered: 0 }
}

/** The narrowest place of one direction. */
export class Bottleneck {
  readonly #bytesPerMs: number
  readonly #queueBytes: number
  #isFreeAtMs = 0

  constructor({ rate, queueBytes }: Impairment) {
    this.#bytesPerMs = rate / 1000
    this.#queueBytes = queueBytes
  }

  /** Whether so many bytes do not find room in the queue. One packet always does when nothing waits. */
  isFullFor(bytes: number, nowMs: number): boolean {
    const waiting = (this.#isFreeAtMs - nowMs) * this.#bytesPerMs
    return waiting > 0 && waiting + bytes > this.#queueBytes
  }

  /** Takes them; when the last of them is through. */
  pass(bytes: number, nowMs: number): number {
    if (this.#bytesPerMs === Infinity) return nowMs
    this.#isFreeAtMs = Math.max(nowMs, this.#isFreeAtMs) + bytes / this.#bytesPerMs
    return this.#isFreeAtMs
  }
}

/**
 * A sequence of numbers from 0 up to but not including 1, the same for the same seeds.
 * Source: mulberry32, by Tommy Ettinger, in the public domain.
 */
export function randomSequence(...seeds: number[]): () => number {
  let state = 0
  const next = () => {
    state = (state + 0x6d2b_79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  for (const seed of seeds) state = Math.imul(state ^ seed, 0x9e37_79b1) ^ (next() * 2 ** 32)
  return next
}
