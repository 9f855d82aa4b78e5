/**
 * Extended attributes, ACLs among them (`system.posix_acl_access`, …). One system call where there
 * are none.
 */

import { WarpError } from '../../base/errors.ts'
import { MAX_XATTRS, MAX_XATTR_TOTAL_BYTES, MAX_XATTR_VALUE_BYTES } from '../../base/limits.ts'
import { ERRNO, libc } from './libc.ts'
import type { Libc, Target } from './libc.ts'
import { errnoName, OsError } from './os-error.ts'

export interface Xattr {
  name: Buffer
  value: Buffer
}

// The kernel allocates as much as it is offered, so the usual case is offered little (XATTR_LIST_MAX,
// XATTR_SIZE_MAX are the largest it ever returns).
const SMALL_BYTES = 1024
const LARGE_BYTES = 65_536
const small = Buffer.alloc(SMALL_BYTES)
let large: Buffer | undefined

/**
 * All attributes that this process may see, ascending by the bytes of their names.
 * @returns null where they cannot be read on this system; [] where the file system has none
 * @throws {OsError} the object cannot be read
 * @throws {WarpError} ERR_WARP_INPUT_UNREADABLE: more than the format holds (spec §8.1)
 */
export function readXattrs(target: Target): Xattr[] | null {
  const lib = libc()
  if (lib === null) return null
  const list = fill((into) => lib.listXattrs(target, into))
  if (typeof list === 'number') {
    if (list === -ERRNO.ENOTSUP || list === -ERRNO.ENOSYS) return []
    if (list === -ERRNO.E2BIG) throw tooLarge('names')
    throw new OsError(errnoName(-list), 'listxattr')
  }
  if (list.length === 0) return []
  const names = splitNames(Buffer.from(list))
  if (names.length > MAX_XATTRS) throw tooLarge('number')
  return readValues(lib, target, names)
}

/** Sets `xattrs`; returns those that could not be set, each with the system's code. */
export function writeXattrs(
  target: Target,
  xattrs: readonly { name: Uint8Array; value: Uint8Array }[],
): { name: Uint8Array; code: string }[] {
  const lib = libc()
  const failed = []
  for (const { name, value } of xattrs) {
    const result = lib === null ? -ERRNO.ENOSYS : lib.setXattr(target, name, value)
    if (result < 0) failed.push({ name, code: errnoName(-result) })
  }
  return failed
}

function readValues(lib: Libc, target: Target, names: Buffer[]): Xattr[] {
  const xattrs: Xattr[] = []
  let totalBytes = 0
  for (const name of names) {
    const value = fill((into) => lib.getXattr(target, name, into))
    if (typeof value === 'number') {
      // Removed since it was listed, or listed by a file system that does not serve it.
      if (value === -ERRNO.ENODATA || value === -ERRNO.ENOTSUP) continue
      if (value === -ERRNO.E2BIG) throw tooLarge('value')
      throw new OsError(errnoName(-value), 'getxattr')
    }
    totalBytes += name.length + value.length
    if (value.length > MAX_XATTR_VALUE_BYTES) throw tooLarge('value')
    if (totalBytes > MAX_XATTR_TOTAL_BYTES) throw tooLarge('sum')
    xattrs.push({ name, value: Buffer.from(value) })
  }
  return xattrs
}

/** What `call` filled in, borrowed until the next call; or its `-errno`. */
function fill(call: (into: Buffer) => number): Buffer | number {
  let buffer: Buffer = small
  let result = call(buffer)
  if (result === -ERRNO.ERANGE) {
    buffer = large ??= Buffer.alloc(LARGE_BYTES)
    result = call(buffer)
    // It grew meanwhile beyond what any one call returns.
    if (result === -ERRNO.ERANGE) return -ERRNO.E2BIG
  }
  return result < 0 ? result : buffer.subarray(0, result)
}

/** The kernel's list: names, each with a NUL after it. */
function splitNames(list: Buffer): Buffer[] {
  const names: Buffer[] = []
  let start = 0
  while (start < list.length) {
    const found = list.indexOf(0, start)
    const end = found < 0 ? list.length : found
    if (end > start) names.push(list.subarray(start, end))
    start = end + 1
  }
  return names.sort((a, b) => a.compare(b))
}

function tooLarge(what: string): WarpError {
  const message = `extended attributes beyond the limits of the format (${what})`
  return new WarpError('ERR_WARP_INPUT_UNREADABLE', message)
}
