/** Index pages: the inner nodes of the tree over the pages (§9). */
import { WarpError } from '../base/errors.ts'
import { ID_BYTES, INDEX_FAN_OUT, MAX_LEVEL, MAX_PATH_BYTES } from '../base/limits.ts'
import { ByteReader, ByteWriter } from './cursor.ts'
import { splitParts } from './parts.ts'
import type { Parts } from './parts.ts'
import { checkPath, comparePaths, displayPath } from './path.ts'

export { joinParts, splitParts } from './parts.ts'
export type { Parts } from './parts.ts'

export interface IndexChild {
  /** u8[32]: content digest */
  digest: Uint8Array
  /** Path of the first record of its subtree. */
  firstPath: Uint8Array
  /** Offset in that file at which that record's extents start: 0 unless it continues a part. */
  firstOffset: number
  /** Records other than parts in its subtree. */
  entries: number
  /** File offset of its block. */
  offset: number
  /** u8[32] */
  locationDigest: Uint8Array
}

export interface IndexPage {
  /** 1 … 8; the children are of the level below, pages of level 0 */
  level: number
  /** 1 … 128 */
  children: IndexChild[]
}

/**
 * Writes the two parts of an index page; `joinParts` makes its plaintext of them. Source: §9.2.
 * @throws {RangeError} a level, number of children or digest that no reader accepts
 */
export function writeIndexPage({ level, children }: IndexPage): Parts {
  if (level < 1 || level > MAX_LEVEL) throw new RangeError(`${level} is not the level of an index page`)
  if (children.length < 1 || children.length > INDEX_FAN_OUT) {
    throw new RangeError(`${children.length} is not a number of children`)
  }
  const content = new ByteWriter(64 * children.length).u8(level).varint(children.length)
  const location = new ByteWriter(40 * children.length)
  for (const { digest, firstPath, firstOffset, entries, offset, locationDigest } of children) {
    if (digest.length !== ID_BYTES || locationDigest.length !== ID_BYTES) {
      throw new RangeError('a digest has 32 bytes')
    }
    content.put(digest).string(firstPath).varint(firstOffset).varint(entries)
    location.varint(offset).put(locationDigest)
  }
  return { content: content.take(), location: location.take() }
}

/**
 * Reads an index page and makes every check of §9 that needs nothing but this page; that it is a top
 * with one child is for the caller to refuse.
 * @param plaintext borrowed: all bytes of the result are views of it
 * @throws {WarpError} ERR_WARP_MALFORMED, ERR_WARP_LIMIT, ERR_WARP_PATH_UNSAFE, ERR_WARP_ENTRY_ORDER
 */
export function readIndexPage(plaintext: Uint8Array): IndexPage & Parts {
  const { content, location } = splitParts(plaintext)
  const reader = new ByteReader(content)
  const level = reader.u8()
  if (level < 1) throw malformed('an index page has level 0')
  if (level > MAX_LEVEL) throw new WarpError('ERR_WARP_LIMIT', `an index page has level ${level}`)
  const childCount = reader.varintUpTo(INDEX_FAN_OUT, 'number of children')
  if (childCount < 1) throw malformed('an index page has no children')
  const children: IndexChild[] = []
  let totalEntries = 0
  for (let i = 0; i < childCount; i++) {
    const digest = reader.take(ID_BYTES)
    const firstPath = reader.string(MAX_PATH_BYTES, 'a path')
    checkPath(firstPath, true)
    const firstOffset = reader.varint()
    const entries = reader.varint()
    const child: IndexChild = { digest, firstPath, firstOffset, entries, offset: 0, locationDigest: digest }
    checkOrder(children.at(-1), child)
    totalEntries += child.entries
    children.push(child)
  }
  reader.done()
  if (totalEntries > Number.MAX_SAFE_INTEGER) throw new WarpError('ERR_WARP_LIMIT', 'too many entries')
  const locationReader = new ByteReader(location)
  let last = 0
  for (const child of children) {
    child.offset = locationReader.varint()
    child.locationDigest = locationReader.take(ID_BYTES)
    if (child.offset <= last) throw malformed('the children of an index page are not in file order')
    last = child.offset
  }
  locationReader.done()
  return { level, children, content, location }
}

/** Nodes ascend by what they start with; the root directory can only be the very first record. */
function checkOrder(before: IndexChild | undefined, child: IndexChild): void {
  const path = displayPath(child.firstPath)
  if (child.firstPath.length === 0 && child.firstOffset > 0) {
    throw new WarpError('ERR_WARP_MALFORMED', 'an index page continues the root directory', { path })
  }
  if (before === undefined) return
  const order = comparePaths(before.firstPath, child.firstPath)
  if (order > 0 || (order === 0 && before.firstOffset >= child.firstOffset)) {
    throw new WarpError('ERR_WARP_ENTRY_ORDER', 'the children of an index page are not in order', { path })
  }
}

function malformed(message: string): WarpError {
  return new WarpError('ERR_WARP_MALFORMED', message)
}
