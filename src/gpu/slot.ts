/**
 * One place of the ring: the buffers of a batch and the steps on it. Input is read straight into the mapped
 * upload buffer; each step records its passes, submits them and maps what it gives back.
 */
import { WarpError } from '../base/errors.ts'
import { BLOCK_HEADER_BYTES, ID_BYTES, LZ4_PART_BYTES, TAG_BYTES } from '../base/limits.ts'
import { candidatesOfBitmap, candidatesOfList, type BuzhashRegion } from './buzhash.ts'
import type { Device } from './device.ts'
import { ENTROPY_WORDS } from './entropy.ts'
import type { Kernels } from './kernels.ts'
import { aligned, createSlotBuffers, type SealParts, type SlotBuffers, type SlotSizes } from './slot-buffers.ts'
import { zeroRuns, type ZerosRegion } from './zeros.ts'

export type Region = BuzhashRegion & ZerosRegion

/** What one region holds: candidates relative to its start, runs of zeros in file offsets (spec §4.2, §4.3). */
export interface Scanned {
  candidates: Uint32Array
  zeroRuns: number[]
}

/** A frame in the buffer of gathered frames, and the payload of its block; the header lies before it. */
export interface SlotFrame {
  /** [offset, length] pairs in the batch. */
  pieces: Uint32Array
  plainOffset: number
  plainLength: number
  payloadOffset: number
}

/** A run of the batch that is given back beside a result, so that it can be held against it. */
export interface Sample {
  offset: number
  /** At most MAX_SAMPLE_BYTES. */
  length: number
}

const MAP_READ = 1
const MAP_WRITE = 2

export class Slot {
  readonly #device: Device
  readonly #sizes: SlotSizes
  readonly #buffers: SlotBuffers
  readonly #seal: SealParts | null
  #mapping: Promise<unknown>
  #input: Uint8Array | null = null

  private constructor(device: Device, sizes: SlotSizes, buffers: SlotBuffers) {
    this.#device = device
    this.#sizes = sizes
    this.#buffers = buffers
    this.#seal = buffers.seal
    this.#mapping = this.#map()
  }

  /** @throws {WarpError} ERR_WARP_GPU_FAILED: no memory for its buffers */
  static async create(device: Device, kernels: Kernels, sizes: SlotSizes): Promise<Slot> {
    return new Slot(device, sizes, await createSlotBuffers(device, kernels, sizes))
  }

  /** The mapped memory that the batch is put into, as soon as it is free. */
  async input(): Promise<Uint8Array> {
    await this.#mapping
    // A range is lent once only.
    return (this.#input ??= new Uint8Array(this.#buffers.upload.getMappedRange()))
  }

  /**
   * Makes the input resident.
   * @param usedBytes how much of it holds something
   */
  load(usedBytes: number): void {
    this.#input = null
    this.#buffers.upload.unmap()
    this.#submit((encoder) => {
      if (usedBytes > 0) encoder.copyBufferToBuffer(this.#buffers.upload, 0, this.#buffers.bytes, 0, aligned(usedBytes, 4))
    })
    this.#mapping = this.#map()
  }

