/**
 * Cut-point candidates of many regions of one buffer, all of a batch at once. Source: format-spec §4.2.
 * Kernel: shaders/buzhash.wgsl. Twin: `findCandidates` of src/codec/buzhash.ts, bit-exact.
 */
import { MAX_AVERAGE_BYTES, MIN_AVERAGE_BYTES, candidateMask } from '../base/limits.ts'
import { USAGE, dispatch, type Device } from './device.ts'

/** Bytes that a digest looks back (§4.2), as the shader has it. */
export const WINDOW_BYTES = 48

const THREADS = 64
const STRIP_BITMAP_WORDS = 4
/** What one workgroup looks at. */
const TILE_BYTES = THREADS * STRIP_BITMAP_WORDS * 32

/** Up to here, no sum of a position and a tile leaves 32 bits. */
const MOST_BYTES = 2 ** 32 - 2 * TILE_BYTES

const TABLE_WORDS = 256
const PARAMETERS_WORDS = 4

/** A run of bytes whose candidates are sought by themselves, as those of one segment of a file. Regions may overlap. */
export interface BuzhashRegion {
  /** Of its first byte in the buffer; any alignment. */
  offset: number
  /** WINDOW_BYTES if as many bytes before it belong to it too: all its positions can be candidates. Else 0: those from WINDOW_BYTES on. */
  warmup: number
  /** Bytes, without the warm-up. */
  length: number
}

export interface BuzhashBuffers {
  /** u32[], storage: what the regions lie in. */
  bytes: GPUBuffer
  /**
   * u32[1 + capacity], storage: word 0 receives the number of candidates, the others as many of them as there
   * is room for, ascending, as positions in `bytes`; those of the list are the first.
   */
  list: GPUBuffer
  /** u32[⌈maxBytes / 32⌉], storage: bit i receives whether position i + 1 of `bytes` is a candidate; defined in regions only. */
  bitmap: GPUBuffer
  maxRegions: number
  /** No region ends after this offset. */
  maxBytes: number
}

export class Buzhash {
  readonly #device: Device
  readonly #pipelines: Pipelines
  readonly #table: GPUBuffer

  private constructor(device: Device, pipelines: Pipelines, table: GPUBuffer) {
    this.#device = device
    this.#pipelines = pipelines
    this.#table = table
  }

  /**
   * @param table T of §4.2, u32[256]
   * @throws {RangeError} a table of another length
   * @throws {WarpError} ERR_WARP_GPU_FAILED: the shader does not compile on this device, or no memory
   */
  static async create(device: Device, table: Uint32Array): Promise<Buzhash> {
    if (table.length !== TABLE_WORDS) throw new RangeError('the table is not of 256 words')
    const constants = { THREADS, STRIP_BITMAP_WORDS }
    const scan = await device.pipeline('buzhash', 'scan', constants)
    const sum = await device.pipeline('buzhash', 'sum', constants)
    const list = await device.pipeline('buzhash', 'list', constants)
    const buffer = await device.buffer('buzhash.table', 4 * TABLE_WORDS, USAGE.storage | USAGE.copyDst)
    device.device.queue.writeBuffer(buffer, 0, Uint32Array.from(table))
    return new Buzhash(device, { scan, sum, list }, buffer)
  }

