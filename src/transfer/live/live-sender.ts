/**
 * Sends a live stream: what the producer has written goes out at once while nothing is under way, and is gathered up
 * to LIVE_DATA_BYTES while the connection is busy; no timer holds it. What the peer has not acknowledged is kept, so
 * that the stream goes on over the next connection of the same two processes; when that is a window full, the
 * producer is no longer read from. Source: warp-transfer, live streams.
 */
import type { Readable } from 'node:stream'
import { WarpError } from '../../base/errors.ts'
import type { Channel, Message } from '../channel/channel.ts'
import { brokenProtocol } from '../channel/credit.ts'
import { interruptible } from '../interruptible.ts'
import { LIVE_DATA_BYTES, LIVE_MESSAGE, LIVE_WINDOW_BYTES, readCount, writeCount } from './live-messages.ts'
import { LiveWindow } from './live-window.ts'

/** Full messages that are handed to the channel at once, so that it never waits for the next. */
const FULL_MESSAGES_AHEAD = 4

export interface LiveOptions {
  signal?: AbortSignal
  /** Called with the bytes of the stream that were sent, or written, so far. */
  onBytes?: (bytes: number) => void
}

export interface LiveSenderOptions extends LiveOptions {
  /** See LIVE_WINDOW_BYTES, which is the default. */
  windowBytes?: number
}

export interface LiveResult {
  /** Of the whole stream. */
  bytes: number
}

/** The stream on one connection. */
interface Run {
  channel: Channel
  reject: (error: unknown) => void
  /** False until the receiver has said where to go on. */
  isOpen: boolean
  isEndSent: boolean
  /** Messages that the channel has not taken yet. */
  sending: number
}

export class LiveSender {
  readonly #source: Readable
  readonly #options: LiveSenderOptions
  readonly #windowBytes: number
  readonly #window = new LiveWindow()
  #run: Run | null = null
  #isReading = false
  #isEnded = false
  #failure: WarpError | null = null
  /** The largest position that was sent. */
  #sent = 0

  /** @param source read from the first `run` on, and destroyed by `close` */
  constructor(source: Readable, options: LiveSenderOptions = {}) {
    this.#source = source
    this.#options = options
    this.#windowBytes = options.windowBytes ?? LIVE_WINDOW_BYTES
    source.on('error', (error) => this.#fail(error))
    source.on('close', () => this.#fail(null))
    source.on('end', () => {
      this.#isEnded = true
      this.#pump()
    })
    if (source.destroyed) this.#fail(source.errored)
  }

  /**
   * Sends what the receiver lacks; resolves when it has written the whole stream.
   * @throws {WarpError} ERR_WARP_PEER_LOST, ERR_WARP_PEER_SILENT: to be called again with the next channel; all others are final:
   *   ERR_WARP_INPUT_UNREADABLE (after all that could be read was sent), ERR_WARP_INTERRUPTED, other codes of class 'peer'
   */
  async run(channel: Channel): Promise<LiveResult> {
    const running = new Promise<LiveResult>((resolve, reject) => {
      const run: Run = { channel, reject, isOpen: false, isEndSent: false, sending: 0 }
      this.#run = run
      this.#listen(run).then(resolve, reject)
    })
    try {
      return await interruptible(this.#options.signal, running)
    } finally {
      this.#run = null
    }
  }

  /** Reads no more. */
  close(): void {
    this.#source.destroy()
  }

  async #listen(run: Run): Promise<LiveResult> {
    const first = await next(run.channel, LIVE_MESSAGE.position)
    this.#goOnAt(readCount(first.payload))
    first.release()
    run.isOpen = true
    this.#read()
    this.#pump()
    for (;;) {
      const { type, payload, release } = await next(run.channel, LIVE_MESSAGE.ack, LIVE_MESSAGE.done)
      const count = readCount(payload)
      if (type === LIVE_MESSAGE.done) {
        if (!run.isEndSent || count !== this.#window.end) throw brokenProtocol('it has written a stream that was not sent')
        release()
        return { bytes: count }
      }
      this.#window.drop(count)
      release()
      if (this.#window.kept < this.#windowBytes) this.#source.resume()
    }
  }

  #goOnAt(position: number): void {
    if (position > this.#sent) throw brokenProtocol('it asks for a part of the stream that was not sent')
    if (position < this.#window.start) {
      const hint = 'start both sides anew: a live stream goes on only while both processes live'
      throw new WarpError('ERR_WARP_PEER_FAILED', 'the other side has lost what it was sent of the stream', { hint })
    }
    this.#window.rewind(position)
    this.#window.drop(position)
  }

  #read(): void {
    if (this.#isReading) return
    this.#isReading = true
    const source = this.#source
    source.on('data', (chunk: Buffer | string) => {
      this.#window.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)
      if (this.#window.kept >= this.#windowBytes) source.pause()
      this.#pump()
    })
  }

  #fail(error: Error | null): void {
    if (this.#isEnded || this.#failure) return
    const reason = error?.message ?? 'it was closed before its end'
    this.#failure = new WarpError('ERR_WARP_INPUT_UNREADABLE', `the stream that is sent: ${reason}`, { cause: error ?? undefined })
    this.#pump()
  }

  #pump(): void {
    const run = this.#run
    if (!run?.isOpen) return
    const window = this.#window
    while (window.waiting > 0 && (run.sending === 0 || (run.sending < FULL_MESSAGES_AHEAD && window.waiting >= LIVE_DATA_BYTES))) {
      run.sending++
      const pieces = window.take(LIVE_DATA_BYTES)
      const position = window.next
      this.#sent = Math.max(this.#sent, position)
      run.channel.send(LIVE_MESSAGE.data, pieces).then(() => {
        run.sending--
        if (run !== this.#run) return
        this.#options.onBytes?.(position)
        this.#pump()
      }, run.reject)
    }
    if (window.waiting > 0 || run.isEndSent) return
    if (this.#isEnded) {
      run.isEndSent = true
      run.channel.send(LIVE_MESSAGE.end, [writeCount(window.end)]).catch(run.reject)
    } else if (this.#failure && run.sending === 0) run.reject(this.#failure)
  }
}

/** The next message of the receiver. @throws {WarpError} ERR_WARP_PEER_PROTOCOL: it is of no type that may come */
async function next(channel: Channel, ...types: number[]): Promise<Message> {
  const message = await channel.receive()
  if (!message) throw brokenProtocol('it ends before the stream does')
  if (!types.includes(message.type)) throw brokenProtocol(`a message of type ${message.type} out of turn`)
  return message
}
