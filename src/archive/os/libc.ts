/**
 * The few functions of libc that Node lacks, reached through the optional package koffi on 64-bit
 * Linux. Everything is synchronous and loads on first use; elsewhere `libc()` is null.
 */

import { constants } from 'node:os'
import { KIB } from '../../base/limits.ts'
import { loadKoffi, type Koffi } from '../../base/koffi.ts'

/** A descriptor, or the bytes of a path whose last component is not followed if it is a symlink. */
export type Target = { fd: number } | { path: Uint8Array }

/**
 * Every function returns what the system call returns, or `-errno` where that fails (`-ENOSYS` where
 * this libc does not have it). Paths and names are raw bytes without NUL.
 */
export interface Libc {
  /** Sets the modification time, leaving the access time alone. */
  setTimes(target: Target, seconds: number, nanoseconds: number): number
  /** Moves the position of `fd`; `offset` and the result in bytes. */
  lseek(fd: number, offset: number, whence: number): number
  mkfifo(path: Uint8Array, mode: number): number
  /** `device` as `makedev` gives it. */
  mknod(path: Uint8Array, mode: number, device: number): number
  listXattrs(target: Target, into: Uint8Array): number
  getXattr(target: Target, name: Uint8Array, into: Uint8Array): number
  setXattr(target: Target, name: Uint8Array, value: Uint8Array): number
  /** Writes what statx(2) says, a symlink not followed, to `address`: u8[256], struct statx of linux/stat.h. */
  statx(target: Target, address: number): number
  /** Where `bytes` lies, for the calls that take an address; whoever passes it on keeps `bytes` alive. */
  addressOf(bytes: Uint8Array): number
  /** @param address of a path that ends with a NUL */
  open(address: number, flags: number): number
  pread(fd: number, address: number, length: number, offset: number): number
  close(fd: number): number
  /** Renames; `-EEXIST` if `to` exists, `-EINVAL` if the file system cannot do that. */
  renameNoReplace(from: Uint8Array, to: Uint8Array): number
  /** Takes the file for this process alone, until it is closed or the process ends; `-EWOULDBLOCK` if another has it. */
  lock(fd: number): number
  /** Has the disk begin with what was written to these bytes of the file, in another thread. Resolves when it has begun, or does not. */
  startWriteback(fd: number, offset: number, bytes: number): Promise<void>
  /** Writes all of the file system that `fd` lies on to its disk, in another thread. Resolves to 0 or a negative errno. */
  syncFileSystem(fd: number): Promise<number>
}

export const SEEK_DATA = 3

/** Errno numbers of this system. */
export const ERRNO = constants.errno

// linux/fcntl.h, linux/stat.h, linux/fs.h: the same on every 64-bit Linux.
const AT_FDCWD = -100
const AT_SYMLINK_NOFOLLOW = 0x100
const AT_EMPTY_PATH = 0x1000
const STATX_BASIC_STATS = 0x7ff
const UTIME_OMIT = 1_073_741_822n
const RENAME_NOREPLACE = 1
const LOCK_EX_NB = 2 | 4
// asm-generic/fcntl.h
const O_CLOEXEC = 0o2000000
const SYNC_FILE_RANGE_WRITE = 2

// `off_t`, `time_t` and `long` are 64 bits wide there, as the declarations below assume.
const ARCHITECTURES = ['x64', 'arm64', 'riscv64', 'loong64', 'ppc64', 's390x']

let loaded: Libc | null | undefined

/** libc, or null where it cannot be reached: other systems, no koffi, or WARP_NO_KOFFI=1. */
export function libc(): Libc | null {
  loaded ??= load()
  return loaded
}

/** Makes the next `libc()` look again, for tests that switch WARP_NO_KOFFI. */
export function forgetLibc(): void {
  loaded = undefined
}

function load(): Libc | null {
  if (process.platform !== 'linux' || !ARCHITECTURES.includes(process.arch)) return null
  const koffi = loadKoffi()
  return koffi && bind(koffi)
}

type Native = (...args: unknown[]) => number | bigint

