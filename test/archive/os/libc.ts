import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { ERRNO, forgetLibc, libc } from '../../../src/archive/os/libc.ts'

const SKIP = libc() === null && 'libc cannot be reached here (not 64-bit Linux, or no koffi)'
const path = (...parts: string[]) => Buffer.from(join(...parts))

t.test('WARP_NO_KOFFI disables it', async (t) => {
  const before = process.env.WARP_NO_KOFFI
  process.env.WARP_NO_KOFFI = '1'
  forgetLibc()
  t.equal(libc(), null)
  t.equal(libc(), null, 'and the answer is kept')
  if (before === undefined) delete process.env.WARP_NO_KOFFI
  else process.env.WARP_NO_KOFFI = before
  forgetLibc()
  t.equal(libc() === null, Boolean(SKIP))
})

t.test('failures come as negative errno', { skip: SKIP }, async (t) => {
  const lib = libc()!
  const dir = t.testdir({ a: 'a', b: 'b' })
  const missing = { path: path(dir, 'missing') }
  t.equal(lib.setTimes(missing, 0, 0), -ERRNO.ENOENT)
  t.equal(lib.setTimes({ fd: 999_999 }, 0, 0), -ERRNO.EBADF)
  t.equal(lib.listXattrs(missing, Buffer.alloc(1)), -ERRNO.ENOENT)
  t.equal(lib.getXattr(missing, Buffer.from('user.x'), Buffer.alloc(1)), -ERRNO.ENOENT)
  t.equal(lib.setXattr(missing, Buffer.from('user.x'), Buffer.alloc(1)), -ERRNO.ENOENT)
  t.equal(lib.lseek(999_999, 0, 0), -ERRNO.EBADF)
  t.equal(lib.mkfifo(path(dir, 'a'), 0o600), -ERRNO.EEXIST)
  t.equal(lib.mknod(path(dir, 'a'), 0o600, 0), -ERRNO.EEXIST)
})

t.test('a rename that does not replace', { skip: SKIP }, async (t) => {
  const lib = libc()!
  const dir = t.testdir({ a: 'a', b: 'b' })
  t.equal(lib.renameNoReplace(path(dir, 'a'), path(dir, 'b')), -ERRNO.EEXIST)
  t.equal(readFileSync(join(dir, 'b'), 'utf8'), 'b')
  t.equal(lib.renameNoReplace(path(dir, 'a'), path(dir, 'c')), 0)
  t.equal(readFileSync(join(dir, 'c'), 'utf8'), 'a')
})

t.test('offsets beyond 32 bits', { skip: SKIP }, async (t) => {
  const fd = openSync(join(t.testdir({ a: 'a' }), 'a'), 'r')
  t.teardown(() => closeSync(fd))
  const offset = 2 ** 40 + 1 // not a multiple of 2^32: a cut-off half would show
  t.equal(libc()!.lseek(fd, offset, 0), offset)
})

t.test('a NUL inside a path is refused, not cut at', { skip: SKIP }, async (t) => {
  t.throws(() => libc()!.mkfifo(Buffer.from('a\0b'), 0o600), TypeError)
})

t.test('worker threads load it as well', { skip: SKIP }, async (t) => {
  const url = new URL('../../../src/archive/os/libc.ts', import.meta.url).href
  const source = `
    import { parentPort } from 'node:worker_threads'
    import { libc } from ${JSON.stringify(url)}
    parentPort.postMessage(libc().lseek(999999, 0, 0))`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`))
  const answer = await new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject)
  })
  t.equal(answer, -ERRNO.EBADF)
})
