import t from 'tap'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { ByteReader, ByteWriter } from '../../src/format/cursor.ts'
import type { Metadata, SimpleRecord, Xattr } from '../../src/format/entry.ts'
import { PageFill } from '../../src/format/page-fill.ts'
import {
  checkMetadata, checkSimpleRecord, readRecord, writeExtent, writeRecordStart, writeSimpleRecord,
} from '../../src/format/record.ts'
import { MAX_CHUNK, bytes, entries, metadata } from './support/samples.ts'

const MALFORMED = { code: 'ERR_WARP_MALFORMED' }
const LIMIT = { code: 'ERR_WARP_LIMIT' }
const UNSAFE = { code: 'ERR_WARP_PATH_UNSAFE' }

const read = (encoded: Uint8Array) => {
  const reader = new ByteReader(encoded)
  const record = readRecord(reader, MAX_CHUNK, new PageFill())
  reader.done()
  return record
}

const encode = (record: SimpleRecord) => {
  const writer = new ByteWriter()
  writeSimpleRecord(writer, record)
  return writer.take()
}

const encodeFile = (metadata: Metadata, path = bytes('f')) => {
  const writer = new ByteWriter()
  writeRecordStart(writer, 'file', path, metadata)
  return writer.varint(0).take()
}

t.test('layout of §8.1', async t => {
  const xattrs = [{ name: bytes('n'), value: bytes('vv') }]
  const meta: Metadata = {
    ...metadata, mode: 0o755, uid: 1, gid: 2, user: bytes('u'), group: bytes(''), mtimeSeconds: -2,
    mtimeNanoseconds: 3, xattrs,
  }
  const common = '00' + 'ed03' + '01' + '02' + '0175' + '00' + '03' + '03' + '01' + '016e' + '027676'
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
  t.equal(hex(encode({ type: 'directory', path: bytes(''), metadata: meta })), '0002' + common)
  t.equal(hex(encode({ type: 'symlink', path: bytes('a'), metadata: meta, target: bytes('t') })),
    '016103' + common + '0174')
  t.equal(hex(encode({ type: 'hardlink', path: bytes('a'), targetEntry: 128 })), '016104' + '8001')
  t.equal(hex(encode({ type: 'fifo', path: bytes('a'), metadata: meta })), '016105' + common)
  t.equal(hex(encode({ type: 'chardev', path: bytes('a'), metadata: meta, major: 1, minor: 300 })),
    '016106' + common + '01' + 'ac02')
  t.equal(hex(encode({ type: 'blockdev', path: bytes('a'), metadata: meta, major: 0, minor: 0 })),
    '016107' + common + '00' + '00')
  const unstable = common.replace(/^00/, '01')
  t.equal(hex(encodeFile({ ...meta, unstable: true })), '016601' + unstable + '00')
  const writer = new ByteWriter()
  writeExtent(writer, 300, new Uint8Array(32).fill(0xee))
  writeExtent(writer, 65_536, null)
  t.equal(hex(writer.take()), 'ac02' + 'ee'.repeat(32) + '00' + '808004')
})

t.test('round trip of what has no extents', async t => {
  fc.assert(fc.property(entries, entries => {
    for (const entry of entries) {
      const [encoded, record] = 'simple' in entry
        ? [encode(entry.simple), entry.simple]
        : [encodeFile(entry.file.metadata, entry.file.path), { ...entry.file, extents: [] }]
      // not strictSame, which takes long over values of 60,000 bytes
      t.equal(isDeepStrictEqual(read(encoded), record), true)
    }
  }), { numRuns: 20 })
  const link: SimpleRecord = { type: 'hardlink', path: bytes('a'), targetEntry: 2 ** 53 - 1 }
  t.strictSame(read(encode(link)), link)
})

