/**
 * One place of the ring: the buffers of a batch and the steps on it. Input is read straight into the mapped
 * upload buffer; each step records its passes, submits them and maps what it gives back.
 */
import { WarpError } from '../base/errors.ts'
import { BLOCK_HEADER_BYTES, HOLE_ALIGN_BYTES, ID_BYTES, LZ4_PART_BYTES, MAX_FRAME_BYTES, MIB, TAG_BYTES } from '../base/limits.ts'
import type { Blake3, Blake3Pass } from './blake3.ts'
import { candidatesOfBitmap, candidatesOfList, type BuzhashPass, type BuzhashRegion } from './buzhash.ts'
import type { ChaCha20Poly1305Pass } from './chacha20poly1305.ts'
import { USAGE, type Device } from './device.ts'
import { ENTROPY_WORDS, type EntropyPass } from './entropy.ts'
import type { GatherPass } from './gather.ts'
import type { Encoder, Kernels, SealKernels, SealPlan } from './kernels.ts'
import type { Lz4, Lz4Pass } from './lz4.ts'
import { Zstd, type ZstdPass } from './zstd.ts'
import { zeroRuns, type ZerosPass, type ZerosRegion } from './zeros.ts'

/** Sizes that the buffers of a slot are made for. */
export interface SlotSizes {
  /** Input bytes of a batch, warm-ups and lookaheads included. */
  batchBytes: number
  maxRegions: number
  maxChunks: number
  maxFrames: number
  /** What is done to frames here; null: they are sealed elsewhere. */
  seal: SealPlan | null
}

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

export const MAX_SAMPLE_BYTES = MIB

/** Candidates that the list holds; more come as a bitmap. */
const LIST_ENTRIES = 65_536
const BULK = USAGE.storage | USAGE.copySrc | USAGE.copyDst
const MAP_READ = 1
const MAP_WRITE = 2

interface SealParts {
  blocks: GPUBuffer
  tags: GPUBuffer
  digests: GPUBuffer
  readback: GPUBuffer
  gather: GatherPass
  /** Null: frames are gathered where their payloads are to lie. */
  encoding: EncodingParts | null
  aead: ChaCha20Poly1305Pass | null
  blake3: Blake3Pass
}

interface EncodingParts {
  plain: GPUBuffer
  scratch: GPUBuffer
  lengths: GPUBuffer
  counts: GPUBuffer
  entropy: EntropyPass | null
  encoder: Lz4Pass | ZstdPass
}

const aligned = (bytes: number, to: number): number => Math.ceil(bytes / to) * to

/** Device memory of a slot, bytes. */
export function slotBytes({ batchBytes, maxChunks, maxFrames, seal }: SlotSizes): number {
  // The passes have descriptors and chaining values of their own, a 16th of the batch at most.
  const scan = 2 * batchBytes + 2 * (batchBytes / 8) + LIST_ENTRIES * 8 + maxChunks * ID_BYTES * 2 + batchBytes / 16
  const size = framesBytes(batchBytes, maxFrames)
  return Math.ceil(scan + (seal ? 2 * size + encodingBytes(size, seal.encoder) + batchBytes / 16 : 0))
}

/** Of a buffer of frames: each begins a part, and a part lies before each. */
function framesBytes(batchBytes: number, maxFrames: number): number {
  return aligned(batchBytes, LZ4_PART_BYTES) + (2 * maxFrames + 1) * LZ4_PART_BYTES
}

function encodingBytes(size: number, encoder: Encoder): number {
  return encoder === 'store' ? 0 : size + scratchBytes(size, encoder)
}

function scratchBytes(size: number, encoder: Encoder): number {
  return encoder === 'zstd' ? Zstd.scratchBytes(size / LZ4_PART_BYTES) : size
}

export class Slot {
  readonly #device: Device
  readonly #sizes: SlotSizes
  readonly #upload: GPUBuffer
  readonly #bytes: GPUBuffer
  readonly #list: GPUBuffer
  readonly #bitmap: GPUBuffer
  readonly #flags: GPUBuffer
  readonly #digests: GPUBuffer
  /** For what is small: candidates, flags, digests, counts. */
  readonly #readback: GPUBuffer
  readonly #buzhash: BuzhashPass
  readonly #zeros: ZerosPass
  readonly #blake3: Blake3Pass
  readonly #seal: SealParts | null
  #mapping: Promise<unknown>
  #input: Uint8Array | null = null

