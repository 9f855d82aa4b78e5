import { closeSync, openSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { ERRNO, forgetLibc, libc } from '../../../src/archive/os/libc.ts'
import { readXattrs, writeXattrs } from '../../../src/archive/os/xattrs.ts'

const NO_LIBC = libc() === null && 'libc cannot be reached here'
const NOT_ROOT = process.getuid?.() !== 0 && 'needs root'
const xattr = (name: string, value: string | Buffer) => ({
  name: Buffer.from(name),
  value: Buffer.from(value as string),
})

/** A file, and why to skip if its file system has no attributes of that kind. */
function fileOf(t: Test, name = 'user.probe'): { path: Buffer; unsupported: string | false } {
  const path = Buffer.from(join(t.testdir({ a: '' }), 'a'))
  const probe = Buffer.from(join(t.testdirName, 'probe'))
  closeSync(openSync(probe, 'w'))
  const failed = writeXattrs({ path: probe }, [xattr(name, '')])
  return { path, unsupported: failed.length > 0 && `${name}: ${failed[0].code}` }
}

t.test('none', { skip: NO_LIBC }, async (t) => {
  const dir = t.testdir({ a: '' })
  t.same(readXattrs({ path: Buffer.from(join(dir, 'a')) }), [])
  t.throws(() => readXattrs({ path: Buffer.from(join(dir, 'missing')) }), { code: 'ENOENT' })
  t.same(readXattrs({ path: Buffer.from('/proc/self/status') }), [], 'a file system without them')
})

t.test('written and read, by descriptor and path, in order of bytes', { skip: NO_LIBC }, async (t) => {
  const { path, unsupported } = fileOf(t)
  if (unsupported) return t.pass(`skipped: ${unsupported}`)
  const written = [
    xattr('user.b', 'value'),
    xattr('user.\xff', Buffer.from([0, 1, 255])),
    xattr('user.a', ''),
    xattr('user.B', Buffer.alloc(2000, 7)), // more than the first, small buffer for values
  ]
  const expected = [written[3], written[2], written[0], written[1]]
  const fd = openSync(path, 'r')
  t.teardown(() => closeSync(fd))
  t.same(writeXattrs({ fd }, written), [])
  t.same(readXattrs({ path }), expected)
  t.same(readXattrs({ fd }), expected)
  t.same(writeXattrs({ path }, [xattr('user.a', 'new')]), [], 'an existing one is replaced')
  t.equal(readXattrs({ fd })![1].value.toString(), 'new')
})

t.test('a list of names larger than the first buffer', { skip: NO_LIBC }, async (t) => {
  const { path, unsupported } = fileOf(t)
  if (unsupported) return t.pass(`skipped: ${unsupported}`)
  // 12 names of 206 bytes: past 1 KiB of names, within the one block that ext4 has for them.
  const written = Array.from('abcdefghijkl', (last) => xattr(`user.${'n'.repeat(200)}${last}`, ''))
  t.same(writeXattrs({ path }, written), [])
  t.same(readXattrs({ path }), written)
})

t.test('a symlink is not followed', { skip: NO_LIBC || NOT_ROOT }, async (t) => {
  const { path, unsupported } = fileOf(t, 'trusted.probe')
  if (unsupported) return t.pass(`skipped: ${unsupported}`)
  const link = Buffer.from(`${path}-link`)
  symlinkSync('a', link)
  t.same(writeXattrs({ path: link }, [xattr('trusted.warp', 'l')]), [])
  t.same(readXattrs({ path: link }), [xattr('trusted.warp', 'l')])
  t.same(readXattrs({ path }), [])
})

t.test('what cannot be set is named, the rest is set', { skip: NO_LIBC }, async (t) => {
  const { path, unsupported } = fileOf(t)
  if (unsupported) return t.pass(`skipped: ${unsupported}`)
  const failed = writeXattrs({ path }, [xattr('nonsense', '1'), xattr('user.a', '2')])
  t.same(failed, [{ name: Buffer.from('nonsense'), code: 'ENOTSUP' }])
  t.same(readXattrs({ path }), [xattr('user.a', '2')])
})

/** The attributes of this many names and values, as a file system without limits would give them. */
function pretend(t: Test, names: string[], value: number | ((name: string) => number)): void {
  const lib = libc()!
  const saved = { ...lib }
  t.teardown(() => Object.assign(lib, saved))
  const list = Buffer.from(names.map((name) => `${name}\0`).join(''))
  const answer = (bytes: Buffer, into: Uint8Array) => {
    // As the kernel has it.
    if (bytes.length > into.length) return into.length < 65_536 ? -ERRNO.ERANGE : -ERRNO.E2BIG
    into.set(bytes)
    return bytes.length
  }
  lib.listXattrs = (_, into) => answer(list, into)
  lib.getXattr = (_, name, into) => {
    const length = typeof value === 'number' ? value : value(Buffer.from(name).toString())
    return length < 0 ? length : answer(Buffer.alloc(length), into)
  }
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `user.${String(i).padStart(4, '0')}`)
const target = { path: Buffer.from('/') }

t.test('the limits of the format', { skip: NO_LIBC }, async (t) => {
  t.test('as many as fit', async (t) => {
    pretend(t, names(1024), 0)
    t.equal(readXattrs(target)!.length, 1024)
  })
  t.test('one more', async (t) => {
    pretend(t, names(1025), 0)
    t.throws(() => readXattrs(target), { code: 'ERR_WARP_INPUT_UNREADABLE' })
  })
  t.test('the largest value', async (t) => {
    pretend(t, names(1), 65_536)
    t.equal(readXattrs(target)![0].value.length, 65_536)
  })
  t.test('a larger value', async (t) => {
    pretend(t, names(1), 65_537)
    t.throws(() => readXattrs(target), { code: 'ERR_WARP_INPUT_UNREADABLE' })
  })
  t.test('the largest sum', async (t) => {
    pretend(t, names(4), 65_536 - 9) // 9 bytes of name each
    t.equal(readXattrs(target)!.length, 4)
  })
  t.test('a larger sum', async (t) => {
    pretend(t, names(4), (name) => (name === 'user.0003' ? 65_536 - 8 : 65_536 - 9))
    t.throws(() => readXattrs(target), { code: 'ERR_WARP_INPUT_UNREADABLE' })
  })
  t.test('more names than the kernel lists', async (t) => {
    pretend(t, names(6554), 0) // 10 bytes each with its NUL: just past 65,536
    t.throws(() => readXattrs(target), { code: 'ERR_WARP_INPUT_UNREADABLE' })
  })
})

t.test('names that vanish between list and get are passed over', { skip: NO_LIBC }, async (t) => {
  pretend(t, names(3), (name) => (name === 'user.0001' ? -ERRNO.ENODATA : 2))
  t.same(
    readXattrs(target)!.map(({ name }) => name.toString()),
    ['user.0000', 'user.0002'],
  )
})

t.test('a value that may not be read is an error', { skip: NO_LIBC }, async (t) => {
  pretend(t, names(1), -ERRNO.EACCES)
  t.throws(() => readXattrs(target), { code: 'EACCES' })
})

t.test('without libc', async (t) => {
  process.env.WARP_NO_KOFFI = '1'
  forgetLibc()
  t.teardown(() => {
    delete process.env.WARP_NO_KOFFI
    forgetLibc()
  })
  t.equal(readXattrs(target), null)
  t.same(writeXattrs(target, []), [])
  t.same(writeXattrs(target, [xattr('user.a', '')]), [{ name: Buffer.from('user.a'), code: 'ENOSYS' }])
})
