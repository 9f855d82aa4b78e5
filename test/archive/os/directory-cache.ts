import { existsSync, fstatSync, mkdirSync, readdirSync, renameSync, rmdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { DirectoryCache } from '../../../src/archive/os/directory-cache.ts'

const NO_PROC = process.platform !== 'linux' && 'no /proc on this system'
const at = (path: string) => (path === '' ? [] : path.split('/').map((name) => Buffer.from(name)))
const isOpen = (fd: number) => {
  try {
    return fstatSync(fd).isDirectory()
  } catch {
    return false
  }
}

t.test('one descriptor for all users of a directory', { skip: NO_PROC }, async (t) => {
  const cache = new DirectoryCache(Buffer.from(t.testdir({ a: { b: {} } })), 0, true)
  t.teardown(() => cache.close())
  t.ok(cache.anchored)
  const first = cache.acquire(at('a/b'))
  const second = cache.acquire(at('a/b'))
  t.equal(first.fd, second.fd)
  first.release()
  first.release()
  t.ok(isOpen(second.fd), 'a second release of one handle does not count for the other')
  second.release()
  t.notOk(isOpen(second.fd), 'with no idle directories allowed, the last release closes')
})

t.test('idle directories are bounded, the least recently used closes first', { skip: NO_PROC }, async (t) => {
  const dir = t.testdir({ a: {}, b: {}, c: {}, d: {} })
  const cache = new DirectoryCache(Buffer.from(dir), 2, true)
  t.teardown(() => cache.close())
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => cache.acquire(at(name)))
  t.ok([a, b, c, d].every(({ fd }) => isOpen(fd)))
  a.release()
  b.release()
  cache.acquire(at('a')).release() // b is now the older one
  c.release()
  t.same([a, b, c, d].map(({ fd }) => isOpen(fd)), [true, false, true, true])
})

t.test('an evicted ancestor is opened again when needed', { skip: NO_PROC }, async (t) => {
  const cache = new DirectoryCache(Buffer.from(t.testdir({ a: { b: { c: {}, d: {} } } })), 0, true)
  t.teardown(() => cache.close())
  const c = cache.acquire(at('a/b/c'))
  const again = cache.acquire(at('a/b/c'))
  t.equal(again.fd, c.fd, 'found though its parents are closed')
  const d = cache.acquire(at('a/b/d'))
  t.ok(isOpen(d.fd))
  t.not(d.fd, c.fd)
  for (const handle of [c, again, d]) handle.release()
  const openOnes = readdirSync('/proc/self/fd').length
  for (let i = 0; i < 50; i++) cache.acquire(at('a/b/c')).release()
  t.equal(readdirSync('/proc/self/fd').length, openOnes, 'nothing leaks')
})

for (const anchored of [true, false]) {
  const how = anchored ? 'anchored' : 'by path'

  t.test(`a failure on the way leaves nothing open or remembered, ${how}`, async (t) => {
    const dir = t.testdir({ a: { b: {} } })
    const cache = new DirectoryCache(Buffer.from(dir), 0, anchored)
    t.teardown(() => cache.close())
    const count = () => (NO_PROC ? 0 : readdirSync('/proc/self/fd').length)
    const before = count()
    t.throws(() => cache.acquire(at('a/b/missing/c')), { code: 'ENOENT' })
    t.equal(count(), before)
    mkdirSync(join(dir, 'a/b/missing/c'), { recursive: true })
    cache.acquire(at('a/b/missing/c')).release()
    t.equal(count(), before)
  })

  t.test(`what is forgotten is looked up afresh, ${how}`, async (t) => {
    const dir = t.testdir({ a: { b: { c: {} } } })
    const cache = new DirectoryCache(Buffer.from(dir), 10, anchored)
    t.teardown(() => cache.close())
    const root = cache.acquire([])
    const held = cache.acquire(at('a/b'))
    cache.acquire(at('a/b/c')).release()
    renameSync(join(dir, 'a'), join(dir, 'z'))
    cache.forget(root, Buffer.from('a'))
    cache.forget(root, Buffer.from('never-seen'))
    t.throws(() => cache.acquire(at('a/b')), { code: 'ENOENT' })
    t.throws(() => cache.acquire(at('a/b/c')), { code: 'ENOENT' })
    cache.acquire(at('z/b/c')).release()
    if (cache.anchored) {
      mkdirSync(held.nameAt(Buffer.from('new')))
      t.ok(existsSync(join(dir, 'z/b/new')), 'a handle in use stays with its directory')
      held.release()
      t.notOk(isOpen(held.fd), 'and is closed by its release')
    } else {
      t.throws(() => held.nameAt(Buffer.from('new')), { code: 'ERR_WARP_NOT_A_DIRECTORY' })
      held.release()
    }
    root.release()
  })

  t.test(`no use after release or close, ${how}`, async (t) => {
    const cache = new DirectoryCache(Buffer.from(t.testdir({ a: {} })), 10, anchored)
    const a = cache.acquire(at('a'))
    const other = cache.acquire(at('a'))
    a.release()
    t.throws(() => a.nameAt(Buffer.from('x')), TypeError)
    cache.close()
    cache.close()
    t.throws(() => other.nameAt(Buffer.from('x')), TypeError)
    t.throws(() => cache.acquire(at('a')), TypeError)
    t.throws(() => cache.acquire([]), TypeError)
    other.release()
    if (cache.anchored) t.notOk(isOpen(other.fd))
  })
}

t.test('by path, a swapped component is noticed before use', async (t) => {
  const dir = t.testdir({ a: { b: {} }, elsewhere: { b: {} } })
  const cache = new DirectoryCache(Buffer.from(dir), 10, false)
  t.teardown(() => cache.close())
  t.notOk(cache.anchored)
  const b = cache.acquire(at('a/b'))
  t.equal(b.fd, -1)
  t.equal(b.nameAt(Buffer.from('x')).toString(), join(dir, 'a/b/x'))
  renameSync(join(dir, 'a'), join(dir, 'old'))
  symlinkSync('elsewhere', join(dir, 'a'))
  const error = { code: 'ERR_WARP_NOT_A_DIRECTORY' }
  t.throws(() => b.nameAt(Buffer.from('x')), { ...error, path: 'a' }, 'a symlink in the middle')
  cache.acquire([]).release()
  rmdirSync(join(dir, 'old/b'))
  renameSync(join(dir, 'elsewhere'), join(dir, 'real'))
  t.throws(() => b.nameAt(Buffer.from('x')), error, 'a dangling one')
})

t.test('by path, another directory of the same name is noticed', async (t) => {
  const dir = t.testdir({ a: {} })
  const cache = new DirectoryCache(Buffer.from(dir), 10, false)
  t.teardown(() => cache.close())
  const a = cache.acquire(at('a'))
  renameSync(join(dir, 'a'), join(dir, 'old'))
  mkdirSync(join(dir, 'a'))
  t.throws(() => a.nameAt(Buffer.from('x')), { code: 'ERR_WARP_NOT_A_DIRECTORY', path: 'a' })
})
