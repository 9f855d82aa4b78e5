/**
 * Groups entries into batches: small files side by side, large ones and streams in segments. Where a
 * batch ends depends on the input alone, never on threads or memory.
 */
import { WarpError } from '../base/errors.ts'
import { BATCH_BYTES, HOLE_ALIGN_BYTES, MIB } from '../base/limits.ts'
import { lookaheadBytes } from '../codec/chunker.ts'
import { WARMUP_BYTES } from '../engine/engine.ts'
import { displayPath } from '../format/path.ts'
import type { BaseWork, Batch, Item, KeptFile, Provided, SourceEntry } from './batch.ts'
import { InodeIndex, type InodeIndexOptions } from './inode-index.ts'
import { toBytes } from './inputs.ts'
import { LargeFile, StreamFile } from './open-file.ts'
import { nextData } from './os/holes.ts'
import { simpleRecordOf } from './records.ts'
import type { Found } from './walk.ts'

export interface BatcherOptions {
  average: number
  /** Of what is remembered of objects with several names. */
  inodes?: InodeIndexOptions
  acquire: () => Promise<SharedArrayBuffer>
  /** A remark on an entry that is stored all the same. */
  note: (path: Uint8Array, reason: string) => void
}

/** Files up to this size are never divided. */
const WHOLE_FILE_BYTES = 8 * MIB
/** A batch with less room than this takes no part of a large file. */
const LEAST_SEGMENT_BYTES = 1 * MIB
/** Entries of a batch: some 1 KiB of heap each, so they count beside the bytes of small files. */
const MAX_ITEMS = 8_192
/** Chunks that a batch tells of and does not hold. */
const MAX_OLD_CHUNKS = 65_536
/** Of an object: there is no telling which of its names is the last. */
const UNCOUNTED = 0
/** Large files that a batch opens: of sparse ones, many can end in it. */
const MAX_OPENED = 128
/** Files that are remembered as open before those closed since are let go. */
const LEAST_HELD = 256

/** Bytes of a slab for batches with this average chunk size. */
export function slabBytesFor(average: number): number {
  return BATCH_BYTES + lookaheadBytes(average) + 4 * WARMUP_BYTES
}

export class Batcher {
  readonly #options: BatcherOptions
  /** How many names are yet to be met of each object that has several. */
  readonly #names: InodeIndex
  #batch: Batch = { slab: null, items: [], segments: [] }
  /** Batches so far. */
  #taken = 0
  #oldChunks = 0
  /** Path of a file whose pieces are passed over, since it is another name of what is stored. */
  #passed: string | null = null
  readonly #open = new Set<LargeFile | StreamFile>()
  #heldLimit = LEAST_HELD
  #opened = 0
  /** Slab bytes in use, and own bytes of the segments. */
  #slabUsed = 0
  #bytes = 0

  constructor(options: BatcherOptions) {
    this.#options = options
    this.#names = new InodeIndex({ ...options.inodes, olderValue: UNCOUNTED })
  }

