/** Cuts and hashes files that lie in a slab from their first byte to their last, right after they were read. */
import { HOLE_MIN_BYTES, ID_BYTES, maxChunkBytes, minChunkBytes } from '../base/limits.ts'
import { STAGE, enter } from '../base/stages.ts'
import { ChunkHasher } from '../codec/blake3.ts'
import { WINDOW, findCandidates, findFirstCandidate } from '../codec/buzhash.ts'
import { Cutter } from '../codec/chunker.ts'
import { findZeroRuns } from '../codec/zeros.ts'

/** The extents of several files, one after the other. */
export interface FileExtents {
  /** [slab offset, length] pairs of all chunks. */
  chunks: Uint32Array
  /** 32 bytes for each chunk. */
  ids: Uint8Array
  /** Indexes into the chunks, or lengths of holes as negative numbers. */
  extents: Int32Array
  /** For each segment, where its extents end. */
  extentEnds: Uint32Array
}

export class WholeFiles {
  readonly #slab: Buffer
  readonly #average: number
  readonly #hasher: ChunkHasher
  #chunks = new Uint32Array(256)
  #ids = Buffer.alloc(128 * ID_BYTES)
  #chunkCount = 0
  readonly #extents: number[] = []
  readonly #extentEnds: number[] = []

  /** @param key as for ChunkHasher */
  constructor(slab: Buffer, average: number, key: Uint8Array | null) {
    this.#slab = slab
    this.#average = average
    this.#hasher = new ChunkHasher(key)
  }

  /** Adds a file; one of no bytes has no extents. */
  add(slabOffset: number, length: number): void {
    enter(STAGE.cut)
    const zeroRuns: number[] = []
    const bytes = this.#slab.subarray(slabOffset, slabOffset + length)
    if (length >= HOLE_MIN_BYTES) findZeroRuns(bytes, 0, true, zeroRuns)
    if (zeroRuns.length > 0) this.#cutAroundHoles(bytes, slabOffset, zeroRuns)
    else this.#cut(bytes, slabOffset)
    this.#extentEnds.push(this.#extents.length)
  }

  /** Counts a segment that is no whole file, or could not be read. */
  skip(): void {
    this.#extentEnds.push(this.#extents.length)
  }

  take(): FileExtents {
    return {
      chunks: this.#chunks.slice(0, 2 * this.#chunkCount),
      ids: new Uint8Array(this.#ids.subarray(0, this.#chunkCount * ID_BYTES)),
      extents: Int32Array.from(this.#extents),
      extentEnds: Uint32Array.from(this.#extentEnds),
    }
  }

  /** §4.4 for one region: what lies before the minimum is not looked at. */
  #cut(bytes: Buffer, slabOffset: number): void {
    const min = minChunkBytes(this.#average)
    const max = maxChunkBytes(this.#average)
    let start = 0
    while (bytes.length - start > min) {
      const forced = Math.min(start + max, bytes.length)
      const candidate = findFirstCandidate(bytes, start + min, forced, this.#average)
      const cut = candidate >= 0 ? candidate : forced
      this.#addChunk(slabOffset + start, cut - start)
      start = cut
    }
    if (start < bytes.length) this.#addChunk(slabOffset + start, bytes.length - start)
  }

  #cutAroundHoles(bytes: Buffer, slabOffset: number, zeroRuns: number[]): void {
    const candidates = new Uint32Array(bytes.length)
    const candidateCount = findCandidates(bytes, WINDOW, bytes.length + 1, this.#average, candidates)
    new Cutter(this.#average).push(
      { start: 0, end: bytes.length, final: true, seenEnd: bytes.length, candidates, candidateCount, zeroRuns },
      (kind, offset, length) => {
        if (kind === 'chunk') this.#addChunk(slabOffset + offset, length)
        else this.#extents.push(-length)
      },
    )
  }

  #addChunk(offset: number, length: number): void {
    const number = this.#chunkCount++
    if (2 * number === this.#chunks.length) this.#grow()
    this.#chunks[2 * number] = offset
    this.#chunks[2 * number + 1] = length
    const before = enter(STAGE.hash)
    this.#hasher.write(this.#slab.subarray(offset, offset + length), this.#ids, number * ID_BYTES)
    enter(before)
    this.#extents.push(number)
  }

  #grow(): void {
    const [chunks, ids] = [this.#chunks, this.#ids]
    this.#chunks = new Uint32Array(2 * chunks.length)
    this.#chunks.set(chunks)
    this.#ids = Buffer.alloc(2 * ids.length)
    this.#ids.set(ids)
  }
}
