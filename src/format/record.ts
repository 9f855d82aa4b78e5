/** The encoding of one record of a page (§8.1), and the rules that hold for it alone. */
import { WarpError } from '../base/errors.ts'
import {
  ID_BYTES, MAX_NAME_BYTES, MAX_OWNER_NAME_BYTES, MAX_PATH_BYTES, MAX_TARGET_BYTES, MAX_XATTRS,
  MAX_XATTR_TOTAL_BYTES, MAX_XATTR_VALUE_BYTES,
} from '../base/limits.ts'
import { MAX_ZIGZAG } from './cursor.ts'
import type { ByteReader, ByteWriter } from './cursor.ts'
import type { Extent, Metadata, Record, SimpleRecord, Xattr } from './entry.ts'
import type { PageFill } from './page-fill.ts'
import { checkPath, displayPath } from './path.ts'

/** Index: the type byte of §8.1. */
const TYPES = ['part', 'file', 'directory', 'symlink', 'hardlink', 'fifo', 'chardev', 'blockdev'] as const
const FLAG_UNSTABLE = 1
const MAX_MODE = 0o7777
const MAX_U32 = 2 ** 32 - 1
const MAX_NANOSECONDS = 999_999_999
const NO_XATTRS: Xattr[] = []

/** Writes path, type and, if there is any, metadata, none of which is checked. */
export function writeRecordStart(
  writer: ByteWriter,
  type: Record['type'],
  path: Uint8Array,
  metadata: Metadata | null,
): void {
  writer.string(path).u8(TYPES.indexOf(type))
  if (metadata === null) return
  const { unstable, mode, uid, gid, user, group, mtimeSeconds, mtimeNanoseconds, xattrs } = metadata
  writer.u8(unstable ? FLAG_UNSTABLE : 0).varint(mode).varint(uid).varint(gid).string(user).string(group)
    .zigzag(mtimeSeconds).varint(mtimeNanoseconds).varint(xattrs.length)
  for (const { name, value } of xattrs) writer.string(name).string(value)
}

/** Writes a record that has no extents, unchecked: `checkSimpleRecord` does that. */
export function writeSimpleRecord(writer: ByteWriter, record: SimpleRecord): void {
  const { type, path } = record
  writeRecordStart(writer, type, path, type === 'hardlink' ? null : record.metadata)
  if (type === 'symlink') writer.string(record.target)
  else if (type === 'hardlink') writer.varint(record.targetEntry)
  else if (type === 'chardev' || type === 'blockdev') writer.varint(record.major).varint(record.minor)
}

/** Writes one extent: of a chunk with `id`, of a hole without. */
export function writeExtent(writer: ByteWriter, length: number, id: Uint8Array | null): void {
  if (length < 1) throw new RangeError('an extent has at least one byte')
  if (id === null) {
    writer.u8(0).varint(length)
  } else {
    if (id.length !== ID_BYTES) throw new RangeError('a chunk id has 32 bytes')
    writer.varint(length).put(id)
  }
}

/**
 * Reads one record, and counts it into `fill`, after each step of which the closing rule must hold.
 * @param maxChunkBytes max of §4.1
 * @param midway a part may come before the page is full: of a listing, not of a page
 * @returns the record; its bytes are views of the reader's
 * @throws {WarpError} ERR_WARP_MALFORMED, ERR_WARP_LIMIT, ERR_WARP_PATH_UNSAFE
 */
export function readRecord(reader: ByteReader, maxChunkBytes: number, fill: PageFill, midway = false): Record {
  const start = reader.position
  const path = reader.string(MAX_PATH_BYTES, 'a path')
  const type = TYPES[reader.u8()]
  if (type === undefined) throw malformed('a record has an unknown type', path)
  checkPath(path, type === 'directory')
  let record: Record
  let extentBytes = 0
  switch (type) {
    case 'part':
    case 'file': {
      const metadata = type === 'file' ? readMetadata(reader, true) : null
      const count = reader.varint()
      if (metadata === null && count === 0) throw malformed('a part has no extents', path)
      const extentsStart = reader.position
      const extents = readExtents(reader, count, maxChunkBytes, fill, metadata === null)
      extentBytes = reader.position - extentsStart
      if (metadata === null) {
        if (!fill.isFull && !midway) throw malformed('a page closes before it is full', path)
        return { type: 'part', path, extents }
      }
      record = { type: 'file', path, metadata, extents }
      break
    }
    case 'directory':
    case 'fifo':
      record = { type, path, metadata: readMetadata(reader, false) }
      break
    case 'symlink': {
      const metadata = readMetadata(reader, false)
      const target = reader.string(MAX_TARGET_BYTES, 'a symlink target')
      checkTarget(target)
      record = { type, path, metadata, target }
      break
    }
    case 'hardlink':
      record = { type, path, targetEntry: reader.varint() }
      break
    case 'chardev':
    case 'blockdev': {
      const metadata = readMetadata(reader, false)
      const major = reader.varint()
      const minor = reader.varint()
      checkDevice(major, minor)
      record = { type, path, metadata, major, minor }
    }
  }
  fill.addRecord(reader.position - start - extentBytes)
  return record
}

