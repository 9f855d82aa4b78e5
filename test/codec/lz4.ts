import t from 'tap'
import { encodeInto, native, portable } from '../../src/codec/lz4.ts'
import { decode, encode } from './fixtures/codecs.ts'
import { xorshift } from './fixtures/xorshift.ts'

const PART = 65_536
const MALFORMED = { code: 'ERR_WARP_MALFORMED' }

function text(length: number): Uint8Array {
  return xorshift(3, length).map((byte) => 97 + (byte & byte >> 4 & 7))
}

const both = [['native', native()], ['portable', portable()]] as const

for (const [name, lz4] of both) {
  t.test(name, { skip: lz4 === null && 'no native package here' }, async (t) => {
    if (lz4 === null) return
    for (const length of [1, 2, 12, 13, PART - 1, PART, PART + 1, 3 * PART + 100]) {
      for (const bytes of [text(length), xorshift(1, length), new Uint8Array(length)]) {
        const payload = encode(bytes, lz4)
        for (const [, other] of both) {
          if (other !== null) t.equal(Buffer.compare(decode(payload, length, other), bytes), 0)
        }
      }
    }
    t.ok(encode(text(3 * PART), lz4).length < 2.5 * PART)

    t.test('what does not fit is not written', async (t) => {
      const bytes = Buffer.concat([text(PART), xorshift(1, PART), text(100)])
      const payload = encode(bytes, lz4)
      for (const room of [0, 11, 12, 20_000, payload.length - 1]) t.equal(encodeInto(bytes, Buffer.alloc(room), lz4), 0, String(room))
      const out = Buffer.alloc(payload.length + 8, 7)
      t.equal(encodeInto(bytes, out.subarray(0, payload.length), lz4), payload.length)
      t.ok(out.subarray(0, payload.length).equals(payload))
      t.ok(out.subarray(payload.length).equals(Buffer.alloc(8, 7)))
    })

    t.test('parts that do not shrink are stored', async (t) => {
      const bytes = Buffer.concat([new Uint8Array(PART), xorshift(1, PART), text(100)])
      const payload = Buffer.from(encode(bytes, lz4))
      t.ok(payload.readUInt32LE(0) < 1000)
      t.equal(payload.readUInt32LE(4), 0x8000_0000 + PART)
      t.ok(payload.readUInt32LE(8) < 100)
      t.equal(payload.length, 12 + payload.readUInt32LE(0) + PART + payload.readUInt32LE(8))
    })

    t.test('damage', async (t) => {
      const length = 2 * PART + 50
      const bytes = Buffer.concat([text(PART), xorshift(1, PART), text(50)])
      const payload = Buffer.from(encode(bytes, lz4))
      const changed = (at: number, by: number) => {
        const copy = Buffer.from(payload)
        copy.writeUInt32LE(copy.readUInt32LE(at) + by, at)
        return copy
      }
      for (const [name, damaged] of [
        ['nothing', payload.subarray(0, 0)],
        ['words cut short', payload.subarray(0, 11)],
        ['no bodies', payload.subarray(0, 12)],
        ['last byte missing', payload.subarray(0, -1)],
        ['a byte more', Buffer.concat([payload, Uint8Array.of(0)])],
        ['first body shorter', changed(0, -1)],
        ['first body longer', changed(0, 1)],
        ['stored part shorter', changed(4, -1)],
        ['stored part longer', changed(4, 1)],
        ['a body as long as the part', changed(4, -0x8000_0000)],
      ] as [string, Buffer][]) t.throws(() => decode(damaged, length, lz4), MALFORMED, name)
      t.throws(() => decode(payload, length - 1, lz4), MALFORMED)
      t.throws(() => decode(payload, length + PART, lz4), MALFORMED)
      const empty = Buffer.alloc(4)
      t.throws(() => decode(empty, 10, lz4), MALFORMED, 'a body of no bytes')
    })
  })
}

t.test('shared memory', async (t) => {
  const bytes = new Uint8Array(new SharedArrayBuffer(PART + 10))
  bytes.set(text(bytes.length))
  const payload = encode(bytes)
  const shared = new Uint8Array(new SharedArrayBuffer(payload.length))
  shared.set(payload)
  t.equal(Buffer.compare(decode(shared, bytes.length), bytes), 0)
})

t.test('arguments out of range', async (t) => {
  t.throws(() => encode(new Uint8Array(0)), RangeError)
  t.throws(() => encode(new Uint8Array((16 << 20) + 1)), RangeError)
  t.throws(() => decode(new Uint8Array(10), 0), RangeError)
  t.throws(() => decode(new Uint8Array(10), (16 << 20) + 1), RangeError)
})
