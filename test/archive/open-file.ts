import t from 'tap'
import fc from 'fast-check'
import fs from 'node:fs'
import path from 'node:path'
import { lookaheadBytes } from '../../src/codec/chunker.ts'
import { WINDOW } from '../../src/codec/buzhash.ts'
import { LargeFile, StreamFile } from '../../src/archive/open-file.ts'
import { verify } from '../../src/index.ts'
import { archiveEntries, file, hex, metadata } from './support/archives.ts'
import { makeDirectory, MIB, noise, openDescriptors } from './support/trees.ts'

const AVERAGE = 4096
const LOOKAHEAD = lookaheadBytes(AVERAGE)

t.test('a stream in segments: each with what comes before and behind it', async t => {
  const sizes = fc.oneof(fc.nat(200_000), fc.constantFrom(0, 8192, 16_384, 8192 + LOOKAHEAD, 8192 + LOOKAHEAD + 1, 16_384 + LOOKAHEAD))
  await fc.assert(fc.asyncProperty(sizes, fc.integer({ min: 1, max: 100_000 }), fc.constantFrom(8192, 65_536), async (size, piece, capacity) => {
    const content = noise(size % 7, size)
    const stream = new StreamFile((async function* () {
      for (let at = 0; at < size; at += piece) yield content.subarray(at, at + piece)
    })(), metadata, AVERAGE)
    const slab = Buffer.alloc(1000 + capacity + LOOKAHEAD)
    let offset = 0
    for (;;) {
      t.equal(stream.fileOffset, offset)
      const { length, lookahead, atEnd } = await stream.fill(slab, 1000, capacity)
      const end = offset + length
      t.ok(slab.subarray(1000, 1000 + length + lookahead).equals(content.subarray(offset, end + lookahead)))
      const before = Math.min(WINDOW, offset)
      t.ok(slab.subarray(1000 - before, 1000).equals(content.subarray(offset - before, offset)), 'the window before it')
      t.ok(atEnd || lookahead === LOOKAHEAD, 'enough is looked at')
      if (atEnd && lookahead === 0) {
        t.equal(end, size)
        break
      }
      t.equal(length, capacity, 'segments end where they can')
      offset = end
    }
    stream.close()
  }), { numRuns: 60 })
})

t.test('a stream that is given up is told so', async t => {
  let isClosed = false
  const stream = new StreamFile((async function* () {
    try {
      for (;;) yield Buffer.alloc(1000)
    } finally {
      isClosed = true
    }
  })(), metadata, AVERAGE)
  await stream.fill(Buffer.alloc(200_000), 1000, 8192)
  stream.close()
  await new Promise(resolve => setImmediate(resolve))
  t.ok(isClosed)
})

t.test('a large file is closed once, and knows whether it changed', async t => {
  const file = path.join(makeDirectory(t), 'f')
  fs.writeFileSync(file, 'content')
  const before = openDescriptors()
  const found = { path: 'f', source: file, kind: 'file', size: 7, mtimeMs: 0, ctimeMs: 0, ino: 0, dev: 0, inode: null, names: 0, stream: null } as const
  const open = () => new LargeFile(found)
  const stable = open()
  t.match(stable.finish(7, false, t.fail), { metadata: { unstable: false, mode: 0o644 } })
  stable.close()
  stable.close()
  const short = open()
  t.ok(short.finish(6, false, t.fail).metadata.unstable)
  t.ok(short.finish(7, true, t.fail).metadata.unstable)
  fs.chmodSync(file, 0o600)
  t.match(short.finish(7, false, t.fail), { metadata: { unstable: true, mode: 0o644 } })
  short.close()
  fs.rmSync(file)
  t.throws(open, { code: 'ENOENT' })
  fs.mkdirSync(file)
  t.throws(open)
  t.same(openDescriptors(), before)
})

t.test('a stream that says where it has zeros is the same file as one that gives them', async t => {
  const where = makeDirectory(t)
  const run = LOOKAHEAD + MIB // the shortest that is passed over
  const length = fc.oneof(fc.nat(100_000), fc.constantFrom(0, 1, 4096, run - 1, run, run + 1, run + 4095, run + 4096, 3 * MIB, 9 * MIB, 33 * MIB))
  const pieces = fc.array(fc.record({ kind: fc.constantFrom('bytes', 'zeros'), length }), { maxLength: 6 })
  let number = 0
  await fc.assert(fc.asyncProperty(pieces, async list => {
    const plain = list.map(({ kind, length }) => kind === 'zeros' ? Buffer.alloc(length) : noise(length, length))
    const said = list.map(({ kind, length }, i) => kind === 'zeros' ? { zeros: length } : plain[i])
    const [a, b] = [plain, said].map(content => archiveEntries([
      // Its neighbours show whether anything of it went astray.
      file('before', Buffer.from('before')),
      { kind: 'content', path: 'file', inode: null, metadata: () => metadata, content: (async function* () { yield* content })() },
      file('later', noise(1, 100_000)),
    ], path.join(where, `${number++}`), { average: AVERAGE }))
    const [one, other] = [(await a).result, (await b).result]
    t.equal(hex(other.root), hex(one.root), JSON.stringify(list))
    t.equal(other.frameBytes, one.frameBytes)
    for (const name of fs.readdirSync(where)) fs.rmSync(path.join(where, name))
  }), { numRuns: 25 })
})

t.test('zeros cost no time', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  const size = 2 ** 50
  const content = (async function* () { yield noise(1, 5000); yield { zeros: size - 10_000 }; yield noise(2, 5000) })()
  const { result } = await archiveEntries([{ kind: 'content', path: 'f', inode: null, metadata, content }], archive)
  t.equal(result.logicalBytes, size)
  t.ok(result.archiveBytes < 20_000)
  t.same((await verify(archive)).damage, [])
})
