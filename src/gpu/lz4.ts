/** LZ4 payloads of frames, §7 codec 1. Kernels: shaders/lz4.wgsl. Twin: src/codec/lz4.ts, which decodes them. */
import { LZ4_PART_BYTES, MAX_FRAME_BYTES } from '../base/limits.ts'
import { USAGE, dispatch, type Device } from './device.ts'

const WORD_BYTES = 4
const FRAME_WORDS = 6
const PART_WORDS = 2
/** Workgroups of `pack` for one part. */
const PACKERS = 4
const BLOCK_ALIGN_BYTES = 64
/** `arrange` has a thread for each part of a frame. */
const MAX_PARTS_OF_FRAME = MAX_FRAME_BYTES / LZ4_PART_BYTES

/** One workgroup of `arrange` each, counted over one dimension. */
const MAX_FRAMES = 32_768

export interface Lz4Buffers {
  /** Plaintext of the frames: storage. */
  plain: GPUBuffer
  /** For the passes alone: storage, LZ4_PART_BYTES for each of `maxParts`. */
  scratch: GPUBuffer
  /** Receives the payloads: storage. */
  blocks: GPUBuffer
  /** Receives for each frame the bytes of its payload, 0 if it is stored: storage, u32[maxFrames]. */
  lengths: GPUBuffer
  /** Most parts that the frames of one `encode` have together. */
  maxParts: number
  /** Most frames of one `encode`. */
  maxFrames: number
}

export interface Lz4Frame {
  /** Where it lies in `plain`, bytes; a multiple of LZ4_PART_BYTES. */
  plainOffset: number
  /** 1 … MAX_FRAME_BYTES */
  plainLength: number
  /** Where its payload goes in `blocks`, bytes; a multiple of 64. There must be room for `plainLength` bytes, rounded up to words. */
  blockOffset: number
  /** Copy it without a try. */
  store: boolean
}

/** The pipelines; one for each device. */
export class Lz4 {
  readonly #device: Device
  readonly #compress: GPUComputePipeline
  readonly #arrange: GPUComputePipeline
  readonly #pack: GPUComputePipeline

  private constructor(device: Device, [compress, arrange, pack]: GPUComputePipeline[]) {
    this.#device = device
    this.#compress = compress
    this.#arrange = arrange
    this.#pack = pack
  }

  /** @throws {WarpError} ERR_WARP_GPU_FAILED */
  static async create(device: Device): Promise<Lz4> {
    return new Lz4(device, await Promise.all(['compress', 'arrange', 'pack'].map((entry) => device.pipeline('lz4', entry))))
  }

