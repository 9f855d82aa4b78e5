/** Gives a restored object its owner, mode, extended attributes and time, in the order that keeps them. */

import * as fs from 'node:fs'
import type { Metadata as EntryMetadata } from '../../format/entry.ts'
import type { Target } from './libc.ts'
import { gidOf, uidOf } from './owners.ts'
import { codeOf, OsError } from './os-error.ts'
import { statFd } from './stat.ts'
import { setTimesFd, setTimesPath } from './times.ts'
import { writeXattrs } from './xattrs.ts'

/** What can be given to an object: all of an entry's metadata but what describes how it was read. */
export type Metadata = Omit<EntryMetadata, 'unstable'>

export interface MetadataOptions {
  /**
   * Restores owner and group, and with them what only makes sense then: set-uid and set-gid bits of
   * files, and attributes of the system (`security.*`, `trusted.*`). See `defaultSameOwner`.
   */
  sameOwner: boolean
  /** Goes by uid and gid even where the names are known here. */
  numericOwner: boolean
  xattrs: boolean
  isSymlink: boolean
}

/** What could not be restored; `name` is that of the attribute. */
export interface MetadataProblem {
  what: 'owner' | 'mode' | 'xattr' | 'time'
  code: string
  name?: Uint8Array
}

const SET_ID_BITS = 0o6000
// (uid_t)-1: "leave as it is" to chown, so that it would seem to succeed.
const NO_ID = 0xffff_ffff
const O_PATH = 0o10_000_000 // asm-generic/fcntl.h; all architectures that Node runs on

/** Whether owners are restored unless something else is asked for: only root can give files away. */
export function defaultSameOwner(): boolean {
  return process.getuid?.() === 0
}

/**
 * Applies `metadata` to an open object, or to one at a path whose last component is not followed.
 * Never throws for what the system refuses: each refusal is one problem.
 */
export function applyMetadata(
  target: Target,
  metadata: Metadata,
  options: MetadataOptions,
): MetadataProblem[] {
  const problems: MetadataProblem[] = []
  const attempt = (what: MetadataProblem['what'], action: () => void): boolean => {
    try {
      action()
      return true
    } catch (error) {
      problems.push({ what, code: codeOf(error) })
      return false
    }
  }

  // Owner first: chown clears set-uid, set-gid and capabilities.
  const isOwned =
    options.sameOwner && attempt('owner', () => setOwner(target, metadata, options.numericOwner))

  const [early, late] = options.xattrs ? splitXattrs(metadata.xattrs, options.sameOwner) : [[], []]
  // Before chmod, since even the owner needs write permission for `user.*`; where the object was
  // made read-only by someone else, once more after it.
  const refused = writeXattrs(target, early)
  const again = new Set(refused.filter(({ code }) => code === 'EACCES').map(({ name }) => name))
  const failed = refused.filter(({ name }) => !again.has(name))

  if (!options.isSymlink) {
    attempt('mode', () => setMode(target, metadata.mode, isOwned))
  }
  // An ACL comes after chmod, which would change its mask.
  failed.push(...writeXattrs(target, [...early.filter(({ name }) => again.has(name)), ...late]))
  for (const { name, code } of failed) problems.push({ what: 'xattr', code, name })

  // Time last: all of the above may touch it.
  attempt('time', () => setTime(target, metadata))
  return problems
}

function setOwner(target: Target, { uid, gid, user, group }: Metadata, numericOwner: boolean): void {
  const byName = !numericOwner
  const toUid = (byName && user.length > 0 ? uidOf(user) : undefined) ?? uid
  const toGid = (byName && group.length > 0 ? gidOf(group) : undefined) ?? gid
  if (toUid === NO_ID || toGid === NO_ID) throw new OsError('EINVAL', 'chown')
  if ('fd' in target) fs.fchownSync(target.fd, toUid, toGid)
  else fs.lchownSync(asBuffer(target.path), toUid, toGid)
}

/** Unless `isOwned`, a program would run as whoever happens to own it here. */
function setMode(target: Target, mode: number, isOwned: boolean): void {
  if ((mode & SET_ID_BITS) !== 0 && !isOwned && !isDirectory(target)) mode &= ~SET_ID_BITS
  if ('fd' in target) return fs.fchmodSync(target.fd, mode)
  const path = asBuffer(target.path)
  if (process.platform === 'linux') return withPathFd(path, (reopened) => fs.chmodSync(reopened, mode))
  if (fs.lchmodSync !== undefined) return fs.lchmodSync(path, mode)
  if (!fs.lstatSync(path).isSymbolicLink()) fs.chmodSync(path, mode)
}

function isDirectory(target: Target): boolean {
  if ('fd' in target) return statFd(target.fd).type === 'directory'
  return fs.lstatSync(asBuffer(target.path)).isDirectory()
}

/** chmod(2) follows symlinks; this opens the object itself, without effect on a FIFO or a device. */
function withPathFd(path: Buffer, action: (reopened: string) => void): void {
  const fd = fs.openSync(path, O_PATH | fs.constants.O_NOFOLLOW)
  try {
    if (fs.fstatSync(fd).isSymbolicLink()) throw new OsError('ELOOP', 'chmod')
    action(`/proc/self/fd/${fd}`)
  } finally {
    fs.closeSync(fd)
  }
}

function setTime(target: Target, { mtimeSeconds, mtimeNanoseconds }: Metadata): void {
  if ('fd' in target) setTimesFd(target.fd, mtimeSeconds, mtimeNanoseconds)
  else setTimesPath(asBuffer(target.path), mtimeSeconds, mtimeNanoseconds)
}

type Xattrs = Metadata['xattrs']

/** Those to set before and after chmod; those of the system only together with the owner. */
function splitXattrs(xattrs: Xattrs, sameOwner: boolean): [early: Xattrs, late: Xattrs] {
  if (xattrs.length === 0) return [xattrs, xattrs]
  const startsWith = (name: Uint8Array, prefix: string) =>
    asBuffer(name).subarray(0, prefix.length).toString('latin1') === prefix
  const wanted = sameOwner
    ? xattrs
    : xattrs.filter(({ name }) => !startsWith(name, 'security.') && !startsWith(name, 'trusted.'))
  const isLate = ({ name }: Xattrs[number]) => startsWith(name, 'system.')
  return [wanted.filter((xattr) => !isLate(xattr)), wanted.filter(isLate)]
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
