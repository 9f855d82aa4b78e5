import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { forgetLibc, libc } from '../../../src/archive/os/libc.ts'
import { applyMetadata, defaultSameOwner } from '../../../src/archive/os/metadata.ts'
import type { Metadata, MetadataOptions } from '../../../src/archive/os/metadata.ts'
import { gidOf, uidOf } from '../../../src/archive/os/owners.ts'
import { makeFifo } from '../../../src/archive/os/special.ts'
import { lstatPath } from '../../../src/archive/os/stat.ts'
import { readXattrs } from '../../../src/archive/os/xattrs.ts'

const NO_LIBC = libc() === null && 'libc cannot be reached here'
const NOT_ROOT = process.getuid?.() !== 0 && 'needs root'
const NOBODY = 65_534

const bytes = (text: string) => Buffer.from(text)
const plain: Metadata = {
  mode: 0o640,
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  user: bytes(''),
  group: bytes(''),
  mtimeSeconds: 1_000_000,
  mtimeNanoseconds: 0,
  xattrs: [],
}
const usual: MetadataOptions = { sameOwner: true, numericOwner: false, xattrs: true, isSymlink: false }

/** user::rw-, user:1234:rw-, group::r--, mask::rw-, other::--- in the kernel's form (version 2). */
const ACL = Buffer.from(
  '02000000' +
    '01000600ffffffff' +
    '02000600d2040000' +
    '04000400ffffffff' +
    '10000600ffffffff' +
    '20000000ffffffff',
  'hex',
)

/** A directory that other users can reach too. */
function publicDirectory(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'warp-metadata-'))
  chmodSync(dir, 0o777)
  t.teardown(() => rmSync(dir, { recursive: true }))
  return dir
}

/** Runs `action` as another user. */
function asNobody(action: () => void): void {
  process.setegid!(NOBODY)
  process.seteuid!(NOBODY)
  try {
    action()
  } finally {
    process.seteuid!(0)
    process.setegid!(0)
  }
}

t.test('mode and time, by descriptor and by path', async (t) => {
  const file = join(t.testdir({ a: '' }), 'a')
  const fd = openSync(file, 'r+')
  t.teardown(() => closeSync(fd))
  for (const target of [{ fd }, { path: bytes(file) }]) {
    chmodSync(file, 0o600)
    t.same(applyMetadata(target, plain, usual), [])
    t.match(lstatPath(bytes(file)), { mode: 0o640, mtimeSeconds: 1_000_000, mtimeNanoseconds: 0 })
  }
})

t.test('owner before set-id bits, in every combination', { skip: NOT_ROOT }, async (t) => {
  const file = join(t.testdir({ a: '' }), 'a')
  const metadata = { ...plain, mode: 0o6755, uid: 1234, gid: 5678 }
  t.same(applyMetadata({ path: bytes(file) }, metadata, usual), [])
  t.match(lstatPath(bytes(file)), { mode: 0o6755, uid: 1234, gid: 5678 })
})

t.test('without the owner, no set-id bits on files', async (t) => {
  const dir = t.testdir({ a: '', d: {} })
  const options = { ...usual, sameOwner: false }
  const metadata = { ...plain, mode: 0o7755, uid: 1234, gid: 5678 }
  const before = lstatPath(bytes(join(dir, 'a')))
  for (const name of ['a', 'd']) {
    t.same(applyMetadata({ path: bytes(join(dir, name)) }, metadata, options), [])
  }
  t.match(lstatPath(bytes(join(dir, 'a'))), { mode: 0o1755, uid: before.uid, gid: before.gid })
  t.match(lstatPath(bytes(join(dir, 'd'))), { mode: 0o7755 }, 'on directories they run nothing')
  const fd = openSync(join(dir, 'd'), 'r')
  t.teardown(() => closeSync(fd))
  chmodSync(join(dir, 'd'), 0o700)
  t.same(applyMetadata({ fd }, metadata, options), [])
  t.match(lstatPath(bytes(join(dir, 'd'))), { mode: 0o7755 })
})

