import t from 'tap'
import { MIB } from '../../src/base/limits.ts'
import { PageBuilder } from '../../src/format/page-builder.ts'
import { readPageContent } from '../../src/format/page.ts'
import { MAX_CHUNK, bytes, directory, hint, metadata } from './support/samples.ts'

const ID = new Uint8Array(32).fill(0xcc)
const path = (i: number) => `d/${String(i).padStart(6, '0')}`

const content = (page: { content: Uint8Array }) => readPageContent(page.content, { maxChunk: MAX_CHUNK })

t.test('R: closes at the 8,192nd entry and not before', async t => {
  const builder = new PageBuilder()
  t.equal(builder.isEmpty, true)
  for (let i = 0; i < 8191; i++) {
    if (builder.add(directory(path(i)))) t.fail(`closes after ${i + 1}`)
  }
  t.equal(builder.isFull, false)
  t.equal(builder.add(directory(path(8191))), true)
  t.throws(() => builder.add(directory(path(8192))), /full/)
  const page = builder.close()
  t.equal(page.entries, 8192)
  t.match(content(page), { entries: 8192, closedBy: 'limit' })
  t.equal(builder.isEmpty, true)
  t.equal(builder.entryNumber, 8192)
  t.equal(builder.add(directory(path(8192))), false)
  const last = builder.close()
  t.match(last, { entries: 1, firstPath: bytes(path(8192)), firstOffset: 0 })
  t.match(content(last), { entries: 1, closedBy: 'end' })
})

t.test('L: a file that ends exactly where the page closes', async t => {
  const builder = new PageBuilder()
  builder.add(directory('a'))
  builder.beginFile(bytes('b'))
  for (let i = 0; i < 3; i++) t.equal(builder.chunk(MAX_CHUNK, ID, 7, 0), false)
  t.equal(builder.chunk(MAX_CHUNK, ID, 3, 0), true)
  t.throws(() => builder.endFile(metadata, null), /full/)
  const first = builder.close()
  t.match(first, { entries: 1, firstPath: bytes('a'), firstOffset: 0, logicalBytes: 64 * MIB })
  t.strictSame(first.frames, [7, 3])
  t.match(content(first).records, [{ type: 'directory' }, { type: 'part', extents: { length: 4 } }])
  t.equal(builder.isEmpty, false)
  t.equal(builder.endFile(metadata, hint), false)
  const last = builder.close()
  t.match(last, { entries: 1, firstPath: bytes('b'), firstOffset: 64 * MIB, logicalBytes: 0, frames: [] })
  t.strictSame(last.hints, [hint])
  t.match(content(last).records, [{ type: 'file', extents: { length: 0 } }])
})

t.test('L: one byte below the limit', async t => {
  const builder = new PageBuilder()
  builder.beginFile(bytes('b'))
  for (let i = 0; i < 3; i++) builder.chunk(MAX_CHUNK, ID, 0, 0)
  t.equal(builder.chunk(MAX_CHUNK - 1, ID, 1, 0), false)
  t.equal(builder.endFile(metadata, null), false)
  builder.beginFile(bytes('c'))
  t.equal(builder.chunk(1, ID, 2, 0), true)
  const page = builder.close()
  t.match(content(page).records, [{ type: 'file' }, { type: 'part', extents: [{ length: 1 }] }])
  builder.chunk(5, ID, 2, 1)
  builder.endFile(metadata, null)
  t.match(builder.close(), { firstPath: bytes('c'), firstOffset: 1, logicalBytes: 5 })
})

t.test('holes count nothing in L, and may be where the page closes', async t => {
  const builder = new PageBuilder()
  builder.beginFile(bytes('a'))
  t.equal(builder.hole(2 ** 50), false)
  t.equal(builder.endFile(metadata, null), false)
  builder.beginFile(bytes('b'))
  // 35 bytes of a chunk of 4,096 and 4 of a hole of 65,536: 1 MiB is not reached before a hole is
  let size = 0
  let full = false
  let lastIsHole = false
  while (!full) {
    full = builder.chunk(4096, ID, 0, 0)
    size += 4096
    lastIsHole = false
    if (full) break
    full = builder.hole(65_536)
    size += 65_536
    lastIsHole = true
  }
  const page = builder.close()
  const { records, closedBy } = content(page)
  t.match(records, [{ type: 'file' }, { type: 'part' }])
  t.equal(closedBy, 'limit')
  const extents = records[1].type === 'part' ? records[1].extents : []
  t.equal(extents.at(-1)?.kind, lastIsHole ? 'hole' : 'chunk')
  t.equal(builder.endFile(metadata, null), false)
  t.match(builder.close(), { firstOffset: size, entries: 1 })
})

