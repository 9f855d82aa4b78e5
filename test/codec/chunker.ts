import t from 'tap'
import fc from 'fast-check'
import { findCandidates } from '../../src/codec/buzhash.ts'
import { Cutter, cutAll, lookaheadBytes } from '../../src/codec/chunker.ts'
import type { Extent } from '../../src/codec/chunker.ts'
import { findZeroRuns } from '../../src/codec/zeros.ts'
import { xorshift } from './fixtures/xorshift.ts'

const AVERAGE = 4096 // the smallest: most cuts for the bytes
const MIN = AVERAGE / 2
const MAX = AVERAGE * 4

/** Cuts a file as a reader does that takes it in segments of the lengths given, the last one repeated. */
function cutInSegments(bytes: Uint8Array, average: number, lengths: number[], extraBytes = 0): Extent[] {
  const cutter = new Cutter(average)
  const extents: Extent[] = []
  const candidates = new Uint32Array(bytes.length + 1)
  let start = 0
  for (let i = 0; ; i++) {
    const end = Math.min(bytes.length, start + lengths[Math.min(i, lengths.length - 1)])
    const seenEnd = Math.min(bytes.length, end + lookaheadBytes(average) + extraBytes)
    const final = end === bytes.length
    const piece = bytes.subarray(start, seenEnd)
    const candidateCount = findCandidates(piece, 0, piece.length + 1, average, candidates)
    for (let k = 0; k < candidateCount; k++) candidates[k] += start
    const zeroRuns: number[] = []
    findZeroRuns(piece, start, seenEnd === bytes.length, zeroRuns)
    cutter.push({ start, end, final, candidates, candidateCount, zeroRuns, seenEnd },
      (kind, offset, length) => extents.push({ kind, offset, length }))
    if (final) return extents
    start = end
  }
}

/** [kind, length] of each extent. */
function shape(extents: Extent[]): [string, number][] {
  return extents.map(({ kind, length }) => [kind, length])
}

t.test('small files', async (t) => {
  t.same(cutAll(new Uint8Array(), AVERAGE), [])
  t.same(cutInSegments(new Uint8Array(), AVERAGE, [100]), [])
  t.same(shape(cutInSegments(xorshift(1, 1), AVERAGE, [100])), [['chunk', 1]])
  t.same(shape(cutInSegments(xorshift(1, MIN), AVERAGE, [100])), [['chunk', MIN]], 'min is one chunk')
})

t.test('without candidates, chunks of max', async (t) => {
  // Sevens only: one digest, which is no candidate.
  const bytes = new Uint8Array(2 * MAX + MIN + 1).fill(7)
  const expected = [['chunk', MAX], ['chunk', MAX], ['chunk', MIN + 1]]
  t.same(shape(cutAll(bytes, AVERAGE)), expected)
  t.same(shape(cutInSegments(bytes, AVERAGE, [1000])), expected)
})

t.test('the bounds of §4.4 on a cut', async (t) => {
  // Candidates are given by hand; the bytes are never looked at.
  const cut = (candidates: number[], length: number) => {
    const lengths: number[] = []
    const segment = { start: 0, end: length, final: true, candidates, candidateCount: candidates.length,
      zeroRuns: [], seenEnd: length }
    new Cutter(AVERAGE).push(segment, (_, __, n) => lengths.push(n))
    return lengths
  }
  const length = 3 * MAX
  t.same(cut([MIN - 1], length), [MAX, MAX, MAX], 'below min')
  t.same(cut([MIN], length), [MIN, MAX, MAX, MAX - MIN])
  t.same(cut([MAX], length), [MAX, MAX, MAX])
  t.same(cut([MAX + MIN - 1, MAX + MIN], length), [MAX, MIN, MAX, MAX - MIN], 'counted from the last cut')
  t.same(cut([MIN], MIN), [MIN])
  t.same(cut([MIN], MIN + 1), [MIN, 1])
  t.same(cut([MIN + 1], MIN + 1), [MIN + 1], 'a candidate at the end of the region is none')
})