  /**
   * Takes little device memory besides.
   * @throws {RangeError} a maximum that is no count, or `bitmap` too small for `maxBytes`
   * @throws {WarpError} ERR_WARP_GPU_FAILED: no memory
   */
  async bind(buffers: BuzhashBuffers): Promise<BuzhashPass> {
    const { bitmap, maxRegions, maxBytes } = buffers
    if (!(Number.isSafeInteger(maxRegions) && maxRegions > 0)) throw new RangeError('maxRegions is no count')
    if (!(Number.isSafeInteger(maxBytes) && maxBytes >= 0 && maxBytes <= MOST_BYTES)) throw new RangeError('maxBytes is no length')
    if (bitmap.size < 4 * Math.ceil(maxBytes / 32)) throw new RangeError('no room for the bitmap')
    const owned: GPUBuffer[] = []
    const make = async (label: string, bytes: number, usage: number): Promise<GPUBuffer> => {
      const buffer = await this.#device.buffer(`buzhash.${label}`, bytes, usage)
      owned.push(buffer)
      return buffer
    }
    try {
      const parameters = await make('parameters', 4 * PARAMETERS_WORDS, USAGE.uniform | USAGE.copyDst)
      const counts = await make('counts', 4 * (Math.ceil(maxBytes / TILE_BYTES) + 1), USAGE.storage)
      const ranges = await make('ranges', 8 * maxRegions, USAGE.storage | USAGE.copyDst)
      return new BuzhashPass(this.#device, this.#pipelines, this.#table, buffers, { parameters, counts, ranges })
    } catch (error) {
      for (const buffer of owned) buffer.destroy()
      throw error
    }
  }

  /** Frees the table; no pass that was bound can be submitted afterwards. */
  destroy(): void {
    this.#table.destroy()
  }
}

interface Pipelines {
  scan: GPUComputePipeline
  sum: GPUComputePipeline
  list: GPUComputePipeline
}

interface Workspace {
  parameters: GPUBuffer
  counts: GPUBuffer
  ranges: GPUBuffer
}

/** Scans batches that lie in the buffers it is bound to. One batch at a time: submit what was encoded before it encodes again. */
export class BuzhashPass {
  readonly #queue: GPUQueue
  readonly #pipelines: Pipelines
  readonly #workspace: Workspace
  readonly #groups: Record<keyof Pipelines, GPUBindGroup>
  readonly #maxRegions: number
  readonly #maxBytes: number

  /** Only for `Buzhash.bind`. */
  constructor(device: Device, pipelines: Pipelines, table: GPUBuffer, buffers: BuzhashBuffers, workspace: Workspace) {
    const { bytes, list, bitmap, maxRegions, maxBytes } = buffers
    const { parameters, counts, ranges } = workspace
    this.#queue = device.device.queue
    this.#pipelines = pipelines
    this.#workspace = workspace
    this.#groups = {
      scan: device.bind(pipelines.scan, [parameters, bitmap, counts, ranges, table, bytes]),
      sum: device.bind(pipelines.sum, [parameters, counts, list]),
      list: device.bind(pipelines.list, [parameters, bitmap, counts, list]),
    }
    this.#maxRegions = maxRegions
    this.#maxBytes = Math.min(maxBytes, bytes.size)
  }

