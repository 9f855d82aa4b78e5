import { closeSync, lstatSync, openSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { forgetLibc, libc } from '../../../src/archive/os/libc.ts'
import { setTimesFd, setTimesPath } from '../../../src/archive/os/times.ts'

const NO_LIBC = libc() === null && 'libc cannot be reached here'
const mtime = (path: string) => lstatSync(path, { bigint: true }).mtimeNs

t.test('exact to the nanosecond', { skip: NO_LIBC }, async (t) => {
  const file = join(t.testdir({ a: '' }), 'a')
  const fd = openSync(file, 'r')
  t.teardown(() => closeSync(fd))
  const atime = lstatSync(file, { bigint: true }).atimeNs
  const cases: [number, number][] = [
    [0, 0],
    [1_700_000_000, 123_456_789],
    [-1, 999_999_999], // one nanosecond before 1970
    [-1_000_000_000, 1],
    [5_000_000_000, 7], // beyond 32 bits
  ]
  for (const [seconds, ns] of cases) {
    const expected = BigInt(seconds) * 10n ** 9n + BigInt(ns)
    t.equal(setTimesFd(fd, seconds, ns), true)
    t.equal(mtime(file), expected)
    setTimesPath(Buffer.from(file), 1, 0)
    t.equal(setTimesPath(Buffer.from(file), seconds, ns), true)
    t.equal(mtime(file), expected)
  }
  t.equal(lstatSync(file, { bigint: true }).atimeNs, atime, 'the access time is left alone')
  t.throws(() => setTimesPath(Buffer.from(`${file}-missing`), 0, 0), { code: 'ENOENT' })
})

t.test('without libc', async (t) => {
  process.env.WARP_NO_KOFFI = '1'
  forgetLibc()
  t.teardown(() => {
    delete process.env.WARP_NO_KOFFI
    forgetLibc()
  })
  const file = join(t.testdir({ a: '' }), 'a')
  const fd = openSync(file, 'r+')
  t.teardown(() => closeSync(fd))
  t.equal(setTimesFd(fd, 1_700_000_000, 0), true)
  t.equal(mtime(file), 1_700_000_000n * 10n ** 9n)
  t.equal(setTimesFd(fd, 1_700_000_000, 123_456_789), false)
  const offBy = mtime(file) - 1_700_000_000_123_456_789n
  t.ok(offBy <= 0n && offBy > -3000n, `within microseconds: ${offBy}`)
  t.equal(setTimesPath(Buffer.from(file), -5, 0), true)
  t.equal(mtime(file), -5n * 10n ** 9n)
  t.equal(setTimesPath(Buffer.from(file), -5, 500_000_000), false)
  t.equal(mtime(file), -4_500_000_000n)
  t.throws(() => setTimesPath(Buffer.from(file), -(2 ** 52) + 1, 0), { code: 'EOVERFLOW' })
  t.throws(() => setTimesPath(Buffer.from(`${file}-missing`), 0, 0), { code: 'ENOENT' })
})

for (const libcUsed of [true, false]) {
  t.test(`a symlink gets the time itself, ${libcUsed ? 'with' : 'without'} libc`, async (t) => {
    if (!libcUsed) process.env.WARP_NO_KOFFI = '1'
    forgetLibc()
    t.teardown(() => {
      delete process.env.WARP_NO_KOFFI
      forgetLibc()
    })
    const dir = t.testdir({ a: '' })
    const before = mtime(join(dir, 'a'))
    symlinkSync('a', join(dir, 'link'))
    setTimesPath(Buffer.from(join(dir, 'link')), 1000, 0)
    t.equal(mtime(join(dir, 'link')), 1000n * 10n ** 9n)
    t.equal(mtime(join(dir, 'a')), before)
  })
}
