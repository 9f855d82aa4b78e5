import t from 'tap'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { MIB } from '../../src/base/limits.ts'
import { ByteReader, ByteWriter } from '../../src/format/cursor.ts'
import type { Extent, Hint, Record } from '../../src/format/entry.ts'
import {
  PageBuilder, RecordOrder, joinParts, readPage, readPageContent, splitParts,
} from '../../src/format/page.ts'
import {
  MAX_CHUNK, bytes, chunk, directory, entries, hint, metadata, rewritePage, sizeVarint, writePage,
} from './support/samples.ts'
import type { Entry } from './support/samples.ts'

const MALFORMED = { code: 'ERR_WARP_MALFORMED' }
const OPTIONS = { maxChunk: MAX_CHUNK }
const ID = new Uint8Array(32).fill(0xcc)

/** Pages of `entries`, with chunks that follow each other in frames of 100 MB. */
function build(entries: Entry[], atClose: (lastExtents: number) => void = () => {}): Uint8Array[] {
  const builder = new PageBuilder()
  const pages: Uint8Array[] = []
  let events = 0
  const closeIf = (full: boolean) => {
    events++
    if (!full) return
    atClose(events)
    pages.push(writePage(builder.close()))
  }
  let frame = 0
  let offset = 0
  for (const entry of entries) {
    if ('simple' in entry) {
      closeIf(builder.add(entry.simple))
      continue
    }
    builder.beginFile(entry.file.path)
    for (const extent of entry.file.extents) {
      if (extent.kind === 'hole') {
        closeIf(builder.hole(extent.length))
        continue
      }
      if (offset + extent.length > MAX_CHUNK) {
        frame++
        offset = 0
      }
      closeIf(builder.chunk(extent.length, extent.id, frame, offset))
      offset += extent.length
    }
    closeIf(builder.endFile(entry.file.metadata, entry.hint))
  }
  if (!builder.isEmpty) pages.push(writePage(builder.close()))
  return pages
}

/** The events, counted from 1, after which pages close: §8.1 Closing, from the text and the lengths alone. */
function closings(entries: Entry[]): number[] {
  const sizeOf = (entry: Entry, extentCount: number) => {
    const builder = new PageBuilder()
    if ('simple' in entry) {
      builder.add(entry.simple)
      return builder.close().content.length - 1
    }
    builder.beginFile(entry.file.path)
    builder.endFile(entry.file.metadata, null)
    return builder.close().content.length - 2 + sizeVarint(extentCount)
  }
  const result: number[] = []
  let [events, s, l, r, extentCount] = [0, 0, 0, 0, 0]
  const after = () => {
    events++
    if (s < MIB && l < 64 * MIB && r < 8192) return
    result.push(events)
    s = l = r = extentCount = 0
  }
  for (const entry of entries) {
    extentCount = 0
    for (const extent of 'file' in entry ? entry.file.extents : []) {
      s += sizeVarint(extent.length) + (extent.kind === 'hole' ? 1 : 32)
      l += extent.kind === 'hole' ? 0 : extent.length
      extentCount++
      after()
    }
    s += sizeOf(entry, extentCount)
    r++
    after()
  }
  return result
}

/** Entries put together again from the records of all pages. */
function assemble(pages: Uint8Array[]): Entry[] {
  const order = new RecordOrder()
  const result: Entry[] = []
  let extents: Extent[] = []
  for (const plaintext of pages) {
    const { records, hints } = readPage(plaintext, OPTIONS)
    let file = 0
    for (const record of records) {
      order.next(record)
      if (record.type === 'part') {
        extents.push(...record.extents)
      } else if (record.type === 'file') {
        const whole = { ...record, extents: [...extents, ...record.extents] }
        result.push({ file: whole, hint: hints![file++] as Hint })
        extents = []
      } else {
        result.push({ simple: record })
      }
    }
  }
  order.finish()
  return result
}

t.test('pages of any entries: round trip, division, one encoding', async t => {
  fc.assert(fc.property(entries, entries => {
    const closed: number[] = []
    const pages = build(entries, event => closed.push(event))
    t.strictSame(closed, closings(entries))
    // not strictSame, which takes long over values of 60,000 bytes
    t.equal(isDeepStrictEqual(assemble(pages), entries), true)
    let total = 0
    for (const [i, plaintext] of pages.entries()) {
      const page = readPage(plaintext, OPTIONS)
      if (i < pages.length - 1) t.equal(page.closedBy, 'limit')
      t.equal(Buffer.compare(rewritePage(page), plaintext), 0)
      t.equal(Buffer.compare(joinParts(page.content, page.location), plaintext), 0)
      total += page.entries
    }
    t.equal(total, entries.length)
  }), { numRuns: 40 })
})

t.test('counts and references', async t => {
  const file = (path: string, ...extents: Extent[]): Entry =>
    ({ file: { type: 'file', path: bytes(path), metadata, extents }, hint })
  const pages = build([
    { simple: directory('a') },
    file('b', chunk(4096), { kind: 'hole', length: 65_536 }, chunk(50)),
    file('c', chunk(7)),
  ])
  t.equal(pages.length, 1)
  const page = readPage(pages[0], OPTIONS)
  t.match(page, { entries: 3, files: 2, logicalBytes: 4096 + 65_536 + 57, closedBy: 'end', frames: [1000] })
  t.strictSame(page.lengths, Uint32Array.of(4096, 50, 7))
  t.strictSame(page.refOffsets, Uint32Array.of(0, 4096, 4146))
  t.strictSame(page.refFrames, Uint32Array.of(0, 0, 0))
  const { content, location } = splitParts(pages[0])
  t.strictSame(page.content, content)
  t.strictSame(page.location, location)
})

