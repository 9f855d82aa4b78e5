/** What the caller's thread and the GPU worker say to each other. Bulk bytes never travel. */
import type { AdapterFacts } from '../gpu/dawn.ts'
import type { Encoder } from '../gpu/kernels.ts'
import type { Sample } from '../gpu/slot.ts'
import type { Compression, Sealing } from './block.ts'

export interface OpenRequest {
  name: 'open'
  batchBytes: number
  /** Device memory for all slots, bytes. */
  memoryBytes: number
  /** How many slots there may be at most. */
  maxSlots: number
  average: number
  chunkIdKey: Uint8Array | null
  sealing: Sealing
  compression: Compression
  /** With what frames are compressed before they are sealed here; null: they are not. */
  encoder: Encoder | null
}

export interface OpenReply {
  facts: AdapterFacts
  slots: number
}

/** Offsets into the plan of a batch: REGION_FIELDS numbers for each segment. */
export const REGION = { slabOffset: 0, fileOffset: 1, length: 2, fd: 3, warmup: 4, final: 5 } as const
export const REGION_FIELDS = 6

export interface LoadRequest {
  name: 'load'
  slot: number
  plan: Float64Array
  /** The bytes, if they are read already; null: they are read from the descriptors of the plan. */
  slab: SharedArrayBuffer | null
  /** Up to where the batch reaches, bytes. */
  usedBytes: number
  /** Bytes to give back, to hold against the result. */
  sample: Sample | null
}

export interface LoadReply {
  /** Of each segment. */
  bytesRead: Float64Array
  /** Relative to each segment, ascending. */
  candidates: Uint32Array
  candidateEnds: Uint32Array
  /** [start, end) pairs, in file offsets. */
  zeroRuns: Float64Array
  zeroRunEnds: Uint32Array
  failures: { index: number; message: string }[]
  sample: Uint8Array | null
}

export interface HashRequest {
  name: 'hash'
  slot: number
  /** [offset, length] pairs. */
  chunks: Uint32Array
  sample: Sample | null
}

export interface HashReply {
  ids: Uint8Array
  sample: Uint8Array | null
}

export interface SealRequest {
  name: 'seal'
  slot: number
  frames: { ordinal: number; pieces: Uint32Array; plainLength: number }[]
  /** Receives the blocks, one after the other. */
  out: SharedArrayBuffer
}

export interface SealReply {
  /** Bytes of each block. */
  lengths: Uint32Array
}

export interface CloseRequest {
  name: 'close'
}

/** Which adapters there are, the one that is used first. Answered with AdapterFacts[]. */
export interface ProbeRequest {
  name: 'probe'
}

/** What each stage costs on each engine. Answered with Rates. */
export interface CalibrateRequest {
  name: 'calibrate'
}

export type GpuRequest = ProbeRequest | CalibrateRequest | OpenRequest | LoadRequest | HashRequest | SealRequest | CloseRequest

export type GpuReply = { id: number; isReading: boolean } | { id: number; value: unknown } | { id: number; failure: { message: string; code: string; hint?: string } }