t.test('an owner that chown takes for "none" leaves no set-id program', { skip: NOT_ROOT }, async (t) => {
  const path = bytes(join(t.testdir({ a: '' }), 'a'))
  for (const owner of [{ uid: 0xffff_ffff }, { gid: 0xffff_ffff }]) {
    const metadata = { ...plain, mode: 0o6755, ...owner }
    t.same(applyMetadata({ path }, metadata, usual), [{ what: 'owner', code: 'EINVAL' }])
    t.match(lstatPath(path), { mode: 0o755, uid: 0, gid: 0 })
  }
})

t.test('an owner that is refused leaves no set-id program', { skip: NOT_ROOT }, async (t) => {
  const path = join(publicDirectory(t), 'a')
  asNobody(() => {
    writeFileSync(path, '')
    const metadata = { ...plain, mode: 0o4755, uid: 0, gid: 0 }
    t.same(applyMetadata({ path: bytes(path) }, metadata, usual), [{ what: 'owner', code: 'EPERM' }])
  })
  t.match(lstatPath(bytes(path)), { mode: 0o755, uid: NOBODY })
})

t.test('names go before numbers unless told otherwise', { skip: NOT_ROOT }, async (t) => {
  const uid = uidOf(bytes('daemon'))
  const gid = gidOf(bytes('daemon'))
  if (uid === undefined || gid === undefined) return t.pass('skipped: no user and group daemon here')
  const path = bytes(join(t.testdir({ a: '' }), 'a'))
  const metadata = { ...plain, uid: 1234, gid: 5678, user: bytes('daemon'), group: bytes('daemon') }
  applyMetadata({ path }, metadata, usual)
  t.match(lstatPath(path), { uid, gid })
  applyMetadata({ path }, metadata, { ...usual, numericOwner: true })
  t.match(lstatPath(path), { uid: 1234, gid: 5678 })
  applyMetadata({ path }, { ...metadata, user: bytes('no such user'), group: bytes('none') }, usual)
  t.match(lstatPath(path), { uid: 1234, gid: 5678 }, 'unknown names')
})

t.test('a symlink is changed itself', async (t) => {
  const dir = t.testdir({ a: '' })
  const link = join(dir, 'link')
  symlinkSync('a', link)
  const before = lstatSync(join(dir, 'a'), { bigint: true })
  const metadata = { ...plain, mode: 0o777, ...(NOT_ROOT ? {} : { uid: 1234, gid: 5678 }) }
  t.same(applyMetadata({ path: bytes(link) }, metadata, { ...usual, isSymlink: true }), [])
  t.match(lstatPath(bytes(link)), { mtimeSeconds: 1_000_000, uid: metadata.uid, gid: metadata.gid })
  t.same(lstatSync(join(dir, 'a'), { bigint: true }).ctimeNs, before.ctimeNs)
})

t.test('a symlink where none was expected is not followed', async (t) => {
  const dir = t.testdir({ a: '' })
  symlinkSync('a', join(dir, 'link'))
  chmodSync(join(dir, 'a'), 0o600)
  const problems = applyMetadata({ path: bytes(join(dir, 'link')) }, { ...plain, mode: 0o777 }, usual)
  if (process.platform === 'linux') t.same(problems, [{ what: 'mode', code: 'ELOOP' }])
  t.equal(lstatSync(join(dir, 'a')).mode & 0o777, 0o600)
})

t.test('a FIFO is changed without waiting for its other end', { skip: NO_LIBC }, async (t) => {
  const path = bytes(join(t.testdir({}), 'fifo'))
  makeFifo(path, 0o600)
  t.same(applyMetadata({ path }, { ...plain, mode: 0o622 }, usual), [])
  t.match(lstatPath(path), { type: 'fifo', mode: 0o622, mtimeSeconds: 1_000_000 })
})

t.test('an ACL and its mode both survive', { skip: NO_LIBC }, async (t) => {
  const path = bytes(join(t.testdir({ a: '' }), 'a'))
  const xattrs = [
    { name: bytes('system.posix_acl_access'), value: ACL },
    { name: bytes('user.a'), value: bytes('1') },
  ]
  const problems = applyMetadata({ path }, { ...plain, mode: 0o660, xattrs }, usual)
  if (problems.some(({ code }) => code === 'ENOTSUP')) return t.pass('skipped: no ACLs on this file system')
  t.same(problems, [])
  t.match(lstatPath(path), { mode: 0o660, mtimeSeconds: 1_000_000 })
  t.same(readXattrs({ path }), xattrs)
})