  /** Candidates and runs of zeros of regions of the batch. @param sample what is given back too */
  async scan(regions: Region[], average: number, sample: Sample | null): Promise<{ scanned: Scanned[]; sample: Uint8Array | null }> {
    const listBytes = this.#buffers.list.size
    const end = listBytes + this.#buffers.flags.size
    this.#submit((encoder) => {
      this.#compute(encoder, (pass) => {
        this.#buffers.buzhash.encodeList(pass, regions, average)
        this.#buffers.zeros.encode(pass, regions)
      })
      encoder.copyBufferToBuffer(this.#buffers.list, 0, this.#buffers.readback, 0, listBytes)
      encoder.copyBufferToBuffer(this.#buffers.flags, 0, this.#buffers.readback, listBytes, this.#buffers.flags.size)
      this.#copySample(encoder, sample, end)
    })
    const { listed, runs, sampled } = await this.#mapped(this.#buffers.readback, (words) => ({
      listed: candidatesOfList(words.subarray(0, listBytes / 4), regions),
      runs: zeroRuns(words.subarray(listBytes / 4, end / 4), regions),
      sampled: sampleIn(words, sample, end),
    }))
    const found = listed ?? (await this.#scanDense(regions))
    return { scanned: regions.map((_, i) => ({ candidates: found[i]!, zeroRuns: runs[i]! })), sample: sampled }
  }

  /** Repetitive data: more candidates than the list holds. The bitmap was filled beside it. */
  async #scanDense(regions: Region[]): Promise<Uint32Array[]> {
    this.#submit((encoder) => {
      encoder.copyBufferToBuffer(this.#buffers.bitmap, 0, this.#buffers.readback, 0, this.#buffers.bitmap.size)
    })
    return this.#mapped(this.#buffers.readback, (words) => candidatesOfBitmap(words.subarray(0, this.#buffers.bitmap.size / 4), regions))
  }

  /**
   * Ids of chunks of the batch.
   * @param chunks [offset, length] pairs
   * @param key 32 bytes; null: not keyed
   * @param sample what is given back too
   * @returns 32 bytes for each
   */
  async hash(chunks: Uint32Array, key: Uint8Array | null, sample: Sample | null): Promise<{ ids: Uint8Array; sample: Uint8Array | null }> {
    const ids = new Uint8Array((chunks.length / 2) * ID_BYTES)
    const most = 2 * this.#sizes.maxChunks
    let sampled: Uint8Array | null = null
    for (let from = 0; from < chunks.length; from += most) {
      const part = chunks.subarray(from, from + most)
      const bytes = (part.length / 2) * ID_BYTES
      const wanted = from === 0 ? sample : null
      this.#submit((encoder) => {
        this.#compute(encoder, (pass) => this.#buffers.blake3.encode(pass, part, key))
        encoder.copyBufferToBuffer(this.#buffers.digests, 0, this.#buffers.readback, 0, bytes)
        this.#copySample(encoder, wanted, bytes)
      })
      if (key) this.#buffers.blake3.wipe()
      await this.#mapped(this.#buffers.readback, (words) => {
        ids.set(new Uint8Array(words.buffer, words.byteOffset, bytes), (from / 2) * ID_BYTES)
        sampled ??= sampleIn(words, wanted, bytes)
      })
    }
    return { ids, sample: sampled }
  }

  /** Gives frames their places, and puts their pieces together there. */
  gather(frames: { pieces: Uint32Array; plainLength: number }[]): SlotFrame[] {
    const { gather } = this.#sealing
    // Payloads lie as frames do, one part further on: there is room for headers before them.
    let plainOffset = 0
    const placed = frames.map(({ pieces, plainLength }) => {
      const frame = { pieces, plainLength, plainOffset, payloadOffset: plainOffset + LZ4_PART_BYTES }
      plainOffset += aligned(plainLength, LZ4_PART_BYTES) + LZ4_PART_BYTES
      return frame
    })
    const target = this.#sealing.encoding ? placed : placed.map((frame) => ({ ...frame, plainOffset: frame.payloadOffset }))
    this.#submit((encoder) => this.#compute(encoder, (pass) => gather.encode(pass, target)))
    return placed
  }

  /** @returns ENTROPY_WORDS counts of each frame */
  async entropy(frames: SlotFrame[]): Promise<Uint32Array[]> {
    const { entropy, counts } = this.#sealing.encoding!
    const bytes = frames.length * ENTROPY_WORDS * 4
    this.#submit((encoder) => {
      this.#compute(encoder, (pass) => entropy!.encode(pass, frames))
      encoder.copyBufferToBuffer(counts, 0, this.#buffers.readback, 0, bytes)
    })
    return this.#mapped(this.#buffers.readback, (words) =>
      frames.map((_, i) => words.slice(i * ENTROPY_WORDS, (i + 1) * ENTROPY_WORDS)))
  }

  /**
   * Encodes each frame into the payload of its block.
   * @param store for each frame: it is not compressed
   * @returns bytes of each payload; 0: the frame is stored as it is
   */
  async encode(frames: SlotFrame[], store: boolean[]): Promise<Uint32Array> {
    const { encoding } = this.#sealing
    if (!encoding) return new Uint32Array(frames.length)
    const parts = frames.map(({ plainOffset, plainLength, payloadOffset }, i) => ({ plainOffset, plainLength, blockOffset: payloadOffset, store: store[i]! }))
    this.#submit((encoder) => {
      this.#compute(encoder, (pass) => encoding.encoder.encode(pass, parts))
      encoder.copyBufferToBuffer(encoding.lengths, 0, this.#buffers.readback, 0, frames.length * 4)
    })
    return this.#mapped(this.#buffers.readback, (words) => words.slice(0, frames.length))
  }

  /**
   * Seals the blocks, and lends the mapped memory in which they lie.
   * @param blocks for each frame: its header, the length of its payload, and its nonce
   * @param key 32 bytes; null: not encrypted, the tag is the start of a digest (spec §5.3)
   * @param take is given each block, its payload sealed, and its tag; the memory is not there afterwards
   */
  async seal(
    frames: SlotFrame[], blocks: { header: Uint8Array; length: number; nonce: Uint8Array }[], key: Uint8Array | null,
    take: (frame: number, block: Uint8Array, tag: Uint8Array) => void,
  ): Promise<void> {
    const parts = this.#sealing
    const { queue } = this.#device.device
    const starts = frames.map(({ payloadOffset }) => payloadOffset - BLOCK_HEADER_BYTES)
    starts.forEach((start, i) => queue.writeBuffer(parts.blocks, start, blocks[i]!.header))
    const places: number[] = []
    let end = 0
    for (const { length } of blocks) {
      places.push(end)
      end += aligned(BLOCK_HEADER_BYTES + length, 4)
    }
    const tagsBytes = frames.length * (key ? TAG_BYTES : ID_BYTES)
    this.#submit((encoder) => {
      this.#compute(encoder, (pass) => {
        if (key) {
          parts.aead!.encodeSeal(pass, starts.map((offset, i) => ({ offset, length: blocks[i]!.length, nonce: blocks[i]!.nonce })), key)
        } else {
          parts.blake3.encode(pass, Uint32Array.from(starts.flatMap((start, i) => [start, BLOCK_HEADER_BYTES + blocks[i]!.length])), null)
        }
      })
      starts.forEach((start, i) => {
        encoder.copyBufferToBuffer(parts.blocks, start, parts.readback, places[i]!, aligned(BLOCK_HEADER_BYTES + blocks[i]!.length, 4))
      })
      encoder.copyBufferToBuffer(key ? parts.tags : parts.digests, 0, parts.readback, end, tagsBytes)
    })
    if (key) parts.aead!.wipe()
    await this.#mapped(parts.readback, (words) => {
      const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
      frames.forEach((_, i) => {
        const tagAt = end + i * (key ? TAG_BYTES : ID_BYTES)
        take(i, bytes.subarray(places[i], places[i]! + BLOCK_HEADER_BYTES + blocks[i]!.length), bytes.subarray(tagAt, tagAt + TAG_BYTES))
      })
    })
  }

  /** Overwrites what was derived from keys. */
  wipe(): void {
    this.#buffers.blake3.wipe()
    this.#seal?.aead?.wipe()
  }

  destroy(): void {
    this.wipe()
    destroyAll(this.#buffers)
  }

  get #sealing(): SealParts {
    if (!this.#seal) throw new TypeError('this slot does not seal')
    return this.#seal
  }

  #copySample(encoder: GPUCommandEncoder, sample: Sample | null, at: number): void {
    if (!sample) return
    const start = sample.offset - (sample.offset % 4)
    encoder.copyBufferToBuffer(this.#buffers.bytes, start, this.#buffers.readback, at, aligned(sample.offset + sample.length - start, 4))
  }

  /** Never rejects by itself: who waits for it is told. */
  #map(): Promise<unknown> {
    const mapping = this.#buffers.upload.mapAsync(MAP_WRITE)
    mapping.catch(() => {})
    return mapping
  }

  #submit(record: (encoder: GPUCommandEncoder) => void): void {
    const encoder = this.#device.device.createCommandEncoder()
    record(encoder)
    this.#device.device.queue.submit([encoder.finish()])
  }

  #compute(encoder: GPUCommandEncoder, record: (pass: GPUComputePassEncoder) => void): void {
    const pass = encoder.beginComputePass()
    record(pass)
    pass.end()
  }

  /** What `read` makes of the content of a buffer once the device has filled it. */
  async #mapped<T>(buffer: GPUBuffer, read: (words: Uint32Array) => T): Promise<T> {
    try {
      await buffer.mapAsync(MAP_READ)
    } catch (cause) {
      throw new WarpError('ERR_WARP_GPU_FAILED', `the device gave nothing back: ${(cause as Error).message}`, { cause })
    }
    try {
      this.#device.check()
      return read(new Uint32Array(buffer.getMappedRange()))
    } finally {
      buffer.unmap()
    }
  }
}

function sampleIn(words: Uint32Array, sample: Sample | null, at: number): Uint8Array | null {
  return sample && new Uint8Array(words.buffer, words.byteOffset + at + (sample.offset % 4), sample.length).slice()
}

/** Destroys every buffer and pass in `parts`, and in what is nested there. */
function destroyAll(parts: object): void {
  for (const part of Object.values(parts) as ({ destroy?: () => void } | null)[]) {
    if (part?.destroy) part.destroy()
    else if (part) destroyAll(part)
  }
}
