/** Archives read from files, and from streams that come in pieces of any size. */
import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { FileSource, openSource, PassingSource, SpoolSource, type ArchiveSource } from '../../src/archive/source.ts'
import { makeDirectory, noise, openDescriptors } from './support/trees.ts'

const CONTENT = noise(1, 10_000)

function streamed(size: number): Readable {
  return Readable.from((function* () {
    for (let at = 0; at < CONTENT.length; at += size) yield CONTENT.subarray(at, at + size)
  })(), { objectMode: true })
}

t.test('all give the same bytes, read forwards', async t => {
  const directory = makeDirectory(t)
  const file = path.join(directory, 'file')
  fs.writeFileSync(file, CONTENT)
  for (const size of [1, 100, 9999, 100_000]) {
    const sources: [string, ArchiveSource][] = [
      ['file', new FileSource(file)], ['spool', new SpoolSource(streamed(size), directory)], ['passing', new PassingSource(streamed(size))],
    ]
    for (const [name, source] of sources) {
      t.equal(source.length, name === 'file' ? CONTENT.length : null)
      t.ok(Buffer.from(await source.read(0, 10)).equals(CONTENT.subarray(0, 10)), name)
      t.ok(Buffer.from(await source.read(5, 3000)).equals(CONTENT.subarray(5, 3005)), 'again, and further')
      t.ok(await source.reach(6000))
      t.ok(Buffer.from(await source.read(7000, 1)).equals(CONTENT.subarray(7000, 7001)))
      t.ok(Buffer.from(await source.read(9990, 500)).equals(CONTENT.subarray(9990)), 'to the end')
      t.ok(await source.reach(10_000))
      t.notOk(await source.reach(10_001))
      t.equal((await source.read(10_000, 5)).length, 0)
      t.equal(source.length, CONTENT.length)
      source.close()
    }
  }
  t.same(fs.readdirSync(directory), ['file'])
})

t.test('a spool can be read again, what has passed cannot', async t => {
  const directory = makeDirectory(t)
  const before = openDescriptors()
  const spool = new SpoolSource(streamed(100), directory)
  await spool.reach(5000)
  t.ok(Buffer.from(await spool.read(0, 100)).equals(CONTENT.subarray(0, 100)))
  const bytes = Buffer.alloc(100)
  fs.readSync(spool.fd, bytes, 0, 100, 4900)
  t.ok(bytes.equals(CONTENT.subarray(4900, 5000)), 'from its descriptor too')
  spool.close()
  t.same(openDescriptors(), before)
  const passing = new PassingSource(streamed(100))
  await passing.read(5000, 10)
  await t.rejects(passing.read(100, 10), RangeError)
  passing.close()
})

t.test('streams that fail', async t => {
  const failing = () => Readable.from((async function* () {
    yield CONTENT.subarray(0, 100)
    throw new Error('the network is gone')
  })(), { objectMode: true })
  for (const source of [new SpoolSource(failing(), makeDirectory(t)), new PassingSource(failing())]) {
    t.equal((await source.read(0, 50)).length, 50)
    await t.rejects(source.read(0, 500), { message: /gone/ })
    source.close()
  }
})

t.test('what is no file', async t => {
  const code = 'ERR_WARP_ARCHIVE_UNREADABLE'
  t.throws(() => openSource('/nowhere'), { code, exitCode: 10 })
  t.throws(() => openSource(makeDirectory(t)), { code })
  t.throws(() => openSource('/dev/null'), { code })
  t.throws(() => openSource({ stream: Readable.from([]) }, '/nowhere'), { code: 'ERR_WARP_OUTPUT', exitCode: 4 })
})
