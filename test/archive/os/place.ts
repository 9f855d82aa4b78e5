import { closeSync, fstatSync, lstatSync, renameSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { closePlace, openAnchored, openBeneath, openByPath } from '../../../src/archive/os/place.ts'

const NO_PROC = process.platform !== 'linux' && 'no /proc on this system'

t.test('a descriptor stays with the directory that it opened', { skip: NO_PROC }, async (t) => {
  const dir = t.testdir({ a: { inside: '' }, elsewhere: {} })
  const place = openAnchored(Buffer.from(join(dir, 'a')))!
  t.teardown(() => closePlace(place))
  t.ok(fstatSync(place.fd).isDirectory())
  renameSync(join(dir, 'a'), join(dir, 'b'))
  symlinkSync('elsewhere', join(dir, 'a'))
  t.ok(lstatSync(Buffer.concat([place.prefix, Buffer.from('inside')])).isFile())
})

for (const anchored of [true, false]) {
  t.test(`what is no directory is not opened, ${anchored ? 'anchored' : 'by path'}`, async (t) => {
    if (anchored && NO_PROC) return t.pass(`skipped: ${NO_PROC}`)
    const dir = t.testdir({ real: {}, file: '' })
    symlinkSync('real', join(dir, 'link'))
    closePlace(openBeneath(Buffer.from(join(dir, 'real')), anchored))
    for (const name of ['link', 'file']) {
      t.throws(() => openBeneath(Buffer.from(join(dir, name)), anchored), { code: /^(ENOTDIR|ELOOP)$/ })
    }
    t.throws(() => openBeneath(Buffer.from(join(dir, 'missing')), anchored), { code: 'ENOENT' })
  })
}

t.test('the target itself may be reached over symlinks', async (t) => {
  const dir = t.testdir({ real: { inside: '' } })
  symlinkSync('real', join(dir, 'link'))
  const place = openByPath(Buffer.from(join(dir, 'link')))
  t.equal(place.fd, -1)
  t.equal(place.inode, lstatSync(join(dir, 'real'), { bigint: true }).ino)
  t.equal(openByPath(Buffer.from('/')).prefix.toString(), '/')
  t.throws(() => openByPath(Buffer.from(join(dir, 'real', 'inside'))), { code: 'ENOTDIR' })
})

t.test('closing gives the descriptor back', { skip: NO_PROC }, async (t) => {
  const dir = t.testdir({ a: {}, file: '' })
  const place = openAnchored(Buffer.from(join(dir, 'a')))!
  closePlace(place)
  t.throws(() => closeSync(place.fd), { code: 'EBADF' })
  t.throws(() => openAnchored(Buffer.from(join(dir, 'missing'))), { code: 'ENOENT' })
  t.throws(() => openAnchored(Buffer.from(join(dir, 'file'))), { code: 'ENOTDIR' })
})
