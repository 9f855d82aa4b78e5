import t from 'tap'
import { MAX_FRAME_BYTES } from '../../src/base/limits.ts'
import { gather } from '../../src/codec/gather.ts'
import { xorshift } from './fixtures/xorshift.ts'

const slab = new SharedArrayBuffer(100_000)
const bytes = Buffer.from(slab)
bytes.set(xorshift(1, 100_000))

/** The pieces copied one by one. */
function concatenated(pieces: number[]): Buffer {
  const parts: Buffer[] = []
  for (let i = 0; i < pieces.length; i += 2) parts.push(bytes.subarray(pieces[i], pieces[i] + pieces[i + 1]))
  return Buffer.concat(parts)
}

t.test('what lies side by side is not copied', async (t) => {
  for (const [name, pieces] of [
    ['one piece', [3, 70_000]],
    ['three in a row', [10, 100, 110, 1, 111, 5000]],
    ['the whole slab', [0, 100_000]],
  ] as [string, number[]][]) {
    const expected = concatenated(pieces)
    const run = gather(slab, Uint32Array.from(pieces), expected.length)
    t.equal(run.buffer, slab, name)
    t.equal(run.byteOffset, pieces[0], name)
    t.ok(expected.equals(run), name)
  }
})

t.test('what lies apart is copied in order', async (t) => {
  for (const [name, pieces] of [
    ['backwards', [60_000, 30_000, 10, 20_000]],
    ['shorter than before', [50, 10, 10, 10]],
    ['the same bytes twice', [7, 9000, 7, 9000]],
    ['runs of several pieces', [90_000, 5000, 10, 100, 110, 50, 0, 10, 10, 20]],
    // 4,096 and its neighbours: from there on libc copies.
    ['pieces as long as is worth a call', [1, 4095, 20_000, 4096, 40_000, 4097]],
    ['single bytes', Array.from({ length: 2000 }, (_, i) => (i % 2 === 0 ? (i * 997) % 100_000 : 1))],
  ] as [string, number[]][]) {
    const expected = concatenated(pieces)
    const run = gather(slab, Uint32Array.from(pieces), expected.length)
    t.not(run.buffer, slab, name)
    t.ok(expected.equals(run), name)
  }
})

t.test('a copy goes to the same memory each time', async (t) => {
  const first = gather(slab, Uint32Array.of(5, 10, 0, 5), 15)
  const second = gather(slab, Uint32Array.of(50, 10_000, 0, 5), 10_005)
  t.equal(first.buffer, second.buffer)
  t.equal(first.byteOffset, second.byteOffset)
})

t.test('no bytes, and as many as a frame can have', async (t) => {
  t.equal(gather(slab, new Uint32Array(0), 0).length, 0)
  const large = new SharedArrayBuffer(MAX_FRAME_BYTES)
  const view = Buffer.from(large)
  view.set(xorshift(2, 1 << 16), MAX_FRAME_BYTES - (1 << 16))
  const run = gather(large, Uint32Array.of(MAX_FRAME_BYTES / 2, MAX_FRAME_BYTES / 2, 0, MAX_FRAME_BYTES / 2), MAX_FRAME_BYTES)
  t.ok(view.subarray(0, MAX_FRAME_BYTES / 2).equals(run.subarray(MAX_FRAME_BYTES / 2)))
  t.ok(view.subarray(MAX_FRAME_BYTES / 2).equals(run.subarray(0, MAX_FRAME_BYTES / 2)))
})