  /** @param groups entries in path order, any number at a time */
  async *of(groups: AsyncIterable<SourceEntry[]>): AsyncGenerator<Batch> {
    for await (const entries of groups) {
      const preparing = this.#names.prepare(entries.flatMap(({ inode }) => inode ?? []))
      if (preparing) await preparing
      for (const entry of entries) {
        if (this.#batch.items.length >= MAX_ITEMS * this.#part) yield await this.#take()
        if (entry.kind === 'kept' && !entry.isFirst) {
          // The rest of a file that goes as its first piece went.
          if (entry.path === this.#passed) continue
        } else if (entry.inode !== null) {
          const left = this.#names.get(entry.inode)
          if (entry.kind === 'link' || left !== undefined) {
            this.#passed = entry.path
            const isLastName = left === 1
            Object.assign(this.#push(entry), { isLink: true, isLastName })
            if (isLastName) this.#names.delete(entry.inode)
            else if (left) this.#names.set(entry.inode, left - 1)
            continue
          }
          const names = 'names' in entry ? entry.names : 0
          this.#names.set(entry.inode, names > 1 ? names - 1 : UNCOUNTED)
        }
        // What most entries are needs no waiting.
        if (entry.kind === 'file' && entry.size <= WHOLE_FILE_BYTES) {
          if (this.#bytes > 0 && this.#bytes + entry.size > BATCH_BYTES * this.#part) yield await this.#take()
          this.#wholeFile(entry)
        } else if (entry.kind === 'file') yield* this.#largeFile(entry)
        else if (entry.kind === 'content') yield* this.#stream(entry)
        else if (entry.kind === 'record') this.#push(entry).record = entry.record
        else if (entry.kind === 'kept') {
          if (this.#bytes + entry.bytes > BATCH_BYTES) yield await this.#take()
          this.#keep(entry)
        } else if (entry.kind === 'old') {
          this.#baseWork.old.push(entry)
          this.#oldChunks += entry.chunks.ids.length
          if (this.#oldChunks > MAX_OLD_CHUNKS) yield await this.#take()
        } else if (entry.kind !== 'stream') this.#simple(entry)
      }
    }
    if (this.#batch.items.length > 0 || this.#batch.base) yield await this.#take()
  }

  /** Closes what is still open, after a failure or at the end. */
  close(): void {
    for (const file of this.#open) file.close()
    this.#open.clear()
    this.#names.close()
  }

  /** Remembers a file until whoever takes its last item has closed it. */
  #hold(file: LargeFile | StreamFile): void {
    this.#open.add(file)
    if (this.#open.size < this.#heldLimit) return
    for (const held of this.#open) if (held.isClosed) this.#open.delete(held)
    this.#heldLimit = Math.max(LEAST_HELD, 2 * this.#open.size)
  }

  #push(entry: { path: string; inode: string | null }): Item {
    const item: Item = {
      path: toBytes(entry.path), inode: entry.inode, isLink: false, isLastName: false, record: null, failure: null, segment: -1, zeros: null, file: null,
      isFirst: true, isLast: true,
    }
    this.#batch.items.push(item)
    return item
  }

  /** How much of a batch of small files is put into this one: little at first, so that threads need not wait until many were found. */
  get #part(): number {
    return Math.min(1, 2 ** (this.#taken - 2))
  }

  async #take(): Promise<Batch> {
    const batch = this.#batch
    this.#taken++
    this.#batch = { slab: null, items: [], segments: [] }
    this.#oldChunks = 0
    this.#slabUsed = 0
    this.#bytes = 0
    this.#opened = 0
    if (batch.segments.length > 0 || (batch.base && batch.base.unpack.length > 0)) batch.slab ??= await this.#options.acquire()
    return batch
  }

  #addSegment(
    path: string | null, fd: number, fileOffset: number, length: number, lookahead: number, final: boolean, mtimeMs = 0, ctimeMs = 0,
  ): number {
    // Files that are read whole lie side by side, so that chunks of several need no gathering.
    const warmup = fileOffset > 0 ? WARMUP_BYTES : 0
    const slabOffset = this.#slabUsed + warmup
    this.#slabUsed = slabOffset + length + lookahead
    // The ends of many sparse files can lie in one batch, each with its warm-up.
    this.#bytes += warmup + length
    return this.#batch.segments.push({ path, fd, fileOffset, length, lookahead, final, mtimeMs, ctimeMs, slabOffset }) - 1
  }

  get #baseWork(): BaseWork {
    return (this.#batch.base ??= { unpack: [], old: [] })
  }

  #keep(entry: KeptFile): void {
    Object.assign(this.#push(entry), { kept: entry, isFirst: entry.isFirst, isLast: entry.isLast })
    // Frames that are copied for it count as what is read does.
    this.#bytes += entry.bytes
    if (!entry.frames?.includes(null)) return
    let chunk = 0
    for (const extent of entry.extents) {
      if (extent.kind === 'hole') continue
      const [place, offset] = [entry.places[chunk]!, entry.offsets[chunk]!]
      if (entry.frames[chunk++] !== null) continue
      this.#baseWork.unpack.push({ place, offset, length: extent.length, id: extent.id, slabOffset: this.#slabUsed })
      this.#slabUsed += extent.length
    }
  }

  #simple(found: Found): void {
    try {
      const record = simpleRecordOf(found, (reason) => this.#options.note(toBytes(found.path), reason))
      this.#push(found).record = record
    } catch (error) {
      this.#push(found).failure = (error as Error).message
    }
  }

  #wholeFile(found: Found): void {
    this.#push(found).segment = this.#addSegment(found.source, -1, 0, found.size, 0, true, found.mtimeMs, found.ctimeMs)
  }

  async *#largeFile(found: Found): AsyncGenerator<Batch> {
    let file: LargeFile
    if (this.#opened++ >= MAX_OPENED) yield await this.#take()
    try {
      file = new LargeFile(found)
      this.#hold(file)
    } catch (error) {
      this.#push(found).failure = (error as Error).message
      return
    }
    const lookaheadLimit = lookaheadBytes(this.#options.average)
    for (let offset = 0, isFirst = true; isFirst || offset < file.size; isFirst = false) {
      const unread = this.#unreadZeros(file, offset, lookaheadLimit)
      if (unread > offset) {
        const isLast = unread === file.size
        const end = isLast ? unread : unread - lookaheadLimit
        Object.assign(this.#push(found), { zeros: [offset, unread], file, isFirst, isLast })
        offset = end
        continue
      }
      if (BATCH_BYTES - this.#bytes < LEAST_SEGMENT_BYTES) yield await this.#take()
      const left = file.size - offset
      const capacity = Math.floor((BATCH_BYTES - this.#bytes) / HOLE_ALIGN_BYTES) * HOLE_ALIGN_BYTES
      const length = Math.min(left, capacity)
      const lookahead = Math.min(left - length, lookaheadLimit)
      const final = length + lookahead === left
      const segment = this.#addSegment(null, file.fd, offset, length, lookahead, final)
      Object.assign(this.#push(found), { segment, file, isFirst, isLast: length === left })
      offset += length
      if (length < left) yield await this.#take()
    }
  }

  /** @returns where the run of zeros that needs no reading ends; `offset` if it is not worth while */
  #unreadZeros(file: LargeFile, offset: number, lookaheadLimit: number): number {
    const data = nextData(file.fd, offset, file.size)
    const end = data === file.size ? data : Math.floor(data / HOLE_ALIGN_BYTES) * HOLE_ALIGN_BYTES
    return end - offset > lookaheadLimit + LEAST_SEGMENT_BYTES ? end : offset
  }

  async *#stream(entry: Provided & { kind: 'content' }): AsyncGenerator<Batch> {
    const file = new StreamFile(entry.content, entry.metadata, this.#options.average)
    this.#hold(file)
    for (let isFirst = true, isLast = false; !isLast; isFirst = false) {
      let run
      try {
        run = await file.takeZeros()
      } catch (error) {
        this.#failStream(entry, isFirst, error)
        return
      }
      if (run) {
        isLast = run.atEnd
        Object.assign(this.#push(entry), { zeros: [run.start, run.end], file, isFirst, isLast })
        continue
      }
      if (BATCH_BYTES - this.#bytes < LEAST_SEGMENT_BYTES) yield await this.#take()
      this.#batch.slab ??= await this.#options.acquire()
      const fileOffset = file.fileOffset
      const slabOffset = this.#slabUsed + (fileOffset > 0 ? WARMUP_BYTES : 0)
      const capacity = Math.floor((BATCH_BYTES - this.#bytes) / HOLE_ALIGN_BYTES) * HOLE_ALIGN_BYTES
      let length, lookahead, atEnd
      try {
        ({ length, lookahead, atEnd } = await file.fill(new Uint8Array(this.#batch.slab), slabOffset, capacity))
      } catch (error) {
        this.#failStream(entry, isFirst, error)
        return
      }
      isLast = atEnd && lookahead === 0
      const segment = this.#addSegment(null, -1, fileOffset, length, lookahead, atEnd)
      Object.assign(this.#push(entry), { segment, file, isFirst, isLast })
      if (!isLast) yield await this.#take()
    }
  }

  /** @throws {WarpError} unless nothing of the stream was taken yet: then it is the entry's alone */
  #failStream(entry: Provided & { kind: 'content' }, isFirst: boolean, error: unknown): void {
    if (isFirst) {
      this.#push(entry).failure = (error as Error).message
      return
    }
    if (error instanceof WarpError) throw error
    const path = displayPath(toBytes(entry.path))
    throw new WarpError('ERR_WARP_INPUT_UNREADABLE', `${path}: ${(error as Error).message}`, {
      cause: error, path, hint: 'no archive was written, since a part of it would have stood for the whole',
    })
  }
}
