/**
 * zstd frames of data that lies on the GPU. Source: RFC 8878; format-spec §7, codec 2. What comes out is valid, and
 * the same for the same device and data; no CPU twin makes the same bytes.
 */
import { MAX_FRAME_BYTES } from '../base/limits.ts'
import { USAGE, dispatch, type Device } from './device.ts'

/** Alignment of frames in `plain`, bytes: what becomes one zstd block. */
export const PART_BYTES = 65_536
/** Alignment of frames in `blocks`, bytes. */
export const BLOCK_ALIGNMENT = 64

const HASH_BITS = 15
// WORK_WORDS of the shader.
const WORK_BYTES = 4 * 49_920
/** Of a part's tables: what one workgroup of `spread` takes. */
const SPREAD_BYTES = 1024
const LAST = 1
const STORE = 2

const ENTRIES = {
  index: [0, 1, 2, 3, 4, 7],
  spread: [2, 3, 7],
  search: [0, 1, 2, 3, 4, 7],
  literals: [1, 2, 4, 7],
  sequences: [0, 1, 2, 3, 4, 7],
  place: [2, 4, 6, 7],
  pack: [0, 1, 2, 4, 5, 6, 7],
} as const

type Entry = keyof typeof ENTRIES
const USES_TABLES: ReadonlySet<Entry> = new Set<Entry>(['index', 'spread', 'search', 'sequences'])
const NAMES = Object.keys(ENTRIES) as Entry[]

export interface ZstdBuffers {
  /** u8[], read as u32: the frames. Usage: storage. */
  plain: GPUBuffer
  /** At least `Zstd.scratchBytes(maxParts)`, for the same hashBits. Usage: storage. */
  scratch: GPUBuffer
  /** Receives the payloads. Usage: storage. */
  blocks: GPUBuffer
  /** u32[maxFrames], receives bytes of each payload, 0 for a frame that is stored. Usage: storage. */
  lengths: GPUBuffer
  /** Most parts of PART_BYTES, the last of each frame shorter, that `encode` is given at once. */
  maxParts: number
  maxFrames: number
}

export interface ZstdFrame {
  /** Bytes, a multiple of PART_BYTES. */
  plainOffset: number
  /** 1 … MAX_FRAME_BYTES. */
  plainLength: number
  /** Bytes, a multiple of BLOCK_ALIGNMENT. The frame may take its plain length there, rounded up to whole words. */
  blockOffset: number
  /** Not to be compressed. */
  store: boolean
}

export interface ZstdOptions {
  /**
   * log2 of the entries of the two tables that each part searches, 13 … 17; a table of 14 bits remembers some 64 KiB, and
   * each bit more twice as much, for twice the memory.
   */
  hashBits?: number
}

/** Of a part. */
function tableBytes(hashBits: number): number {
  return 4 * (2 << hashBits)
}

export class Zstd {
  readonly #device: Device
  readonly #hashBits: number
  readonly #pipelines: Record<Entry, GPUComputePipeline>

  private constructor(device: Device, hashBits: number, pipelines: Record<Entry, GPUComputePipeline>) {
    this.#device = device
    this.#hashBits = hashBits
    this.#pipelines = pipelines
  }

  /**
   * @throws {WarpError} ERR_WARP_GPU_FAILED: the shader does not compile on this device
   * @throws {RangeError} hashBits out of range
   */
  static async create(device: Device, { hashBits = HASH_BITS }: ZstdOptions = {}): Promise<Zstd> {
    if (!Number.isInteger(hashBits) || hashBits < 13 || hashBits > 17) throw new RangeError('no such size of a table')
    const made = await Promise.all(NAMES.map((name) => device.pipeline('zstd', name, USES_TABLES.has(name) ? { HASH_BITS: hashBits } : {})))
    return new Zstd(device, hashBits, Object.fromEntries(NAMES.map((name, i) => [name, made[i]])) as Record<Entry, GPUComputePipeline>)
  }

  /** Bytes of `scratch` for as many parts. */
  static scratchBytes(maxParts: number, hashBits = HASH_BITS): number {
    return maxParts * (tableBytes(hashBits) + WORK_BYTES)
  }

