/**
 * How an open directory is reached.
 *
 * On Linux it is held by a descriptor, and what is in it is named `/proc/self/fd/<fd>/<name>`:
 * whatever happens to its path meanwhile, that is the directory which was opened. Elsewhere the path
 * itself is used, and every component of it is looked at again before each use. That is weaker: who
 * can write to the target while it is being filled can still swap a component between look and use.
 */

import { closeSync, constants, fstatSync, lstatSync, openSync, realpathSync } from 'node:fs'
import { OsError } from './os-error.ts'

export interface Place {
  /** -1 where paths are used. */
  fd: number
  /** What to put before the name of something in it. */
  prefix: Buffer
  inode: bigint
  device: bigint
}

const DIRECTORY_FLAGS = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0)

/** Holds an existing directory by a descriptor; null where /proc does not lead from that into it. */
export function openAnchored(path: Buffer): Place | null {
  if (process.platform !== 'linux') return null
  const place = anchor(openSync(path, DIRECTORY_FLAGS))
  const held = fstatSync(place.fd, { bigint: true })
  const dot = Buffer.concat([place.prefix, Buffer.from('.')])
  const seen = lstatSync(dot, { bigint: true, throwIfNoEntry: false })
  if (seen !== undefined && seen.ino === held.ino && seen.dev === held.dev) return place
  closePlace(place)
  return null
}

/** An existing directory by its path, symlinks in which are resolved now. */
export function openByPath(path: Buffer): Place {
  return lookAt(realpathSync.native(path, { encoding: 'buffer' }))
}

/**
 * Opens the directory at `path`, which is a name in an open directory.
 * @throws ENOTDIR or ELOOP: something else is there, such as a symlink; ENOENT, …
 */
export function openBeneath(path: Buffer, anchored: boolean): Place {
  return anchored ? anchor(openSync(path, DIRECTORY_FLAGS | constants.O_NOFOLLOW)) : lookAt(path)
}

export function closePlace({ fd }: Place): void {
  if (fd >= 0) closeSync(fd)
}

function anchor(fd: number): Place {
  // No one asks for the inode of a directory that cannot be replaced behind its descriptor.
  return { fd, prefix: Buffer.from(`/proc/self/fd/${fd}/`), inode: 0n, device: 0n }
}

function lookAt(path: Buffer): Place {
  const stats = lstatSync(path, { bigint: true })
  if (!stats.isDirectory()) throw new OsError('ENOTDIR', 'open')
  const prefix = path.at(-1) === SLASH ? path : Buffer.concat([path, Buffer.from('/')])
  return { fd: -1, prefix, inode: stats.ino, device: stats.dev }
}

const SLASH = 0x2f