function bind(koffi: Koffi): Libc {
  // The process itself: node is linked with libc, be it glibc or musl.
  const library = koffi.load(null)

  function declare(prototype: string): (...args: unknown[]) => number {
    let native: Native
    try {
      native = library.func(prototype) as unknown as Native
    } catch {
      return () => -ERRNO.ENOSYS
    }
    return (...args) => {
      const result = Number(native(...args))
      return result < 0 ? -koffi.errno() : result
    }
  }

  const utimensat = declare('int utimensat(int dirfd, const void *path, const void *times, int flags)')
  const futimens = declare('int futimens(int fd, const void *times)')
  const lseek = declare('int64_t lseek(int fd, int64_t offset, int whence)')
  const mkfifo = declare('int mkfifo(const void *path, uint32_t mode)')
  const mknod = declare('int mknod(const void *path, uint32_t mode, uint64_t dev)')
  const flist = declare('int64_t flistxattr(int fd, void *list, uint64_t size)')
  const llist = declare('int64_t llistxattr(const void *path, void *list, uint64_t size)')
  const fget = declare('int64_t fgetxattr(int fd, const void *name, void *value, uint64_t size)')
  const lget = declare('int64_t lgetxattr(const void *path, const void *name, void *value, uint64_t size)')
  const fset = declare('int fsetxattr(int fd, const void *name, const void *value, uint64_t size, int flags)')
  const lset = declare(
    'int lsetxattr(const void *path, const void *name, const void *value, uint64_t size, int flags)',
  )
  // What is called for every file takes addresses, which koffi passes on faster than buffers.
  const statx = declare('int statx(int dirfd, uint64_t path, int flags, uint32_t mask, uint64_t into)')
  const open = declare('int open(uint64_t path, int flags)')
  const pread = declare('int64_t pread(int fd, uint64_t into, uint64_t length, int64_t offset)')
  const close = declare('int close(int fd)')
  const renameat2 = declare(
    'int renameat2(int olddir, const void *oldpath, int newdir, const void *newpath, uint32_t flags)',
  )

  const flock = declare('int flock(int fd, int operation)')
  const syncfs = library.func('int syncfs(int fd)')

  let syncRange: ReturnType<typeof library.func> | null = null
  try {
    syncRange = library.func('int sync_file_range(int fd, int64_t offset, int64_t length, unsigned int flags)')
  } catch {
    // Nothing depends on it.
  }

  const times = BigInt64Array.of(0n, UTIME_OMIT, 0n, 0n)
  const addressOf = (bytes: Uint8Array) => Number(koffi.address(bytes))
  const scratchAddress = addressOf(scratch)
  const noPathAddress = addressOf(NO_PATH)

  return {
    setTimes(target, seconds, nanoseconds) {
      times[2] = BigInt(seconds)
      times[3] = BigInt(nanoseconds)
      if ('fd' in target) return futimens(target.fd, times)
      return utimensat(AT_FDCWD, terminated(target.path), times, AT_SYMLINK_NOFOLLOW)
    },
    lseek,
    mkfifo: (path, mode) => mkfifo(terminated(path), mode),
    mknod: (path, mode, device) => mknod(terminated(path), mode, device),
    listXattrs(target, into) {
      if ('fd' in target) return flist(target.fd, into, into.length)
      return llist(passing(target.path), into, into.length)
    },
    getXattr(target, name, into) {
      if ('fd' in target) return fget(target.fd, terminated(name), into, into.length)
      return lget(terminated(target.path), terminated(name), into, into.length)
    },
    setXattr(target, name, value) {
      if ('fd' in target) return fset(target.fd, terminated(name), value, value.length, 0)
      return lset(terminated(target.path), terminated(name), value, value.length, 0)
    },
    statx(target, into) {
      if ('fd' in target) return statx(target.fd, noPathAddress, AT_EMPTY_PATH, STATX_BASIC_STATS, into)
      if (target.path.length >= scratch.length) return -ERRNO.ENAMETOOLONG
      terminated(target.path, scratch)
      return statx(AT_FDCWD, scratchAddress, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, into)
    },
    addressOf,
    open: (address, flags) => open(address, flags | O_CLOEXEC),
    pread,
    close,
    renameNoReplace(from, to) {
      return renameat2(AT_FDCWD, terminated(from), AT_FDCWD, terminated(to), RENAME_NOREPLACE)
    },
    lock(fd) {
      return flock(fd, LOCK_EX_NB)
    },
    startWriteback(fd, offset, bytes) {
      return new Promise((resolve) => {
        if (syncRange) syncRange.async(fd, offset, bytes, SYNC_FILE_RANGE_WRITE, () => resolve())
        else resolve()
      })
    },
    syncFileSystem(fd) {
      return new Promise((resolve) => {
        // errno belongs to the thread that made the call: which error it was is not known here.
        syncfs.async(fd, (error: unknown, result: number) => resolve(error || result !== 0 ? -ERRNO.EIO : 0))
      })
    },
  }
}

// Memory of its own, which the garbage collector does not move.
const NO_PATH = new Uint8Array(new ArrayBuffer(1))

/** A C string of `bytes`. A NUL inside would name another object than the caller checked. */
function terminated(bytes: Uint8Array, result = new Uint8Array(bytes.length + 1)): Uint8Array {
  if (bytes.includes(0)) throw new TypeError('NUL in a path or name')
  result.set(bytes)
  result[bytes.length] = 0
  return result
}

// PATH_MAX of linux/limits.h.
const scratch = Buffer.allocUnsafeSlow(4 * KIB)

/** The same, for calls that are made for every file: valid until the next one. */
function passing(bytes: Uint8Array): Uint8Array {
  return bytes.length < scratch.length ? terminated(bytes, scratch) : terminated(bytes)
}
