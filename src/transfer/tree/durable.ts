/**
 * Makes what was restored durable, a few times a second of work: the file system is synced, then the journal says
 * what stands there, then the peer gets back the credit of the frames that brought it. So what a crash costs is never
 * more than the window.
 */
import { syncFileSystem } from '../../archive/os/sync.ts'
import { outputError } from '../../archive/sink.ts'
import type { Message } from '../channel/channel.ts'
import type { Staging } from './staging.ts'

export interface ReceivedListing {
  number: number
  /** Bit for each chunk reference: it stands on disk. */
  done: Uint8Array
  /** All of it is restored, and what ends in it is complete. */
  isComplete: boolean
}

export class Durable {
  readonly #staging: Staging
  readonly #intervalBytes: number
  readonly #onError: (error: unknown) => void
  #changed = new Set<ReceivedListing>()
  #messages: Message[] = []
  #bytes = 0
  #running: Promise<void> | null = null
  /** Milliseconds that the disk took. */
  busyMs = 0

  /** @param intervalBytes of messages after which a checkpoint is made */
  constructor(staging: Staging, intervalBytes: number, onError: (error: unknown) => void) {
    this.#staging = staging
    this.#intervalBytes = intervalBytes
    this.#onError = onError
  }

  /** Something of `listing` is done. @param message of `bytes` brought it, and is released once it is durable */
  add(listing: ReceivedListing, message: Message | null, bytes: number): void {
    this.#changed.add(listing)
    if (message) {
      this.#messages.push(message)
      this.#bytes += bytes
    }
    if (this.#bytes >= this.#intervalBytes && !this.#running) void this.#run()
  }

  /** Makes all durable that was added. */
  async flush(): Promise<void> {
    while (this.#running || this.#changed.size > 0) await (this.#running ?? this.#run())
  }

  #run(): Promise<void> {
    this.#running = this.#checkpoint()
      .catch((error: unknown) => this.#onError(outputError(error, 'the target')))
      .finally(() => {
        this.#running = null
        if (this.#bytes >= this.#intervalBytes) void this.#run()
      })
    return this.#running
  }

  async #checkpoint(): Promise<void> {
    const changed = Array.from(this.#changed, ({ number, done, isComplete }) => ({ number, runs: isComplete ? null : runsOf(done) }))
    const messages = this.#messages
    this.#changed = new Set()
    this.#messages = []
    this.#bytes = 0
    const started = performance.now()
    await syncFileSystem(this.#staging.fd)
    const { journal } = this.#staging
    for (const { number, runs } of changed) journal.setDone(number, runs)
    await journal.sync()
    this.busyMs += performance.now() - started
    for (const message of messages) message.release()
  }
}

/** The set entries of `done` as [first, count) runs. */
export function runsOf(done: Uint8Array): [number, number][] {
  const runs: [number, number][] = []
  for (let i = 0; i < done.length; i++) {
    if (!done[i]) continue
    const last = runs.at(-1)
    if (last && last[0] + last[1] === i) last[1]++
    else runs.push([i, 1])
  }
  return runs
}
