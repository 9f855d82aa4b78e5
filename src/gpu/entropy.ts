/**
 * Counts a sample of each frame on the GPU; whoever asked decides by the counts whether to compress it.
 * Twin: src/codec/entropy.ts, the same counts.
 */
import { LZ4_PART_BYTES, MAX_FRAME_BYTES } from '../base/limits.ts'
import { USAGE, dispatch, type Device } from './device.ts'

/** What is counted of a frame: how often each of the 256 byte values occurs, then the repeats. */
export const ENTROPY_WORDS = 257
/** Index of the repeats. */
export const ENTROPY_REPEATS = 256

/** Frames begin where parts of LZ4 do (§7). */
const FRAME_ALIGN_BYTES = LZ4_PART_BYTES
const PLAN_WORDS = 2
const FRAME_WORDS = 2

export interface EntropyFrame {
  /** Where the frame starts in `plain`, bytes, a multiple of LZ4_PART_BYTES. */
  plainOffset: number
  /** Bytes, 0 … MAX_FRAME_BYTES. */
  plainLength: number
}

export interface EntropyBuffers {
  /** Usage: storage. */
  plain: GPUBuffer
  /** u32[maxFrames][ENTROPY_WORDS]. Usage: storage. */
  counts: GPUBuffer
  maxFrames: number
}

export class Entropy {
  readonly #device: Device
  readonly #pipeline: GPUComputePipeline

  private constructor(device: Device, pipeline: GPUComputePipeline) {
    this.#device = device
    this.#pipeline = pipeline
  }

  /** @throws {WarpError} ERR_WARP_GPU_FAILED: it does not compile */
  static async create(device: Device): Promise<Entropy> {
    return new Entropy(device, await device.pipeline('entropy', 'main'))
  }

  /**
   * @throws {RangeError} `counts` is too small
   * @throws {WarpError} ERR_WARP_GPU_FAILED: no memory
   */
  async bind(buffers: EntropyBuffers): Promise<EntropyPass> {
    const { counts, maxFrames } = buffers
    if (counts.size < maxFrames * ENTROPY_WORDS * 4) throw new RangeError('no room for the counts')
    const plan = await this.#device.buffer('entropy plan', (PLAN_WORDS + maxFrames * FRAME_WORDS) * 4, USAGE.storage | USAGE.copyDst)
    return new EntropyPass(this.#device, this.#pipeline, { ...buffers, plan })
  }
}

export class EntropyPass {
  readonly #queue: GPUQueue
  readonly #pipeline: GPUComputePipeline
  readonly #group: GPUBindGroup
  readonly #buffers: EntropyBuffers & { plan: GPUBuffer }
  readonly #plan: Uint32Array<ArrayBuffer>

  constructor(device: Device, pipeline: GPUComputePipeline, buffers: EntropyBuffers & { plan: GPUBuffer }) {
    this.#queue = device.device.queue
    this.#pipeline = pipeline
    this.#buffers = buffers
    this.#group = device.bind(pipeline, [buffers.plain, buffers.counts, buffers.plan])
    this.#plan = new Uint32Array(PLAN_WORDS + buffers.maxFrames * FRAME_WORDS)
  }

  /**
   * Records the counting of `frames`; once for each submit. Frame i has the ENTROPY_WORDS words from
   * i * ENTROPY_WORDS on.
   * @throws {RangeError} more frames than bound for, or one misplaced, too long or outside of `plain`
   */
  encode(pass: GPUComputePassEncoder, frames: readonly EntropyFrame[]): void {
    const { plain, plan, maxFrames } = this.#buffers
    if (frames.length > maxFrames) throw new RangeError('more frames than there is room for')
    if (frames.length === 0) return
    this.#plan[0] = frames.length
    frames.forEach(({ plainOffset, plainLength }, i) => {
      if (plainOffset % FRAME_ALIGN_BYTES !== 0) throw new RangeError('a frame starts where none may')
      if (plainLength > MAX_FRAME_BYTES) throw new RangeError('a frame longer than frames can be')
      if (plainOffset + plainLength > plain.size) throw new RangeError('a frame outside of the buffer')
      this.#plan[PLAN_WORDS + i * FRAME_WORDS] = plainOffset
      this.#plan[PLAN_WORDS + i * FRAME_WORDS + 1] = plainLength
    })
    this.#queue.writeBuffer(plan, 0, this.#plan, 0, PLAN_WORDS + frames.length * FRAME_WORDS)
    pass.setPipeline(this.#pipeline)
    pass.setBindGroup(0, this.#group)
    dispatch(pass, frames.length)
  }

  /** Frees what it made itself. */
  destroy(): void {
    this.#buffers.plan.destroy()
  }
}
