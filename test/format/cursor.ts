import t from 'tap'
import fc from 'fast-check'
import { ByteReader, ByteWriter, MAX_ZIGZAG, equalBytes, isZero } from '../../src/format/cursor.ts'
import { sizeVarint } from './support/samples.ts'

const MAX = Number.MAX_SAFE_INTEGER
const MALFORMED = { code: 'ERR_WARP_MALFORMED' }

const read = (...bytes: number[]) => new ByteReader(Uint8Array.from(bytes))

t.test('integers round-trip', async t => {
  fc.assert(fc.property(
    fc.nat(0xff), fc.nat(0xffff), fc.nat(0xffff_ffff), fc.maxSafeNat(), fc.bigInt(0n, 2n ** 64n - 1n),
    fc.integer({ min: -MAX_ZIGZAG, max: MAX_ZIGZAG }), fc.uint8Array({ maxLength: 40 }),
    (u8, u16, u32, u64, raw, signed, bytes) => {
      const writer = new ByteWriter(1)
      writer.u8(u8).u16(u16).u32(u32).u64(u64).rawU64(raw).varint(u64).zigzag(signed).string(bytes).zeros(3)
      const length = 1 + 2 + 4 + 8 + 8
      t.equal(new DataView(writer.peek().buffer).getBigUint64(7, true), BigInt(u64))
      t.equal(new DataView(writer.peek().buffer).getBigUint64(15, true), raw)
      const reader = new ByteReader(writer.take())
      t.equal(writer.length, 0)
      t.equal(reader.u8(), u8)
      t.equal(reader.u16(), u16)
      t.equal(reader.u32(), u32)
      t.equal(reader.u64(), u64)
      t.equal(reader.rawU64(), raw)
      t.equal(reader.position, length)
      t.equal(reader.varint(), u64)
      t.equal(reader.position, length + sizeVarint(u64))
      t.equal(reader.zigzag(), signed)
      t.same(reader.string(40, 'x'), bytes)
      reader.zeros(3)
      reader.done()
    }), { numRuns: 100 })
})

t.test('varints at the limits of §3.1', async t => {
  const cases: [number, number[]][] = [
    [0, [0]],
    [127, [0x7f]], // last of one byte
    [128, [0x80, 1]], // first of two
    [2 ** 49 - 1, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]], // last of seven
    [MAX, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]],
  ]
  for (const [value, bytes] of cases) {
    t.same([...new ByteWriter().varint(value).take()], bytes)
    t.equal(read(...bytes).varint(), value)
    t.equal(sizeVarint(value), bytes.length)
  }
  t.throws(() => read(0x80, 0).varint(), MALFORMED, 'not shortest')
  t.throws(() => read(0x80).varint(), MALFORMED, 'cut')
  t.throws(() => read().varint(), MALFORMED, 'nothing')
  t.throws(() => read(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10).varint(), MALFORMED, '2^53')
  t.throws(() => read(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f).varint(), MALFORMED, '2^56-1')
  t.throws(() => read(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1).varint(), MALFORMED, '9 bytes')
})

t.test('zigzag at its limits', async t => {
  for (const [value, byte] of [[0, 0], [-1, 1], [1, 2], [-2, 3]]) {
    t.same([...new ByteWriter().zigzag(value).take()], [byte])
    t.equal(Object.is(read(byte).zigzag(), value), true)
  }
  t.throws(() => new ByteReader(new ByteWriter().varint(MAX).take()).zigzag(), MALFORMED, '-2^52')
  t.throws(() => new ByteWriter().zigzag(2 ** 52), RangeError)
  t.throws(() => new ByteWriter().zigzag(0.5), RangeError)
})

t.test('what is cut, too large, left over or not zero is refused', async t => {
  t.throws(() => read(1).u16(), MALFORMED)
  t.throws(() => read(1, 2, 3).u32(), MALFORMED)
  t.throws(() => read(0, 0, 0, 0, 0, 0, 0x20, 0).u64(), MALFORMED, '2^53')
  t.equal(read(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0).u64(), MAX)
  t.throws(() => read(3, 1, 2).string(9, 'x'), MALFORMED)
  t.throws(() => read(3, 1, 2, 3).string(2, 'x'), { code: 'ERR_WARP_LIMIT' })
  t.throws(() => read(9).varintUpTo(8, 'x'), { code: 'ERR_WARP_LIMIT' })
  t.throws(() => read(0, 1).zeros(2), MALFORMED)
  t.throws(() => read(0).done(), MALFORMED)
  read().done()
})

t.test('a writer refuses what no field holds', async t => {
  const writer = new ByteWriter()
  t.throws(() => writer.u8(256), RangeError)
  t.throws(() => writer.u16(65_536), RangeError)
  t.throws(() => writer.u32(2 ** 32), RangeError)
  t.throws(() => writer.u64(2 ** 53), RangeError)
  t.throws(() => writer.varint(-1), RangeError)
  t.throws(() => writer.varint(Number.NaN), RangeError)
  t.throws(() => writer.rawU64(-1n), RangeError)
  t.throws(() => writer.rawU64(2n ** 64n), RangeError)
  t.equal(writer.length, 0)
})

t.test('a writer cleans the buffer that it reuses, and gives copies', async t => {
  const writer = new ByteWriter(4).put(Uint8Array.of(9, 9, 9, 9))
  const first = writer.take()
  t.same([...writer.zeros(4).peek()], [0, 0, 0, 0])
  writer.clear()
  writer.u8(1)
  t.same([...first], [9, 9, 9, 9])
  t.same([...writer.take()], [1])
})

t.test('views lie over the buffer given, shared or with an offset', async t => {
  const shared = new Uint8Array(new SharedArrayBuffer(8), 2)
  shared.set([2, 7, 8])
  const view = new ByteReader(shared).string(5, 'x')
  t.same([...view], [7, 8])
  t.equal(view.buffer, shared.buffer)
  t.equal(isZero(shared, 3), true)
  t.equal(isZero(shared), false)
  t.equal(equalBytes(view, Uint8Array.of(7, 8)), true)
  t.equal(equalBytes(view, Uint8Array.of(7, 9)), false)
  t.equal(equalBytes(view, Uint8Array.of(7)), false)
})

t.test('every verb makes the buffer grow', async t => {
  const verbs: [(writer: ByteWriter) => ByteWriter, number][] = [
    [writer => writer.u8(1), 1], [writer => writer.u16(1), 2], [writer => writer.u32(1), 4],
    [writer => writer.u64(1), 8], [writer => writer.rawU64(1n), 8], [writer => writer.varint(1), 1],
    [writer => writer.put(Uint8Array.of(1, 0, 0)), 3], [writer => writer.zeros(3), 3],
  ]
  for (const [verb, length] of verbs) {
    const bytes = verb(new ByteWriter(0)).take()
    t.equal(bytes.length, length)
    t.equal(bytes[0], verb === verbs.at(-1)![0] ? 0 : 1)
  }
})