  private constructor(device: Device, sizes: SlotSizes, made: {
    upload: GPUBuffer; bytes: GPUBuffer; list: GPUBuffer; bitmap: GPUBuffer; flags: GPUBuffer; digests: GPUBuffer; readback: GPUBuffer
    buzhash: BuzhashPass; zeros: ZerosPass; blake3: Blake3Pass; seal: SealParts | null
  }) {
    this.#device = device
    this.#sizes = sizes
    this.#upload = made.upload
    this.#bytes = made.bytes
    this.#list = made.list
    this.#bitmap = made.bitmap
    this.#flags = made.flags
    this.#digests = made.digests
    this.#readback = made.readback
    this.#buzhash = made.buzhash
    this.#zeros = made.zeros
    this.#blake3 = made.blake3
    this.#seal = made.seal
    this.#mapping = this.#map()
  }

  /** @throws {WarpError} ERR_WARP_GPU_FAILED: no memory for its buffers */
  static async create(device: Device, kernels: Kernels, sizes: SlotSizes): Promise<Slot> {
    const { batchBytes, maxRegions, maxChunks, maxFrames } = sizes
    const upload = await device.buffer('upload', batchBytes, USAGE.mapWrite | USAGE.copySrc)
    const bytes = await device.buffer('bytes', batchBytes, BULK)
    const list = await device.buffer('candidates', 4 * (LIST_ENTRIES + 1), BULK)
    const bitmapBytes = aligned(batchBytes / 8, 4) + 4
    const bitmap = await device.buffer('bitmap', bitmapBytes, BULK)
    const flagsBytes = 4 * (maxRegions + Math.ceil(batchBytes / HOLE_ALIGN_BYTES / 32) + maxRegions)
    const flags = await device.buffer('zeros', flagsBytes, BULK)
    const digests = await device.buffer('digests', maxChunks * ID_BYTES, BULK)
    const small = MAX_SAMPLE_BYTES + 8 + Math.max(bitmapBytes, 4 * (LIST_ENTRIES + 1) + flagsBytes, maxChunks * ID_BYTES, maxFrames * 4 * ENTROPY_WORDS)
    const readback = await device.buffer('readback', small, USAGE.mapRead | USAGE.copyDst)
    return new Slot(device, sizes, {
      upload, bytes, list, bitmap, flags, digests, readback,
      buzhash: await kernels.buzhash.bind({ bytes, list, bitmap, maxRegions, maxBytes: batchBytes }),
      zeros: await kernels.zeros.bind({ bytes, flags, maxRegions, maxBytes: batchBytes }),
      blake3: await kernels.blake3.bind({ bytes, digests, maxChunks, maxBytes: batchBytes }),
      seal: sizes.seal && kernels.seal ? await createSealParts(device, kernels.seal, kernels.blake3, sizes, sizes.seal, bytes) : null,
    })
  }

  /** The mapped memory that the batch is put into, as soon as it is free. */
  async input(): Promise<Uint8Array> {
    await this.#mapping
    // A range is lent once only.
    return (this.#input ??= new Uint8Array(this.#upload.getMappedRange()))
  }

  /**
   * Makes the input resident.
   * @param usedBytes how much of it holds something
   */
  load(usedBytes: number): void {
    this.#input = null
    this.#upload.unmap()
    this.#submit((encoder) => {
      if (usedBytes > 0) encoder.copyBufferToBuffer(this.#upload, 0, this.#bytes, 0, aligned(usedBytes, 4))
    })
    this.#mapping = this.#map()
  }

