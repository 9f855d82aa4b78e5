/** Entries from the records of pages: parts are put together, numbers given. */
import type { Extent, Hint, Record } from '../format/entry.ts'
import type { Page } from '../format/page.ts'
import type { Entry } from './types.ts'

/** Where the chunks of a run of extents lie. */
export interface PlacedExtents {
  extents: Extent[]
  /** For each chunk among them: file offset of its frame's block, negative in the base, and offset in the frame's plaintext. */
  frames: number[]
  offsets: number[]
}

/** An entry, or a part of a file that is not complete yet. */
export interface Assembled extends PlacedExtents {
  /** Path of the record. */
  path: Uint8Array
  /** Bytes of the file before these extents. */
  fileOffset: number
  /** Set when the entry is complete. */
  entry: Entry | null
  /** Of a regular file that is complete, if the archive has change hints. */
  hint: Hint | null
  /** The file was begun in an earlier run, and is gone on with. */
  isBegun?: boolean
}

export class EntryAssembler {
  // The semicolon keeps the star below from being a multiplication.
  #size = 0;

  /**
   * Every record of a page.
   * @param firstEntry number of the first entry of the page
   * @param firstOffset bytes of the first record's file that earlier pages hold
   */
  *page(page: Page, firstEntry: number, firstOffset: number): Generator<Assembled> {
    let number = firstEntry
    let ref = 0
    let file = 0
    this.#size = firstOffset
    for (const record of page.records) {
      const extents = 'extents' in record ? record.extents : NO_EXTENTS
      const fileOffset = this.#size
      let chunks = 0
      for (const { kind, length } of extents) {
        this.#size += length
        if (kind === 'chunk') chunks++
      }
      const frames = new Array<number>(chunks)
      const offsets = new Array<number>(chunks)
      for (let i = 0; i < chunks; i++, ref++) {
        frames[i] = page.frames[page.refFrames[ref]!]!
        offsets[i] = page.refOffsets[ref]!
      }
      const entry = record.type === 'part' ? null : entryOf(record, number++, this.#size)
      const hint = record.type === 'file' ? (page.hints?.[file++] ?? null) : null
      yield { path: record.path, fileOffset, extents, frames, offsets, entry, hint }
      if (entry) this.#size = 0
    }
  }
}

const NO_EXTENTS: Extent[] = []
const NOBODY = new Uint8Array(0)

function entryOf(record: Exclude<Record, { type: 'part' }>, number: number, size: number): Entry {
  const { path, type } = record
  if (type === 'hardlink') {
    return {
      number, path, type, size: 0, unstable: false, mode: 0, uid: 0, gid: 0, user: NOBODY, group: NOBODY,
      mtimeSeconds: 0, mtimeNanoseconds: 0, xattrs: [], link: record.targetEntry,
    }
  }
  const { unstable, mode, uid, gid, user, group, mtimeSeconds, mtimeNanoseconds, xattrs } = record.metadata
  const entry: Entry = {
    number, path, type, size: type === 'file' ? size : 0, unstable, mode, uid, gid, user, group, mtimeSeconds, mtimeNanoseconds, xattrs,
  }
  if (type === 'symlink') entry.target = record.target
  if (type === 'chardev' || type === 'blockdev') {
    entry.major = record.major
    entry.minor = record.minor
  }
  return entry
}
