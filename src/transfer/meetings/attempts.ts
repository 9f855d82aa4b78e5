/** The side that connects: attempts with growing pauses, until one succeeds, fails for good or the time is up. */
import { WarpError } from '../../base/errors.ts'
import { DEFAULT_WAIT_MS, placeOf, type Meeting, type MeetingOptions, type Met } from './met.ts'
import type { Greeting } from './reception.ts'
import { Backoff, causeOf, isPassing, pause } from './retry.ts'

/** A session that has lasted for this long did not fail for what made the attempts before it fail, milliseconds. */
const STABLE_MS = 10_000

export abstract class Attempts implements Meeting {
  protected readonly options: MeetingOptions
  /** Aborted by the caller's signal and by `close`. */
  protected readonly signal: AbortSignal
  readonly #closing = new AbortController()
  readonly #backoff = new Backoff()
  /** Before the next attempt, milliseconds. */
  #pauseMs = 0
  #running: Promise<unknown> = Promise.resolve()

  constructor(options: MeetingOptions) {
    this.options = options
    this.signal = AbortSignal.any([this.#closing.signal, ...(options.signal ? [options.signal] : [])])
  }

  async next(): Promise<Met> {
    const running = this.#next()
    this.#running = running.catch(() => {})
    return await running
  }

  async completed(): Promise<void> {}

  async close(): Promise<void> {
    this.#closing.abort(new WarpError('ERR_WARP_INTERRUPTED', 'the meeting was closed'))
    await this.#running
  }

  /** One attempt. */
  protected abstract attempt(): Promise<Greeting>

  /** Whether another attempt may mend `error`. */
  protected isPassing(error: WarpError): boolean {
    return isPassing(error)
  }

  async #next(): Promise<Met> {
    const { waitMs = DEFAULT_WAIT_MS, onEvent } = this.options
    const until = performance.now() + waitMs
    if (this.#pauseMs > 0) await pause(Math.min(waitMs, this.#pauseMs), this.signal)
    for (;;) {
      try {
        return this.#meet(await this.attempt())
      } catch (thrown) {
        const error = causeOf(thrown, this.signal)
        if (!this.isPassing(error)) throw error
        const retryMs = this.#backoff.next()
        if (performance.now() + retryMs >= until) throw nobody(error, waitMs)
        onEvent?.({ type: 'disconnected', code: error.code, message: error.message, retryMs })
        await pause(retryMs, this.signal)
      }
    }
  }

  #meet({ authenticated, peerName }: Greeting): Met {
    const since = performance.now()
    // A session that breaks as soon as it begins is a failed attempt too.
    this.#pauseMs = this.#backoff.next()
    const release = (): void => {
      if (performance.now() - since < STABLE_MS) return
      this.#backoff.reset()
      this.#pauseMs = 0
    }
    return { authenticated, peerName: peerName ?? placeOf(authenticated), release }
  }
}

/** What the last of many attempts has failed with. */
function nobody(error: WarpError, waitMs: number): WarpError {
  if (error.code === 'ERR_WARP_TICKET_BUSY') return error
  const { message } = error
  return new WarpError('ERR_WARP_PEER_UNREACHABLE', `no connection within ${Math.round(waitMs / 1000)} seconds: ${message}`, {
    cause: error, hint: error.hint ?? 'see that the other side still runs, and that a firewall lets its port through',
  })
}
