/**
 * Holds what a walk found against the entries of the base. Both are in path order, so one pass over either
 * tells what is unchanged; nothing of the base is kept but the page at hand.
 */
import type { Hint } from '../format/entry.ts'
import { comparePaths } from '../format/path.ts'
import { EntryAssembler, type Assembled } from './assemble.ts'
import type { KeptFile, OldChunks, SourceEntry } from './batch.ts'
import { toBytes } from './inputs.ts'
import type { Archive } from './open.ts'
import { metadataOf } from './records.ts'
import type { Found } from './walk.ts'

/** What was found while one page of the base was passed. */
export interface Section {
  /** Number of that page. */
  page: number
  /** Of files that are kept, it is not decided which frames go on being used. */
  entries: SourceEntry[]
}

/** Chunk bytes of a kept file that go into a batch as one. */
const PIECE_BYTES = 8 * 1024 * 1024
/** Entries of a section: of the walk, there may be any number beside one page. */
const MAX_SECTION_ENTRIES = 8192

/** The records of the base, one after the other. */
class Cursor {
  page = -1
  readonly #pages: AsyncIterator<Assembled[]>
  #records: Assembled[] = []
  #next = 0

  constructor(archive: Archive) {
    this.#pages = pagesOf(archive)
  }

  /** The record at hand; undefined if the next page has to be read first. */
  get record(): Assembled | undefined {
    return this.#records[this.#next]
  }

  pass(): void {
    this.#next++
  }

  /** @returns false at the end */
  async turn(): Promise<boolean> {
    const { done, value } = await this.#pages.next()
    if (done) return false
    this.#records = value as Assembled[]
    this.#next = 0
    this.page++
    return true
  }
}

async function* pagesOf(archive: Archive): AsyncGenerator<Assembled[]> {
  const assembler = new EntryAssembler()
  for await (const { page, firstEntry, firstOffset } of archive.pages()) yield [...assembler.page(page, firstEntry, firstOffset)]
}

export class BaseMerge {
  readonly #archive: Archive
  readonly #cursor: Cursor
  #section: Section = { page: 0, entries: [] }
  /** The entry that was last kept. */
  #kept: SourceEntry | null = null
  /** Regular files that are kept, and their bytes. */
  keptFiles = 0
  keptBytes = 0

  constructor(archive: Archive) {
    this.#archive = archive
    this.#cursor = new Cursor(archive)
  }

  /**
   * @param groups entries in path order, any number at a time
   * @throws {WarpError} as reading the base does
   */
  async *of(groups: AsyncIterable<SourceEntry[]>): AsyncGenerator<Section> {
    for await (const group of groups) {
      for (const entry of group) {
        const path = toBytes(entry.path)
        for (let record = this.#cursor.record; ; record = this.#cursor.record) {
          if (!record) {
            const before = this.#cursor.page
            if (!(await this.#cursor.turn())) break
            if (before >= 0) yield* this.#close()
            continue
          }
          const order = comparePaths(record.path, path)
          if (order > 0) break
          const last = order === 0 && entry.kind === 'file' ? await this.#lastRecord(record, entry) : null
          if (last) {
            if (last === record && record.entry!.size <= PIECE_BYTES) this.#keepWhole(entry as Found, record)
            else yield* this.#keep(entry as Found, last)
            break
          }
          this.#noteOld(record)
          this.#cursor.pass()
        }
        if (this.#kept === entry) this.#kept = null
        else this.#section.entries.push(entry)
        if (this.#section.entries.length >= MAX_SECTION_ENTRIES) yield* this.#close()
      }
    }
    yield* this.#close()
  }

  *#close(): Generator<Section> {
    if (this.#section.entries.length > 0) yield this.#section
    this.#section = { page: this.#cursor.page, entries: [] }
  }

  /** The last record of the file that `record` begins, if the file is unchanged since. */
  async #lastRecord(record: Assembled, found: Found): Promise<Assembled | null> {
    const isBegin = record.fileOffset === 0
    if (!isBegin || (record.entry && record.entry.type !== 'file')) return null
    const last = record.entry ? record : await this.#archive.lastRecordOf(record.path, found.size)
    return last && isUnchanged(last, found) ? last : null
  }

  /** Most files are one record that fits a batch. */
  #keepWhole(found: Found, record: Assembled): void {
    this.#kept = found
    const entry = record.entry!
    this.#section.entries.push({
      kind: 'kept', path: found.path, inode: found.inode, isFirst: true, isLast: true, metadata: metadataOf(entry, entry.xattrs, false),
      hint: record.hint, extents: record.extents, places: record.frames, offsets: record.offsets, frames: null, bytes: entry.size,
    })
    this.#cursor.pass()
    this.keptFiles++
    this.keptBytes += entry.size
  }

