/** The caller's side of the GPU worker: requests, answers, and a watchdog over both. */
import { Worker } from 'node:worker_threads'
import { WarpError, type ErrorCode } from '../base/errors.ts'
import { stuckThreads } from '../base/stuck-threads.ts'
import type { AdapterFacts } from '../gpu/dawn.ts'
import type { CloseRequest, GpuReply, GpuRequest } from './gpu-messages.ts'

/** A device that does not answer for so long is taken for hung, milliseconds. */
const WATCHDOG_MS = 30_000
/** A software rasteriser may take minutes for a batch on a busy machine. */
const SOFTWARE_WATCHDOG_MS = 1_200_000
/** Compiling for a device takes a second; for a software rasteriser on a busy machine, minutes. */
const OPEN_MS = 600_000
/** For the worker to give its device back, milliseconds. */
const CLOSE_MS = 10_000

interface Pending {
  resolve: (value: never) => void
  reject: (error: WarpError) => void
  timer: NodeJS.Timeout | undefined
  timeoutMs: number
}

export interface GpuClientOptions {
  /** A module that calls `serveGpu`; for tests, another. */
  entry?: URL
  watchdogMs?: number
  /** Ends it. */
  signal?: AbortSignal
}

function workerEntry(): URL {
  return new URL(`./gpu-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
}

export class GpuClient {
  readonly #worker: Worker
  #watchdogMs: number | undefined
  readonly #pending = new Map<number, Pending>()
  readonly #ended: Promise<void>
  #nextId = 0
  #failure: WarpError | null = null
  #isClosing = false

  constructor({ entry = workerEntry(), watchdogMs, signal }: GpuClientOptions = {}) {
    this.#watchdogMs = watchdogMs
    this.#worker = new Worker(entry)
    this.#ended = new Promise((resolve) => this.#worker.once('exit', () => resolve()))
    this.#worker.on('message', (reply: GpuReply) => {
      const pending = this.#pending.get(reply.id)
      if (!pending) return
      if ('isReading' in reply) {
        // How long files take to read is not the device's fault.
        clearTimeout(pending.timer)
        pending.timer = reply.isReading ? undefined : this.#watch(pending.timeoutMs)
        return
      }
      this.#pending.delete(reply.id)
      clearTimeout(pending.timer)
      if ('value' in reply) pending.resolve(reply.value as never)
      else pending.reject(new WarpError(reply.failure.code as ErrorCode, reply.failure.message, { hint: reply.failure.hint }))
    })
    signal?.addEventListener('abort', () => this.giveUp(), { once: true })
    this.#worker.on('error', (cause) => this.#fail(`the GPU worker failed: ${cause.message}`, cause))
    this.#worker.on('exit', (status) => this.#fail(`the GPU worker ended by itself (status ${status})`))
  }

  /** @throws {WarpError} what the worker reports, or ERR_WARP_GPU_FAILED: it is gone, or does not answer */
  async ask<Reply>(request: Exclude<GpuRequest, CloseRequest>): Promise<Reply> {
    return this.#send(request, request.name === 'open' || request.name === 'calibrate' ? OPEN_MS : (this.#watchdogMs ?? WATCHDOG_MS))
  }

  /** What its adapter is decides how long an answer is waited for. */
  expect({ isSoftware }: AdapterFacts): void {
    if (isSoftware) this.#watchdogMs ??= SOFTWARE_WATCHDOG_MS
  }

  /** Gives the device back and ends the worker. What has not been answered is rejected. */
  async close(): Promise<void> {
    this.giveUp()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        stuckThreads.count++
        resolve()
      }, CLOSE_MS)
    })
    await Promise.race([this.#ended, late])
    clearTimeout(timer)
    // A driver that does not come back is not waited for any longer.
    this.#worker.unref()
  }

  /**
   * Asks nothing more, and has the worker end when it can. It is not stopped in its midst: Dawn ends the whole process
   * when a thread goes away that still waits for its device.
   */
  giveUp(): void {
    this.#fail('the GPU worker was ended')
    if (!this.#isClosing) this.#worker.postMessage({ id: this.#nextId++, request: { name: 'close' } satisfies CloseRequest })
    this.#isClosing = true
  }

  #send<Reply>(request: GpuRequest, timeoutMs: number): Promise<Reply> {
    if (this.#failure) return Promise.reject(this.#failure)
    const id = this.#nextId++
    return new Promise<Reply>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, timer: this.#watch(timeoutMs), timeoutMs })
      this.#worker.postMessage({ id, request })
    })
  }

  #watch(timeoutMs: number): NodeJS.Timeout {
    return setTimeout(() => this.#fail(`the GPU did not answer for ${timeoutMs / 1000} s`), timeoutMs)
  }

  #fail(message: string, cause?: unknown): void {
    this.#failure ??= new WarpError('ERR_WARP_GPU_FAILED', message, { cause })
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer)
      reject(this.#failure)
    }
    this.#pending.clear()
  }
}
