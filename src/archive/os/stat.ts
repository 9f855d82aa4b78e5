/** What `lstat` says of a file system object, in the units of the archive format. */

import { constants, fstatSync, lstatSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { endianness } from 'node:os'
import { libc, type Target } from './libc.ts'
import { OsError } from './os-error.ts'

export type FileType = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'chardev' | 'blockdev'

export interface FileStat {
  type: FileType
  /** Bytes. */
  size: number
  /** Permissions, set-uid, set-gid and sticky: 12 bits. */
  mode: number
  uid: number
  gid: number
  /** Whole seconds since 1970, rounded down, so that nanoseconds are 0 … 999,999,999 before it too. */
  mtimeSeconds: number
  mtimeNanoseconds: number
  ctimeSeconds: number
  ctimeNanoseconds: number
  /** Milliseconds as Node's Stats gives them: rounded, but to the same value for the same time. */
  mtimeMs: number
  ctimeMs: number
  /** u64. */
  inode: bigint
  /** u64. */
  device: bigint
  nlink: number
  /** 0 unless a device. */
  rdevMajor: number
  rdevMinor: number
}

const TYPES = new Map<number, FileType>([
  [constants.S_IFREG, 'file'],
  [constants.S_IFDIR, 'directory'],
  [constants.S_IFLNK, 'symlink'],
  [constants.S_IFIFO, 'fifo'],
  [constants.S_IFSOCK, 'socket'],
  [constants.S_IFCHR, 'chardev'],
  [constants.S_IFBLK, 'blockdev'],
])

const GIGA = 1_000_000_000n

/** @throws {OsError} ENOTSUP: of none of the types above */
export function statOf(stats: BigIntStats): FileStat {
  const bits = Number(stats.mode)
  const type = TYPES.get(bits & constants.S_IFMT)
  if (type === undefined) throw new OsError('ENOTSUP', 'stat')
  const mtime = splitTime(stats.mtimeNs)
  const ctime = splitTime(stats.ctimeNs)
  const isDevice = type === 'chardev' || type === 'blockdev'
  const [rdevMajor, rdevMinor] = isDevice ? splitDevice(stats.rdev) : [0, 0]
  return {
    type,
    size: Number(stats.size),
    mode: bits & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtimeSeconds: mtime[0],
    mtimeNanoseconds: mtime[1],
    ctimeSeconds: ctime[0],
    ctimeNanoseconds: ctime[1],
    mtimeMs: millisecondsOf(mtime),
    ctimeMs: millisecondsOf(ctime),
    inode: BigInt.asUintN(64, stats.ino),
    device: BigInt.asUintN(64, stats.dev),
    nlink: Number(stats.nlink),
    rdevMajor,
    rdevMinor,
  }
}

/**
 * Does not follow a symlink.
 * @throws Node's system error
 */
export function lstatPath(path: Buffer): FileStat {
  return statx({ path }) ?? statOf(lstatSync(path, { bigint: true }))
}

/** @throws Node's system error */
export function statFd(fd: number): FileStat {
  return statx({ fd }) ?? statOf(fstatSync(fd, { bigint: true }))
}

const answer = Buffer.alloc(256)
const words = new Uint32Array(answer.buffer, answer.byteOffset, 64)
const inode = new BigUint64Array(answer.buffer, answer.byteOffset + 32, 1)
const IS_LITTLE_ENDIAN = endianness() === 'LE'
let answerAddress = 0

/** Without the dozens of objects that Node makes of an answer. @returns null if Node must be asked instead, or for the error */
function statx(target: Target): FileStat | null {
  const system = libc()
  // Halves of fields lie the other way round elsewhere.
  if (system === null || !IS_LITTLE_ENDIAN) return null
  answerAddress ||= system.addressOf(answer)
  if (system.statx(target, answerAddress) !== 0) return null
  // struct statx of linux/stat.h, in words of 4 bytes: 2 bytes of mode at 7, size at 10, ctime at 24, mtime at 28.
  const bits = words[7]! & 0xffff
  const type = TYPES.get(bits & constants.S_IFMT)
  if (type === undefined) throw new OsError('ENOTSUP', 'stat')
  const isDevice = type === 'chardev' || type === 'blockdev'
  const mtimeSeconds = words[28]! + (words[29]! | 0) * 2 ** 32
  const mtimeNanoseconds = words[30]!
  const ctimeSeconds = words[24]! + (words[25]! | 0) * 2 ** 32
  const ctimeNanoseconds = words[26]!
  return {
    type,
    size: words[10]! + words[11]! * 2 ** 32,
    mode: bits & 0o7777,
    uid: words[5]!,
    gid: words[6]!,
    mtimeSeconds,
    mtimeNanoseconds,
    ctimeSeconds,
    ctimeNanoseconds,
    mtimeMs: mtimeSeconds * 1000 + mtimeNanoseconds / 1_000_000,
    ctimeMs: ctimeSeconds * 1000 + ctimeNanoseconds / 1_000_000,
    inode: inode[0]!,
    device: deviceOf(words[34]!, words[35]!),
    nlink: words[4]!,
    rdevMajor: isDevice ? words[32]! : 0,
    rdevMinor: isDevice ? words[33]! : 0,
  }
}

let lastDevice = { major: 0, minor: 0, device: 0n }

/** gnu_dev_makedev of sys/sysmacros.h; musl has the same. */
function deviceOf(major: number, minor: number): bigint {
  if (lastDevice.major !== major || lastDevice.minor !== minor) {
    const [a, b] = [BigInt(major), BigInt(minor)]
    const device = ((a & 0xffff_f000n) << 32n) | ((a & 0xfffn) << 8n) | ((b & 0xffff_ff00n) << 12n) | (b & 0xffn)
    lastDevice = { major, minor, device }
  }
  return lastDevice.device
}

/** Whether both describe the same object, unchanged as far as the file system can tell. */
export function sameVersion(a: FileStat, b: FileStat): boolean {
  return (
    a.size === b.size &&
    a.mtimeSeconds === b.mtimeSeconds &&
    a.mtimeNanoseconds === b.mtimeNanoseconds &&
    a.ctimeSeconds === b.ctimeSeconds &&
    a.ctimeNanoseconds === b.ctimeNanoseconds &&
    a.inode === b.inode &&
    a.device === b.device
  )
}

function splitTime(nanoseconds: bigint): [number, number] {
  const rest = Number(nanoseconds % GIGA)
  const seconds = Number(nanoseconds / GIGA)
  return rest < 0 ? [seconds - 1, rest + 1e9] : [seconds, rest]
}

/** The arithmetic of Node's `Stats`. */
function millisecondsOf([seconds, nanoseconds]: [number, number]): number {
  return seconds * 1000 + nanoseconds / 1_000_000
}

function splitDevice(rdev: bigint): [number, number] {
  if (process.platform === 'darwin') return [Number((rdev >> 24n) & 0xffn), Number(rdev & 0xff_ffffn)]
  // gnu_dev_major and gnu_dev_minor of sys/sysmacros.h; musl has the same.
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xffff_f000n)
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffff_ff00n)
  return [Number(major), Number(minor)]
}
