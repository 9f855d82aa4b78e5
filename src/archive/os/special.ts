/** FIFOs and device nodes, which Node cannot make. */

import { constants } from 'node:fs'
import { ERRNO, libc } from './libc.ts'
import { errnoName, OsError } from './os-error.ts'

// Linux's kernel numbers devices with 12 and 20 bits; glibc's wider ones fail or are cut short.
const MAX_MAJOR = 0xfff
const MAX_MINOR = 0xf_ffff

/**
 * Makes a FIFO at a path where nothing is yet; the umask applies to `mode`.
 * @throws {OsError} EEXIST, …; ENOSYS without libc
 */
export function makeFifo(path: Uint8Array, mode: number): void {
  check(libc()?.mkfifo(path, mode), 'mkfifo')
}

/**
 * Makes a device node at a path where nothing is yet; the umask applies to `mode`.
 * @throws {OsError} EEXIST, EPERM, …; EINVAL: a number that Linux cannot hold; ENOSYS without libc
 */
export function makeDevice(
  path: Uint8Array,
  type: 'chardev' | 'blockdev',
  major: number,
  minor: number,
  mode: number,
): void {
  const kind = type === 'chardev' ? constants.S_IFCHR : constants.S_IFBLK
  if (major > MAX_MAJOR || minor > MAX_MINOR) throw new OsError('EINVAL', 'mknod')
  // gnu_dev_makedev of sys/sysmacros.h
  const device = (minor & 0xff) + major * 0x100 + (minor >>> 8) * 0x10_0000
  check(libc()?.mknod(path, kind | mode, device), 'mknod')
}

function check(result: number | undefined, syscall: string): void {
  const errno = result === undefined ? ERRNO.ENOSYS : -result
  if (errno > 0) throw new OsError(errnoName(errno), syscall)
}
