/**
 * Puts the chunks of frames side by side on the GPU. Source: format-spec §2. Twin: src/codec/gather.ts, bit-exact.
 * Pieces that lie side by side already are merged here, so that most frames are one piece.
 */
import { LZ4_PART_BYTES, MAX_FRAME_BYTES } from '../base/limits.ts'
import { USAGE, dispatch, type Device } from './device.ts'

const VECTOR_BYTES = 16
const TILE_VECTORS = 1024
const TILE_BYTES = TILE_VECTORS * VECTOR_BYTES
/** Frames begin where parts of LZ4 do (§7). */
const FRAME_ALIGN_BYTES = LZ4_PART_BYTES
/** Behind a frame zeros follow up to a multiple of this. */
export const FRAME_PAD_BYTES = 64
/** Offsets are signed in the shader. */
const MAX_SOURCE_BYTES = 2 ** 31

const PLAN_WORDS = 2
const FRAME_WORDS = 5
const PIECE_WORDS = 2

export interface GatherFrame {
  /** [offset, length] pairs in bytes of the source, any alignment. */
  pieces: Uint32Array
  /** Where the frame starts in the target, bytes, a multiple of LZ4_PART_BYTES. */
  plainOffset: number
  /** Bytes of all pieces together; 0: nothing is written; at most MAX_FRAME_BYTES. */
  plainLength: number
}

export interface GatherBuffers {
  /** Bytes, a multiple of 16, at most 2 GiB. Usage: storage. */
  source: GPUBuffer
  /** Bytes, a multiple of 16. Usage: storage. */
  target: GPUBuffer
  /** Of all frames of one `encode`, once those that lie side by side are merged. */
  maxPieces: number
  maxFrames: number
}

export class Gather {
  readonly #device: Device
  readonly #pipeline: GPUComputePipeline

  private constructor(device: Device, pipeline: GPUComputePipeline) {
    this.#device = device
    this.#pipeline = pipeline
  }

  /** @throws {WarpError} ERR_WARP_GPU_FAILED: it does not compile */
  static async create(device: Device): Promise<Gather> {
    return new Gather(device, await device.pipeline('gather', 'main', { tile_vectors: TILE_VECTORS }))
  }

  /**
   * @throws {RangeError} a buffer is not of whole vectors, or the source is too large
   * @throws {WarpError} ERR_WARP_GPU_FAILED: no memory
   */
  async bind({ source, target, maxPieces, maxFrames }: GatherBuffers): Promise<GatherPass> {
    if (source.size % VECTOR_BYTES !== 0 || target.size % VECTOR_BYTES !== 0) throw new RangeError('a buffer is not of whole vectors of 16 bytes')
    if (source.size > MAX_SOURCE_BYTES) throw new RangeError('the source is longer than 2 GiB')
    const usage = USAGE.storage | USAGE.copyDst
    const plan = await this.#device.buffer('gather plan', (PLAN_WORDS + maxFrames * FRAME_WORDS) * 4, usage)
    const pieces = await this.#device.buffer('gather pieces', maxPieces * PIECE_WORDS * 4, usage).catch((error: unknown) => {
      plan.destroy()
      throw error
    })
    return new GatherPass(this.#device, this.#pipeline, { source, target, plan, pieces, maxPieces, maxFrames })
  }
}

export class GatherPass {
  readonly #queue: GPUQueue
  readonly #pipeline: GPUComputePipeline
  readonly #group: GPUBindGroup
  readonly #buffers: GatherBuffers & { plan: GPUBuffer; pieces: GPUBuffer }
  readonly #plan: Uint32Array<ArrayBuffer>
  readonly #pieces: Uint32Array<ArrayBuffer>

  constructor(device: Device, pipeline: GPUComputePipeline, buffers: GatherBuffers & { plan: GPUBuffer; pieces: GPUBuffer }) {
    this.#queue = device.device.queue
    this.#pipeline = pipeline
    this.#buffers = buffers
    this.#group = device.bind(pipeline, [buffers.source, buffers.target, buffers.plan, buffers.pieces])
    this.#plan = new Uint32Array(PLAN_WORDS + buffers.maxFrames * FRAME_WORDS)
    this.#pieces = new Uint32Array(buffers.maxPieces * PIECE_WORDS)
  }

  /**
   * Records the copying of `frames`; once for each submit.
   * @param frames ascending in the target, none overlapping another
   * @throws {RangeError} more frames or pieces than bound for, a piece outside of the source, a frame outside of the
   *   target, misplaced, too long, or of another length than its pieces have together
   */
  encode(pass: GPUComputePassEncoder, frames: readonly GatherFrame[]): void {
    if (frames.length > this.#buffers.maxFrames) throw new RangeError('more frames than there is room for')
    let tileCount = 0
    let frameCount = 0
    let pieceCount = 0
    let end = 0
    for (const { pieces, plainOffset, plainLength } of frames) {
      if (plainLength > MAX_FRAME_BYTES) throw new RangeError('a frame longer than frames can be')
      if (plainOffset % FRAME_ALIGN_BYTES !== 0 || plainOffset < end) throw new RangeError('a frame starts where none may')
      end = plainOffset + Math.ceil(plainLength / FRAME_PAD_BYTES) * FRAME_PAD_BYTES
      if (end > this.#buffers.target.size) throw new RangeError('a frame outside of the target')
      const firstPiece = pieceCount
      pieceCount = this.#addPieces(pieces, plainLength, firstPiece)
      if (plainLength === 0) continue
      const at = PLAN_WORDS + frameCount++ * FRAME_WORDS
      this.#plan.set([tileCount, plainOffset / VECTOR_BYTES, plainLength, firstPiece, pieceCount - 1], at)
      tileCount += Math.ceil(plainLength / TILE_BYTES)
    }
    if (tileCount === 0) return
    this.#plan.set([tileCount, frameCount])
    this.#queue.writeBuffer(this.#buffers.plan, 0, this.#plan, 0, PLAN_WORDS + frameCount * FRAME_WORDS)
    this.#queue.writeBuffer(this.#buffers.pieces, 0, this.#pieces, 0, pieceCount * PIECE_WORDS)
    pass.setPipeline(this.#pipeline)
    pass.setBindGroup(0, this.#group)
    dispatch(pass, tileCount)
  }

  /** Frees what it made itself. */
  destroy(): void {
    this.#buffers.plan.destroy()
    this.#buffers.pieces.destroy()
  }

  /** Merged, from number `count` on. @returns how many there are then */
  #addPieces(pieces: Uint32Array, plainLength: number, count: number): number {
    let position = 0
    for (let i = 0; i < pieces.length; ) {
      const start = pieces[i]!
      let end = start
      for (; i < pieces.length && pieces[i] === end; i += 2) end += pieces[i + 1]!
      if (end > this.#buffers.source.size) throw new RangeError('a piece outside of the source')
      if (end === start) continue
      if (count === this.#buffers.maxPieces) throw new RangeError('more pieces than there is room for')
      const delta = start - position
      position += end - start
      this.#pieces[count * PIECE_WORDS] = position
      this.#pieces[count * PIECE_WORDS + 1] = delta
      count++
    }
    if (position !== plainLength) throw new RangeError('a frame of another length than its pieces')
    return count
  }
}
