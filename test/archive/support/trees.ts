/**
 * Trees on disk for the tests of the archive layer: made by short descriptions, looked at by a walk of the
 * tests' own, so that source and extraction are compared without the code under test.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createHash } from 'node:crypto'
import { execFileSync, spawnSync } from 'node:child_process'
import type { Test } from 'tap'
import { libc } from '../../../src/archive/os/libc.ts'

export const KIB = 1024
export const MIB = 1024 * KIB

export const IS_ROOT = process.getuid?.() === 0
export const NOT_ROOT = !IS_ROOT && 'needs root'
export const NO_LIBC = libc() === null && 'libc cannot be reached here'

export function hasCommand(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' }).status === 0
}

/**
 * A directory that goes away with the test, whatever names and modes it holds by then, and with it what stands
 * beside it under its name with an extension, such as an archive of it.
 */
export function makeDirectory(t: Test): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'warp-test-'))
  // Node's own rm cannot remove names that are not UTF-8.
  t.teardown(() => execFileSync('sh', ['-c', 'rm -rf "$0" "$0".*', directory]))
  return directory
}

/** A tree: strings and bytes are files, `null` is an empty directory. */
export type Plan = { [name: string]: string | Uint8Array | Plan | null }

export function plant(directory: string, plan: Plan): string {
  fs.mkdirSync(directory, { recursive: true })
  for (const [name, what] of Object.entries(plan)) {
    const at = path.join(directory, name)
    if (typeof what === 'string' || what instanceof Uint8Array) fs.writeFileSync(at, what)
    else plant(at, what ?? {})
  }
  return directory
}

/** Bytes that do not compress and are the same on every run. */
export function noise(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let state = Math.imul(seed + 1, 0x9e37_79b9) | 1
  for (let i = 0; i < length; i += 4) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    for (let j = i; j < Math.min(i + 4, length); j++) bytes[j] = state >>> (8 * (j - i))
  }
  return bytes
}

/** Numbered lines: long content without a chunk twice, that compresses to little. */
export function lines(seed: number, length: number): Buffer {
  const count = Math.ceil(length / 64)
  const bytes = Buffer.alloc(count * 64, '.')
  for (let i = 0; i < count; i++) bytes.write(`\n${seed} ${i}`, i * 64)
  return bytes.subarray(0, length)
}

/** `length` bytes that hold `unit` again and again: long content of few different chunks. */
export function repeated(unit: Uint8Array, length: number): Buffer {
  return Buffer.alloc(length, unit)
}

export interface Seen {
  type: string
  mode: number
  owner: string
  mtimeNs: bigint
  /** Of files: size and digest; of symlinks: the target; of devices: the number. */
  content: string
  /** The first of the names of the same object. */
  sameAs: string
  xattrs: string
}

/** Everything beneath `directory` by path (latin1), and itself as ''. */
export function lookAt(directory: string): Map<string, Seen> {
  const seen = new Map<string, Seen>()
  const firstNames = new Map<string, string>()
  visit(Buffer.from(directory), '')
  return seen

  function visit(at: Buffer, name: string): void {
    const stats = fs.lstatSync(at, { bigint: true })
    const key = `${stats.dev}:${stats.ino}`
    if (!firstNames.has(key)) firstNames.set(key, name)
    seen.set(name, {
      type: ['isFile', 'isDirectory', 'isSymbolicLink', 'isFIFO', 'isSocket', 'isCharacterDevice', 'isBlockDevice']
        .find(is => stats[is as 'isFile']())!,
      mode: Number(stats.mode & 0o7777n),
      owner: `${stats.uid}:${stats.gid}`,
      mtimeNs: stats.mtimeNs,
      content: contentOf(at, stats),
      sameAs: firstNames.get(key)!,
      xattrs: xattrsOf(at),
    })
    if (!stats.isDirectory()) return
    for (const child of fs.readdirSync(at, { encoding: 'latin1' }).sort()) {
      visit(Buffer.concat([at, Buffer.from(`/${child}`, 'latin1')]), name === '' ? child : `${name}/${child}`)
    }
  }
}

function contentOf(at: Buffer, stats: fs.BigIntStats): string {
  if (stats.isSymbolicLink()) return fs.readlinkSync(at, 'latin1')
  if (stats.isBlockDevice() || stats.isCharacterDevice()) return `${stats.rdev}`
  if (!stats.isFile()) return ''
  return `${stats.size} ${createHash('sha256').update(fs.readFileSync(at)).digest('hex')}`
}

function xattrsOf(at: Buffer): string {
  const lib = libc()
  if (!lib) return ''
  const list = Buffer.alloc(65_536) // XATTR_LIST_MAX
  const length = lib.listXattrs({ path: at }, list)
  if (length <= 0) return ''
  const names = list.subarray(0, length - 1).toString('latin1').split('\0').sort()
  return names.map(name => {
    const value = Buffer.alloc(65_536) // XATTR_SIZE_MAX
    const size = lib.getXattr({ path: at }, Buffer.from(name, 'latin1'), value)
    return `${name}=${value.subarray(0, Math.max(0, size)).toString('hex')}`
  }).join(' ')
}

/** As `lookAt`, by what an archive must keep of each entry; for assertions that name what differs. */
export function lookAtAll(directory: string): Record<string, Seen> {
  return Object.fromEntries(lookAt(directory))
}

/** Paths beneath `directory`, sorted. */
export function namesIn(directory: string): string[] {
  return [...lookAt(directory).keys()].filter(name => name !== '').sort()
}

/** The open descriptors of this process, but for the one that looks at them. */
export function openDescriptors(): string[] {
  return fs.readdirSync('/proc/self/fd').flatMap(fd => {
    try {
      const target = fs.readlinkSync(`/proc/self/fd/${fd}`)
      return /^(?:socket|pipe|anon_inode)/.test(target) || target.startsWith('/proc/') ? [] : [`${fd} ${target}`]
    } catch {
      return []
    }
  })
}
