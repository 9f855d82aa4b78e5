/**
 * What an engine does for the archive writer: makes a batch of input resident in a slab, cuts and hashes
 * what is whole, finds the cut-point candidates of the rest, hashes its chunks, and seals frames. The
 * writer calls the steps in this order and never knows where they ran.
 */
import type { Compression, Sealing } from './block.ts'
import type { LoadReply } from './load.ts'

/** A run of bytes of one file, and where in the slab it goes. */
export interface Segment {
  /** The file to open, read whole and close, as a latin1 string; null if `fd` says what to read. */
  path: string | null
  /** An open file to read from; -1 if the bytes are in the slab already. */
  fd: number
  /** Position of the segment in its file, bytes; a multiple of HOLE_ALIGN_BYTES. */
  fileOffset: number
  /** Bytes of the segment itself. */
  length: number
  /** Bytes after it that are resident too, so that a chunk that starts in the segment can end. */
  lookahead: number
  /** True if the file is expected to end with the segment. */
  final: boolean
  /** Of a file that is read whole: its times when it was found, milliseconds; 0 for the rest. */
  mtimeMs: number
  ctimeMs: number
  /** Position of the segment's first byte in the slab. WARMUP_BYTES before it are the segment's too. */
  slabOffset: number
}

/** What became of a segment. */
export interface LoadedSegment {
  /** Bytes that were there, of length + lookahead. */
  bytesRead: number
  /** Of a segment without path: cut-point candidates, ascending, relative to the segment (§4.2). */
  candidates: Uint32Array
  /** Of a segment without path: [start, end) pairs of zero blocks, in file offsets, ascending and disjoint (§4.3). */
  zeroRuns: number[]
  /** Why reading stopped short; null if it did not. */
  failure: string | null
  /** The reply that describes it, and its index there. One with a path has its extents there. */
  reply: LoadReply
  index: number
}

/** One frame to be sealed. */
export interface FramePlan {
  ordinal: number
  /** [offset, length] pairs of chunks in the slab. */
  pieces: Uint32Array
  plainLength: number
}

/** A batch in memory. */
export interface Resident {
  readonly segments: LoadedSegment[]
  /** @param chunks [offset, length] pairs in the slab; @returns 32 bytes for each */
  hashes(chunks: Uint32Array): Promise<Uint8Array>
  /** @returns the blocks, valid until `release` */
  seal(frames: FramePlan[]): Promise<Uint8Array[]>
  release(): void
}

export interface EngineOptions {
  /** Average chunk size, bytes. */
  average: number
  /** Key of the chunk ids; null: not keyed. */
  chunkIdKey: Uint8Array | null
  sealing: Sealing
  compression: Compression
  /** zstd level for the frame that is sealed next. */
  level: () => number
}

/** What the caller puts into a slab itself, beside the segments. */
export interface Filling {
  /** Up to where it reaches, bytes. */
  end: number
  /** Resolves when it is there. */
  done: Promise<void>
}

export interface Engine {
  /** Input bytes that one slab holds. */
  readonly slabBytes: number
  /** A slab to plan a batch for, as soon as one is free. */
  acquire(): Promise<SharedArrayBuffer>
  /** To be called in the order of the batches, since each takes its place. */
  load(slab: SharedArrayBuffer, segments: Segment[], filling?: Filling | null): Promise<Resident>
}

/** Slab bytes kept before each segment for the window of the rolling hash. */
export const WARMUP_BYTES = 64