  /**
   * @throws {RangeError} a buffer too small for the maxima
   * @throws {WarpError} ERR_WARP_GPU_FAILED: out of memory
   */
  async bind(buffers: Lz4Buffers): Promise<Lz4Pass> {
    const { plain, scratch, blocks, lengths, maxParts, maxFrames } = buffers
    if (!(maxParts >= 1) || !(maxFrames >= 1)) throw new RangeError('at least one frame of one part')
    if (maxFrames > MAX_FRAMES) throw new RangeError('more frames than one dimension of a dispatch holds')
    if (scratch.size < maxParts * LZ4_PART_BYTES) throw new RangeError('scratch is too small')
    if (lengths.size < maxFrames * WORD_BYTES) throw new RangeError('lengths is too small')
    const device = this.#device
    const frames = await device.buffer('lz4 frames', maxFrames * FRAME_WORDS * WORD_BYTES, USAGE.storage | USAGE.copyDst)
    const list = await device.buffer('lz4 list', (1 + maxParts) * WORD_BYTES, USAGE.storage | USAGE.copyDst)
    const parts = await device.buffer('lz4 parts', maxParts * PART_WORDS * WORD_BYTES, USAGE.storage)
    return new Lz4Pass(device, buffers, { frames, list, parts }, [
      [this.#compress, device.bind(this.#compress, [frames, list, plain, parts, scratch])],
      [this.#arrange, device.bind(this.#arrange, [frames, parts, lengths])],
      [this.#pack, device.bind(this.#pack, [frames, list, plain, parts, scratch, lengths, blocks])],
    ])
  }
}

type Stage = [pipeline: GPUComputePipeline, group: GPUBindGroup]

/** The pipelines, bound to buffers. */
export class Lz4Pass {
  readonly #device: Device
  readonly #buffers: Lz4Buffers
  readonly #own: { frames: GPUBuffer; list: GPUBuffer; parts: GPUBuffer }
  readonly #stages: Stage[]
  readonly #frameWords: Uint32Array<ArrayBuffer>
  readonly #listWords: Uint32Array<ArrayBuffer>

  /** For Lz4.bind. */
  constructor(device: Device, buffers: Lz4Buffers, own: { frames: GPUBuffer; list: GPUBuffer; parts: GPUBuffer }, stages: Stage[]) {
    this.#device = device
    this.#buffers = buffers
    this.#own = own
    this.#stages = stages
    this.#frameWords = new Uint32Array(buffers.maxFrames * FRAME_WORDS)
    this.#listWords = new Uint32Array(1 + buffers.maxParts)
  }

  /**
   * Writes the payload of each frame to `blocks` at its `blockOffset`, and its length to `lengths`. Where that is 0, the plaintext
   * is written: the payload would not be smaller, or `store` is set. Up to three bytes of 0 fill the last word.
   *
   * Once between two submits: what it tells the kernels is written before the next one.
   * @param frames in `blocks` they must not overlap
   * @throws {RangeError} more frames or parts than bound for, an offset or a length out of range
   */
  encode(pass: GPUComputePassEncoder, frames: Lz4Frame[]): void {
    if (frames.length === 0) return
    const parts = this.#describe(frames)
    const { queue } = this.#device.device
    queue.writeBuffer(this.#own.frames, 0, this.#frameWords, 0, frames.length * FRAME_WORDS)
    queue.writeBuffer(this.#own.list, 0, this.#listWords, 0, 1 + parts)
    const counts = [parts, frames.length, parts * PACKERS]
    for (const [i, [pipeline, group]] of this.#stages.entries()) {
      pass.setPipeline(pipeline)
      pass.setBindGroup(0, group)
      dispatch(pass, counts[i])
    }
  }

  /** @returns how many parts the frames have */
  #describe(frames: Lz4Frame[]): number {
    const { plain, blocks, maxParts, maxFrames } = this.#buffers
    if (frames.length > maxFrames) throw new RangeError('more frames than bound for')
    let part = 0
    for (const [i, { plainOffset, plainLength, blockOffset, store }] of frames.entries()) {
      if (!(plainLength >= 1 && plainLength <= MAX_FRAME_BYTES)) throw new RangeError('not the length of a frame')
      if (!(plainOffset >= 0) || plainOffset % LZ4_PART_BYTES !== 0 || plainOffset + plainLength > plain.size) {
        throw new RangeError('a frame out of place in plain')
      }
      if (!(blockOffset >= 0) || blockOffset % BLOCK_ALIGN_BYTES !== 0 || blockOffset + plainLength > blocks.size) {
        throw new RangeError('a frame out of place in blocks')
      }
      const count = Math.ceil(plainLength / LZ4_PART_BYTES)
      if (part + count > maxParts) throw new RangeError('more parts than bound for')
      this.#frameWords.set([plainOffset / WORD_BYTES, plainLength, blockOffset / WORD_BYTES, part, count, store ? 1 : 0], i * FRAME_WORDS)
      for (let index = 0; index < count; index++) this.#listWords[1 + part++] = i * MAX_PARTS_OF_FRAME + index
    }
    this.#listWords[0] = part
    return part
  }

  /** The buffers that were bound are the caller's. */
  destroy(): void {
    for (const buffer of Object.values(this.#own)) buffer.destroy()
  }
}
