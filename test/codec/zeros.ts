import t from 'tap'
import fc from 'fast-check'
import { findZeroRuns } from '../../src/codec/zeros.ts'

const BLOCK = 4096
const HOLE = 65_536

function runs(bytes: Uint8Array, fileOffset = 0, isEnd = true): number[] {
  const out: number[] = []
  findZeroRuns(bytes, fileOffset, isEnd, out)
  return out
}

/** Ones, with zeros in the ranges given. */
function ones(length: number, ...zeros: [number, number][]): Uint8Array {
  const bytes = new Uint8Array(length).fill(1)
  for (const [start, end] of zeros) bytes.fill(0, start, end)
  return bytes
}

t.test('which runs are reported', async (t) => {
  const mib = 1 << 20
  t.same(runs(new Uint8Array(0)), [])
  t.same(runs(new Uint8Array(mib)), [0, mib])
  t.same(runs(ones(mib)), [])
  t.same(runs(ones(mib, [8192, 8192 + HOLE])), [8192, 8192 + HOLE], 'just long enough')
  t.same(runs(ones(mib, [8192, 8192 + HOLE - BLOCK])), [], 'one block short')
  t.same(runs(ones(mib, [8191, 8193 + HOLE])), [8192, 8192 + HOLE], 'blocks only')
  t.same(runs(ones(mib, [8193, 8192 + HOLE])), [], 'its first block is not all zero')
  t.same(runs(ones(mib, [0, BLOCK], [mib - BLOCK, mib])), [0, BLOCK, mib - BLOCK, mib], 'touch the edges')
})

t.test('a piece that starts between block boundaries', async (t) => {
  t.same(runs(new Uint8Array(3 * BLOCK), 100), [BLOCK, 100 + 3 * BLOCK])
  t.same(runs(new Uint8Array(3 * BLOCK), 100, false), [BLOCK, 3 * BLOCK])
  t.same(runs(new Uint8Array(BLOCK - 101), 100), [], 'no block starts in it')
  t.same(runs(new Uint8Array(BLOCK - 99), 100), [BLOCK, BLOCK + 1], 'one byte of the last block')
  t.same(runs(new Uint8Array(BLOCK - 99), 100, false), [])
})

t.test('every byte of a block counts', async (t) => {
  for (const at of [0, 1, 2047, 2048, 2049, 4094, 4095]) {
    const bytes = new Uint8Array(BLOCK)
    bytes[at] = 1
    t.same(runs(bytes), [], `byte ${at}`)
  }
})

t.test('bytes over shared memory', async (t) => {
  t.same(runs(new Uint8Array(new SharedArrayBuffer(BLOCK))), [0, BLOCK])
})

t.test('equals the definition', async () => {
  const stretch = fc.record({ zero: fc.boolean(), count: fc.integer({ min: 1, max: 20 }) })
  const list = fc.array(stretch, { maxLength: 12 })
  fc.assert(fc.property(list, fc.integer({ min: 0, max: 9000 }), fc.integer({ min: 0, max: 4095 }), fc.boolean(),
    (list, fileOffset, cut, isEnd) => {
      const bytes = Buffer.concat(list.map(({ zero, count }) => Buffer.alloc(count * BLOCK, zero ? 0 : 1)))
      const piece = bytes.subarray(0, Math.max(0, bytes.length - cut))
      const out = runs(piece, fileOffset, isEnd)
      const expected: number[] = []
      const lead = (BLOCK - fileOffset % BLOCK) % BLOCK
      const zero: [number, number][] = []
      for (let at = lead; at < piece.length; at += BLOCK) {
        const end = Math.min(at + BLOCK, piece.length)
        if (end - at < BLOCK && !isEnd || piece.subarray(at, end).some((byte) => byte !== 0)) continue
        const last = zero.at(-1)
        if (last?.[1] === at) last[1] = end
        else zero.push([at, end])
      }
      const end = isEnd ? piece.length : piece.length - (piece.length - lead) % BLOCK
      for (const [from, to] of zero) {
        if (to - from < HOLE && from !== lead && to !== end) continue
        expected.push(from + fileOffset, to + fileOffset)
      }
      return JSON.stringify(out) === JSON.stringify(expected)
    }), { numRuns: 60 })
})
