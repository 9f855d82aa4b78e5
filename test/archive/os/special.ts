import { lstatSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { forgetLibc, libc } from '../../../src/archive/os/libc.ts'
import { makeDevice, makeFifo } from '../../../src/archive/os/special.ts'
import { lstatPath } from '../../../src/archive/os/stat.ts'

const NO_LIBC = libc() === null && 'libc cannot be reached here'
const NOT_ROOT = process.getuid?.() !== 0 && 'needs root'

t.test('a FIFO', { skip: NO_LIBC }, async (t) => {
  const dir = t.testdir({})
  const path = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff, 0x0a])]) // not UTF-8, and a newline
  makeFifo(path, 0o600)
  t.match(lstatPath(path), { type: 'fifo', mode: 0o600 })
  t.throws(() => makeFifo(path, 0o600), { code: 'EEXIST' })
  symlinkSync('nowhere', join(dir, 'link'))
  t.throws(() => makeFifo(Buffer.from(join(dir, 'link')), 0o600), { code: 'EEXIST' })
  t.throws(() => lstatSync(join(dir, 'nowhere')), { code: 'ENOENT' })
})

t.test('devices', { skip: NO_LIBC || NOT_ROOT }, async (t) => {
  const dir = t.testdir({})
  const cases: ['chardev' | 'blockdev', number, number][] = [
    ['chardev', 1, 3],
    ['blockdev', 8, 256], // first minor with bits above the low eight
    ['chardev', 0xfff, 0xf_ffff], // the largest of both
  ]
  for (const [i, [type, rdevMajor, rdevMinor]] of cases.entries()) {
    const path = Buffer.from(join(dir, String(i)))
    makeDevice(path, type, rdevMajor, rdevMinor, 0o600)
    t.match(lstatPath(path), { type, rdevMajor, rdevMinor, mode: 0o600 })
  }
})

t.test('numbers that Linux cannot hold', async (t) => {
  const path = Buffer.from(join(t.testdir({}), 'device'))
  t.throws(() => makeDevice(path, 'chardev', 0x1000, 0, 0o600), { code: 'EINVAL' })
  t.throws(() => makeDevice(path, 'chardev', 0, 0x10_0000, 0o600), { code: 'EINVAL' })
  t.throws(() => lstatPath(path), { code: 'ENOENT' })
})

t.test('without libc', async (t) => {
  process.env.WARP_NO_KOFFI = '1'
  forgetLibc()
  t.teardown(() => {
    delete process.env.WARP_NO_KOFFI
    forgetLibc()
  })
  const path = Buffer.from(join(t.testdir({}), 'x'))
  t.throws(() => makeFifo(path, 0o600), { code: 'ENOSYS' })
  t.throws(() => makeDevice(path, 'chardev', 1, 3, 0o600), { code: 'ENOSYS' })
})
