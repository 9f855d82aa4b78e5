import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { nextData } from '../../../src/archive/os/holes.ts'
import { forgetLibc, libc } from '../../../src/archive/os/libc.ts'

const MIB = 1024 * 1024

/** One byte of data at 8 MiB of 16, the rest never written: more than any file system rounds up to. */
function sparseFile(t: Test): number {
  const fd = openSync(join(t.testdir({}), 'sparse'), 'w+')
  t.teardown(() => closeSync(fd))
  ftruncateSync(fd, 16 * MIB)
  writeSync(fd, 'x', 8 * MIB)
  return fd
}

const NO_LIBC = libc() === null && 'libc cannot be reached here'

t.test('holes are skipped, data never', { skip: NO_LIBC }, async (t) => {
  const fd = sparseFile(t)
  const first = nextData(fd, 0, 16 * MIB)
  t.ok(first === 0 || (first > 4 * MIB && first <= 8 * MIB), `at or before the data: ${first}`)
  t.equal(nextData(fd, 8 * MIB, 16 * MIB), 8 * MIB)
  if (first > 0) {
    t.equal(nextData(fd, 12 * MIB, 16 * MIB), 16 * MIB, 'none follows')
    t.equal(nextData(fd, 0, 1 * MIB), 1 * MIB, 'not past the size')
  }
  t.equal(nextData(fd, 16 * MIB, 16 * MIB), 16 * MIB)
  t.equal(nextData(fd, 32 * MIB, 64 * MIB), 64 * MIB, 'the file has shrunk')
  const byte = Buffer.alloc(1)
  readSync(fd, byte, 0, 1, 8 * MIB)
  t.equal(byte.toString(), 'x')
})

t.test('where the system cannot tell', async (t) => {
  t.equal(nextData(999_999, 5, 10), 5, 'not an open descriptor')
  process.env.WARP_NO_KOFFI = '1'
  forgetLibc()
  t.teardown(() => {
    delete process.env.WARP_NO_KOFFI
    forgetLibc()
  })
  t.equal(nextData(sparseFile(t), 4096, 16 * MIB), 4096)
  t.equal(nextData(sparseFile(t), 20 * MIB, 16 * MIB), 16 * MIB)
})
