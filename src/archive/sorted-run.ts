/**
 * Records of a chunk index in a file without a name, ascending by the first word of the id. In memory stay
 * the first word of each block of records, and a filter.
 */
import fs from 'node:fs'
import { readFully } from './os/file-reader.ts'
import { ChunkFilter, FULL_FILTER_BITS, LEAST_FILTER_BITS } from './chunk-filter.ts'
import { ID_WORDS, RECORD_WORDS } from './chunk-index.ts'
import { openUnnamed } from './os/unnamed-file.ts'

const RECORD_BYTES = RECORD_WORDS * 4
/** Records that a lookup reads at once: some 4 KiB. */
const BLOCK_RECORDS = 102
/** Records that are written, or read in order, at once. */
const PIECE_RECORDS = 64 * BLOCK_RECORDS

export class SortedRun {
  readonly count: number
  /** How often its records were merged. */
  readonly level: number
  readonly filter: ChunkFilter | null
  readonly #fd: number
  readonly #firsts: Uint32Array
  readonly #block = new Uint32Array(BLOCK_RECORDS * RECORD_WORDS)
  /** Number of the block that `#block` holds, and of its records. */
  #held = -1
  #heldRecords = 0

  constructor(fd: number, count: number, level: number, firsts: Uint32Array, filter: ChunkFilter | null) {
    this.#fd = fd
    this.count = count
    this.level = level
    this.#firsts = firsts
    this.filter = filter
  }

  /** Memory that stays with it, bytes. */
  get bytes(): number {
    return (this.filter?.bytes ?? 0) + this.#firsts.byteLength + this.#block.byteLength
  }

  /**
   * @param ids the id is at `ids[at..at+8]`
   * @returns the record, valid until the next call; null if it is not there
   * @throws the system's error
   */
  find(ids: Uint32Array, at: number): Uint32Array | null {
    if (this.filter && !this.filter.mayHold(ids, at)) return null
    const first = ids[at]!
    for (let block = this.#blockBefore(first); block < this.#firsts.length && this.#firsts[block]! <= first; block++) {
      this.#read(block)
      for (let record = this.#firstInBlock(first); record < this.#heldRecords; record++) {
        const base = record * RECORD_WORDS
        if (this.#block[base] !== first) break
        if (equalIds(this.#block, base, ids, at)) return this.#block.subarray(base, base + RECORD_WORDS)
      }
    }
    return null
  }

  /** All records, RECORD_WORDS words each; valid until the next one is asked for. @throws the system's error */
  *records(): Generator<Uint32Array> {
    const piece = new Uint32Array(PIECE_RECORDS * RECORD_WORDS)
    const bytes = new Uint8Array(piece.buffer)
    for (let from = 0; from < this.count; from += PIECE_RECORDS) {
      const records = Math.min(PIECE_RECORDS, this.count - from)
      readAll(this.#fd, bytes.subarray(0, records * RECORD_BYTES), from * RECORD_BYTES)
      for (let base = 0; base < records * RECORD_WORDS; base += RECORD_WORDS) yield piece.subarray(base, base + RECORD_WORDS)
    }
  }

  close(): void {
    fs.closeSync(this.#fd)
  }

  /** The last block that begins below `first`; ids with that word may begin in it. */
  #blockBefore(first: number): number {
    let low = 0
    for (let high = this.#firsts.length; high - low > 1; ) {
      const middle = (low + high) >>> 1
      if (this.#firsts[middle]! < first) low = middle
      else high = middle
    }
    return low
  }

  #firstInBlock(first: number): number {
    let low = 0
    for (let high = this.#heldRecords; low < high; ) {
      const middle = (low + high) >>> 1
      if (this.#block[middle * RECORD_WORDS]! < first) low = middle + 1
      else high = middle
    }
    return low
  }

  #read(block: number): void {
    if (block === this.#held) return
    const from = block * BLOCK_RECORDS
    this.#heldRecords = Math.min(BLOCK_RECORDS, this.count - from)
    this.#held = -1
    readAll(this.#fd, new Uint8Array(this.#block.buffer, 0, this.#heldRecords * RECORD_BYTES), from * RECORD_BYTES)
    this.#held = block
  }
}

/** Writes the records of a new run, which must come ascending. */
export class RunWriter {
  readonly #fd: number
  readonly #firsts: Uint32Array
  readonly #filter: ChunkFilter | null
  readonly #piece = new Uint32Array(PIECE_RECORDS * RECORD_WORDS)
  #inPiece = 0
  #count = 0

  /**
   * @param maxRecords how many there can be
   * @param filterBytes memory for its filter at most, bytes
   * @throws the system's error
   */
  constructor(directory: string, maxRecords: number, filterBytes: number) {
    const bytes = Math.min(filterBytes, Math.ceil((maxRecords * FULL_FILTER_BITS) / 8))
    this.#filter = bytes * 8 < maxRecords * LEAST_FILTER_BITS ? null : new ChunkFilter(bytes, maxRecords)
    this.#firsts = new Uint32Array(Math.ceil(maxRecords / BLOCK_RECORDS))
    this.#fd = openUnnamed(directory)
  }

  /** @throws the system's error */
  push(record: Uint32Array): void {
    if (this.#count % BLOCK_RECORDS === 0) this.#firsts[this.#count / BLOCK_RECORDS] = record[0]!
    this.#filter?.add(record, 0)
    this.#piece.set(record, this.#inPiece * RECORD_WORDS)
    this.#count++
    if (++this.#inPiece === PIECE_RECORDS) this.#writePiece()
  }

  /** @throws the system's error */
  finish(level: number): SortedRun {
    this.#writePiece()
    return new SortedRun(this.#fd, this.#count, level, this.#firsts.slice(0, Math.ceil(this.#count / BLOCK_RECORDS)), this.#filter)
  }

  /** Gives up what was written. */
  abandon(): void {
    fs.closeSync(this.#fd)
  }

  #writePiece(): void {
    const bytes = new Uint8Array(this.#piece.buffer, 0, this.#inPiece * RECORD_BYTES)
    const position = (this.#count - this.#inPiece) * RECORD_BYTES
    for (let done = 0; done < bytes.length; ) done += fs.writeSync(this.#fd, bytes, done, bytes.length - done, position + done)
    this.#inPiece = 0
  }
}

function readAll(fd: number, into: Uint8Array, position: number): void {
  if (readFully(fd, into, position) < into.length) throw new Error('a temporary file has become shorter')
}

export function equalIds(a: Uint32Array, at: number, b: Uint32Array, bAt: number): boolean {
  for (let i = 0; i < ID_WORDS; i++) if (a[at + i] !== b[bAt + i]) return false
  return true
}
