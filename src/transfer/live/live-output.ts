/** Where a live stream is written: a Writable, or a descriptor. */
import fs from 'node:fs'
import net from 'node:net'
import type { Writable } from 'node:stream'
import { openSink, outputError, type Sink } from '../../archive/sink.ts'
import type { WarpError } from '../../base/errors.ts'

export interface LiveOutput {
  /** Takes `bytes`, which are borrowed until `done` is called: when the consumer's side has all of them, or never. */
  write(bytes: Uint8Array, done: () => void): void
  /** All was written: tells the consumer of the end. */
  finish(): Promise<void>
  /** Writes no more; the consumer is not told of an end, if it can tell. */
  abandon(error: WarpError): void
}

/**
 * @param to a Writable is ended by `finish`, and destroyed by `abandon`; a descriptor is left open
 * @param onFailure called when it can no longer be written to: ERR_WARP_PIPE_CLOSED and others of class output
 */
export function openLiveOutput(to: Writable | number, onFailure: (error: WarpError) => void): LiveOutput {
  if (typeof to !== 'number') return new StreamOutput(to, 'the stream that is received', onFailure)
  const name = to === 1 ? 'standard output' : `descriptor ${to}`
  const pipe = openPipe(to)
  return pipe ? new StreamOutput(pipe, name, onFailure) : new SinkOutput(openSink({ fd: to }), onFailure)
}

/**
 * A pipe opened a second time, so that writes to it do not block and whoever shares `fd` does not notice; null where
 * it is no pipe or the system has no such thing.
 */
function openPipe(fd: number): net.Socket | null {
  if (!fs.fstatSync(fd).isFIFO()) return null
  let own: number
  try {
    own = fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK)
  } catch {
    return null
  }
  return new net.Socket({ fd: own, readable: false, writable: true })
}

class StreamOutput implements LiveOutput {
  readonly #stream: Writable
  readonly #onFailure: (error: WarpError) => void
  readonly #name: string
  #isOver = false

  constructor(stream: Writable, name: string, onFailure: (error: WarpError) => void) {
    this.#stream = stream
    this.#name = name
    this.#onFailure = onFailure
    stream.on('error', (error) => this.#fail(error))
    stream.on('close', () => this.#fail(Object.assign(new Error('closed'), { code: 'EPIPE' })))
    if (stream.destroyed || stream.writableEnded) this.#fail(Object.assign(new Error('closed'), { code: 'EPIPE' }))
  }

  write(bytes: Uint8Array, done: () => void): void {
    this.#stream.write(bytes, (error) => {
      if (!error) done()
    })
  }

  finish(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#isOver = true
      this.#stream.once('error', (error) => reject(outputError(error, this.#name)))
      this.#stream.end(resolve)
    })
  }

  abandon(error: WarpError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#stream.destroy(error)
  }

  #fail(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onFailure(outputError(error, this.#name))
  }
}

class SinkOutput implements LiveOutput {
  readonly #sink: Sink
  readonly #onFailure: (error: WarpError) => void
  #waiting: { bytes: Uint8Array; done: () => void }[] = []
  #isWriting = false

  constructor(sink: Sink, onFailure: (error: WarpError) => void) {
    this.#sink = sink
    this.#onFailure = onFailure
  }

  write(bytes: Uint8Array, done: () => void): void {
    this.#waiting.push({ bytes, done })
    if (!this.#isWriting) void this.#drain()
  }

  async finish(): Promise<void> {
    await this.#sink.commit()
  }

  abandon(): void {
    this.#waiting = []
    void this.#sink.abandon(false)
  }

  async #drain(): Promise<void> {
    this.#isWriting = true
    try {
      while (this.#waiting.length > 0) {
        const batch = this.#waiting
        this.#waiting = []
        await this.#sink.write(batch.map(({ bytes }) => bytes))
        for (const { done } of batch) done()
      }
    } catch (error) {
      this.#onFailure(outputError(error, 'the output'))
    }
    this.#isWriting = false
  }
}
