import { closeSync, futimesSync, linkSync, lstatSync, openSync, symlinkSync, writeFileSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { libc } from '../../../src/archive/os/libc.ts'
import { makeDevice, makeFifo } from '../../../src/archive/os/special.ts'
import { lstatPath, sameVersion, statFd, statOf } from '../../../src/archive/os/stat.ts'
import { setTimesPath } from '../../../src/archive/os/times.ts'

const NO_LIBC = libc() === null && 'libc cannot be reached here'
const NOT_LINUX = process.platform !== 'linux' && 'not Linux'
const NOT_ROOT = process.getuid?.() !== 0 && 'needs root'

t.test('a file, by path and by descriptor', async (t) => {
  const dir = t.testdir({ a: 'abc' })
  const path = Buffer.from(join(dir, 'a'))
  linkSync(path, join(dir, 'b'))
  const stat = lstatPath(path)
  const raw = lstatSync(path, { bigint: true })
  t.match(stat, { type: 'file', size: 3, nlink: 2, rdevMajor: 0, rdevMinor: 0 })
  t.equal(stat.inode, raw.ino)
  t.equal(stat.device, raw.dev)
  t.equal(stat.mode, Number(raw.mode) & 0o7777)
  t.equal(BigInt(stat.ctimeSeconds) * 10n ** 9n + BigInt(stat.ctimeNanoseconds), raw.ctimeNs)
  const fd = openSync(path, 'r')
  t.teardown(() => closeSync(fd))
  t.same(statFd(fd), stat)
})

t.test('a symlink is not followed', async (t) => {
  const dir = t.testdir({ a: 'abc' })
  symlinkSync('a', join(dir, 'link'))
  t.match(lstatPath(Buffer.from(join(dir, 'link'))), { type: 'symlink', size: 1 })
  t.equal(lstatPath(Buffer.from(dir)).type, 'directory')
  t.throws(() => lstatPath(Buffer.from(join(dir, 'missing'))), { code: 'ENOENT' })
})

t.test('FIFOs and devices', { skip: NO_LIBC || NOT_ROOT }, async (t) => {
  const dir = t.testdir({})
  const fifo = Buffer.from(join(dir, 'fifo'))
  makeFifo(fifo, 0o600)
  t.match(lstatPath(fifo), { type: 'fifo', rdevMajor: 0, rdevMinor: 0 })
  const device = Buffer.from(join(dir, 'device'))
  // Both numbers reach into the bits that dev_t keeps apart from the low ones.
  makeDevice(device, 'blockdev', 0x123, 0x45678, 0o600)
  t.match(lstatPath(device), { type: 'blockdev', rdevMajor: 0x123, rdevMinor: 0x45678 })
})

t.test('times are rounded down, before 1970 too', async (t) => {
  const raw = lstatSync(t.testdir({}), { bigint: true })
  const withTime = (mtimeNs: bigint) =>
    statOf(Object.assign(Object.create(raw) as BigIntStats, { mtimeNs }))
  const cases: [bigint, number, number][] = [
    [0n, 0, 0],
    [-1n, -1, 999_999_999],
    [-1_000_000_000n, -1, 0],
    [-1_000_000_001n, -2, 999_999_999],
    [1_999_999_999n, 1, 999_999_999],
    // Whole seconds beyond what a double of nanoseconds could hold.
    [4_000_000_000_000_000_001n, 4_000_000_000, 1],
  ]
  for (const [ns, mtimeSeconds, mtimeNanoseconds] of cases) {
    t.match(withTime(ns), { mtimeSeconds, mtimeNanoseconds }, String(ns))
  }
})

t.test('a negative time comes back from the file system', { skip: NO_LIBC }, async (t) => {
  const path = Buffer.from(join(t.testdir({ a: '' }), 'a'))
  setTimesPath(path, -5, 123_456_789)
  t.match(lstatPath(path), { mtimeSeconds: -5, mtimeNanoseconds: 123_456_789 })
})

t.test('unsigned 64-bit inodes, an unknown type', async (t) => {
  const raw = lstatSync(t.testdir({}), { bigint: true })
  const changed = (values: object) => statOf(Object.assign(Object.create(raw) as BigIntStats, values))
  t.equal(changed({ ino: -1n }).inode, 2n ** 64n - 1n)
  t.throws(() => changed({ mode: 0o644n }), { code: 'ENOTSUP' })
})

t.test('all 32 bits of both device numbers', { skip: NOT_LINUX }, async (t) => {
  const raw = lstatSync(t.testdir({}), { bigint: true })
  // As glibc's makedev(0x12345678, 0x9abcdef0) gives it; the kernel itself uses fewer bits.
  const values = { mode: 0o020644n, rdev: 0x12345_9abcde_678_f0n }
  const stat = statOf(Object.assign(Object.create(raw) as BigIntStats, values))
  t.match(stat, { type: 'chardev', rdevMajor: 0x12345678, rdevMinor: 0x9abcdef0 })
})

t.test('sameVersion', async (t) => {
  const path = Buffer.from(join(t.testdir({ a: 'abc' }), 'a'))
  const before = lstatPath(path)
  t.ok(sameVersion(before, lstatPath(path)))
  for (const [key, value] of Object.entries(before)) {
    const other = { ...before, [key]: typeof value === 'bigint' ? value + 1n : Number(value) + 1 }
    const counts = /^(size|[mc]time(S|N)|inode|device)/.test(key)
    t.equal(sameVersion(before, other), !counts, key)
  }
  const fd = openSync(path, 'r+')
  futimesSync(fd, 1, 1)
  closeSync(fd)
  t.notOk(sameVersion(before, lstatPath(path)))
  writeFileSync(path, 'abcd')
  t.notOk(sameVersion(before, lstatPath(path)))
})
