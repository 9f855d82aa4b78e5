import t from 'tap'
import { copyShared } from '../../src/base/copy.ts'
import { xorshift } from '../codec/fixtures/xorshift.ts'

// Below and from the length at which libc is called; not on a word boundary.
for (const length of [0, 1, 4095, 4096, 4097, 1_000_003]) {
  t.test(`${length} bytes`, async (t) => {
    const source = new Uint8Array(new SharedArrayBuffer(length + 10)).subarray(3, 3 + length)
    source.set(xorshift(1, Math.max(1, length)).subarray(0, length))
    const target = new Uint8Array(new SharedArrayBuffer(length + 20)).fill(0xee)
    copyShared(target.subarray(5), source)
    t.ok(Buffer.from(target.subarray(5, 5 + length)).equals(Buffer.from(source)))
    t.ok(target.subarray(0, 5).every((byte) => byte === 0xee), 'nothing before')
    t.ok(target.subarray(5 + length).every((byte) => byte === 0xee), 'nothing behind')
  })
}

t.test('what has no room is refused', async (t) => {
  t.throws(() => copyShared(new Uint8Array(4999), new Uint8Array(5000)), RangeError)
})
