/** Builds pages from entries (§8.1): decides where each one closes, and divides files into parts there. */
import { ByteWriter } from './cursor.ts'
import type { Hint, Metadata, SimpleRecord } from './entry.ts'
import { PageFill } from './page-fill.ts'
import { checkPath } from './path.ts'
import {
  checkMetadata, checkSimpleRecord, writeExtent, writeRecordStart, writeSimpleRecord,
} from './record.ts'
import { PathOrder } from './record-order.ts'

/**
 * A closed page. Its location part can be written when the file offsets of its frames are known:
 * `writeLocation({ ...page, frames: page.frames.map(offsetOf) })`.
 */
export interface ClosedPage {
  content: Uint8Array
  /** The caller's names of the frames referred to, each once, in order of first reference. */
  frames: number[]
  /** For each chunk extent, in content order: index into `frames`. */
  refFrames: Uint32Array
  /** For each chunk extent: offset in the plaintext of its frame, bytes. */
  refOffsets: Uint32Array
  /** For each chunk extent: its length, bytes. */
  lengths: Uint32Array
  /** One for each record of type file; null if the page has none or if any file came without. */
  hints: Hint[] | null
  /** Records other than parts. */
  entries: number
  /** Path of the first record. */
  firstPath: Uint8Array
  /** Offset in its file at which the extents of the first record start (§9.2). */
  firstOffset: number
  /** Sum of the lengths of all extents, holes included. */
  logicalBytes: number
}

/**
 * Takes entries in archive order. Each method that returns a boolean tells whether the page must be
 * closed before anything else is added; what is added to a full page throws.
 */
export class PageBuilder {
  readonly #order = new PathOrder()
  /** Records that are complete. */
  readonly #records = new ByteWriter(1 << 16)
  /** Extents of the open file that fall into this page. */
  readonly #extents = new ByteWriter(1 << 16)
  readonly #frameIndex = new Map<number, number>()
  #fill = new PageFill()
  #recordCount = 0
  #extentCount = 0
  #openPath: Uint8Array | null = null
  /** Size of the open file so far. */
  #openBytes = 0
  #firstPath: Uint8Array | null = null
  #firstOffset = 0
  #refFrames: number[] = []
  #refOffsets: number[] = []
  #lengths: number[] = []
  #hints: Hint[] | null = []
  #logicalBytes = 0
  #entryNumber = 0

  /** Number (§8.1 Entry numbers) that the next entry to be completed gets. */
  get entryNumber(): number {
    return this.#entryNumber
  }

  /** Whether the page must be closed now. */
  get isFull(): boolean {
    return this.#fill.isFull
  }

  /** Whether nothing stands in the page yet, so that at the end of input there is nothing to close. */
  get isEmpty(): boolean {
    return this.#recordCount === 0 && this.#openPath === null
  }

  /** Whether there are records to close, or extents of the open file. */
  get hasContent(): boolean {
    return this.#recordCount > 0 || this.#extentCount > 0
  }

  /** @throws {WarpError} ERR_WARP_PATH_UNSAFE, ERR_WARP_ENTRY_ORDER, ERR_WARP_NOT_A_DIRECTORY */
  beginFile(path: Uint8Array): void {
    checkPath(path)
    this.#begin(path, false)
    this.#openPath = path
    this.#openBytes = 0
  }

  /**
   * @param id u8[32]
   * @param frame the caller's name of the frame that the chunk lies in
   * @param offset where in the plaintext of that frame, bytes
   */
  chunk(length: number, id: Uint8Array, frame: number, offset: number): boolean {
    let index = this.#frameIndex.get(frame)
    if (index === undefined) {
      index = this.#frameIndex.size
      this.#frameIndex.set(frame, index)
    }
    this.#addExtent(length, id)
    this.#refFrames.push(index)
    this.#refOffsets.push(offset)
    this.#lengths.push(length)
    return this.isFull
  }

  hole(length: number): boolean {
    this.#addExtent(length, null)
    return this.isFull
  }