  /** @throws {RangeError} a maximum is not positive, or a buffer too short */
  async bind(buffers: ZstdBuffers): Promise<ZstdPass> {
    const { plain, scratch, blocks, lengths, maxParts, maxFrames } = buffers
    if (!(maxParts >= 1) || !(maxFrames >= 1)) throw new RangeError('nothing to bind')
    if (scratch.size < Zstd.scratchBytes(maxParts, this.#hashBits) || lengths.size < 4 * maxFrames) throw new RangeError('buffer too short')
    const parts = await this.#device.buffer('zstd parts', 16 * maxParts, USAGE.storage | USAGE.copyDst)
    const frames = await this.#device.buffer('zstd frames', 16 * maxFrames, USAGE.storage | USAGE.copyDst)
    const sizes = await this.#device.buffer('zstd sizes', 8, USAGE.uniform | USAGE.copyDst)
    const tablesBytes = maxParts * tableBytes(this.#hashBits)
    const tables = { buffer: scratch, offset: 0, size: tablesBytes }
    const work = { buffer: scratch, offset: tablesBytes, size: maxParts * WORK_BYTES }
    const resources = [{ buffer: plain }, { buffer: parts }, { buffer: frames }, tables, work, { buffer: blocks }, { buffer: lengths }, { buffer: sizes }]
    const steps = NAMES.map((name) => {
      const pipeline = this.#pipelines[name]
      const entries = ENTRIES[name].map((binding) => ({ binding, resource: resources[binding]! }))
      return { pipeline, group: this.#device.bindAt(pipeline, entries) }
    })
    return new ZstdPass(this.#device, buffers, tableBytes(this.#hashBits), { parts, frames, sizes }, Object.fromEntries(NAMES.map((name, i) => [name, steps[i]])) as Steps)
  }
}

type Steps = Record<Entry, { pipeline: GPUComputePipeline, group: GPUBindGroup }>

export class ZstdPass {
  readonly #device: Device
  readonly #buffers: ZstdBuffers
  readonly #tableBytes: number
  readonly #own: { parts: GPUBuffer, frames: GPUBuffer, sizes: GPUBuffer }
  readonly #steps: Steps

  /** Made by `Zstd.bind`. */
  constructor(device: Device, buffers: ZstdBuffers, tableBytes: number, own: { parts: GPUBuffer, frames: GPUBuffer, sizes: GPUBuffer }, steps: Steps) {
    this.#device = device
    this.#buffers = buffers
    this.#tableBytes = tableBytes
    this.#own = own
    this.#steps = steps
  }

  /**
   * Records the compression of `frames`; once per submission. Afterwards `blocks` holds for frame i at its blockOffset
   * `lengths[i]` bytes, one zstd frame shorter than the plain; or, where `lengths[i]` is 0, the plain itself. Up to 3
   * bytes after either are 0.
   * @throws {RangeError} more frames or parts than bound for; an offset not aligned, or outside its buffer; a length out of range
   */
  encode(pass: GPUComputePassEncoder, frames: readonly ZstdFrame[]): void {
    const { plain, blocks, maxParts, maxFrames } = this.#buffers
    if (frames.length === 0) return
    if (frames.length > maxFrames) throw new RangeError('too many frames')
    const parts: number[] = []
    const table = new Uint32Array(4 * frames.length)
    for (const [i, { plainOffset, plainLength, blockOffset, store }] of frames.entries()) {
      if (!(plainLength >= 1 && plainLength <= MAX_FRAME_BYTES)) throw new RangeError('not the length of a frame')
      if (plainOffset % PART_BYTES !== 0 || plainOffset < 0 || plainOffset + plainLength > plain.size) throw new RangeError('not the place of a frame')
      if (blockOffset % BLOCK_ALIGNMENT !== 0 || blockOffset < 0 || blockOffset + plainLength > blocks.size) throw new RangeError('not the place of a block')
      table.set([plainOffset + (store ? 1 : 0), plainLength, blockOffset, parts.length / 4], 4 * i)
      for (let at = 0; at < plainLength; at += PART_BYTES) {
        const length = Math.min(PART_BYTES, plainLength - at)
        parts.push(plainOffset, at, length, i * 4 + (store ? STORE : 0) + (at + length === plainLength ? LAST : 0))
      }
    }
    const partCount = parts.length / 4
    if (partCount > maxParts) throw new RangeError('too many parts')
    const { queue } = this.#device.device
    queue.writeBuffer(this.#own.parts, 0, new Uint32Array(parts))
    queue.writeBuffer(this.#own.frames, 0, table)
    queue.writeBuffer(this.#own.sizes, 0, new Uint32Array([partCount, frames.length]))
    const groups: Record<Entry, number> = {
      index: partCount, spread: frames.length * this.#tableBytes / SPREAD_BYTES, search: partCount, literals: partCount, sequences: partCount,
      place: frames.length, pack: partCount,
    }
    for (const name of NAMES) {
      pass.setPipeline(this.#steps[name].pipeline)
      pass.setBindGroup(0, this.#steps[name].group)
      dispatch(pass, groups[name])
    }
  }

  destroy(): void {
    for (const buffer of Object.values(this.#own)) buffer.destroy()
  }
}
