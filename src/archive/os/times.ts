/** Modification times to the nanosecond where libc can be reached, else as near as Node gets. */

import { futimesSync, lutimesSync } from 'node:fs'
import { libc } from './libc.ts'
import type { Target } from './libc.ts'
import { errnoName, OsError } from './os-error.ts'

/**
 * Sets the modification time of an open file or directory.
 * @param seconds since 1970, may be negative
 * @param nanoseconds 0 … 999,999,999
 * @returns whether the time was handed to the system exactly
 * @throws {OsError} or Node's system error
 */
export function setTimesFd(fd: number, seconds: number, nanoseconds: number): boolean {
  if (setExactly({ fd }, seconds, nanoseconds)) return true
  futimesSync(fd, new Date(), nearest(seconds, nanoseconds))
  return nanoseconds === 0
}

/** As `setTimesFd`; a symlink at `path` gets the time itself. */
export function setTimesPath(path: Buffer, seconds: number, nanoseconds: number): boolean {
  if (setExactly({ path }, seconds, nanoseconds)) return true
  lutimesSync(path, new Date(), nearest(seconds, nanoseconds))
  return nanoseconds === 0
}

function setExactly(target: Target, seconds: number, nanoseconds: number): boolean {
  const lib = libc()
  if (lib === null) return false
  const result = lib.setTimes(target, seconds, nanoseconds)
  if (result < 0) throw new OsError(errnoName(-result), 'utimensat')
  return true
}

/** Node takes a negative number for "now", but not a Date before 1970; a Date has milliseconds only. */
function nearest(seconds: number, nanoseconds: number): number | Date {
  if (seconds >= 0) return seconds + nanoseconds / 1e9
  const date = new Date(seconds * 1000 + Math.floor(nanoseconds / 1e6))
  if (Number.isNaN(date.getTime())) throw new OsError('EOVERFLOW', 'utimes')
  return date
}
