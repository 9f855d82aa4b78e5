/** Records of entries (§8.1) from what the file system says. */
import fs from 'node:fs'
import { WarpError } from '../base/errors.ts'
import { MAX_OWNER_NAME_BYTES, MAX_TARGET_BYTES } from '../base/limits.ts'
import type { Hint, Metadata, SimpleRecord } from '../format/entry.ts'
import { toBytes } from './inputs.ts'
import { groupName, userName } from './os/owners.ts'
import { lstatPath, type FileStat } from './os/stat.ts'
import { readXattrs } from './os/xattrs.ts'
import type { Found } from './walk.ts'

type Xattrs = Metadata['xattrs']

const SYMLINK_MODE = 0o777

export function metadataOf(stat: Pick<FileStat, 'mode' | 'uid' | 'gid' | 'mtimeSeconds' | 'mtimeNanoseconds'>, xattrs: Xattrs, unstable: boolean): Metadata {
  return {
    unstable,
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
    user: ownerName(userName(stat.uid)),
    group: ownerName(groupName(stat.gid)),
    mtimeSeconds: stat.mtimeSeconds,
    mtimeNanoseconds: stat.mtimeNanoseconds,
    xattrs,
  }
}

function ownerName(name: Uint8Array): Uint8Array {
  return name.length <= MAX_OWNER_NAME_BYTES ? name : new Uint8Array(0)
}

export const NO_HINT: Hint = { ctimeSeconds: 0, ctimeNanoseconds: 0, inode: 0n, device: 0n }

/**
 * A change so soon after another can have the same time, since clocks of file systems tick. Source: §8.2; the
 * kernel's tick is at most 10 ms.
 */
const TICK_MS = 50

/** Whether a change after now is sure to show in the time of change. */
export function isSettled(ctimeMs: number): boolean {
  return Date.now() - ctimeMs > TICK_MS
}

export function hintOf(stat: Pick<FileStat, 'ctimeSeconds' | 'ctimeNanoseconds' | 'inode' | 'device'>): Hint {
  const { ctimeSeconds, ctimeNanoseconds, inode, device } = stat
  return { ctimeSeconds, ctimeNanoseconds, inode, device }
}

/**
 * The extended attributes of a path or descriptor.
 * @param report called with a reason if they cannot be had or stored
 */
export function xattrsOf(target: { fd: number } | { path: Buffer }, report: (reason: string) => void): Xattrs {
  try {
    return readXattrs(target) ?? []
  } catch (error) {
    report(`extended attributes not stored: ${(error as Error).message}`)
    return []
  }
}

/**
 * The record of anything but a regular file.
 * @throws the system's error: it cannot be read, or is something else by now
 */
export function simpleRecordOf(found: Found, report: (reason: string) => void): SimpleRecord {
  const source = toBytes(found.source)
  const path = toBytes(found.path)
  const stat = lstatPath(source)
  if (stat.type !== found.kind) throw new WarpError('ERR_WARP_INPUT_UNREADABLE', 'it became something else while it was read')
  const type = found.kind as Exclude<Found['kind'], 'file' | 'stream'>
  const xattrs = xattrsOf({ path: source }, report)
  // §8.1: systems differ in what they say of a symlink's permissions, and none heeds them.
  const metadata = metadataOf(type === 'symlink' ? { ...stat, mode: SYMLINK_MODE } : stat, xattrs, false)
  if (type === 'symlink') {
    const target = fs.readlinkSync(source, { encoding: 'buffer' })
    if (target.length === 0 || target.length > MAX_TARGET_BYTES) throw new WarpError('ERR_WARP_INPUT_UNREADABLE', 'the target of the symlink is too long')
    return { type, path, metadata, target }
  }
  if (type === 'chardev' || type === 'blockdev') return { type, path, metadata, major: stat.rdevMajor, minor: stat.rdevMinor }
  return { type, path, metadata }
}
