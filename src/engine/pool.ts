/**
 * Runs named tasks on worker threads, or on the calling thread where starting threads costs more than
 * the job. Messages carry descriptors and offsets into shared slabs, never bulk bytes.
 */
import { Worker, parentPort, workerData } from 'node:worker_threads'
import type { Transferable } from 'node:worker_threads'
import { WarpError, type ErrorData } from '../base/errors.ts'
import { STAGE, STAGES, countIn, enter, toTimes, type StageTimes } from '../base/stages.ts'

/** A task: a synchronous function of one message-safe argument. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the argument's type belongs to the task
export type Task = (args: any) => unknown
export type Tasks = Record<string, Task>

export interface Pool {
  /** How many tasks run at once. */
  readonly size: number
  /** @param transfer buffers that move to the thread instead of being copied */
  run(name: string, args: unknown, transfer?: ArrayBuffer[]): Promise<unknown>
  close(): Promise<void>
  /** What each thread but the caller's has counted since it started. */
  stageTimes(): StageTimes[]
}

interface TaskFailure {
  warp?: ErrorData
  message: string
  code?: string
  syscall?: string
  stack?: string
}

type Reply = { id: number; value: unknown } | { id: number; failure: TaskFailure }

/** Runs tasks on the calling thread, one after the other. */
export class InlinePool implements Pool {
  readonly size = 1
  readonly #tasks: Tasks

  constructor(tasks: Tasks) {
    this.#tasks = tasks
  }

  async run(name: string, args: unknown): Promise<unknown> {
    // A turn of the event loop between tasks lets signals and writes through.
    await new Promise<void>((resolve) => setImmediate(resolve))
    const before = enter(STAGE.idle)
    try {
      return this.#tasks[name]!(args)
    } finally {
      enter(before)
    }
  }

  async close(): Promise<void> {}

  stageTimes(): StageTimes[] {
    return []
  }
}

interface Job {
  id: number
  name: string
  args: unknown
  transfer: ArrayBuffer[]
  resolve: (value: unknown) => void
  reject: (error: Error) => void
}

/** Workers make little garbage that lives; by default each would keep up to 48 MiB for it. */
const YOUNG_GENERATION_MB = 8

/** Tasks posted to a worker ahead of its current one, so that it never waits for a message. */
const QUEUED_PER_WORKER = 4

/** For a thread to finish its task, milliseconds. */
const GRACE_MS = 10_000

/** What a worker is started with. */
interface WorkerData {
  /** Not 0: no more tasks are wanted. */
  stop: Int32Array
  /** Where the thread counts its stages. */
  times: Float64Array
}

/** Runs tasks on `size` worker threads that are started from `entry`, a module that calls `serveTasks`. */
export class WorkerPool implements Pool {
  readonly size: number
  readonly #workers: { worker: Worker; jobs: Map<number, Job>; ended: Promise<void> }[] = []
  readonly #stop = new Int32Array(new SharedArrayBuffer(4))
  readonly #waiting: Job[] = []
  readonly #times: Float64Array[] = []
  #nextId = 0
  #failure: WarpError | null = null
  #closing = false

  constructor(entry: URL, size: number) {
    this.size = size
    for (let i = 0; i < size; i++) this.#start(entry)
  }

