import {
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import type { Test } from 'tap'
import { ERRNO, forgetLibc, libc } from '../../../src/archive/os/libc.ts'
import { makeFifo } from '../../../src/archive/os/special.ts'
import { TargetTree } from '../../../src/archive/os/target-tree.ts'

const NOT_A_DIRECTORY = 'ERR_WARP_NOT_A_DIRECTORY'
const NOT_LINUX = process.platform !== 'linux' && 'not Linux'
const NO_LIBC = libc() === null && 'libc cannot be reached here'
/** All that a name may hold. */
const EVERY_BYTE = Array.from({ length: 255 }, (_, i) => i + 1).filter((byte) => byte !== 0x2f)
const name = (text: string) => Buffer.from(text)
const at = (path: string) => (path === '' ? [] : path.split('/').map(name))

function treeOf(t: Test, dir: string, anchored: boolean): TargetTree {
  const tree = new TargetTree(dir, { anchored })
  t.teardown(() => tree.close())
  return tree
}

function withoutLibc(t: Test): void {
  process.env.WARP_NO_KOFFI = '1'
  forgetLibc()
  t.teardown(() => {
    delete process.env.WARP_NO_KOFFI
    forgetLibc()
  })
}

t.test('the target is made, and anchored where /proc is', async (t) => {
  const dir = join(t.testdir({}), 'x/y')
  const tree = treeOf(t, dir, true)
  t.ok(statSync(dir).isDirectory())
  t.equal(tree.anchored, process.platform === 'linux')
  treeOf(t, dir, true)
  writeFileSync(join(dir, 'file'), '')
  t.throws(() => new TargetTree(join(dir, 'file')), { code: 'EEXIST' })
})

t.test('a path to the target that is not UTF-8', { skip: NOT_LINUX }, async (t) => {
  const path = Buffer.concat([name(`${t.testdir({})}/`), Buffer.from([0xff, 0xfe])])
  for (const anchored of [true, false]) {
    const tree = new TargetTree(path, { anchored })
    t.teardown(() => tree.close())
    const root = tree.openDirectory([])
    t.equal(tree.isEmpty(root), true)
    tree.mkdirAt(root, name('d'), 0o700)
    t.equal(tree.isEmpty(root), false)
    t.ok(lstatSync(Buffer.concat([path, name('/d')])).isDirectory())
    tree.removeAt(root, name('d'))
  }
})

for (const anchored of [true, false]) {
  t.test(anchored ? 'anchored' : 'by path', async (t) => {
    t.test('directories are made on demand', async (t) => {
      const dir = t.testdir({})
      const tree = treeOf(t, dir, anchored)
      t.throws(() => tree.openDirectory(at('a/b')), { code: 'ENOENT' })
      const made = tree.openDirectory(at('a/b'), { create: true, mode: 0o750 })
      t.equal(lstatSync(join(dir, 'a')).mode & 0o7777, 0o750 & ~process.umask())
      closeSync(tree.createExclusive(made, name('f'), 0o600))
      t.ok(existsSync(join(dir, 'a/b/f')))
      tree.openDirectory(at('a/b'), { create: true }).release()
      made.release()
    })

    t.test('a symlink on the way is not followed', async (t) => {
      const dir = t.testdir({ target: {}, outside: { sub: {} } })
      symlinkSync('../outside', join(dir, 'target/link'))
      const tree = treeOf(t, join(dir, 'target'), anchored)
      for (const create of [false, true]) {
        const error = { code: NOT_A_DIRECTORY, path: 'link' }
        t.throws(() => tree.openDirectory(at('link'), { create }), error, 'last')
        t.throws(() => tree.openDirectory(at('link/sub'), { create }), error, 'in the middle')
        t.throws(() => tree.openDirectory(at('link/new'), { create }), error, 'before what is missing')
      }
      t.same(readdirSync(join(dir, 'outside')), ['sub'])
    })

    t.test('files, FIFOs and dangling symlinks are no directories either', async (t) => {
      const dir = t.testdir({ file: '' })
      symlinkSync('nowhere', join(dir, 'dangling'))
      if (libc() !== null) makeFifo(name(join(dir, 'fifo')), 0o600)
      const tree = treeOf(t, dir, anchored)
      for (const entry of readdirSync(dir)) {
        const open = () => tree.openDirectory(at(`${entry}/a`), { create: true })
        t.throws(open, { code: NOT_A_DIRECTORY }, entry)
      }
      t.notOk(existsSync(join(dir, 'nowhere')))
    })

    t.test('a symlink that took the place of a directory seen before', async (t) => {
      const dir = t.testdir({ target: { a: { b: {} } }, outside: { b: {} } })
      const tree = treeOf(t, join(dir, 'target'), anchored)
      const b = tree.openDirectory(at('a/b'))
      renameSync(join(dir, 'target/a'), join(dir, 'target/moved'))
      symlinkSync('../outside', join(dir, 'target/a'))
      if (tree.anchored) {
        closeSync(tree.createExclusive(b, name('f'), 0o600))
        t.ok(existsSync(join(dir, 'target/moved/b/f')), 'the handle is still that of the old directory')
      } else {
        t.throws(() => tree.createExclusive(b, name('f'), 0o600), { code: NOT_A_DIRECTORY })
      }
      b.release()
      t.same(readdirSync(join(dir, 'outside/b')), [])
    })

    t.test('names that lead elsewhere are refused', async (t) => {
      const dir = t.testdir({ target: {}, outside: '' })
      const tree = treeOf(t, join(dir, 'target'), anchored)
      const root = tree.openDirectory([])
      const unsafe = ['..', '.', '', '../outside', '/', 'a/b', 'a\0', 'x'.repeat(256)]
      for (const text of unsafe) {
        const error = { code: 'ERR_WARP_PATH_UNSAFE' }
        const bad = name(text)
        t.throws(() => tree.openDirectory([bad], { create: true }), error, JSON.stringify(text))
        t.throws(() => tree.openDirectory([name('a'), bad], { create: true }), error)
        t.throws(() => root.nameAt(bad), error)
        t.throws(() => tree.createExclusive(root, bad, 0o600), error)
        t.throws(() => tree.lstatAt(root, bad), error)
        t.throws(() => tree.removeAt(root, bad), error)
        t.throws(() => tree.removeTreeAt(root, bad), error)
        t.throws(() => tree.mkdirAt(root, bad, 0o700), error)
        t.throws(() => tree.symlinkAt(name('x'), root, bad), error)
        t.throws(() => tree.linkAt(root, name('a'), root, bad), error)
        t.throws(() => tree.renameAt(root, bad, root, name('a'), { replace: true }), error)
        t.throws(() => tree.renameAt(root, name('a'), root, bad, { replace: false }), error)
      }
      t.same(readdirSync(join(dir, 'target')), [], 'not even the component before was made')
    })

    t.test('any other bytes make a name', { skip: NOT_LINUX }, async (t) => {
      const dir = t.testdir({})
      const tree = treeOf(t, dir, anchored)
      const names: Buffer[] = [
        Buffer.from([0xff, 0xfe, 0x80]), // not UTF-8
        Buffer.alloc(255, 'x'), // the longest
        name('a\nb'),
        name('\x1b[31m'),
        name('...'),
        name('a\\b'),
        Buffer.from(EVERY_BYTE),
      ]
      for (const component of names) {
        const inner = tree.openDirectory([component, component], { create: true })
        closeSync(tree.createExclusive(inner, component, 0o600))
        t.equal(tree.lstatAt(inner, component)?.type, 'file')
        t.same(tree.namesIn(inner), [component])
        inner.release()
      }
      const found = readdirSync(dir, { encoding: 'buffer' }).sort(Buffer.compare)
      t.same(found, names.sort(Buffer.compare))
    })

    t.test('new files never go through or over what is there', async (t) => {
      const dir = t.testdir({ target: { file: 'old' }, outside: 'outside' })
      symlinkSync('../outside', join(dir, 'target/link'))
      symlinkSync('../new', join(dir, 'target/dangling'))
      const tree = treeOf(t, join(dir, 'target'), anchored)
      const root = tree.openDirectory([])
      for (const entry of ['file', 'link', 'dangling']) {
        t.throws(() => tree.createExclusive(root, name(entry), 0o600), { code: 'EEXIST' }, entry)
        t.throws(() => tree.mkdirAt(root, name(entry), 0o700), { code: 'EEXIST' }, entry)
        t.throws(() => tree.symlinkAt(name('x'), root, name(entry)), { code: 'EEXIST' }, entry)
        t.throws(() => tree.linkAt(root, name('file'), root, name(entry)), { code: 'EEXIST' }, entry)
      }
      const fd = tree.createExclusive(root, name('fresh'), 0o640)
      writeSync(fd, 'fresh')
      closeSync(fd)
      t.equal(readFileSync(join(dir, 'target/fresh'), 'utf8'), 'fresh')
      t.equal(lstatSync(join(dir, 'target/fresh')).mode & 0o7777, 0o640 & ~process.umask())
      t.equal(readFileSync(join(dir, 'outside'), 'utf8'), 'outside')
      t.notOk(existsSync(join(dir, 'new')))
    })

    t.test('reading back opens regular files alone', async (t) => {
      const dir = t.testdir({ file: 'data', sub: {} })
      symlinkSync('file', join(dir, 'link'))
      const tree = treeOf(t, dir, anchored)
      const root = tree.openDirectory([])
      const fd = tree.openRegular(root, name('file'))
      t.equal(readFileSync(fd, 'utf8'), 'data')
      closeSync(fd)
      t.throws(() => tree.openRegular(root, name('link')), { code: 'ELOOP' })
      t.throws(() => tree.openRegular(root, name('sub')), { code: 'EINVAL' })
      t.throws(() => tree.openRegular(root, name('missing')), { code: 'ENOENT' })
      if (libc() === null) return
      makeFifo(name(join(dir, 'fifo')), 0o600)
      t.throws(() => tree.openRegular(root, name('fifo')), { code: 'EINVAL' }, 'without waiting for a writer')
    })

    t.test('lstat, links and symlinks', async (t) => {
      const dir = t.testdir({ file: 'data' })
      const tree = treeOf(t, dir, anchored)
      const root = tree.openDirectory([])
      t.equal(tree.lstatAt(root, name('missing')), null)
      tree.symlinkAt(Buffer.from('../\xff', 'latin1'), root, name('link'))
      t.equal(tree.lstatAt(root, name('link'))?.type, 'symlink')
      t.same(tree.readlinkAt(root, name('link')), Buffer.from('../\xff', 'latin1'))
      t.throws(() => tree.readlinkAt(root, name('file')), { code: 'EINVAL' })
      tree.linkAt(root, name('file'), root, name('second'))
      t.equal(tree.lstatAt(root, name('second'))?.inode, tree.lstatAt(root, name('file'))?.inode)
      t.equal(tree.lstatAt(root, name('file'))?.nlink, 2)
      if (process.platform !== 'linux') return
      tree.linkAt(root, name('link'), root, name('link-2'))
      t.equal(tree.lstatAt(root, name('link-2'))?.type, 'symlink', 'the symlink itself')
    })

    for (const libcUsed of [true, false]) {
      t.test(`renaming, ${libcUsed ? 'with' : 'without'} libc`, async (t) => {
        if (!libcUsed) withoutLibc(t)
        const dir = t.testdir({ a: 'a', b: 'b', sub: { inner: { c: 'c' } }, empty: {}, other: {} })
        symlinkSync('nowhere', join(dir, 'dangling'))
        const tree = treeOf(t, dir, anchored)
        const root = tree.openDirectory([])
        const keep = (from: string, to: string) =>
          tree.renameAt(root, name(from), root, name(to), { replace: false })
        t.throws(() => keep('a', 'b'), { code: 'EEXIST' })
        t.throws(() => keep('a', 'dangling'), { code: 'EEXIST' })
        t.throws(() => keep('sub', 'empty'), { code: 'EEXIST' }, 'not even an empty directory is replaced')
        t.throws(() => keep('dangling', 'b'), { code: 'EEXIST' })
        t.throws(() => keep('missing', 'x'), { code: 'ENOENT' })
        t.equal(readFileSync(join(dir, 'b'), 'utf8'), 'b')
        keep('a', 'new')
        keep('dangling', 'moved')
        t.equal(readFileSync(join(dir, 'new'), 'utf8'), 'a')
        t.equal(readlinkSync(join(dir, 'moved')), 'nowhere')
        t.notOk(existsSync(join(dir, 'a')))

        tree.openDirectory(at('sub/inner')).release()
        const other = tree.openDirectory(at('other'))
        tree.renameAt(root, name('sub'), other, name('sub'), { replace: false })
        t.throws(() => tree.openDirectory(at('sub/inner')), { code: 'ENOENT' }, 'not taken for the old one')
        tree.openDirectory(at('other/sub/inner')).release()

        tree.renameAt(root, name('new'), root, name('b'), { replace: true })
        t.equal(readFileSync(join(dir, 'b'), 'utf8'), 'a')
        t.equal(lstatSync(join(dir, 'b')).nlink, 1)
      })
    }

    t.test('removing', async (t) => {
      const dir = t.testdir({ target: { file: '', full: { x: '' }, empty: {} }, outside: { x: '' } })
      symlinkSync('../outside', join(dir, 'target/link'))
      const tree = treeOf(t, join(dir, 'target'), anchored)
      const root = tree.openDirectory([])
      tree.openDirectory(at('empty')).release()
      for (const entry of ['file', 'link', 'empty']) tree.removeAt(root, name(entry))
      t.throws(() => tree.removeAt(root, name('full')), { code: /^(ENOTEMPTY|EEXIST)$/ })
      t.throws(() => tree.removeAt(root, name('missing')), { code: 'ENOENT' })
      t.same(readdirSync(join(dir, 'target')), ['full'])
      t.same(readdirSync(join(dir, 'outside')), ['x'], 'a symlink goes, not what it leads to')
      t.throws(() => tree.openDirectory(at('empty')), { code: 'ENOENT' })
    })

    t.test('removing a tree stays within it', async (t) => {
      const dir = t.testdir({
        target: { tree: { a: { b: { c: '' }, d: '' }, e: {} }, other: '' },
        outside: { x: '' },
      })
      symlinkSync('../../../outside', join(dir, 'target/tree/a/link'))
      symlinkSync('..', join(dir, 'target/tree/up'))
      linkSync(join(dir, 'target/other'), join(dir, 'target/tree/hard'))
      const tree = treeOf(t, join(dir, 'target'), anchored)
      const root = tree.openDirectory([])
      tree.removeTreeAt(root, name('tree'))
      tree.removeTreeAt(root, name('missing'))
      t.same(readdirSync(join(dir, 'target')), ['other'])
      t.same(readdirSync(join(dir, 'outside')), ['x'])
      symlinkSync('../outside', join(dir, 'target/link'))
      tree.removeTreeAt(root, name('link'))
      t.same(readdirSync(join(dir, 'outside')), ['x'])
    })

    t.test('metadata of a directory', async (t) => {
      const dir = t.testdir({ sub: {} })
      const tree = treeOf(t, dir, anchored)
      const sub = tree.openDirectory(at('sub'))
      const metadata = {
        mode: 0o1701,
        uid: 0,
        gid: 0,
        user: name(''),
        group: name(''),
        mtimeSeconds: 1_000_000,
        mtimeNanoseconds: 0,
        xattrs: [],
      }
      const options = { sameOwner: false, numericOwner: false, xattrs: true }
      t.same(tree.setDirectoryMetadata(sub, metadata, options), [])
      const stat = tree.lstatAt(tree.openDirectory([]), name('sub'))
      t.match(stat, { mode: 0o1701, mtimeSeconds: 1_000_000 })
    })

    t.test('the probe of case leaves nothing behind', async (t) => {
      const dir = t.testdir({ a: '' })
      const tree = treeOf(t, dir, anchored)
      t.equal(tree.isCaseInsensitive(), existsSync(join(dir, 'A')))
      t.same(readdirSync(dir), ['a'])
    })
  })
}

t.test('a file system that cannot rename without replacing', { skip: NO_LIBC }, async (t) => {
  const lib = libc()!
  const saved = { ...lib }
  t.teardown(() => Object.assign(lib, saved))
  lib.renameNoReplace = () => -ERRNO.EINVAL
  const dir = t.testdir({ a: 'a', b: 'b' })
  const tree = treeOf(t, dir, true)
  const root = tree.openDirectory([])
  t.throws(() => tree.renameAt(root, name('a'), root, name('b'), { replace: false }), { code: 'EEXIST' })
  tree.renameAt(root, name('a'), root, name('c'), { replace: false })
  t.same(readdirSync(dir), ['b', 'c'])
})

t.test('a name is good in other threads while the handle is held', async (t) => {
  const dir = t.testdir({ sub: {} })
  const tree = treeOf(t, dir, true)
  const sub = tree.openDirectory(at('sub'))
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    require('node:fs').writeFileSync(Buffer.from(workerData), 'from a worker')
    parentPort.postMessage('done')`
  const worker = new Worker(source, { eval: true, workerData: sub.nameAt(name('f')) })
  await new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject)
  })
  sub.release()
  t.equal(readFileSync(join(dir, 'sub/f'), 'utf8'), 'from a worker')
})

t.test('a tree deeper than any path, with fewer directories open than that', async (t) => {
  const dir = t.testdir({})
  const tree = treeOf(t, dir, true)
  if (!tree.anchored) return t.pass('skipped: no /proc on this system')
  // 300 is more than the 128 idle directories; with 20 bytes each it is more than PATH_MAX.
  const deep = Array.from({ length: 300 }, () => Buffer.alloc(20, 'd'))
  const handle = tree.openDirectory(deep, { create: true })
  closeSync(tree.createExclusive(handle, name('f'), 0o600))
  handle.release()
  const again = tree.openDirectory(deep)
  t.equal(tree.lstatAt(again, name('f'))?.type, 'file')
  again.release()
  const openCount = readdirSync('/proc/self/fd').length
  t.ok(openCount < 200, `${openCount}`) // the idle ones, and what the process has besides
  tree.removeTreeAt(tree.openDirectory([]), deep[0])
  t.same(readdirSync(dir), [])
})

t.test('after close', async (t) => {
  const tree = new TargetTree(t.testdir({}))
  tree.close()
  t.throws(() => tree.openDirectory([]), TypeError)
})

t.test('a directory removed by others is made anew only by a fresh look', async (t) => {
  const dir = t.testdir({})
  const tree = treeOf(t, dir, true)
  tree.openDirectory(at('a'), { create: true }).release()
  renameSync(join(dir, 'a'), join(dir, 'b'))
  mkdirSync(join(dir, 'a'))
  const a = tree.openDirectory(at('a'), { create: true })
  if (tree.anchored) {
    closeSync(tree.createExclusive(a, name('f'), 0o600))
    t.ok(existsSync(join(dir, 'b/f')), 'never in what took its place')
  } else {
    t.throws(() => a.nameAt(name('f')), { code: NOT_A_DIRECTORY })
  }
})

t.test('a target that cannot be made', { skip: process.platform !== 'linux' && 'no /proc on this system' }, async (t) => {
  t.throws(() => new TargetTree('/proc/nowhere/at/all'), { code: 'ENOENT' })
  t.throws(() => new TargetTree(join(t.testdir({ file: '' }), 'file')), { code: 'EEXIST' })
  t.throws(() => new TargetTree(join(t.testdir({ file: '' }), 'file', 'beneath')), { code: 'ENOTDIR' })
})