  /**
   * Completes the file that was begun.
   * @throws {WarpError} ERR_WARP_LIMIT, ERR_WARP_MALFORMED: no reader accepts the metadata; nothing was added
   */
  endFile(metadata: Metadata, hint: Hint | null): boolean {
    if (this.#openPath === null) throw new Error('no file was begun')
    this.#checkRoom()
    checkMetadata(metadata, true)
    const start = this.#records.length
    writeRecordStart(this.#records, 'file', this.#openPath, metadata)
    this.#records.varint(this.#extentCount)
    this.#complete(this.#records.length - start)
    this.#putExtents()
    if (hint === null) this.#hints = null
    else this.#hints?.push(hint)
    this.#openPath = null
    return this.isFull
  }

  /**
   * Adds an entry that is not a file.
   * @throws {WarpError} as `beginFile` and `endFile`; nothing was added
   */
  add(record: SimpleRecord): boolean {
    checkSimpleRecord(record)
    this.#begin(record.path, record.type === 'directory')
    const start = this.#records.length
    writeSimpleRecord(this.#records, record)
    this.#complete(this.#records.length - start)
    return this.isFull
  }

  /**
   * Closes the page: because it is full, or, between two entries, because the input has ended.
   * @param options.midway close it also in the midst of a file: no page of an archive (§8.1 Closing)
   */
  close({ midway = false } = {}): ClosedPage {
    const openPath = this.#openPath
    if (openPath !== null) {
      if (!this.isFull && !midway) throw new Error('a page with an incomplete file closes only when it is full')
      // Midway nothing may be there of the file yet: then it begins in the next.
      if (this.#extentCount > 0 || !midway) {
        writeRecordStart(this.#records, 'part', openPath, null)
        this.#records.varint(this.#extentCount)
        this.#recordCount++
        this.#putExtents()
      }
    }
    if (this.#firstPath === null || this.#recordCount === 0) throw new Error('a page has at least one record')
    const content = new ByteWriter(this.#records.length + 8)
    content.varint(this.#recordCount).put(this.#records.peek())
    const page: ClosedPage = {
      content: content.take(),
      frames: [...this.#frameIndex.keys()],
      refFrames: Uint32Array.from(this.#refFrames),
      refOffsets: Uint32Array.from(this.#refOffsets),
      lengths: Uint32Array.from(this.#lengths),
      hints: this.#hints?.length === 0 ? null : this.#hints,
      entries: this.#fill.entries,
      firstPath: this.#firstPath,
      firstOffset: this.#firstOffset,
      logicalBytes: this.#logicalBytes,
    }
    this.#records.clear()
    this.#frameIndex.clear()
    this.#fill = new PageFill()
    this.#recordCount = 0
    this.#firstPath = openPath
    this.#firstOffset = openPath === null ? 0 : this.#openBytes
    this.#refFrames = []
    this.#refOffsets = []
    this.#lengths = []
    this.#hints = []
    this.#logicalBytes = 0
    return page
  }

  #begin(path: Uint8Array, isDirectory: boolean): void {
    if (this.#openPath !== null) throw new Error('a file is not complete')
    this.#checkRoom()
    this.#order.next(path, isDirectory)
    this.#firstPath ??= path
  }

  #addExtent(length: number, id: Uint8Array | null): void {
    if (this.#openPath === null) throw new Error('no file was begun')
    this.#checkRoom()
    const start = this.#extents.length
    writeExtent(this.#extents, length, id)
    this.#extentCount++
    this.#fill.addExtent(this.#extents.length - start, id === null ? 0 : length)
    this.#openBytes += length
    this.#logicalBytes += length
  }

  #putExtents(): void {
    this.#records.put(this.#extents.peek())
    this.#extents.clear()
    this.#extentCount = 0
  }

  #complete(encodedBytes: number): void {
    this.#fill.addRecord(encodedBytes)
    this.#recordCount++
    this.#entryNumber++
  }

  #checkRoom(): void {
    if (this.isFull) throw new Error('the page is full and must be closed first')
  }
}
