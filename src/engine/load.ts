/**
 * The message that makes segments resident: flat arrays, since a batch can hold thousands of files.
 * The task that answers it opens files, so it lives in the archive layer; scanning lives here.
 */
import { MIN_AVERAGE_BYTES } from '../base/limits.ts'
import { STAGE, enter } from '../base/stages.ts'
import { WINDOW, findCandidates } from '../codec/buzhash.ts'
import { findZeroRuns } from '../codec/zeros.ts'
import type { FileExtents } from './whole-files.ts'

export interface LoadRequest {
  slab: SharedArrayBuffer
  average: number
  /** Key of the chunk ids; null: not keyed. */
  chunkIdKey: Uint8Array | null
  /** Paths of all segments, one after the other, each with a NUL after it; none for a segment that has a descriptor. */
  paths: Uint8Array
  pathEnds: Uint32Array
  /** PLAN_FIELDS numbers for each segment. */
  plan: Float64Array
  /** Whether what was read is looked at: files cut and hashed, candidates and runs of zeros found. */
  scan: boolean
}

/** Offsets into `plan`. */
export const PLAN = { slabOffset: 0, fileOffset: 1, length: 2, fd: 3, warmup: 4, final: 5, mtimeMs: 6, ctimeMs: 7 } as const
export const PLAN_FIELDS = 8

export interface LoadReply {
  /** LOADED_FIELDS numbers for each segment. */
  fields: Float64Array
  /** Inode and device of each segment. */
  inodes: BigUint64Array
  /** Of the segments that have a path: their extents, in order. Others have none here, and none have any unless they were scanned. */
  files: FileExtents
  /** Of the segments that have no path: candidates relative to their starts, and runs of zeros. */
  candidates: Uint32Array
  candidateEnds: Uint32Array
  zeroRuns: Float64Array
  zeroRunEnds: Uint32Array
  /** Segments that could not be read. */
  failures: { index: number; code: string; message: string }[]
  /** Extended attributes of the files that have any, or a note on those that could not be read. */
  xattrs: { index: number; list: { name: Uint8Array; value: Uint8Array }[]; problem?: string }[]
}

/** Offsets into `fields`. */
export const LOADED = {
  bytesRead: 0,
  unstable: 1,
  mode: 2,
  uid: 3,
  gid: 4,
  mtimeSeconds: 5,
  mtimeNanoseconds: 6,
  ctimeSeconds: 7,
  ctimeNanoseconds: 8,
} as const
export const LOADED_FIELDS = 9

/** Room for the candidates of ordinary data; repetitive data gets what it takes. */
const USUAL_CANDIDATES = 64 * 1024

/** Collects the candidates and zero runs of segments in the order in which they are scanned. */
export class Scanner {
  readonly #average: number
  #found = new Uint32Array(0)
  #candidates: Uint32Array[] = []
  #candidateEnds: number[] = []
  #candidateCount = 0
  readonly #zeroRuns: number[] = []
  readonly #zeroRunEnds: number[] = []

  constructor(average: number) {
    this.#average = average
  }

  /**
   * @param bytes the segment and, if `warmup` is WINDOW, the WINDOW bytes before it
   * @param atEnd the segment's last byte is the file's
   */
  scan(bytes: Uint8Array, warmup: number, fileOffset: number, atEnd: boolean): void {
    enter(STAGE.cut)
    findZeroRuns(bytes.subarray(warmup), fileOffset, atEnd, this.#zeroRuns)
    this.#scanCandidates(bytes, warmup)
    this.#candidateEnds.push(this.#candidateCount)
    this.#zeroRunEnds.push(this.#zeroRuns.length)
  }

  /** Counts a segment that is not scanned. */
  skip(): void {
    this.#candidateEnds.push(this.#candidateCount)
    this.#zeroRunEnds.push(this.#zeroRuns.length)
  }

  take(): Pick<LoadReply, 'candidates' | 'candidateEnds' | 'zeroRuns' | 'zeroRunEnds'> {
    const candidates = new Uint32Array(this.#candidateCount)
    let at = 0
    for (const part of this.#candidates) {
      candidates.set(part, at)
      at += part.length
    }
    return {
      candidates,
      candidateEnds: Uint32Array.from(this.#candidateEnds),
      zeroRuns: Float64Array.from(this.#zeroRuns),
      zeroRunEnds: Uint32Array.from(this.#zeroRunEnds),
    }
  }

  #scanCandidates(bytes: Uint8Array, warmup: number): void {
    // Position `warmup` itself is the previous segment's to report.
    const from = warmup > 0 ? warmup + 1 : WINDOW
    const to = bytes.length + 1
    if (from >= to) return
    const worst = Math.max(USUAL_CANDIDATES, Math.ceil(bytes.length / MIN_AVERAGE_BYTES) * 64 + 1024)
    if (this.#found.length < worst) this.#found = new Uint32Array(worst)
    let count: number
    try {
      count = findCandidates(bytes, from, to, this.#average, this.#found)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.#found = new Uint32Array(bytes.length)
      count = findCandidates(bytes, from, to, this.#average, this.#found)
    }
    if (count === 0) return
    const part = this.#found.slice(0, count)
    if (warmup > 0) for (let i = 0; i < count; i++) part[i]! -= warmup
    this.#candidates.push(part)
    this.#candidateCount += count
  }
}
