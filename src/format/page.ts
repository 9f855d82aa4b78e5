/** Reads pages (§8): the records of their content, and where the chunks of these lie. */
import { WarpError } from '../base/errors.ts'
import { PAGE_CLOSE_ENTRIES } from '../base/limits.ts'
import { ByteReader } from './cursor.ts'
import type { Record } from './entry.ts'
import { readLocation } from './location.ts'
import type { Location } from './location.ts'
import { PageFill } from './page-fill.ts'
import { splitParts } from './parts.ts'
import { readRecord } from './record.ts'
import { RecordOrder } from './record-order.ts'

export { writeLocation } from './location.ts'
export type { Location } from './location.ts'
export { PageBuilder } from './page-builder.ts'
export type { ClosedPage } from './page-builder.ts'
export { joinParts, splitParts } from './parts.ts'
export { checkMetadata } from './record.ts'
export { RecordOrder } from './record-order.ts'

export interface PageContent {
  records: Record[]
  /** Length of each chunk extent, bytes, in content order. */
  lengths: Uint32Array
  /** Records of type file. */
  files: number
  /** Records other than parts. */
  entries: number
  /** Sum of the lengths of all extents, holes included. */
  logicalBytes: number
  /** 'limit': the page closed because it was full. 'end': only the last page of an archive may. */
  closedBy: 'limit' | 'end'
}

export interface Page extends PageContent, Location {
  /** The content part, over which the content digest is made. */
  content: Uint8Array
  /** The location part, over which the location digest is made. */
  location: Uint8Array
}

export interface PageOptions {
  /** max of §4.1: the longest that a chunk may be, bytes */
  maxChunk: number
  /** The archive is thin: frames may lie in its base (§8.2). Default false. */
  thin?: boolean
  /** It may close in the midst of a file before it is full: no page of an archive, but a listing of a transfer. */
  midway?: boolean
}

/**
 * Reads a page and makes every check of §8 that needs nothing but this page. What holds between pages is
 * checked by `RecordOrder`; that chunks lie inside their frames, by whoever knows these.
 * @param plaintext borrowed: all bytes of the result are views of it
 * @throws {WarpError} ERR_WARP_MALFORMED, ERR_WARP_LIMIT, ERR_WARP_PATH_UNSAFE, ERR_WARP_ENTRY_ORDER,
 *   ERR_WARP_NOT_A_DIRECTORY
 */
export function readPage(plaintext: Uint8Array, options: PageOptions): Page {
  const { content, location } = splitParts(plaintext)
  const page = readPageContent(content, options)
  return { content, location, ...page, ...readLocation(location, page.lengths, page.files, options.thin ?? false) }
}

/** Reads the content part of a page alone; throws like `readPage`. */
export function readPageContent(content: Uint8Array, { maxChunk, midway = false }: PageOptions): PageContent {
  const reader = new ByteReader(content)
  const recordCount = reader.varint()
  // §8.1: a page is full with so many entries, so a part can only stand in the place of the last.
  if (recordCount < 1 || recordCount > PAGE_CLOSE_ENTRIES) {
    throw malformed(`a page states ${recordCount} records`)
  }
  const fill = new PageFill()
  const order = new RecordOrder({ midway: true })
  const records: Record[] = []
  const lengths: number[] = []
  let files = 0
  let logicalBytes = 0
  for (let i = 1; i <= recordCount; i++) {
    const record = readRecord(reader, maxChunk, fill, midway)
    if (i < recordCount) {
      if (record.type === 'part') throw malformed('a part is not the last record of its page')
      if (fill.isFull) throw malformed('a page goes on after it is full')
    }
    order.next(record)
    records.push(record)
    if (record.type !== 'part' && record.type !== 'file') continue
    if (record.type === 'file') files++
    for (const { kind, length } of record.extents) {
      logicalBytes += length
      if (kind === 'chunk') lengths.push(length)
    }
    if (logicalBytes > Number.MAX_SAFE_INTEGER) throw new WarpError('ERR_WARP_LIMIT', 'a page is too large')
  }
  reader.done()
  return {
    records,
    lengths: Uint32Array.from(lengths),
    files,
    entries: fill.entries,
    logicalBytes,
    closedBy: fill.isFull ? 'limit' : 'end',
  }
}

function malformed(message: string): WarpError {
  return new WarpError('ERR_WARP_MALFORMED', message)
}
