import t from 'tap'
import { readZstdFrame, rewriteZstdHeader } from '../../src/codec/zstd-frame.ts'

const MALFORMED = { code: 'ERR_WARP_MALFORMED' }
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd]

/** A frame of raw block 'abc', written by hand after RFC 8878 §3.1.1. */
function frame(change: Partial<Record<'magic' | 'header' | 'blocks' | 'rest', number[]>> = {}): Uint8Array {
  const parts = { magic: MAGIC, header: [0x20, 3], blocks: [25, 0, 0, 97, 98, 99], rest: [], ...change }
  return Uint8Array.from([...parts.magic, ...parts.header, ...parts.blocks, ...parts.rest])
}

t.test('frames that are right', async (t) => {
  for (const [name, bytes, plainLength] of [
    ['single segment, size in one byte', frame(), 3],
    ['window of 1 KiB, size in two bytes',
      frame({ header: [0x40, 0, 44, 0], blocks: [300 << 3 & 255 | 3, 300 >> 5, 0, 7] }), 300],
    ['size in four bytes', frame({ header: [0xa0, 3, 0, 0, 0] }), 3],
    ['size in eight bytes', frame({ header: [0xe0, 3, 0, 0, 0, 0, 0, 0, 0] }), 3],
    ['checksum', frame({ header: [0x24, 3], rest: [0, 0, 0, 0] }), 3],
    ['two blocks', frame({ blocks: [1 << 3, 0, 0, 97, 2 << 3 | 3, 0, 0, 98] }), 3],
    ['an empty last block', frame({ blocks: [3 << 3, 0, 0, 97, 98, 99, 1, 0, 0] }), 3],
    ['window of 16 MiB', frame({ header: [0x80, 14 << 3, 3, 0, 0, 0] }), 3],
    ['window byte with a fraction: 1 KiB and 7/8', frame({ header: [0x80, 7, 3, 0, 0, 0] }), 3],
  ] as [string, Uint8Array, number][]) {
    t.doesNotThrow(() => readZstdFrame(bytes, plainLength), name)
  }
})

t.test('frames that are wrong', async (t) => {
  for (const [name, bytes] of [
    ['nothing', new Uint8Array()],
    ['magic', frame({ magic: [0x27, 0xb5, 0x2f, 0xfd] })],
    ['skippable frame', frame({ magic: [0x50, 0x2a, 0x4d, 0x18] })],
    ['no content size', frame({ header: [0x00, 0x00] })],
    ['another content size', frame({ header: [0x20, 4] })],
    ['content size of 2^32 and more', frame({ header: [0xe0, 3, 0, 0, 0, 1, 0, 0, 0] })],
    ['dictionary id', frame({ header: [0x21, 9, 3] })],
    ['reserved bit', frame({ header: [0x28, 3] })],
    ['window of 18 MiB', frame({ header: [0x80, 14 << 3 | 1, 3, 0, 0, 0] })],
    ['reserved block', frame({ blocks: [3 << 3 | 7, 0, 0, 97, 98, 99] })],
    ['block larger than the window', frame({ blocks: [4 << 3 | 5, 0, 0, 97, 98, 99, 100] })],
    ['raw and RLE blocks together too long', frame({ blocks: [2 << 3, 0, 0, 97, 98, 2 << 3 | 3, 0, 0, 98] })],
    ['trailing byte', frame({ rest: [0] })],
    ['second frame', Buffer.concat([frame(), frame()])],
    ['skippable frame after it', Buffer.concat([frame(), Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0)])],
    ['checksum cut short', frame({ header: [0x24, 3], rest: [0, 0, 0] })],
    ['no last block', frame({ blocks: [3 << 3, 0, 0, 97, 98, 99] })],
  ] as [string, Uint8Array][]) {
    t.throws(() => readZstdFrame(bytes, 3), MALFORMED, name)
  }
  for (let length = 0; length < frame().length; length++) {
    t.throws(() => readZstdFrame(frame().subarray(0, length), 3), MALFORMED, `cut at ${length}`)
  }
})

t.test('a header rewritten', async (t) => {
  const rewritten = rewriteZstdHeader(frame({ header: [0x04, 0x58], rest: [1, 2, 3, 4] }), 3)
  t.same([...rewritten], [...frame({ header: [0x24, 3], rest: [1, 2, 3, 4] })])
  // The smallest and largest of each width of the field.
  for (const [contentSize, header] of [
    [0, [0x20, 0]], [255, [0x20, 255]], [256, [0x60, 0, 0]], [65_791, [0x60, 255, 255]],
    [65_792, [0xa0, 0, 1, 1, 0]],
  ] as [number, number[]][]) {
    t.same([...rewriteZstdHeader(frame({ header: [0, 0x58] }), contentSize)], [...frame({ header })])
  }
})
