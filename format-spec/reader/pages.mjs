// Pages (§8) and index pages (§9.2): from plaintext to records, references and children. What can be
// checked within one page is checked here, what takes its neighbours in archive-order.mjs.
import {Cursor} from './bytes.mjs'
import {derive} from './crypto.mjs'

export const PART = 0
export const FILE = 1
export const DIRECTORY = 2
export const SYMLINK = 3
export const HARD_LINK = 4
export const CHARACTER_DEVICE = 6
export const BLOCK_DEVICE = 7

const MAX_RECORDS = 8193
const MAX_PATH_BYTES = 4096
const MAX_COMPONENT_BYTES = 255
const MAX_TARGET_BYTES = 4095
const MAX_NAME_BYTES = 255
const MAX_XATTRS = 1024
const MAX_XATTR_VALUE_BYTES = 65_536
const MAX_XATTR_TOTAL_BYTES = 262_144
const MAX_U32 = 2 ** 32 - 1
const MAX_FRAME_BYTES = 16 * 1024 * 1024
const MAX_CHILDREN = 128
const MAX_LEVEL = 8
const SLASH = 0x2f

/** Splits a page's or index page's plaintext and takes the digests of its two parts (§9.3). */
function splitPlain(plain, what, contentContext) {
  const cursor = new Cursor(plain, what)
  const content = cursor.take(cursor.u32())
  const location = cursor.rest()
  return {
    content, location,
    contentDigest: derive(contentContext, content),
    locationDigest: derive('warp-archive 1 location', location)
  }
}

/**
 * @param plain plaintext of a page
 * @param average A of the header
 * @returns {contentDigest, locationDigest, records, parse()}; parse() reads the records, and is apart so
 *   that the digests can be checked before
 */
export function splitPage(plain, {average, isThin}) {
  const split = splitPlain(plain, 'page', 'warp-archive 1 page content')
  return {
    contentDigest: split.contentDigest,
    locationDigest: split.locationDigest,
    parse() {
      const records = parseContent(split.content, 4 * average)
      return {records, frameOffsets: parseLocation(split.location, records, isThin)}
    }
  }
}

function parseContent(content, maxChunkBytes) {
  const cursor = new Cursor(content, 'page content')
  const count = cursor.varint(MAX_RECORDS)
  if (count === 0) throw cursor.fail('no records')
  const records = Array.from({length: count}, () => parseRecord(cursor, maxChunkBytes))
  cursor.end()
  return records
}

/**
 * Reads one record (§8.1).
 * @returns its fields, and `encodedLength`, which leaves the extents out as the closing rule does
 */
function parseRecord(cursor, maxChunkBytes) {
  const start = cursor.position
  const path = cursor.string(MAX_PATH_BYTES)
  const type = cursor.u8()
  if (type > BLOCK_DEVICE) throw cursor.fail(`record type ${type}`)
  checkPath(cursor, path, type)
  const record = {path, type}
  if (type !== PART && type !== HARD_LINK) Object.assign(record, parseMetadata(cursor, type))
  let extentsLength = 0
  if (type === PART || type === FILE) {
    const count = cursor.varint()
    if (type === PART && count === 0) throw cursor.fail('a part without extents')
    const extentsStart = cursor.position
    record.extents = []
    while (record.extents.length < count) record.extents.push(parseExtent(cursor, maxChunkBytes))
    extentsLength = cursor.position - extentsStart
  }
  if (type === SYMLINK) {
    record.target = cursor.string(MAX_TARGET_BYTES)
    if (record.target.length === 0) throw cursor.fail('a symlink without a target')
    refuseNul(cursor, record.target)
  }
  if (type === HARD_LINK) record.link = cursor.varint()
  if (type === CHARACTER_DEVICE || type === BLOCK_DEVICE) {
    record.device = [cursor.varint(MAX_U32), cursor.varint(MAX_U32)]
  }
  record.encodedLength = cursor.position - start - extentsLength
  return record
}

function refuseNul(cursor, bytes) {
  if (bytes.includes(0)) throw cursor.fail('NUL in a name')
}

function checkPath(cursor, path, type) {
  if (path.length === 0) {
    if (type !== DIRECTORY) throw cursor.fail('the root is not a directory')
    return
  }
  refuseNul(cursor, path)
  for (let start = 0; start <= path.length;) {
    const slash = path.indexOf(SLASH, start)
    const end = slash < 0 ? path.length : slash
    const component = Buffer.from(path.subarray(start, end)).toString('latin1')
    if (['', '.', '..'].includes(component) || component.length > MAX_COMPONENT_BYTES) {
      throw cursor.fail('unsafe path')
    }
    start = end + 1
  }
}

function parseMetadata(cursor, type) {
  const flags = cursor.u8()
  if (flags > (type === FILE ? 1 : 0)) throw cursor.fail('a reserved flag of a record is set')
  const metadata = {
    unstable: flags === 1,
    mode: cursor.varint(0o7777),
    uid: cursor.varint(MAX_U32),
    gid: cursor.varint(MAX_U32),
    user: cursor.string(MAX_NAME_BYTES),
    group: cursor.string(MAX_NAME_BYTES),
    mtime: [cursor.zigzag(), cursor.varint(999_999_999)],
    xattrs: parseXattrs(cursor)
  }
  refuseNul(cursor, metadata.user)
  refuseNul(cursor, metadata.group)
  return metadata
}

