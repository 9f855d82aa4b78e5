/** Where a sparse file has data on disk, so that what was never written need not be read. */

import { ERRNO, libc, SEEK_DATA } from './libc.ts'

/**
 * First offset from `offset` on that may hold data. All before it reads as zeros; what follows must
 * still be read. Moves the position of `fd`, which reads at explicit offsets do not use.
 * @param size of the file when it was opened, bytes; if it has shrunk below `offset` since, `size` is
 * returned, and only a later comparison of versions tells
 * @returns `offset` … `size`; `offset` itself where the system cannot tell, `size` if no data follows
 */
export function nextData(fd: number, offset: number, size: number): number {
  const lib = libc()
  if (lib === null || offset >= size) return Math.min(offset, size)
  const found = lib.lseek(fd, offset, SEEK_DATA)
  if (found === -ERRNO.ENXIO) return size
  if (found < offset) return offset
  return Math.min(found, size)
}
