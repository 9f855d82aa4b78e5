/**
 * The directory that an archive is extracted into. Everything is made by name in a directory that is
 * held open, so nothing in the target, and nothing that the archive itself put there, can lead out of
 * it: no symlink is followed on the way or at the end. See place.ts for how.
 *
 * System errors carry Node's `code`; their messages hold /proc paths, so report the entry's path.
 */

import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  opendirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs'
import { randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import { DirectoryCache } from './directory-cache.ts'
import type { DirectoryHandle, DirectoryOptions } from './directory-cache.ts'
import { ERRNO, libc } from './libc.ts'
import { applyMetadata } from './metadata.ts'
import type { Metadata, MetadataOptions, MetadataProblem } from './metadata.ts'
import { codeOf, errnoName, OsError } from './os-error.ts'
import { statOf } from './stat.ts'
import type { FileStat } from './stat.ts'

export type { DirectoryHandle, DirectoryOptions } from './directory-cache.ts'

export interface TargetOptions {
  /** Directories kept open beyond those in use; default 128. */
  maxIdleDirectories?: number
  /** false: works as on systems without /proc. */
  anchored?: boolean
}

/**
 * Makes a file that is not there yet and opens it for writing. For threads that were sent a path by
 * `nameAt`.
 * @throws Node's system error; EEXIST if anything has that name, be it a symlink to nowhere
 */
export function createExclusivePath(path: Buffer, mode: number): number {
  const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW = 0 } = constants
  return openSync(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, mode)
}

/**
 * Opens a regular file for reading.
 * @throws Node's system error; ELOOP for a symlink
 * @throws {OsError} EINVAL: not a regular file
 */
export function openRegularPath(path: Buffer): number {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK = 0 } = constants
  if (O_NOFOLLOW === undefined && lstatSync(path).isSymbolicLink()) throw new OsError('ELOOP', 'open')
  // O_NONBLOCK: a FIFO would wait for a writer.
  const fd = openSync(path, O_RDONLY | (O_NOFOLLOW ?? 0) | O_NONBLOCK)
  if (fstatSync(fd).isFile()) return fd
  closeSync(fd)
  throw new OsError('EINVAL', 'open')
}

export class TargetTree {
  readonly #cache: DirectoryCache
  #caseInsensitive: boolean | undefined

