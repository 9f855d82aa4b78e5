/**
 * Receives a live stream: what arrives is handed to the consumer at once, and its credit goes back to the sender when
 * the consumer has taken it. The stream goes on over the next connection of the same two processes.
 * Source: warp-transfer, live streams.
 */
import type { Writable } from 'node:stream'
import { WarpError } from '../../base/errors.ts'
import type { Channel, Message } from '../channel/channel.ts'
import { brokenProtocol } from '../channel/credit.ts'
import { interruptible } from '../interruptible.ts'
import { LIVE_ACK_BYTES, LIVE_MESSAGE, readCount, writeCount } from './live-messages.ts'
import { openLiveOutput, type LiveOutput } from './live-output.ts'
import type { LiveOptions, LiveResult } from './live-sender.ts'

/** The stream on one connection. */
interface Run {
  channel: Channel
  reject: (error: unknown) => void
  isAcknowledging: boolean
}

export class LiveReceiver {
  readonly #output: LiveOutput
  readonly #options: LiveOptions
  #run: Run | null = null
  #failure: WarpError | null = null
  /** Bytes given to the output, that it has written, and that the sender knows to be written. */
  #taken = 0
  #written = 0
  #acknowledged = 0
  #isDone = false
  #whenWritten: (() => void)[] = []

  /** @param output a Writable, ended with the stream and destroyed when it fails; or a descriptor, which is left open */
  constructor(output: Writable | number, options: LiveOptions = {}) {
    this.#options = options
    this.#output = openLiveOutput(output, (error) => {
      this.#failure = error
      this.#run?.reject(error)
    })
  }

  /**
   * Writes what the sender has; resolves when the consumer has the whole stream and the sender is told so. It may not
   * arrive: `run` then says it again on another channel.
   * @throws {WarpError} ERR_WARP_PEER_LOST, ERR_WARP_PEER_SILENT: to be called again with the next channel; all others are final:
   *   ERR_WARP_PIPE_CLOSED and others of class output, ERR_WARP_INTERRUPTED, other codes of class 'peer'
   */
  async run(channel: Channel): Promise<LiveResult> {
    if (this.#failure) throw this.#failure
    const running = new Promise<LiveResult>((resolve, reject) => {
      const run: Run = { channel, reject, isAcknowledging: false }
      this.#run = run
      this.#listen(run).then(resolve, reject)
    })
    try {
      return await interruptible(this.#options.signal, running)
    } finally {
      this.#run = null
    }
  }

  /** Gives up if the stream is not complete: the consumer gets what has arrived, and `error` if it can be told. */
  async close(error: WarpError): Promise<void> {
    if (this.#isDone) return
    if (!this.#failure && !this.#options.signal?.aborted) await interruptible(this.#options.signal, this.#settled()).catch(() => {})
    this.#output.abandon(error)
  }

  async #listen(run: Run): Promise<LiveResult> {
    // What a stalled consumer has not taken is held beyond the end of its connection: no more of it by each new one.
    await this.#settled()
    await run.channel.send(LIVE_MESSAGE.position, [writeCount(this.#written)])
    this.#acknowledged = this.#written
    for (;;) {
      const message = await run.channel.receive()
      if (run !== this.#run) throw new WarpError('ERR_WARP_INTERNAL', 'a stream is received that was given up')
      if (!message) throw brokenProtocol('it ends before the stream does')
      if (message.type === LIVE_MESSAGE.data && !this.#isDone) this.#take(run, message)
      else if (message.type === LIVE_MESSAGE.end) return await this.#finish(run, message)
      else throw brokenProtocol(`a message of type ${message.type} out of turn`)
    }
  }

  #take(run: Run, { payload, release }: Message): void {
    if (payload.length === 0) throw brokenProtocol('a message of no data')
    this.#taken += payload.length
    this.#output.write(payload, () => {
      this.#written += payload.length
      release()
      this.#options.onBytes?.(this.#written)
      if (run === this.#run) this.#acknowledge(run)
      if (this.#written === this.#taken) for (const resolve of this.#whenWritten.splice(0)) resolve()
    })
  }

  /** One at a time, so that a sender that reads none of them makes nothing grow. */
  #acknowledge(run: Run): void {
    if (run.isAcknowledging || this.#written - this.#acknowledged < LIVE_ACK_BYTES) return
    run.isAcknowledging = true
    this.#acknowledged = this.#written
    run.channel.send(LIVE_MESSAGE.ack, [writeCount(this.#written)]).then(() => {
      run.isAcknowledging = false
      if (run === this.#run) this.#acknowledge(run)
    }, run.reject)
  }

  async #finish({ channel }: Run, { payload, release }: Message): Promise<LiveResult> {
    const bytes = readCount(payload)
    if (bytes !== this.#taken) throw brokenProtocol('the stream has another length than it says')
    release()
    await this.#settled()
    if (!this.#isDone) await this.#output.finish()
    this.#isDone = true
    await channel.send(LIVE_MESSAGE.done, [writeCount(bytes)])
    return { bytes }
  }

  /** Waits until all that was given to the output is written. */
  #settled(): Promise<void> {
    if (this.#written === this.#taken) return Promise.resolve()
    return new Promise((resolve) => this.#whenWritten.push(resolve))
  }
}
