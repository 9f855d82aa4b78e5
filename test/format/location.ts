import t from 'tap'
import fc from 'fast-check'
import { ByteWriter } from '../../src/format/cursor.ts'
import { readLocation, writeLocation } from '../../src/format/location.ts'
import { hint } from './support/samples.ts'

const MALFORMED = { code: 'ERR_WARP_MALFORMED' }
const FRAME_BYTES = 16 * 1024 * 1024

const lengthsOf = (count: number, length = 10) => new Uint32Array(count).fill(length)

/** The bytes `flags, frame_count, …` as varints, read for `count` chunks of 10 bytes. */
function read(count: number, ...varints: number[]) {
  const writer = new ByteWriter()
  for (const value of varints) writer.varint(value)
  return readLocation(writer.take(), lengthsOf(count), 0)
}

t.test('layout of §8.2', async t => {
  const location = {
    frames: [300, 256],
    refFrames: Uint32Array.of(0, 0, 1, 0, 0),
    refOffsets: Uint32Array.of(5, 15, 0, 25, 5),
    hints: [{ ...hint, device: 1n }],
  }
  const bytes = writeLocation({ ...location, lengths: lengthsOf(5) })
  t.equal(Buffer.from(bytes).toString('hex'),
    '01' + '02' + 'ac02' + '8002' // flags, frame_count, two offsets
    + '0105' + '00' + '0200' + '0119' + '0105' // 25 goes on at 15 + 10, but another frame was between
    + '01' + '01' + 'ffffffffffffffff' + '0100000000000000')
  t.strictSame(readLocation(bytes, lengthsOf(5), 1), location)
})

t.test('none of anything', async t => {
  const none = { frames: [], refFrames: new Uint32Array(0), refOffsets: new Uint32Array(0), hints: null }
  t.same([...writeLocation({ ...none, lengths: lengthsOf(0) })], [0, 0])
  t.same([...writeLocation({ ...none, hints: [], lengths: lengthsOf(0) })], [0, 0])
  t.strictSame(read(0, 0, 0), none)
})

t.test('round trip', async t => {
  const ref = fc.record({ frame: fc.nat(5), offset: fc.nat(1000), follow: fc.boolean() })
  fc.assert(fc.property(fc.array(ref), fc.boolean(), (refs, withHints) => {
    const frames: number[] = []
    const lengths = lengthsOf(refs.length, 7)
    const refFrames: number[] = []
    const refOffsets: number[] = []
    refs.forEach(({ frame, offset, follow }, i) => {
      const key = 1000 + frame
      if (follow && i > 0) {
        refFrames.push(refFrames[i - 1])
        refOffsets.push(refOffsets[i - 1] + 7)
        return
      }
      if (!frames.includes(key)) frames.push(key)
      refFrames.push(frames.indexOf(key))
      refOffsets.push(offset)
    })
    const location = {
      frames, refFrames: Uint32Array.from(refFrames), refOffsets: Uint32Array.from(refOffsets),
      hints: withHints ? [hint, hint] : null,
    }
    t.strictSame(readLocation(writeLocation({ ...location, lengths }), lengths, 2), location)
  }))
})

t.test('one encoding only', async t => {
  t.strictSame(read(2, 0, 1, 256, 1, 0, 0).refOffsets, Uint32Array.of(0, 10))
  t.throws(() => read(1, 0, 1, 256, 0), MALFORMED, 'the first goes on from nothing')
  t.throws(() => read(2, 0, 1, 256, 1, 0, 1, 10), MALFORMED, '0 must be used where it can be')
  t.throws(() => read(1, 2, 1, 256, 1, 0), MALFORMED, 'flags')
  t.throws(() => read(1, 0, 2, 256, 257, 1, 0), MALFORMED, 'more frames than chunks')
  t.throws(() => read(2, 0, 2, 256, 256, 1, 0, 2, 0), MALFORMED, 'a frame twice')
  t.throws(() => read(2, 0, 2, 256, 257, 1, 0, 0), MALFORMED, 'a frame that nothing refers to')
  t.throws(() => read(2, 0, 2, 256, 257, 2, 0, 1, 0), MALFORMED, 'not in order of first reference')
  t.throws(() => read(2, 0, 1, 256, 1, 0, 2, 0), MALFORMED, 'a frame that is not listed')
  t.throws(() => read(1, 0, 1, 256, 1, 0, 0), MALFORMED, 'left over')
  t.throws(() => read(1, 0, 1, 256), MALFORMED, 'cut')
  t.throws(() => read(0, 1, 0), MALFORMED, 'hints without a file')
  t.throws(() => readLocation(Uint8Array.of(0, 0x80, 0x80, 0x80, 0x80, 0x10), lengthsOf(1), 0), MALFORMED)
})

t.test('a chunk lies inside the longest frame', async t => {
  const last = FRAME_BYTES - 10
  t.strictSame(read(1, 0, 1, 256, 1, last).refOffsets, Uint32Array.of(last))
  t.throws(() => read(1, 0, 1, 256, 1, last + 1), MALFORMED)
  t.throws(() => read(2, 0, 1, 256, 1, last, 0), MALFORMED)
  t.throws(() => read(1, 0, 1, 256, 1, 2 ** 53 - 1), MALFORMED)
})

t.test('hints', async t => {
  const none = { frames: [], refFrames: lengthsOf(0), refOffsets: lengthsOf(0), lengths: lengthsOf(0) }
  const bytes = writeLocation({ ...none, hints: [hint] })
  t.strictSame(readLocation(bytes, lengthsOf(0), 1).hints, [hint])
  t.throws(() => readLocation(bytes, lengthsOf(0), 2), MALFORMED)
  t.throws(() => readLocation(bytes.subarray(1), lengthsOf(0), 1), MALFORMED)
  const late = writeLocation({ ...none, hints: [{ ...hint, ctimeNanoseconds: 1_000_000_000 }] })
  t.throws(() => readLocation(late, lengthsOf(0), 1), MALFORMED)
})

t.test('a writer refuses frames that are out of order', async t => {
  const location = { frames: [1, 2], refOffsets: lengthsOf(2), lengths: lengthsOf(2), hints: null }
  t.throws(() => writeLocation({ ...location, refFrames: Uint32Array.of(1, 0) }), RangeError)
  t.throws(() => writeLocation({ ...location, refFrames: Uint32Array.of(0, 0) }), RangeError)
})

t.test('of a thin archive', async t => {
  const lengths = Uint32Array.of(10, 20, 30)
  const location = { frames: [-300, 300, -400], refFrames: Uint32Array.of(0, 1, 2), refOffsets: Uint32Array.of(0, 0, 5), hints: null }
  const bytes = writeLocation({ ...location, lengths }, true)
  t.strictSame(readLocation(bytes, lengths, 0, true), location)
  t.throws(() => readLocation(bytes, lengths, 0, false), MALFORMED, 'its frames have origins')
  const origin = Uint8Array.from(bytes)
  t.equal(origin[2], 1)
  origin[2] = 2
  t.throws(() => readLocation(origin, lengths, 0, true), MALFORMED)
  const twice = writeLocation({ ...location, frames: [-300, 300, -300], lengths }, true)
  t.throws(() => readLocation(twice, lengths, 0, true), MALFORMED)
  t.throws(() => readLocation(Uint8Array.of(0, 1, 1, 0, 1, 0), Uint32Array.of(1), 0, true), MALFORMED, 'offset 0 in the base')
})
