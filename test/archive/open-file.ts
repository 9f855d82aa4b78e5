import t from 'tap'
import fc from 'fast-check'
import fs from 'node:fs'
import path from 'node:path'
import { lookaheadBytes } from '../../src/codec/chunker.ts'
import { WINDOW } from '../../src/codec/buzhash.ts'
import { LargeFile, StreamFile } from '../../src/archive/open-file.ts'
import { metadata } from './support/archives.ts'
import { makeDirectory, noise, openDescriptors } from './support/trees.ts'

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
  const found = { path: 'f', source: file, kind: 'file', size: 7, mtimeMs: 0, ctimeMs: 0, ino: 0, dev: 0, inode: null, stream: null } as const
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