t.test('a plaintext in shared memory', async t => {
  const [plaintext] = build([{ simple: directory('a') }])
  const shared = new Uint8Array(new SharedArrayBuffer(plaintext.length + 3), 3)
  shared.set(plaintext)
  t.strictSame(readPage(shared, OPTIONS).records.map(({ path }) => [...path]), [[0x61]])
})

/** Bytes of the records of pages, put into one content part. */
function merge(...contents: Uint8Array[]): Uint8Array {
  const writer = new ByteWriter()
  let count = 0
  for (const content of contents) {
    const reader = new ByteReader(content)
    count += reader.varint()
    writer.put(reader.take(reader.remaining))
  }
  return new ByteWriter().varint(count).put(writer.peek()).take()
}

const read = (content: Uint8Array) => readPageContent(content, OPTIONS)

function contentOf(...records: Record[]): Uint8Array {
  const contents = records.map(record => {
    const builder = new PageBuilder()
    if (record.type !== 'file' && record.type !== 'part') {
      builder.add(record)
    } else {
      builder.beginFile(record.path)
      record.extents.forEach(extent => {
        if (extent.kind === 'hole') builder.hole(extent.length)
        else builder.chunk(extent.length, extent.id, 0, 0)
      })
      if (record.type === 'file') builder.endFile(record.metadata, null)
    }
    return builder.close().content
  })
  return merge(...contents)
}

t.test('other divisions are refused', async t => {
  const path = (i: number) => `d/${String(i).padStart(6, '0')}`
  const pageOf = (from: number, to: number) => {
    const builder = new PageBuilder()
    for (let i = from; i < to; i++) builder.add(directory(path(i)))
    return builder.close().content
  }
  t.match(read(pageOf(0, 8191)), { entries: 8191, closedBy: 'end' })
  t.match(read(merge(pageOf(0, 4000), pageOf(4000, 8192))), { entries: 8192, closedBy: 'limit' })
  t.throws(() => read(merge(pageOf(0, 8192), pageOf(8192, 8193))), MALFORMED, 'goes on after 8,192 entries')
  t.throws(() => read(merge(pageOf(0, 8000), pageOf(8000, 8194))), MALFORMED, '8,194 records')

  const full = { type: 'part', path: bytes('b'), extents: new Array(4).fill(chunk(MAX_CHUNK)) } as const
  const file = (path: string, ...extents: Extent[]): Record =>
    ({ type: 'file', path: bytes(path), metadata, extents })
  t.match(read(contentOf(file('a'), full)), { closedBy: 'limit', entries: 1 })
  t.throws(() => read(contentOf(full, file('b'))), MALFORMED, 'goes on after a part')
  t.throws(() => read(contentOf(full, file('c'))), MALFORMED, 'goes on after a part')
  t.match(read(contentOf(file('b', ...full.extents.slice(0, 3)))), { closedBy: 'end' })

  // A part that ends before the page is full: its last chunk is one byte shorter, its varint as long.
  const early = contentOf(full)
  early.set(new ByteWriter().varint(MAX_CHUNK - 1).take(), early.length - 32 - sizeVarint(MAX_CHUNK))
  t.throws(() => read(early), MALFORMED)

  // A file that goes on where it had to be divided: the type-1 record takes all extents at once.
  const whole = new ByteWriter()
  const start = contentOf(file('b'))
  whole.put(start.subarray(0, -1)).varint(4)
  for (let i = 0; i < 4; i++) whole.varint(MAX_CHUNK).put(ID)
  t.throws(() => read(whole.take()), MALFORMED)
})

t.test('what holds between the records of a page', async t => {
  const [a, b] = [directory('a'), directory('b')]
  const fifo: Record = { type: 'fifo', path: bytes('a'), metadata }
  t.equal(read(contentOf(a, b)).entries, 2)
  t.throws(() => read(contentOf(b, a)), { code: 'ERR_WARP_ENTRY_ORDER' })
  t.throws(() => read(contentOf(a, a)), { code: 'ERR_WARP_ENTRY_ORDER' })
  t.throws(() => read(contentOf(fifo, directory('a/b'))), { code: 'ERR_WARP_NOT_A_DIRECTORY' })
  const holes: Extent[] = [{ kind: 'hole', length: 65_536 }, { kind: 'hole', length: 65_536 }]
  t.throws(() => read(contentOf({ type: 'file', path: bytes('a'), metadata, extents: holes })), MALFORMED)
  t.throws(() => read(Uint8Array.of(0)), MALFORMED, 'no record')
  t.throws(() => read(merge(contentOf(a), Uint8Array.of(1))), MALFORMED, 'a record is missing')
  t.throws(() => read(Buffer.concat([contentOf(a), Uint8Array.of(0)])), MALFORMED, 'a byte is left over')
  const large = (path: string): Record =>
    ({ type: 'file', path: bytes(path), metadata, extents: [{ kind: 'hole', length: 2 ** 53 - 1 }] })
  t.equal(read(contentOf(large('a'))).logicalBytes, 2 ** 53 - 1)
  t.throws(() => read(contentOf(large('a'), large('b'))), { code: 'ERR_WARP_LIMIT' })
})