t.test('what a record cannot hold: written unchecked, refused by reader and check alike', async t => {
  const nul = Uint8Array.of(0x61, 0)
  const sized = (name: string, length: number): Xattr =>
    ({ name: bytes(name), value: new Uint8Array(length) })
  const many = (count: number): Xattr[] =>
    Array.from({ length: count }, (_, i) => sized(String(i).padStart(4, '0'), 0))
  const wrong: [Partial<Metadata>, { code: string }][] = [
    [{ mode: 0o10000 }, MALFORMED],
    [{ uid: 2 ** 32 }, MALFORMED],
    [{ gid: 2 ** 32 }, MALFORMED],
    [{ user: nul }, MALFORMED],
    [{ group: nul }, MALFORMED],
    [{ user: new Uint8Array(256).fill(97) }, LIMIT],
    [{ group: new Uint8Array(256).fill(97) }, LIMIT],
    [{ mtimeNanoseconds: 1_000_000_000 }, MALFORMED],
    [{ xattrs: [sized('', 1)] }, MALFORMED],
    [{ xattrs: [{ name: nul, value: nul }] }, MALFORMED],
    [{ xattrs: [sized('b', 1), sized('a', 1)] }, MALFORMED],
    [{ xattrs: [sized('a', 1), sized('a', 2)] }, MALFORMED],
    [{ xattrs: [sized('a'.repeat(256), 1)] }, LIMIT],
    [{ xattrs: [sized('a', 65_537)] }, LIMIT],
    [{ xattrs: many(1025) }, LIMIT],
    // names count too: 4 × 65,535 + 3 × 1 + 2 is one byte more than allowed
    [{ xattrs: [...['a', 'b', 'c'].map(name => sized(name, 65_535)), sized('dd', 65_535)] }, LIMIT],
  ]
  for (const [change, code] of wrong) {
    const name = Object.keys(change).join()
    t.throws(() => checkMetadata({ ...metadata, ...change }, true), code, name)
    t.throws(() => read(encodeFile({ ...metadata, ...change })), code, name)
  }
  const right: Partial<Metadata>[] = [
    { mode: 0o7777, uid: 2 ** 32 - 1, gid: 2 ** 32 - 1, unstable: true },
    { user: new Uint8Array(255).fill(97), group: new Uint8Array(0) },
    { xattrs: many(1024) },
    { xattrs: [sized('a'.repeat(255), 65_536)] },
    { xattrs: ['a', 'b', 'c', 'd'].map(name => sized(name, 65_535)) },
  ]
  for (const change of right) {
    checkMetadata({ ...metadata, ...change }, true)
    const file = { type: 'file', path: bytes('f'), metadata: { ...metadata, ...change }, extents: [] }
    t.equal(isDeepStrictEqual(read(encodeFile(file.metadata)), file), true)
  }
  t.throws(() => checkMetadata({ ...metadata, mtimeSeconds: 2 ** 52 }, true), MALFORMED)
})

t.test('records without extents', async t => {
  const path = bytes('a')
  const wrong: [SimpleRecord, { code: string }][] = [
    [{ type: 'directory', path, metadata: { ...metadata, unstable: true } }, MALFORMED],
    [{ type: 'directory', path: bytes('../a'), metadata }, UNSAFE],
    [{ type: 'fifo', path: bytes(''), metadata }, UNSAFE],
    [{ type: 'symlink', path, metadata, target: bytes('') }, MALFORMED],
    [{ type: 'symlink', path, metadata, target: bytes('a\0') }, MALFORMED],
    [{ type: 'symlink', path, metadata, target: new Uint8Array(4096).fill(97) }, LIMIT],
    [{ type: 'chardev', path, metadata, major: 2 ** 32, minor: 0 }, MALFORMED],
    [{ type: 'blockdev', path, metadata, major: 0, minor: 2 ** 32 }, MALFORMED],
  ]
  for (const [record, code] of wrong) {
    t.throws(() => checkSimpleRecord(record), code, record.type)
    t.throws(() => read(encode(record)), code, record.type)
  }
  const longest: SimpleRecord = { type: 'symlink', path, metadata, target: new Uint8Array(4095).fill(97) }
  checkSimpleRecord(longest)
  t.strictSame(read(encode(longest)), longest)
  checkSimpleRecord({ type: 'hardlink', path, targetEntry: 0 })
})

t.test('types, flags and extents', async t => {
  const file = encodeFile(metadata)
  const change = (at: number, value: number) => {
    const changed = Uint8Array.from(file)
    changed[at] = value
    return changed
  }
  t.throws(() => read(change(2, 8)), MALFORMED, 'type')
  t.throws(() => read(change(3, 2)), MALFORMED, 'flags')
  t.throws(() => read(Uint8Array.of(1, 0x61, 0, 0)), MALFORMED, 'a part without extents')
  t.throws(() => read(Uint8Array.of(1, 0x61, 0, 1, 1, ...new Uint8Array(32))), MALFORMED, 'not full')
  const withExtent = (writeIt: (writer: ByteWriter) => void) => {
    const writer = new ByteWriter()
    writer.put(file.subarray(0, -1)).varint(1)
    writeIt(writer)
    return writer.take()
  }
  const id = new Uint8Array(32)
  const longest = read(withExtent(writer => writeExtent(writer, MAX_CHUNK, id)))
  t.match(longest, { extents: [{ length: MAX_CHUNK }] })
  t.throws(() => read(withExtent(writer => writeExtent(writer, MAX_CHUNK + 1, id))), MALFORMED)
  t.throws(() => read(withExtent(writer => writer.zeros(2))), MALFORMED, 'an empty hole')
  t.throws(() => read(withExtent(writer => writer.varint(9).zeros(31))), MALFORMED, 'an id that is cut')
  t.throws(() => writeExtent(new ByteWriter(), 0, id), RangeError)
  t.throws(() => writeExtent(new ByteWriter(), 1, id.subarray(1)), RangeError)
})