function readExtents(
  reader: ByteReader,
  count: number,
  maxChunkBytes: number,
  fill: PageFill,
  isPart: boolean,
): Extent[] {
  // An array that grows takes room for 16 more from the start; most files have one extent.
  const extents = new Array<Extent>(Math.min(count, 16))
  for (let i = 0; i < count; i++) {
    const start = reader.position
    const first = reader.varint()
    if (first > maxChunkBytes) throw malformed('a chunk is longer than the maximum')
    if (first > 0) {
      extents[i] = { kind: 'chunk', length: first, id: reader.take(ID_BYTES) }
    } else {
      const length = reader.varint()
      if (length === 0) throw malformed('a hole is empty')
      extents[i] = { kind: 'hole', length }
    }
    fill.addExtent(reader.position - start, first)
    if (fill.isFull && !(isPart && i === count - 1)) throw malformed('a page goes on after it is full')
  }
  return extents
}

function readMetadata(reader: ByteReader, isFile: boolean): Metadata {
  const flags = reader.u8()
  if (flags > FLAG_UNSTABLE) throw malformed('reserved flags of a record are set')
  const metadata: Metadata = {
    unstable: flags === FLAG_UNSTABLE,
    mode: reader.varint(),
    uid: reader.varint(),
    gid: reader.varint(),
    user: reader.name(MAX_OWNER_NAME_BYTES, 'a user name'),
    group: reader.name(MAX_OWNER_NAME_BYTES, 'a group name'),
    mtimeSeconds: reader.zigzag(),
    mtimeNanoseconds: reader.varint(),
    xattrs: readXattrs(reader),
  }
  checkMetadata(metadata, isFile)
  return metadata
}

function readXattrs(reader: ByteReader): Xattr[] {
  const count = reader.varintUpTo(MAX_XATTRS, 'number of extended attributes')
  if (count === 0) return NO_XATTRS
  const xattrs: Xattr[] = []
  for (let i = 0; i < count; i++) {
    const name = reader.string(MAX_NAME_BYTES, 'the name of an extended attribute')
    xattrs.push({ name, value: reader.string(MAX_XATTR_VALUE_BYTES, 'an extended attribute') })
  }
  return xattrs
}

/**
 * Throws unless `record` can stand in a page.
 * @throws {WarpError} ERR_WARP_PATH_UNSAFE, ERR_WARP_LIMIT, ERR_WARP_MALFORMED
 */
export function checkSimpleRecord(record: SimpleRecord): void {
  checkPath(record.path, record.type === 'directory')
  if (record.type !== 'hardlink') checkMetadata(record.metadata, false)
  if (record.type === 'symlink') checkTarget(record.target)
  if (record.type === 'chardev' || record.type === 'blockdev') checkDevice(record.major, record.minor)
}

/**
 * Throws unless `metadata` can stand in a record. Source: §8.1 Metadata.
 * @throws {WarpError} ERR_WARP_LIMIT (too long or too many), ERR_WARP_MALFORMED (all else)
 */
export function checkMetadata(metadata: Metadata, isFile: boolean): void {
  const { unstable, mode, uid, gid, user, group, mtimeSeconds, mtimeNanoseconds, xattrs } = metadata
  if (Math.abs(mtimeSeconds) > MAX_ZIGZAG) throw malformed('a time is out of range')
  if (unstable && !isFile) throw malformed('an entry that is not a file is marked unstable')
  if (mode > MAX_MODE) throw malformed('a mode has bits that are not permissions')
  if (uid > MAX_U32 || gid > MAX_U32) throw malformed('an owner is out of range')
  if (mtimeNanoseconds > MAX_NANOSECONDS) throw malformed('nanoseconds are out of range')
  if (user.length > 0) checkOwnerName(user)
  if (group.length > 0) checkOwnerName(group)
  if (xattrs.length > 0) checkXattrs(xattrs)
}

function checkOwnerName(name: Uint8Array): void {
  checkUpTo(name.length, MAX_OWNER_NAME_BYTES, 'the name of an owner')
  if (name.includes(0)) throw malformed('the name of an owner holds NUL')
}

function checkXattrs(xattrs: readonly Xattr[]): void {
  checkUpTo(xattrs.length, MAX_XATTRS, 'the number of extended attributes')
  let totalBytes = 0
  for (let i = 0; i < xattrs.length; i++) {
    const { name, value } = xattrs[i]
    checkUpTo(name.length, MAX_NAME_BYTES, 'the name of an extended attribute')
    checkUpTo(value.length, MAX_XATTR_VALUE_BYTES, 'an extended attribute')
    if (name.length === 0 || name.includes(0)) throw malformed('the name of an extended attribute is not one')
    if (i > 0 && Buffer.compare(xattrs[i - 1].name, name) >= 0) {
      throw malformed('extended attributes are not in order')
    }
    totalBytes += name.length + value.length
  }
  checkUpTo(totalBytes, MAX_XATTR_TOTAL_BYTES, 'all extended attributes of an entry together')
}

function checkTarget(target: Uint8Array): void {
  checkUpTo(target.length, MAX_TARGET_BYTES, 'a symlink target')
  if (target.length === 0 || target.includes(0)) throw malformed('the target of a symlink is not one')
}

function checkDevice(major: number, minor: number): void {
  if (major > MAX_U32 || minor > MAX_U32) throw malformed('a device number is out of range')
}

function checkUpTo(length: number, max: number, what: string): void {
  if (length > max) throw new WarpError('ERR_WARP_LIMIT', `${what} is above the limit of ${max}`)
}

function malformed(message: string, path?: Uint8Array): WarpError {
  return new WarpError('ERR_WARP_MALFORMED', message, path === undefined ? {} : { path: displayPath(path) })
}
