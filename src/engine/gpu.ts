/**
 * The GPU engine: batches are loaded, cut, hashed and sealed by the GPU worker, small files are read by the
 * pool's threads. Once anything goes wrong there, the batches under way are done again on the CPU, and so
 * are all that follow.
 */
import type { AdapterFacts } from '../gpu/dawn.ts'
import type { Encoder } from '../gpu/kernels.ts'
import type { CpuEngine } from './cpu.ts'
import type { Engine, EngineOptions, Filling, Resident, Segment } from './engine.ts'
import { GpuBatch, emptySegment, type GpuBatchContext } from './gpu-batch.ts'
import { GpuClient, type GpuClientOptions } from './gpu-client.ts'
import type { OpenReply } from './gpu-messages.ts'
import type { Pool } from './pool.ts'

/** One batch in so many has one of its frames opened and compared on the CPU; the first is one of them. */
const CHECK_EVERY = 4

export interface GpuEngineOptions extends EngineOptions {
  /** Device memory, bytes. */
  gpuMemory: number
  /** Batches in flight. */
  maxSlots: number
  /** With what frames are compressed on the GPU before it seals them; null: the CPU does both. */
  encoder: Encoder | null
  /** Told once, when the GPU is given up. */
  onFailure: (reason: string) => void
  /** Gives up opening it. */
  signal?: AbortSignal
  client?: GpuClientOptions
}

export class GpuEngine implements Engine, GpuBatchContext {
  readonly facts: AdapterFacts
  readonly options: GpuEngineOptions
  readonly cpu: CpuEngine
  readonly pool: Pool
  readonly client: GpuClient
  /** Batches that the GPU took, and those that were done again on the CPU. */
  readonly counts = { batches: 0, replayed: 0 }
  readonly #freeSlots: number[]
  readonly #waiting: ((slot: number | null) => void)[] = []
  #hasFailed = false
  #isClosed = false
  #sealed = 0
  #state = 1

  private constructor(client: GpuClient, { facts, slots }: OpenReply, cpu: CpuEngine, pool: Pool, options: GpuEngineOptions) {
    this.client = client
    this.facts = facts
    this.cpu = cpu
    this.pool = pool
    this.options = options
    this.#freeSlots = Array.from({ length: slots }, (_, i) => i)
  }

  /**
   * @param cpu for what the GPU does not do, and for when it fails; of the same options
   * @throws {WarpError} ERR_WARP_GPU_UNAVAILABLE, ERR_WARP_GPU_FAILED
   */
  static async open(cpu: CpuEngine, pool: Pool, options: GpuEngineOptions): Promise<GpuEngine> {
    const { average, chunkIdKey, sealing, compression, gpuMemory, maxSlots, encoder } = options
    const client = new GpuClient({ ...options.client, signal: options.signal })
    try {
      const reply = await client.ask<OpenReply>({
        name: 'open', batchBytes: cpu.slabBytes, memoryBytes: gpuMemory, maxSlots, average, chunkIdKey, sealing, compression, encoder,
      })
      client.expect(reply.facts)
      return new GpuEngine(client, reply, cpu, pool, options)
    } catch (error) {
      await client.close()
      throw error
    }
  }

  get slabBytes(): number {
    return this.cpu.slabBytes
  }

  acquire(): Promise<SharedArrayBuffer> {
    return this.cpu.acquire()
  }

  async load(slab: SharedArrayBuffer, segments: Segment[], filling: Filling | null = null): Promise<Resident> {
    // First of all: a later batch that had the last slot would wait for this one, which waits for a slot.
    const slot = await this.#takeSlot()
    if (slot === null) return this.cpu.load(slab, segments, filling)
    await filling?.done
    this.counts.batches++
    // Read straight into the device's memory: only what comes from descriptors alone, and is not needed here again.
    const isDirect = this.options.encoder !== null && !filling && segments.every(({ path, fd }) => path === null && fd >= 0)
    const loaded = isDirect ? segments.map(() => emptySegment()) : await this.cpu.read(slab, segments, false)
    const batch = new GpuBatch(this, { slot, slab, segments, filledBytes: filling?.end ?? 0, isDirect }, loaded)
    return batch.scan()
  }

  /** A number from 0 to `below` − 1, other each time. */
  random(below: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((this.#state / 2 ** 32) * below)
  }

  /** Whether the batch that is sealed next is one of those that are looked at. */
  isDue(): boolean {
    return this.#sealed++ % CHECK_EVERY === 0
  }

  /** Gives the GPU up. */
  fail(error: unknown): void {
    // The job was ended: nothing is to be done again.
    if (this.#isClosed) throw error
    if (this.#hasFailed) return
    this.#hasFailed = true
    this.client.giveUp()
    for (const wake of this.#waiting.splice(0)) wake(null)
    this.options.onFailure((error as Error).message)
  }

  releaseSlot(slot: number): void {
    const next = this.#waiting.shift()
    if (next) next(slot)
    else this.#freeSlots.push(slot)
  }

  /** Gives the device back. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.client.close()
  }

  /** @returns null once the GPU is given up */
  #takeSlot(): Promise<number | null> {
    if (this.#hasFailed) return Promise.resolve(null)
    const free = this.#freeSlots.pop()
    if (free !== undefined) return Promise.resolve(free)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}