/** A builder whose S is `encodedBytes` exactly, and a number for the next path. */
function fillTo(encodedBytes: number): { builder: PageBuilder; next: number } {
  const builder = new PageBuilder()
  const big = (i: number, valueBytes: number) => {
    const record = directory(path(i))
    if (record.type !== 'directory') throw new Error('a directory')
    record.metadata = { ...metadata, xattrs: [{ name: bytes('n'), value: new Uint8Array(valueBytes) }] }
    return record
  }
  const sizeOf = (valueBytes: number) => {
    const one = new PageBuilder()
    one.add(big(0, valueBytes))
    return one.close().content.length - 1 // without record_count
  }
  const step = sizeOf(60_000)
  let next = 0
  let left = encodedBytes
  while (left > 2 * step) {
    builder.add(big(next++, 60_000))
    left -= step
  }
  builder.add(big(next++, 60_000 - (2 * step - left)))
  left -= sizeOf(60_000 - (2 * step - left))
  if (left !== step) throw new Error(`${left} is not ${step}: the length of a length changed`)
  builder.add(big(next++, 60_000))
  return { builder, next }
}

t.test('S: closes at 1 MiB of encoded records and extents, not one byte before', async t => {
  t.equal(fillTo(MIB).builder.isFull, true)
  t.match(content(fillTo(MIB).builder.close()), { closedBy: 'limit' })
  const { builder, next } = fillTo(MIB - 1)
  t.equal(builder.isFull, false)
  t.match(content(fillTo(MIB - 1).builder.close()), { closedBy: 'end' })
  builder.beginFile(bytes(path(next)))
  t.equal(builder.chunk(1, ID, 0, 0), true)
  t.match(content(builder.close()).records.at(-1), { type: 'part', extents: { length: 1 } })
})

t.test('S: an extent of 33 bytes is counted as such, a part is not', async t => {
  const { builder, next } = fillTo(MIB - 34)
  builder.beginFile(bytes(path(next)))
  t.equal(builder.chunk(1, ID, 0, 0), false)
  t.equal(builder.endFile(metadata, null), true, 'the record itself fills the page')
  t.match(content(builder.close()), { closedBy: 'limit', files: 1 })
  const other = fillTo(MIB - 33)
  other.builder.beginFile(bytes(path(next)))
  t.equal(other.builder.chunk(1, ID, 0, 0), true)
})

t.test('references name frames by first reference', async t => {
  const builder = new PageBuilder()
  builder.beginFile(bytes('a'))
  builder.chunk(10, ID, 90, 5)
  builder.chunk(20, ID, 12, 6)
  builder.chunk(30, ID, 90, 7)
  builder.endFile(metadata, null)
  const page = builder.close()
  t.strictSame(page.frames, [90, 12])
  t.strictSame(page.refFrames, Uint32Array.of(0, 1, 0))
  t.strictSame(page.refOffsets, Uint32Array.of(5, 6, 7))
  t.strictSame(page.lengths, Uint32Array.of(10, 20, 30))
})

t.test('hints: for all files of the page or for none', async t => {
  const builder = new PageBuilder()
  const addFile = (path: string, given: typeof hint | null) => {
    builder.beginFile(bytes(path))
    builder.endFile(metadata, given)
  }
  addFile('a', hint)
  addFile('b', hint)
  t.strictSame(builder.close().hints, [hint, hint])
  addFile('c', hint)
  addFile('d', null)
  addFile('e', hint)
  t.equal(builder.close().hints, null)
  builder.add(directory('f'))
  t.equal(builder.close().hints, null)
  addFile('g', hint)
  t.strictSame(builder.close().hints, [hint])
})

t.test('what no reader accepts is refused, and leaves nothing behind', async t => {
  const builder = new PageBuilder()
  builder.add(directory('b'))
  const symlink = { type: 'symlink', path: bytes('c'), metadata, target: bytes('') } as const
  t.throws(() => builder.add(symlink), { code: 'ERR_WARP_MALFORMED' })
  t.throws(() => builder.add(directory('a')), { code: 'ERR_WARP_ENTRY_ORDER' })
  t.throws(() => builder.add(directory('..')), { code: 'ERR_WARP_PATH_UNSAFE' })
  t.throws(() => builder.beginFile(bytes('/c')), { code: 'ERR_WARP_PATH_UNSAFE' })
  builder.beginFile(bytes('c'))
  t.throws(() => builder.endFile({ ...metadata, mode: 0o10000 }, null), { code: 'ERR_WARP_MALFORMED' })
  builder.endFile(metadata, null)
  t.throws(() => builder.beginFile(bytes('c/d')), { code: 'ERR_WARP_NOT_A_DIRECTORY' })
  const page = builder.close()
  t.match(content(page).records.map(record => record.path), [bytes('b'), bytes('c')])
})

t.test('misuse', async t => {
  const builder = new PageBuilder()
  t.throws(() => builder.close(), /at least one/)
  t.throws(() => builder.endFile(metadata, null), /begun/)
  t.throws(() => builder.hole(65_536), /begun/)
  t.throws(() => builder.chunk(1, ID, 0, 0), /begun/)
  builder.beginFile(bytes('a'))
  t.throws(() => builder.beginFile(bytes('b')), /not complete/)
  t.throws(() => builder.add(directory('b')), /not complete/)
  t.throws(() => builder.close(), /only when it is full/)
})
