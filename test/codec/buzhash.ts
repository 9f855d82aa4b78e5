import t from 'tap'
import { blake3 } from '@noble/hashes/blake3.js'
import { TABLE, WINDOW, digestAt, findCandidates, findFirstCandidate } from '../../src/codec/buzhash.ts'
import { xorshift } from './fixtures/xorshift.ts'

/** All candidates in [from, to), by the definition of §4.2. */
function candidatesByDefinition(bytes: Uint8Array, from: number, to: number, average: number): number[] {
  const found: number[] = []
  for (let p = Math.max(from, WINDOW); p < to; p++) {
    if ((digestAt(bytes, p) & average / 2 - 1) === 0) found.push(p)
  }
  return found
}

function find(bytes: Uint8Array, from: number, to: number, average: number): number[] {
  const out = new Uint32Array(1000)
  return [...out.subarray(0, findCandidates(bytes, from, to, average, out))]
}

t.test('the table is the extended output of §4.2', async (t) => {
  const label = new TextEncoder().encode('warp-archive 1 buzhash table')
  const bytes = Buffer.from(blake3(label, { dkLen: 1024 }))
  t.equal(TABLE.length, 256)
  t.same([...TABLE], Array.from({ length: 256 }, (_, i) => bytes.readUInt32LE(4 * i)))
})

t.test('the digest is that of §4.2, bit by bit', async (t) => {
  const bytes = xorshift(1, 64)
  const rotate = (word: number, by: number) =>
    ((BigInt(word) << BigInt(by)) | (BigInt(word) >> BigInt(32 - by))) & 0xffff_ffffn
  for (const p of [48, 49, 64]) {
    let digest = 0n
    for (let i = 0; i < 48; i++) digest ^= rotate(TABLE[bytes[p - 1 - i]], i % 32)
    t.equal(digestAt(bytes, p), Number(digest))
  }
})

t.test('rolling equals the definition', async (t) => {
  // 300,000 bytes hold some 70 candidates at the smallest average.
  const bytes = xorshift(2, 300_000)
  const expected = candidatesByDefinition(bytes, 0, bytes.length + 1, 4096)
  t.ok(expected.length > 20)
  t.same(find(bytes, 0, bytes.length + 1, 4096), expected)
  t.same(find(bytes, 0, bytes.length + 1, 32_768), expected.filter((p) => (digestAt(bytes, p) & 16_383) === 0))
})

t.test('any range by itself', async (t) => {
  const bytes = xorshift(3, 100_000)
  const p = candidatesByDefinition(bytes, 0, bytes.length, 4096)[3]
  t.same(find(bytes, p, p + 1, 4096), [p], 'the first of the range')
  t.same(find(bytes, p - 7, p, 4096), [], 'to is not in the range')
  for (let length = 1; length < 20; length++) { // over two turns of eight steps and their rests
    t.same(find(bytes, p - length + 1, p + 1, 4096), [p], `the last of ${length}`)
  }
  for (const cut of [p - 1, p, p + 1, 50_000]) {
    const whole = find(bytes, 0, bytes.length, 4096)
    t.same([...find(bytes, 0, cut, 4096), ...find(bytes, cut, bytes.length, 4096)], whole)
  }
})

t.test('no window, no candidate', async (t) => {
  const bytes = xorshift(4, 48)
  t.same(find(bytes.subarray(0, 47), 0, 48, 4096), [])
  t.same(find(bytes, 0, 48, 4096), [], 'position 48 is not in the range')
  t.same(find(new Uint8Array(), 0, 1, 4096), [])
})

t.test('uniform bytes do not all give the same digest', async (t) => {
  const values = Array.from({ length: 256 }, (_, value) => value)
  const digests = new Set(values.map((value) => digestAt(new Uint8Array(48).fill(value), 48)))
  t.ok(digests.size > 200) // a window of 32 or 64 would leave one or two
})

t.test('shared memory', async (t) => {
  const bytes = new Uint8Array(new SharedArrayBuffer(100_000))
  bytes.set(xorshift(5, bytes.length))
  t.same(find(bytes, 0, bytes.length, 4096), candidatesByDefinition(bytes, 0, bytes.length, 4096))
})

t.test('refuses what it cannot do', async (t) => {
  const bytes = xorshift(2, 300_000)
  t.throws(() => findCandidates(bytes, 0, bytes.length, 4096, new Uint32Array(3)), RangeError)
  t.throws(() => findCandidates(bytes, 0, bytes.length + 2, 4096, new Uint32Array(3)), RangeError)
  t.throws(() => findCandidates(bytes, -1, 10, 4096, new Uint32Array(3)), RangeError)
  for (const average of [0, 2048, 4097, 8_388_608]) {
    t.throws(() => findCandidates(bytes, 0, 10, average, new Uint32Array(3)), RangeError)
  }
})

t.test('the first of a range', async (t) => {
  // 200,000 bytes: several stretches of the WebAssembly loop.
  const bytes = xorshift(5, 200_000)
  for (const [from, to] of [[0, 200_001], [2048, 200_001], [0, 48], [0, 49], [100, 101], [3000, 40_000], [150_000, 200_001]]) {
    const [expected = -1] = candidatesByDefinition(bytes, from, to, 4096)
    t.equal(findFirstCandidate(bytes, from, to, 4096), expected, `${from} to ${to}`)
  }
  t.throws(() => findFirstCandidate(bytes, 0, bytes.length + 2, 4096), RangeError)
})

t.test('dense candidates, where one follows the other', async (t) => {
  // Of uniform bytes, every position is a candidate or none: take a byte whose digest is one.
  const period = (seed: number) => {
    const some = xorshift(seed, 48)
    return Uint8Array.from({ length: 100_000 }, (_, i) => some[i % 48])
  }
  let dense = 0
  for (let seed = 1; seed < 200 && dense < 2; seed++) {
    const bytes = period(seed)
    const expected = candidatesByDefinition(bytes.subarray(0, 200), 0, 201, 4096)
    if (expected.length === 0) continue
    dense++
    const out = new Uint32Array(100_000)
    const count = findCandidates(bytes, 0, bytes.length + 1, 4096, out)
    t.same([...out.subarray(0, count)], candidatesByDefinition(bytes, 0, bytes.length + 1, 4096))
  }
  t.ok(dense > 0)
})
