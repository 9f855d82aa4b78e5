/**
 * Finds runs of zero blocks on the GPU: the device flags the blocks, the host makes runs of the flags.
 * Source: format-spec §4.3. Twin: src/codec/zeros.ts, the same runs.
 */
import { HOLE_ALIGN_BYTES, HOLE_MIN_BYTES } from '../base/limits.ts'
import { USAGE, dispatch, type Device } from './device.ts'

const VECTOR_BYTES = 16
const FLAGS_PER_WORD = 32
const WORD_SPAN_BYTES = FLAGS_PER_WORD * HOLE_ALIGN_BYTES
/** No sum of offsets wraps in the shader. */
const MAX_BUFFER_BYTES = 2 ** 31

const PLAN_WORDS = 2
const SPAN_WORDS = 2

/** A piece of a file that lies in the buffer. */
export interface ZerosRegion {
  /** Where it starts in the buffer, bytes, any alignment. */
  offset: number
  /** Where it starts in the file, bytes. */
  fileOffset: number
  /** Bytes. */
  length: number
  /** It ends the file, so that its last, shorter block counts. */
  isEnd: boolean
}

export interface ZerosBuffers {
  /** Bytes, a multiple of 16, at most 2 GiB. Usage: storage. */
  bytes: GPUBuffer
  /** At least `flagWords(maxRegions, maxBytes)` words. Usage: storage. */
  flags: GPUBuffer
  maxRegions: number
  /** Of all regions of one `encode` together. */
  maxBytes: number
}

/** Words of flags that regions of `maxBytes` bytes together can take: the flags of each start with a word. */
export function flagWords(maxRegions: number, maxBytes: number): number {
  return maxRegions + Math.floor(maxBytes / WORD_SPAN_BYTES)
}

/** Where the blocks of a region lie, relative to its start; the last may be shorter. */
function blocksOf({ fileOffset, length, isEnd }: ZerosRegion): { lead: number; end: number; count: number } {
  const lead = (HOLE_ALIGN_BYTES - (fileOffset % HOLE_ALIGN_BYTES)) % HOLE_ALIGN_BYTES
  const rest = Math.max(0, length - lead)
  const end = isEnd ? length : lead + rest - (rest % HOLE_ALIGN_BYTES)
  return { lead, end, count: Math.max(0, Math.ceil((end - lead) / HOLE_ALIGN_BYTES)) }
}

/**
 * Makes runs of the flags of regions: long enough for a hole, or touching the first or the last block.
 * @param flags u32[n] as the kernel wrote them for the same regions
 * @returns for each region what findZeroRuns gives: [start, end) pairs, file offsets in bytes, ascending
 */
export function zeroRuns(flags: Uint32Array, regions: readonly ZerosRegion[]): number[][] {
  let word = 0
  return regions.map((region) => {
    const { lead, end, count } = blocksOf(region)
    const first = word
    word += Math.ceil(count / FLAGS_PER_WORD)
    if (word > flags.length) throw new RangeError('fewer flags than the regions have blocks')
    return runsOf(flags.subarray(first, word), count, region.fileOffset + lead, region.fileOffset + end)
  })
}

function runsOf(flags: Uint32Array, count: number, fileStart: number, fileEnd: number): number[] {
  const runs: number[] = []
  let start = -1
  for (let i = 0; i <= count; i++) {
    if (i < count && ((flags[i >>> 5]! >>> (i & 31)) & 1) === 1) {
      if (start < 0) start = i
      continue
    }
    // A word without flags is what data mostly gives.
    if (start < 0 && flags[i >>> 5] === 0) i |= FLAGS_PER_WORD - 1
    if (start < 0) continue
    if (start === 0 || i === count || (i - start) * HOLE_ALIGN_BYTES >= HOLE_MIN_BYTES) {
      runs.push(fileStart + start * HOLE_ALIGN_BYTES, Math.min(fileStart + i * HOLE_ALIGN_BYTES, fileEnd))
    }
    start = -1
  }
  return runs
}