  async *#keep(found: Found, last: Assembled): AsyncGenerator<Section> {
    this.#kept = found
    const entry = last.entry!
    const metadata = metadataOf(entry, entry.xattrs, false)
    let isFirst = true
    for (let isLast = false; !isLast; ) {
      const record = this.#cursor.record
      if (!record) {
        if (!(await this.#cursor.turn())) break
        yield* this.#close()
        continue
      }
      isLast = record.entry !== null
      for (const piece of piecesOf(record)) {
        const isEnd = isLast && piece.isEnd
        this.#section.entries.push({ ...piece, kind: 'kept', path: found.path, inode: found.inode, isFirst, isLast: isEnd, metadata, hint: last.hint })
        isFirst = false
      }
      this.#cursor.pass()
    }
    this.keptFiles++
    this.keptBytes += entry.size
  }

  #noteOld({ path, extents, frames, offsets }: Assembled): void {
    if (frames.length === 0) return
    const chunks: OldChunks['chunks'] = { ids: [], places: frames, offsets, lengths: [] }
    for (const extent of extents) {
      if (extent.kind === 'hole') continue
      chunks.ids.push(extent.id)
      chunks.lengths.push(extent.length)
    }
    this.#section.entries.push({ kind: 'old', path: Buffer.from(path).toString('latin1'), inode: null, chunks })
  }
}

/** Divides a record that takes more than one batch should; `isEnd` with the last piece. */
function* piecesOf({ extents, frames, offsets }: Assembled): Generator<Pick<KeptFile, 'extents' | 'places' | 'offsets' | 'frames' | 'bytes'> & { isEnd: boolean }> {
  let from = 0
  let chunkFrom = 0
  let chunk = 0
  let bytes = 0
  for (let i = 0; i <= extents.length; i++) {
    const extent = extents[i]
    const isEnd = extent === undefined
    if (isEnd || (extent.kind === 'chunk' && bytes + extent.length > PIECE_BYTES && chunk > chunkFrom)) {
      yield {
        extents: extents.slice(from, i), places: frames.slice(chunkFrom, chunk), offsets: offsets.slice(chunkFrom, chunk), frames: null, bytes, isEnd,
      }
      from = i
      chunkFrom = chunk
      bytes = 0
    }
    if (extent?.kind === 'chunk') {
      chunk++
      bytes += extent.length
    }
  }
}

/** §8.2: the same size, times and place on disk. What changed while it was read was perhaps not read as it is. */
export function isUnchanged({ entry, hint }: Pick<Assembled, 'entry' | 'hint'>, found: Found): boolean {
  if (!entry || !hint || isNothing(hint) || entry.type !== 'file' || entry.unstable) return false
  return (
    entry.size === found.size &&
    millisecondsOf(entry.mtimeSeconds, entry.mtimeNanoseconds) === found.mtimeMs &&
    millisecondsOf(hint.ctimeSeconds, hint.ctimeNanoseconds) === found.ctimeMs &&
    Number(hint.inode) === found.ino &&
    Number(hint.device) === found.dev
  )
}

function isNothing({ ctimeSeconds, inode, device }: Hint): boolean {
  return ctimeSeconds === 0 && inode === 0n && device === 0n
}

/** The arithmetic of Node's `Stats`. */
function millisecondsOf(seconds: number, nanoseconds: number): number {
  return seconds * 1000 + nanoseconds / 1_000_000
}