  /** Candidates and runs of zeros of regions of the batch. @param sample what is given back too */
  async scan(regions: Region[], average: number, sample: Sample | null): Promise<{ scanned: Scanned[]; sample: Uint8Array | null }> {
    const listBytes = this.#list.size
    const end = listBytes + this.#flags.size
    this.#submit((encoder) => {
      this.#compute(encoder, (pass) => {
        this.#buzhash.encodeList(pass, regions, average)
        this.#zeros.encode(pass, regions)
      })
      encoder.copyBufferToBuffer(this.#list, 0, this.#readback, 0, listBytes)
      encoder.copyBufferToBuffer(this.#flags, 0, this.#readback, listBytes, this.#flags.size)
      this.#copySample(encoder, sample, end)
    })
    const { listed, runs, sampled } = await this.#mapped(this.#readback, (words) => ({
      listed: candidatesOfList(words.subarray(0, listBytes / 4), regions),
      runs: zeroRuns(words.subarray(listBytes / 4, end / 4), regions),
      sampled: sampleIn(words, sample, end),
    }))
    const found = listed ?? (await this.#scanDense(regions, average))
    return { scanned: regions.map((_, i) => ({ candidates: found[i]!, zeroRuns: runs[i]! })), sample: sampled }
  }

  /** Repetitive data: more candidates than the list holds. */
  async #scanDense(regions: Region[], average: number): Promise<Uint32Array[]> {
    this.#submit((encoder) => {
      this.#compute(encoder, (pass) => this.#buzhash.encodeBitmap(pass, regions, average))
      encoder.copyBufferToBuffer(this.#bitmap, 0, this.#readback, 0, this.#bitmap.size)
    })
    return this.#mapped(this.#readback, (words) => candidatesOfBitmap(words.subarray(0, this.#bitmap.size / 4), regions))
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
        this.#compute(encoder, (pass) => this.#blake3.encode(pass, part, key))
        encoder.copyBufferToBuffer(this.#digests, 0, this.#readback, 0, bytes)
        this.#copySample(encoder, wanted, bytes)
      })
      if (key) this.#blake3.wipe()
      await this.#mapped(this.#readback, (words) => {
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
      encoder.copyBufferToBuffer(counts, 0, this.#readback, 0, bytes)
    })
    return this.#mapped(this.#readback, (words) =>
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
      encoder.copyBufferToBuffer(encoding.lengths, 0, this.#readback, 0, frames.length * 4)
    })
    return this.#mapped(this.#readback, (words) => words.slice(0, frames.length))
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
    this.#blake3.wipe()
    this.#seal?.aead?.wipe()
  }

  destroy(): void {
    this.wipe()
    for (const pass of [this.#buzhash, this.#zeros, this.#blake3]) pass.destroy()
    for (const buffer of [this.#upload, this.#bytes, this.#list, this.#bitmap, this.#flags, this.#digests, this.#readback]) buffer.destroy()
    if (!this.#seal) return
    const { gather, encoding, aead, blake3, ...buffers } = this.#seal
    for (const pass of [gather, aead, blake3]) pass?.destroy()
    for (const buffer of Object.values(buffers)) buffer.destroy()
    if (!encoding) return
    const { entropy, encoder, ...more } = encoding
    for (const pass of [entropy, encoder]) pass?.destroy()
    for (const buffer of Object.values(more)) buffer.destroy()
  }

  get #sealing(): SealParts {
    if (!this.#seal) throw new TypeError('this slot does not seal')
    return this.#seal
  }

  #copySample(encoder: GPUCommandEncoder, sample: Sample | null, at: number): void {
    if (!sample) return
    const start = sample.offset - (sample.offset % 4)
    encoder.copyBufferToBuffer(this.#bytes, start, this.#readback, at, aligned(sample.offset + sample.length - start, 4))
  }

  /** Never rejects by itself: who waits for it is told. */
  #map(): Promise<unknown> {
    const mapping = this.#upload.mapAsync(MAP_WRITE)
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
      return read(new Uint32Array(buffer.getMappedRange()))
    } finally {
      buffer.unmap()
    }
  }
}

function sampleIn(words: Uint32Array, sample: Sample | null, at: number): Uint8Array | null {
  return sample && new Uint8Array(words.buffer, words.byteOffset + at + (sample.offset % 4), sample.length).slice()
}

async function createSealParts(
  device: Device, kernels: SealKernels, blake3: Blake3, { batchBytes, maxChunks, maxFrames }: SlotSizes, plan: SealPlan, bytes: GPUBuffer,
): Promise<SealParts> {
  const size = framesBytes(batchBytes, maxFrames)
  const maxFrameBytes = Math.min(MAX_FRAME_BYTES, size)
  const blocks = await device.buffer('blocks', size, BULK)
  const tags = await device.buffer('tags', maxFrames * TAG_BYTES, BULK)
  const digests = await device.buffer('tag digests', maxFrames * ID_BYTES, BULK)
  const encoding = kernels.encoder && (await createEncodingParts(device, kernels, kernels.encoder, blocks, maxFrames, plan))
  return {
    blocks, tags, digests, encoding,
    readback: await device.buffer('sealed', size, USAGE.mapRead | USAGE.copyDst),
    gather: await kernels.gather.bind({ source: bytes, target: encoding?.plain ?? blocks, maxPieces: maxChunks, maxFrames }),
    aead: (await kernels.aead?.bind({ blocks, tags, maxFrames, maxFrameBytes })) ?? null,
    blake3: await blake3.bind({ bytes: blocks, digests, maxChunks: maxFrames, maxBytes: size }),
  }
}

async function createEncodingParts(
  device: Device, kernels: SealKernels, encoder: Lz4 | Zstd, blocks: GPUBuffer, maxFrames: number, plan: SealPlan,
): Promise<EncodingParts> {
  const plain = await device.buffer('plain', blocks.size, BULK)
  const scratch = await device.buffer('scratch', scratchBytes(blocks.size, plan.encoder), BULK)
  const lengths = await device.buffer('lengths', maxFrames * 4, BULK)
  const counts = await device.buffer('entropy', maxFrames * ENTROPY_WORDS * 4, BULK)
  return {
    plain, scratch, lengths, counts,
    entropy: (await kernels.entropy?.bind({ plain, counts, maxFrames })) ?? null,
    encoder: await encoder.bind({ plain, scratch, blocks, lengths, maxParts: blocks.size / LZ4_PART_BYTES, maxFrames }),
  }
}