export class Zeros {
  readonly #device: Device
  readonly #pipeline: GPUComputePipeline

  private constructor(device: Device, pipeline: GPUComputePipeline) {
    this.#device = device
    this.#pipeline = pipeline
  }

  /** @throws {WarpError} ERR_WARP_GPU_FAILED: it does not compile */
  static async create(device: Device): Promise<Zeros> {
    return new Zeros(device, await device.pipeline('zeros', 'main', { block_bytes: HOLE_ALIGN_BYTES }))
  }

  /**
   * @throws {RangeError} `bytes` is not of whole vectors, or too large, or `flags` too small
   * @throws {WarpError} ERR_WARP_GPU_FAILED: no memory
   */
  async bind(buffers: ZerosBuffers): Promise<ZerosPass> {
    const { bytes, flags, maxRegions, maxBytes } = buffers
    const words = flagWords(maxRegions, maxBytes)
    if (bytes.size % VECTOR_BYTES !== 0) throw new RangeError('the bytes must be whole vectors of 16')
    if (bytes.size > MAX_BUFFER_BYTES) throw new RangeError('more than 2 GiB of bytes')
    if (flags.size < words * 4) throw new RangeError('no room for the flags')
    const plan = await this.#device.buffer('zeros plan', (PLAN_WORDS + words * SPAN_WORDS) * 4, USAGE.storage | USAGE.copyDst)
    return new ZerosPass(this.#device, this.#pipeline, { ...buffers, plan })
  }
}

export class ZerosPass {
  readonly #queue: GPUQueue
  readonly #pipeline: GPUComputePipeline
  readonly #group: GPUBindGroup
  readonly #buffers: ZerosBuffers & { plan: GPUBuffer }
  readonly #plan: Uint32Array<ArrayBuffer>

  constructor(device: Device, pipeline: GPUComputePipeline, buffers: ZerosBuffers & { plan: GPUBuffer }) {
    this.#queue = device.device.queue
    this.#pipeline = pipeline
    this.#buffers = buffers
    this.#group = device.bind(pipeline, [buffers.bytes, buffers.flags, buffers.plan])
    this.#plan = new Uint32Array(buffers.plan.size / 4)
  }

  /**
   * Records the flagging of `regions`; once for each submit. Words of flags beyond theirs stay as they are.
   * @throws {RangeError} more regions or bytes than bound for, or a region outside of the buffer
   */
  encode(pass: GPUComputePassEncoder, regions: readonly ZerosRegion[]): void {
    const { bytes, plan, maxRegions, maxBytes } = this.#buffers
    if (regions.length > maxRegions) throw new RangeError('more regions than there is room for')
    let total = 0
    let words = 0
    for (const region of regions) {
      if (region.offset < 0 || region.offset + region.length > bytes.size) throw new RangeError('a region outside of the buffer')
      total += region.length
      if (total > maxBytes) throw new RangeError('more bytes than there is room for')
      const { lead, end, count } = blocksOf(region)
      for (let i = 0; i < count; i += FLAGS_PER_WORD) {
        const start = region.offset + lead + i * HOLE_ALIGN_BYTES
        const at = PLAN_WORDS + words++ * SPAN_WORDS
        this.#plan[at] = start
        this.#plan[at + 1] = Math.min(start + WORD_SPAN_BYTES, region.offset + end)
      }
    }
    if (words === 0) return
    this.#plan[0] = words
    this.#queue.writeBuffer(plan, 0, this.#plan, 0, PLAN_WORDS + words * SPAN_WORDS)
    pass.setPipeline(this.#pipeline)
    pass.setBindGroup(0, this.#group)
    dispatch(pass, words)
  }

  /** Frees what it made itself. */
  destroy(): void {
    this.#buffers.plan.destroy()
  }
}