  /**
   * Records the search of one batch. Fills `bitmap` too: if there were more candidates than the list has room
   * for, nothing need be computed again.
   * @param average A of §4.1, a power of two
   * @throws {RangeError} average out of bounds, more regions than maxRegions, or one outside the buffer
   */
  encodeList(pass: GPUComputePassEncoder, regions: readonly BuzhashRegion[], average: number): void {
    const tileCount = this.#encodeScan(pass, regions, average)
    pass.setPipeline(this.#pipelines.sum)
    pass.setBindGroup(0, this.#groups.sum)
    dispatch(pass, 1)
    pass.setPipeline(this.#pipelines.list)
    pass.setBindGroup(0, this.#groups.list)
    dispatch(pass, tileCount)
  }

  /** The same, of which only `bitmap` is filled. */
  encodeBitmap(pass: GPUComputePassEncoder, regions: readonly BuzhashRegion[], average: number): void {
    this.#encodeScan(pass, regions, average)
  }

  /** Frees what it owns; the buffers that it is bound to stay. */
  destroy(): void {
    for (const buffer of Object.values(this.#workspace)) buffer.destroy()
  }

  /** @returns how many tiles there are */
  #encodeScan(pass: GPUComputePassEncoder, regions: readonly BuzhashRegion[], average: number): number {
    if (!(average >= MIN_AVERAGE_BYTES && average <= MAX_AVERAGE_BYTES && (average & (average - 1)) === 0)) {
      throw new RangeError('average is not a power of two within its limits')
    }
    if (regions.length > this.#maxRegions) throw new RangeError('more regions than maxRegions')
    for (const { offset, warmup, length } of regions) {
      const isRegion = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && length >= 0 && (warmup === 0 || warmup === WINDOW_BYTES)
      if (!isRegion) throw new RangeError('no region')
      if (offset < warmup || offset + length > this.#maxBytes) throw new RangeError('region outside the buffer')
    }
    const ranges = rangesOf(regions)
    const firstTile = ranges.length === 0 ? 0 : Math.floor(ranges[0] / TILE_BYTES)
    const tileCount = ranges.length === 0 ? 0 : Math.ceil(ranges[ranges.length - 1] / TILE_BYTES) - firstTile
    const { parameters, ranges: target } = this.#workspace
    this.#queue.writeBuffer(parameters, 0, Uint32Array.of(candidateMask(average), firstTile, tileCount, ranges.length / 2))
    this.#queue.writeBuffer(target, 0, ranges)
    pass.setPipeline(this.#pipelines.scan)
    pass.setBindGroup(0, this.#groups.scan)
    dispatch(pass, tileCount)
    return tileCount
  }
}

/** The first position of a region that can be a candidate, relative to it. */
function firstPosition({ warmup }: BuzhashRegion): number {
  return warmup > 0 ? 1 : WINDOW_BYTES
}

/** Pairs [from, to) of bytes with which windows of any region end: ascending, disjoint, none empty. */
function rangesOf(regions: readonly BuzhashRegion[]): Uint32Array<ArrayBuffer> {
  const pairs = regions
    .map((region) => ({ from: region.offset + firstPosition(region) - 1, to: region.offset + region.length }))
    .filter(({ from, to }) => from < to)
    .sort((a, b) => a.from - b.from)
  const ranges = new Uint32Array(2 * pairs.length)
  let end = 0
  for (const { from, to } of pairs) {
    if (end > 0 && from <= ranges[end - 1]) {
      ranges[end - 1] = Math.max(ranges[end - 1], to)
    } else {
      ranges[end++] = from
      ranges[end++] = to
    }
  }
  return ranges.slice(0, end)
}

/**
 * Candidates of each region by the list.
 * @param words u32[1 + capacity], as `list` holds them
 * @param regions those that were encoded
 * @returns for each region u32[k], ascending, relative to the region, as `findCandidates` gives them; null if the list had no room for all
 */
export function candidatesOfList(words: Uint32Array, regions: readonly BuzhashRegion[]): Uint32Array[] | null {
  const count = words[0]
  if (count > words.length - 1) return null
  const positions = words.subarray(1, 1 + count)
  return regions.map((region) => {
    const from = lowerBound(positions, region.offset + firstPosition(region))
    const to = lowerBound(positions, region.offset + region.length + 1)
    return positions.slice(from, Math.max(from, to)).map((position) => position - region.offset)
  })
}

/** Index of the first of `ascending` that is at least `least`. */
function lowerBound(ascending: Uint32Array, least: number): number {
  let low = 0
  let high = ascending.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ascending[middle] < least) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Candidates of each region by the bitmap.
 * @param words as `bitmap` holds them
 * @param regions those that were encoded
 * @returns as `candidatesOfList`
 */
export function candidatesOfBitmap(words: Uint32Array, regions: readonly BuzhashRegion[]): Uint32Array[] {
  return regions.map((region) => {
    const from = region.offset + firstPosition(region) - 1
    const to = region.offset + region.length
    if (from >= to) return new Uint32Array()
    let count = 0
    eachWord(words, from, to, (word) => { count += countOneBits(word) })
    const found = new Uint32Array(count)
    let at = 0
    eachWord(words, from, to, (word, first) => {
      for (let bits = word; bits !== 0; bits &= bits - 1) found[at++] = first + 31 - Math.clz32(bits & -bits) + 1 - region.offset
    })
    return found
  })
}

/** Calls `take` with each word that is not 0 of the bits [from, to), others cleared, and the index of its lowest bit. */
function eachWord(words: Uint32Array, from: number, to: number, take: (word: number, first: number) => void): void {
  const last = (to - 1) >>> 5
  for (let i = from >>> 5; i <= last; i++) {
    let word = words[i]
    if (i === from >>> 5) word &= -1 << (from & 31)
    if (i === last) word &= -1 >>> (31 - ((to - 1) & 31))
    if (word !== 0) take(word, 32 * i)
  }
}

function countOneBits(word: number): number {
  let bits = word - ((word >>> 1) & 0x5555_5555)
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333)
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24
}