t.test('xattrs only when asked for, system ones with the owner', { skip: NO_LIBC || NOT_ROOT }, async (t) => {
  const path = bytes(join(t.testdir({ a: '' }), 'a'))
  const metadata = {
    ...plain,
    xattrs: [
      { name: bytes('trusted.a'), value: bytes('1') },
      { name: bytes('user.a'), value: bytes('2') },
    ],
  }
  const names = () => readXattrs({ path })!.map(({ name }) => name.toString())
  t.same(applyMetadata({ path }, metadata, { ...usual, xattrs: false }), [])
  t.same(names(), [])
  t.same(applyMetadata({ path }, metadata, { ...usual, sameOwner: false }), [])
  t.same(names(), ['user.a'])
  t.same(applyMetadata({ path }, metadata, usual), [])
  t.same(names(), ['trusted.a', 'user.a'])
})

t.test('who may not write the result still gets its attributes', { skip: NO_LIBC || NOT_ROOT }, async (t) => {
  const dir = publicDirectory(t)
  const options = { ...usual, sameOwner: false }
  const xattrs = [{ name: bytes('user.a'), value: bytes('1') }]
  asNobody(() => {
    const apply = (name: string, mode: number) =>
      applyMetadata({ path: bytes(join(dir, name)) }, { ...plain, mode, xattrs }, options)
    writeFileSync(join(dir, 'fresh'), '')
    t.same(apply('fresh', 0o444), [], 'made read-only')
    mkdirSync(join(dir, 'closed'), 0o500)
    t.same(apply('closed', 0o700), [], 'read-only before')
    mkdirSync(join(dir, 'both'), 0o500)
    t.same(apply('both', 0o500), [{ what: 'xattr', code: 'EACCES', name: bytes('user.a') }])
  })
  t.same(readXattrs({ path: bytes(join(dir, 'fresh')) }), xattrs)
  t.same(readXattrs({ path: bytes(join(dir, 'closed')) }), xattrs)
})

t.test('every refusal is a problem, and the rest is done', { skip: NO_LIBC || NOT_ROOT }, async (t) => {
  const dir = publicDirectory(t)
  const path = bytes(join(dir, 'a'))
  writeFileSync(path, '')
  const xattrs = [{ name: bytes('nonsense'), value: bytes('1') }]
  asNobody(() => {
    t.match(applyMetadata({ path }, { ...plain, xattrs }, usual), [
      { what: 'owner', code: 'EPERM' },
      { what: 'mode', code: 'EPERM' },
      { what: 'xattr', code: /^(EACCES|ENOTSUP)$/, name: bytes('nonsense') },
      { what: 'time', code: 'EPERM' },
    ])
  })
  const missing = { path: bytes(join(dir, 'missing')) }
  t.same(
    applyMetadata(missing, plain, usual).map(({ what, code }) => `${what} ${code}`),
    ['owner ENOENT', 'mode ENOENT', 'time ENOENT'],
  )
})

t.test('without libc', async (t) => {
  process.env.WARP_NO_KOFFI = '1'
  forgetLibc()
  t.teardown(() => {
    delete process.env.WARP_NO_KOFFI
    forgetLibc()
  })
  const path = bytes(join(t.testdir({ a: '' }), 'a'))
  const xattrs = [{ name: bytes('user.a'), value: bytes('1') }]
  const problem = { what: 'xattr', code: 'ENOSYS', name: bytes('user.a') }
  t.same(applyMetadata({ path }, { ...plain, xattrs }, usual), [problem])
  t.match(lstatPath(path), { mode: 0o640, mtimeSeconds: 1_000_000 })
  t.same(applyMetadata({ path }, { ...plain, xattrs }, { ...usual, xattrs: false }), [])
})

t.test('only root restores owners by default', async (t) => {
  t.equal(defaultSameOwner(), !NOT_ROOT)
})