t.test('holes', async (t) => {
  const hole = 65_536
  const withZeros = (start: number, end: number, length: number) =>
    xorshift(2, length).map((byte) => byte | 1).fill(0, start, end)
  for (const [name, bytes, expected] of [
    ['all zero', new Uint8Array(hole), [[0, hole]]],
    ['all zero, one byte short', new Uint8Array(hole - 1), []],
    ['ends the file, not aligned', withZeros(4096, 4096 + hole + 5, 4096 + hole + 5), [[4096, hole + 5]]],
    ['unaligned zeros', withZeros(4095, 4096 + hole + 7, 3 * hole), [[4096, hole]]],
    ['a block short', withZeros(4095, 4095 + hole, 3 * hole), []],
    ['two', withZeros(0, hole, 2 * hole + 4096).fill(0, hole + 4096), [[0, hole], [hole + 4096, hole]]],
  ] as [string, Uint8Array, [number, number][]][]) {
    for (const lengths of [[bytes.length], [5000], [4096], [3 * 4096 + 1]]) {
      const extents = cutInSegments(bytes, AVERAGE, lengths)
      const found = extents.filter(({ kind }) => kind === 'hole')
      t.same(found.map(({ offset, length }) => [offset, length]), expected, name)
      t.same(extents, cutAll(bytes, AVERAGE), name)
    }
  }
})

t.test('a hole over many segments is one', async (t) => {
  const bytes = new Uint8Array(1 << 20) // twelve times what one segment sees
  bytes[bytes.length - 1] = 1
  t.same(cutInSegments(bytes, AVERAGE, [4097]), [
    { kind: 'hole', offset: 0, length: bytes.length - 4096 },
    { kind: 'chunk', offset: bytes.length - 4096, length: 4096 },
  ])
})

/** Pieces of files: what chunkers and hole finders can be wrong about. */
const piece = fc.oneof(
  fc.record({ kind: fc.constant('random'), length: fc.integer({ min: 1, max: 40_000 }) }),
  fc.record({ kind: fc.constant('zero'), length: fc.integer({ min: 60 * 1024, max: 70 * 1024 }) }),
  fc.record({ kind: fc.constant('zero'), length: fc.integer({ min: 1, max: 9000 }) }),
  fc.record({ kind: fc.constant('sevens'), length: fc.integer({ min: 1, max: 40_000 }) }),
  fc.record({ kind: fc.constant('align'), length: fc.constant(0) }),
)

function build(pieces: { kind: string, length: number }[]): Uint8Array {
  const parts: Uint8Array[] = []
  let at = 0
  for (const [i, { kind, length }] of pieces.entries()) {
    const n = kind === 'align' ? (4096 - at % 4096) % 4096 : length
    const isUniform = kind === 'zero' || kind === 'sevens'
    parts.push(isUniform ? new Uint8Array(n).fill(kind === 'zero' ? 0 : 7) : xorshift(i + 1, n))
    at += n
  }
  return Buffer.concat(parts)
}

t.test('segments of any division give the extents of the whole', async (t) => {
  fc.assert(fc.property(
    fc.array(piece, { maxLength: 8 }),
    fc.array(fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 150_000 })),
      { minLength: 1, maxLength: 10 }).map((lengths) => [...lengths, 50_000]),
    fc.constantFrom(0, 1, 4096, 100_000),
    fc.constantFrom(4096, 8192),
    (pieces, lengths, extraBytes, average) => {
      const bytes = build(pieces)
      t.strictSame(cutInSegments(bytes, average, lengths, extraBytes), cutAll(bytes, average))
    }), { numRuns: 80 })
})

t.test('extents cover the file and obey their bounds', async () => {
  fc.assert(fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
    const bytes = build(pieces)
    let at = 0
    let last = ''
    for (const { kind, offset, length } of cutAll(bytes, AVERAGE)) {
      if (offset !== at || length < 1) return false
      if (kind === 'chunk' && length > MAX) return false
      if (kind === 'hole' && (last === 'hole' || offset % 4096 !== 0 || length < 65_536)) return false
      at += length
      last = kind
    }
    return at === bytes.length
  }), { numRuns: 30 })
})

t.test('refuses segments that do not fit', async (t) => {
  const none = { candidates: [], candidateCount: 0, zeroRuns: [] }
  const emit = () => {}
  t.throws(() => new Cutter(5000), RangeError)
  for (const segment of [
    { start: 1, end: 2, final: false, seenEnd: 9 },
    { start: 0, end: 2, final: false, seenEnd: 1 },
    { start: 0, end: 2, final: true, seenEnd: 3 },
  ]) t.throws(() => new Cutter(AVERAGE).push({ ...none, ...segment }, emit), RangeError)
  const cutter = new Cutter(AVERAGE)
  cutter.push({ ...none, start: 0, end: 2, final: false, seenEnd: 9 }, emit)
  t.throws(() => cutter.push({ ...none, start: 2, end: 10, final: true, seenEnd: 10 }, emit), RangeError,
    'the file ended at 9')
})