  run(name: string, args: unknown, transfer: ArrayBuffer[] = []): Promise<unknown> {
    if (this.#failure) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ id: this.#nextId++, name, args, transfer, resolve, reject })
      this.#dispatch()
    })
  }

  /** Ends all threads once they are done with their current tasks. What has not finished is rejected. */
  async close(): Promise<void> {
    this.#closing = true
    Atomics.store(this.#stop, 0, 1)
    this.#fail(new WarpError('ERR_WARP_INTERRUPTED', 'the worker pool was closed'))
    await Promise.all(
      this.#workers.map(async ({ worker, ended }) => {
        worker.postMessage(null)
        // Not at once: native code whose thread is torn down in its midst, even while it loads, ends the process.
        const timer = setTimeout(() => void worker.terminate(), GRACE_MS)
        await ended
        clearTimeout(timer)
      }),
    )
  }

  stageTimes(): StageTimes[] {
    return this.#times.map(toTimes)
  }

  #start(entry: URL): void {
    const times = new Float64Array(new SharedArrayBuffer(8 * STAGES.length))
    this.#times.push(times)
    const data: WorkerData = { stop: this.#stop, times }
    const worker = new Worker(entry, { workerData: data, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB } })
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    const slot = { worker, jobs: new Map<number, Job>(), ended }
    this.#workers.push(slot)
    worker.on('message', (reply: Reply) => {
      const job = slot.jobs.get(reply.id)
      slot.jobs.delete(reply.id)
      this.#dispatch()
      if (!job) return
      if ('failure' in reply) job.reject(toError(reply.failure))
      else job.resolve(reply.value)
    })
    worker.on('error', (cause) => this.#lost('a worker thread failed: ' + cause.message, cause))
    worker.on('exit', (status) => {
      if (!this.#closing) this.#lost(`a worker thread ended by itself (status ${status})`)
    })
  }

  #lost(message: string, cause?: unknown): void {
    this.#fail(new WarpError('ERR_WARP_WORKER_LOST', message, { cause }))
  }

  #fail(error: WarpError): void {
    this.#failure ??= error
    for (const { jobs } of this.#workers) {
      for (const job of jobs.values()) job.reject(this.#failure)
      jobs.clear()
    }
    for (const job of this.#waiting.splice(0)) job.reject(this.#failure)
  }

  #dispatch(): void {
    while (this.#waiting.length > 0 && !this.#failure) {
      let best = this.#workers[0]!
      for (const slot of this.#workers) if (slot.jobs.size < best.jobs.size) best = slot
      if (best.jobs.size >= QUEUED_PER_WORKER) return
      const job = this.#waiting.shift()!
      best.jobs.set(job.id, job)
      best.worker.postMessage({ id: job.id, name: job.name, args: job.args }, job.transfer)
    }
  }
}

/** The worker's side: answers each message with the result of the task that it names. */
export function serveTasks(tasks: Tasks): void {
  const port = parentPort!
  const { stop, times } = workerData as WorkerData
  countIn(times)
  port.on('message', (message: { id: number; name: string; args: unknown } | null) => {
    if (message === null || Atomics.load(stop, 0) !== 0) {
      port.close()
      return
    }
    const { id, name, args } = message
    let reply: Reply
    try {
      reply = { id, value: tasks[name]!(args) }
    } catch (error) {
      reply = { id, failure: toFailure(error) }
    }
    enter(STAGE.idle)
    port.postMessage(reply, 'value' in reply ? ownedBuffers(reply.value) : [])
  })
}

/** The ArrayBuffers of a flat result, so that they move instead of being copied. */
function ownedBuffers(value: unknown): Transferable[] {
  const buffers = new Set<ArrayBuffer>()
  if (typeof value === 'object' && value !== null) {
    for (const field of Object.values(value)) {
      // Small Buffers share Node's pool, which must not be moved away.
      if (ArrayBuffer.isView(field) && field.buffer instanceof ArrayBuffer && !Buffer.isBuffer(field)) {
        buffers.add(field.buffer)
      }
    }
  }
  return [...buffers]
}

function toFailure(error: unknown): TaskFailure {
  if (error instanceof WarpError) return { warp: error.toData(), message: error.message }
  const { message, code, syscall, stack } = error as NodeJS.ErrnoException
  return { message, code, syscall, stack }
}

function toError(failure: TaskFailure): Error {
  if (failure.warp) return WarpError.fromData(failure.warp)
  const error: NodeJS.ErrnoException = new Error(failure.message)
  if (failure.code !== undefined) error.code = failure.code
  if (failure.syscall !== undefined) error.syscall = failure.syscall
  if (failure.stack !== undefined) error.stack = failure.stack
  return error
}
