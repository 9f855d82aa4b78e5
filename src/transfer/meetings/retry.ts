/** Trying again: pauses that grow, and which failures another attempt may mend. */
import { WarpError, asWarpError } from '../../base/errors.ts'

const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 10_000

/** Pauses between attempts: they double, each shortened at random, so that many that wait do not come at once. */
export class Backoff {
  #failures = 0

  /** How long to wait before the next attempt, milliseconds. */
  next(): number {
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures)
    this.#failures = Math.min(this.#failures + 1, 16)
    return pauseMs * (0.5 + Math.random() / 2)
  }

  reset(): void {
    this.#failures = 0
  }
}

const PASSING = new Set(['ERR_WARP_PEER_UNREACHABLE', 'ERR_WARP_PEER_LOST', 'ERR_WARP_PEER_SILENT', 'ERR_WARP_TICKET_BUSY'])

/** Whether the same attempt may go well later. */
export function isPassing(error: WarpError): boolean {
  return PASSING.has(error.code)
}

/** What ends an operation when `signal` is aborted. */
export function interruption(signal: AbortSignal): WarpError {
  const reason: unknown = signal.reason
  return reason instanceof WarpError ? reason : new WarpError('ERR_WARP_INTERRUPTED', 'interrupted', { cause: reason })
}

/** `error` as it is told: an abort of `signal` explains whatever failed because of it. */
export function causeOf(error: unknown, signal: AbortSignal | undefined): WarpError {
  return signal?.aborted ? interruption(signal) : asWarpError(error)
}

/** @throws {WarpError} of `interruption`, as soon as `signal` is aborted */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(interruption(signal))
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(interruption(signal!))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
