import fs from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { FileReader, readFully } from '../../../src/archive/os/file-reader.ts'
import { forgetLibc } from '../../../src/archive/os/libc.ts'
import { makeDirectory, noise, openDescriptors } from '../support/trees.ts'

for (const without of [undefined, '1']) {
  t.test(without ? 'through Node' : 'through libc, if koffi is there', async t => {
    if (without) process.env['WARP_NO_KOFFI'] = without
    forgetLibc()
    t.teardown(() => {
      delete process.env['WARP_NO_KOFFI']
      forgetLibc()
    })
    const directory = makeDirectory(t)
    const names = ['a', 'gr\u00fc\u00dfe', 'x'.repeat(200), 'missing']
    const contents = names.map((_, i) => noise(i + 1, 10_000 * i + 1))
    const paths = Buffer.from(names.map(name => path.join(directory, name) + '\0').join(''))
    names.slice(0, 3).forEach((name, i) => fs.writeFileSync(path.join(directory, name), contents[i]!))
    fs.symlinkSync('a', path.join(directory, 'symlink'))

    const into = Buffer.from(new SharedArrayBuffer(100_000))
    const before = openDescriptors()
    const reader = new FileReader(paths, into)
    let start = 0
    for (let i = 0; i < 3; i++) {
      const end = paths.indexOf(0, start) + 1
      into.fill(0xee)
      const fd = reader.open(start, end)
      const { length } = contents[i]!
      t.equal(reader.read(fd, 7, length), length)
      t.ok(into.subarray(7, 7 + length).equals(contents[i]!), names[i])
      t.equal(into[6], 0xee)
      t.equal(into[7 + length], 0xee)
      t.equal(reader.read(fd, 7, length + 50), length, 'shorter than was thought')
      t.equal(reader.read(fd, 7, 0), 0)
      reader.close(fd)
      start = end
    }
    t.throws(() => reader.open(start, paths.length), { code: 'ENOENT', path: path.join(directory, 'missing') })
    t.throws(() => reader.read(999_999, 0, 10), { code: 'EBADF' })
    const link = new FileReader(Buffer.from(path.join(directory, 'symlink') + '\0'), into)
    t.throws(() => link.open(0, link.paths.length), { code: 'ELOOP' })
    t.same(openDescriptors(), before)
  })
}

t.test('reading at a place', async t => {
  const file = path.join(makeDirectory(t), 'f')
  fs.writeFileSync(file, '0123456789')
  const fd = fs.openSync(file, 'r')
  t.teardown(() => fs.closeSync(fd))
  const into = Buffer.alloc(4)
  t.equal(readFully(fd, into, 3), 4)
  t.equal(into.toString(), '3456')
  t.equal(readFully(fd, into, 8), 2)
  t.equal(readFully(fd, into, 10), 0)
  t.throws(() => readFully(999_999, into, 0), { code: 'EBADF' })
})