  /** Opens `path`, making it and its parents if missing; symlinks in `path` itself are followed. */
  constructor(path: string | Buffer, options: TargetOptions = {}) {
    makeWithParents(typeof path === 'string' ? Buffer.from(path) : path)
    this.#cache = new DirectoryCache(
      typeof path === 'string' ? Buffer.from(path) : path,
      options.maxIdleDirectories ?? 128,
      options.anchored ?? true,
    )
  }

  /** Whether directories are held by descriptors; if not, the weaker checks of paths apply. */
  get anchored(): boolean {
    return this.#cache.anchored
  }

  /**
   * Opens the directory at `components` ([] is the target); to be released by the caller.
   * @throws {WarpError} ERR_WARP_PATH_UNSAFE; ERR_WARP_NOT_A_DIRECTORY: something else, such as a
   * symlink, stands there or on the way
   * @throws Node's system error; ENOENT if missing and not to be made
   */
  openDirectory(components: readonly Buffer[], options: DirectoryOptions = {}): DirectoryHandle {
    return this.#cache.acquire(components, options)
  }

  /** Descriptor for writing of a new file. @throws EEXIST, … */
  createExclusive(directory: DirectoryHandle, name: Uint8Array, mode: number): number {
    return createExclusivePath(directory.nameAt(name), mode)
  }

  /** Descriptor for writing of an existing regular file. @throws ENOENT, ELOOP, EINVAL, … */
  openForWriting(directory: DirectoryHandle, name: Uint8Array): number {
    const { O_WRONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants
    const fd = openSync(directory.nameAt(name), O_WRONLY | O_NOFOLLOW | O_NONBLOCK)
    if (fstatSync(fd).isFile()) return fd
    closeSync(fd)
    throw new OsError('EINVAL', 'open')
  }

  /** Descriptor for reading of an existing regular file. @throws ENOENT, ELOOP, EINVAL, … */
  openRegular(directory: DirectoryHandle, name: Uint8Array): number {
    return openRegularPath(directory.nameAt(name))
  }

  /** Null if there is nothing of that name. */
  lstatAt(directory: DirectoryHandle, name: Uint8Array): FileStat | null {
    const stats = lstatSync(directory.nameAt(name), { bigint: true, throwIfNoEntry: false })
    return stats === undefined ? null : statOf(stats)
  }

  /** @throws EINVAL: not a symlink; … */
  readlinkAt(directory: DirectoryHandle, name: Uint8Array): Buffer {
    return readlinkSync(directory.nameAt(name), { encoding: 'buffer' })
  }

  /** Names in a directory, in no order. */
  namesIn(directory: DirectoryHandle): Buffer[] {
    return readdirSync(directory.path(), { encoding: 'buffer' })
  }

  isEmpty(directory: DirectoryHandle): boolean {
    const stream = opendirSync(directory.path(), { encoding: 'latin1', bufferSize: 1 })
    try {
      return stream.readSync() === null
    } finally {
      stream.closeSync()
    }
  }

  /** Makes a directory; the umask applies to `mode`. @throws EEXIST, … */
  mkdirAt(directory: DirectoryHandle, name: Uint8Array, mode: number): void {
    mkdirSync(directory.nameAt(name), { mode })
  }

  /** @throws EEXIST, … */
  symlinkAt(target: Buffer, directory: DirectoryHandle, name: Uint8Array): void {
    symlinkSync(target, directory.nameAt(name))
  }

  /**
   * Makes another name for an existing object; a symlink gets the second name itself.
   * @throws EEXIST, ENOENT, EPERM, …
   * @throws {OsError} ENOTSUP: a symlink, on a system whose link() follows it
   */
  linkAt(
    fromDirectory: DirectoryHandle,
    fromName: Uint8Array,
    toDirectory: DirectoryHandle,
    toName: Uint8Array,
  ): void {
    const from = fromDirectory.nameAt(fromName)
    if (process.platform !== 'linux' && lstatSync(from).isSymbolicLink()) throw new OsError('ENOTSUP', 'link')
    linkSync(from, toDirectory.nameAt(toName))
  }

  /**
   * Moves within the target. Without `replace` an existing object of the new name is an error: in one
   * step on Linux with libc, and for files wherever hard links exist; else by a look beforehand.
   * @throws EEXIST, ENOENT, …
   */
  renameAt(
    fromDirectory: DirectoryHandle,
    fromName: Uint8Array,
    toDirectory: DirectoryHandle,
    toName: Uint8Array,
    { replace }: { replace: boolean },
  ): void {
    const from = fromDirectory.nameAt(fromName)
    const to = toDirectory.nameAt(toName)
    if (replace) renameSync(from, to)
    else renameNoReplace(from, to)
    this.#cache.forget(fromDirectory, fromName)
    this.#cache.forget(toDirectory, toName)
  }

  /** Removes one object; a directory must be empty. @throws ENOENT, ENOTEMPTY, … */
  removeAt(directory: DirectoryHandle, name: Uint8Array): void {
    removePath(directory.nameAt(name))
    this.#cache.forget(directory, name)
  }

  /** Removes an object and all that is beneath it; nothing happens if it is missing. */
  removeTreeAt(directory: DirectoryHandle, name: Uint8Array): void {
    const top = [...directory.components, Buffer.from(name)]
    // Paths, not handles: the depth of what is found is not bounded, that of open descriptors is.
    const pending = [top]
    while (pending.length > 0) {
      const components = pending[pending.length - 1]
      const beneath = this.#removeOrList(components)
      if (beneath.length === 0) pending.pop()
      for (const child of beneath) pending.push([...components, child])
    }
  }

  /** Owner, mode, attributes and time of a directory: for the end, when nothing more is made in it. */
  setDirectoryMetadata(
    directory: DirectoryHandle,
    metadata: Metadata,
    options: Omit<MetadataOptions, 'isSymlink'>,
  ): MetadataProblem[] {
    const target = directory.fd >= 0 ? { fd: directory.fd } : { path: directory.path() }
    return applyMetadata(target, metadata, { ...options, isSymlink: false })
  }

  /**
   * Whether the target takes two names that differ by case for one. Makes a file there to find out,
   * once.
   */
  isCaseInsensitive(): boolean {
    this.#caseInsensitive ??= this.#probeCase()
    return this.#caseInsensitive
  }

  /** Closes all directories, in use or not. */
  close(): void {
    this.#cache.close()
  }

  #probeCase(): boolean {
    const root = this.openDirectory([])
    const name = `.warp-case-${randomBytes(8).toString('hex')}`
    try {
      closeSync(this.createExclusive(root, Buffer.from(name), 0o600))
      try {
        return this.lstatAt(root, Buffer.from(name.toUpperCase())) !== null
      } finally {
        this.removeAt(root, Buffer.from(name))
      }
    } finally {
      root.release()
    }
  }

  /** Removes what can be removed at once; returns the names of directories that hold something. */
  #removeOrList(components: Buffer[]): Buffer[] {
    const parent = this.openDirectory(components.slice(0, -1))
    const name = components[components.length - 1]
    try {
      try {
        this.removeAt(parent, name)
        return []
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return []
        if (codeOf(error) !== 'ENOTEMPTY' && codeOf(error) !== 'EEXIST') throw error
      }
    } finally {
      parent.release()
    }
    const directory = this.openDirectory(components)
    try {
      return this.namesIn(directory)
    } finally {
      directory.release()
    }
  }
}

/** Node's own recursive mkdir never returns where mkdir says ENOENT of a directory that is there, as in /proc. */
function makeWithParents(path: Buffer): void {
  try {
    mkdirSync(path)
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && statSync(path).isDirectory()) return
    const parent = Buffer.from(dirname(path.toString('latin1')), 'latin1')
    if (codeOf(error) !== 'ENOENT' || parent.equals(path)) throw error
    makeWithParents(parent)
    mkdirSync(path)
  }
}

function removePath(path: Buffer): void {
  try {
    unlinkSync(path)
  } catch (error) {
    // Linux says EISDIR of a directory; POSIX, and so macOS, EPERM, which has other reasons too.
    const mayBeDirectory = codeOf(error) === 'EISDIR' || codeOf(error) === 'EPERM'
    if (!mayBeDirectory || !lstatSync(path).isDirectory()) throw error
    rmdirSync(path)
  }
}

function renameNoReplace(from: Buffer, to: Buffer): void {
  const result = libc()?.renameNoReplace(from, to) ?? -ERRNO.ENOSYS
  if (result >= 0) return
  if (result !== -ERRNO.EINVAL && result !== -ERRNO.ENOSYS) throw new OsError(errnoName(-result), 'rename')
  const stats = lstatSync(from)
  if (!stats.isDirectory() && !(stats.isSymbolicLink() && process.platform !== 'linux')) {
    if (linkInstead(from, to)) return
  }
  if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) throw new OsError('EEXIST', 'rename')
  renameSync(from, to)
}

/** False where there are no hard links, or not of this object. */
function linkInstead(from: Buffer, to: Buffer): boolean {
  try {
    linkSync(from, to)
  } catch (error) {
    if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOENT') throw error
    return false
  }
  unlinkSync(from)
  return true
}
