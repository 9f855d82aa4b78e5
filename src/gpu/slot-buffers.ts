/** The buffers of one slot, with the passes that are bound to them. */
import { HOLE_ALIGN_BYTES, ID_BYTES, LZ4_PART_BYTES, MAX_FRAME_BYTES, MIB, TAG_BYTES } from '../base/limits.ts'
import type { Blake3, Blake3Pass } from './blake3.ts'
import type { BuzhashPass } from './buzhash.ts'
import type { ChaCha20Poly1305Pass } from './chacha20poly1305.ts'
import { USAGE, type Device } from './device.ts'
import { ENTROPY_WORDS, type EntropyPass } from './entropy.ts'
import type { GatherPass } from './gather.ts'
import type { Encoder, Kernels, SealKernels, SealPlan } from './kernels.ts'
import type { Lz4, Lz4Pass } from './lz4.ts'
import type { ZerosPass } from './zeros.ts'
import { Zstd, type ZstdPass } from './zstd.ts'

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

export interface SlotBuffers {
  /** Mapped for writing while it is nobody else's. */
  upload: GPUBuffer
  bytes: GPUBuffer
  list: GPUBuffer
  bitmap: GPUBuffer
  flags: GPUBuffer
  digests: GPUBuffer
  /** For what is small: candidates, flags, digests, counts, and a sample. */
  readback: GPUBuffer
  buzhash: BuzhashPass
  zeros: ZerosPass
  blake3: Blake3Pass
  seal: SealParts | null
}

export interface SealParts {
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

export interface EncodingParts {
  plain: GPUBuffer
  scratch: GPUBuffer
  lengths: GPUBuffer
  counts: GPUBuffer
  entropy: EntropyPass | null
  encoder: Lz4Pass | ZstdPass
}

export const MAX_SAMPLE_BYTES = MIB

/** Candidates that the list holds; more come as a bitmap. */
const LIST_ENTRIES = 65_536
const BULK = USAGE.storage | USAGE.copySrc | USAGE.copyDst

export const aligned = (bytes: number, to: number): number => Math.ceil(bytes / to) * to

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

/** @throws {WarpError} ERR_WARP_GPU_FAILED: no memory */
export async function createSlotBuffers(device: Device, kernels: Kernels, sizes: SlotSizes): Promise<SlotBuffers> {
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
  return {
    upload, bytes, list, bitmap, flags, digests, readback,
    buzhash: await kernels.buzhash.bind({ bytes, list, bitmap, maxRegions, maxBytes: batchBytes }),
    zeros: await kernels.zeros.bind({ bytes, flags, maxRegions, maxBytes: batchBytes }),
    blake3: await kernels.blake3.bind({ bytes, digests, maxChunks, maxBytes: batchBytes }),
    seal: sizes.seal && kernels.seal ? await createSealParts(device, kernels.seal, kernels.blake3, sizes, sizes.seal, bytes) : null,
  }
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