function parseXattrs(cursor) {
  const xattrs = []
  let total = 0
  for (let left = cursor.varint(MAX_XATTRS); left > 0; left--) {
    const name = cursor.string(MAX_NAME_BYTES)
    const value = cursor.string(MAX_XATTR_VALUE_BYTES)
    if (name.length === 0) throw cursor.fail('an attribute without a name')
    refuseNul(cursor, name)
    if (xattrs.length > 0 && Buffer.compare(xattrs.at(-1)[0], name) >= 0) {
      throw cursor.fail('attributes out of order')
    }
    total += name.length + value.length
    xattrs.push([name, value])
  }
  if (total > MAX_XATTR_TOTAL_BYTES) throw cursor.fail('attributes too large')
  return xattrs
}

/** @returns {length, id, encodedLength}; id is null for a hole */
function parseExtent(cursor, maxChunkBytes) {
  const start = cursor.position
  const length = cursor.varint(maxChunkBytes)
  const extent = length > 0 ? {length, id: cursor.take(32)} : {length: cursor.varint(), id: null}
  extent.encodedLength = cursor.position - start
  return extent
}

/**
 * Reads a page's location (§8.2) and puts `frame` (file offset of the block), `isInBase` and `offset` (in its
 * plaintext) into each chunk extent, and `hint` into each record of a file.
 * @returns file offsets of the frames that the page refers to, but for those in the base
 */
function parseLocation(location, records, isThin) {
  const cursor = new Cursor(location, 'page location')
  const flags = cursor.u8()
  if (flags > 1) throw cursor.fail('a reserved flag is set')
  const chunks = records.flatMap(record => record.extents ?? []).filter(extent => extent.id)
  const frameCount = cursor.varint(chunks.length)
  const frames = Array.from({length: frameCount}, () => {
    const origin = isThin ? cursor.u8() : 0
    if (origin > 1) throw cursor.fail('a frame of unknown origin')
    const offset = cursor.varint()
    if (origin === 1 && offset === 0) throw cursor.fail('a frame in the header of the base')
    return {offset, isInBase: origin === 1}
  })
  const names = frames.map(({offset, isInBase}) => `${offset} ${isInBase}`)
  if (new Set(names).size !== frameCount) throw cursor.fail('a frame is listed twice')
  parseReferences(cursor, chunks, frames)
  if (flags === 1) {
    for (const record of records.filter(({type}) => type === FILE)) {
      record.hint = {
        ctime: [cursor.zigzag(), cursor.varint(999_999_999)],
        inode: cursor.bigU64(),
        device: cursor.bigU64()
      }
    }
  }
  cursor.end()
  return frames.filter(({isInBase}) => !isInBase).map(({offset}) => offset)
}

function parseReferences(cursor, chunks, frames) {
  let framesSeen = 0
  let previous = null
  for (const chunk of chunks) {
    const word = cursor.varint(frames.length)
    let reference = previous
    if (word > 0) {
      reference = {index: word - 1, end: cursor.varint(MAX_FRAME_BYTES)}
      if (reference.index > framesSeen) throw cursor.fail('frames are not in order of first reference')
      framesSeen = Math.max(framesSeen, word)
      if (previous?.index === reference.index && previous.end === reference.end) {
        throw cursor.fail('a reference could be shorter')
      }
    }
    if (!reference) throw cursor.fail('the first reference follows nothing')
    chunk.frame = frames[reference.index].offset
    chunk.isInBase = frames[reference.index].isInBase
    chunk.offset = reference.end
    previous = {index: reference.index, end: reference.end + chunk.length}
  }
  if (framesSeen !== frames.length) throw cursor.fail('a frame is listed and not referred to')
}

/**
 * @param plain plaintext of an index page
 * @returns {contentDigest, locationDigest, parse()}; parse() gives {level, children}, each child
 *   {contentDigest, locationDigest, firstPath, firstOffset, entries, offset, level}
 */
export function splitIndexPage(plain) {
  const {content, location, ...digests} = splitPlain(plain, 'index page', 'warp-archive 1 index content')
  return {...digests, parse: () => parseIndexPage(content, location)}
}

function parseIndexPage(content, location) {
  const cursor = new Cursor(content, 'index content')
  const level = cursor.u8()
  if (level < 1 || level > MAX_LEVEL) throw cursor.fail('level out of range')
  const count = cursor.varint(MAX_CHILDREN)
  if (count === 0) throw cursor.fail('no children')
  const children = Array.from({length: count}, () => ({
    level: level - 1,
    contentDigest: cursor.take(32),
    firstPath: cursor.string(MAX_PATH_BYTES),
    firstOffset: cursor.varint(),
    entries: cursor.varint()
  }))
  cursor.end()
  const places = new Cursor(location, 'index location')
  for (const child of children) {
    child.offset = places.varint()
    child.locationDigest = places.take(32)
  }
  places.end()
  return {level, children}
}
