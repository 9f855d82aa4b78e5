import t from 'tap'
import { randomBytes } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import {
  countBytes, countRepeats, estimateEntropy, isBinary, judgeBinary, judgeIncompressible, looksIncompressible,
} from '../../src/codec/entropy.ts'
import { compress } from './fixtures/codecs.ts'
import { xorshift } from './fixtures/xorshift.ts'

/** Text of random words: what compressed files are made of. */
function words(length: number): Uint8Array {
  const dice = xorshift(5, length)
  const parts: string[] = []
  for (let i = 0; parts.length < length / 4; i++) parts.push(`word${dice[i % length] * 7 + (i >>> 6)}`)
  return new TextEncoder().encode(parts.join(' ')).subarray(0, length)
}

t.test('bits per byte', async (t) => {
  t.equal(estimateEntropy(new Uint8Array()), 0)
  t.equal(estimateEntropy(new Uint8Array(1000)), 0)
  t.equal(estimateEntropy(Uint8Array.of(1, 2)), 1)
  t.equal(estimateEntropy(Uint8Array.from({ length: 256 }, (_, i) => i)), 8)
  t.ok(estimateEntropy(xorshift(1, 1 << 20)) > 7.95)
})

t.test('the sample covers the input and depends on it alone', async (t) => {
  const bytes = new Uint8Array(1 << 20)
  bytes.fill(1, 1 << 19)
  t.ok(Math.abs(estimateEntropy(bytes) - 1) < 0.01)
  t.equal(estimateEntropy(bytes), estimateEntropy(bytes.slice()))
  // One past a sample: the first input that is not read whole.
  for (const length of [16_384, 16_385]) {
    const edges = new Uint8Array(length)
    edges[0] = 1
    edges[length - 1] = 2
    const bits = (p: number) => p * Math.log2(1 / p)
    const expected = 2 * bits(1 / 16_384) + bits(16_382 / 16_384)
    t.ok(Math.abs(estimateEntropy(edges) - expected) < 1e-9, 'first and last byte are in it')
  }
})

/** What `countRepeats` says that it does, position by position. */
function repeatsByDefinition(bytes: Uint8Array): number {
  const { length } = bytes
  const positions: { slice: number; slot: number; check: number }[] = []
  for (let slice = 0; slice < Math.min(64, Math.ceil(length / 256)); slice++) {
    const start = length > 16_384 ? Math.floor((slice * (length - 256)) / 63) : 256 * slice
    for (let at = start; at < start + (length > 16_384 ? 253 : 256) && at + 4 <= length; at++) {
      const hash = Math.imul(Buffer.from(bytes.buffer, bytes.byteOffset + at, 4).readInt32LE(), 0x9e37_79b1) >>> 0
      positions.push({ slice, slot: hash >>> 20, check: hash % (1 << 18) })
    }
  }
  return positions.filter(({ slice, slot, check }, i) => {
    const sameSlot = positions.filter((other) => other.slot === slot)
    const last = sameSlot.filter((other) => other.slice === slice).at(-1)
    const other = last === positions[i] ? sameSlot.filter((other) => other.slice < slice).at(-1) : last
    return other?.check === check
  }).length
}

t.test('repeats are counted as defined', async (t) => {
  const block = xorshift(3, 1000)
  for (const [name, bytes, least] of [
    ['nothing', new Uint8Array(), 0],
    ['less than a word', new Uint8Array(3), 0],
    ['one word', new Uint8Array(4), 0],
    ['two words', new Uint8Array(5), 1],
    ['a slice of the same words', new Uint8Array(259), 255],
    ['and one more', new Uint8Array(260), 256],
    ['random bytes', xorshift(4, 3000), 0],
    ['a block over and over', Uint8Array.from({ length: 5000 }, (_, i) => block[i % 1000]), 2000],
    ['text', words(6000), 2000],
    ['a sample of text', words(20_000), 8000],
  ] as [string, Uint8Array, number][]) {
    const repeats = countRepeats(bytes)
    t.equal(repeats, repeatsByDefinition(bytes), name)
    t.ok(repeats >= least && (least > 0 || repeats === 0), `${name}: ${repeats}`)
  }
})

t.test('counts decide', async (t) => {
  const bytes = xorshift(5, 100_000)
  const counts = countBytes(bytes)
  t.equal(counts.reduce((sum, count) => sum + count), 16_384)
  // One position in 128 of 64 slices with 253 words each.
  t.equal(judgeIncompressible(100_000, counts, () => 126), true)
  t.equal(judgeIncompressible(100_000, counts, () => 127), false)
  t.equal(judgeIncompressible(100_000, countBytes(words(100_000)), () => Number(t.fail('not asked for'))), false)
  t.equal(judgeBinary(100_000, counts), true)
  t.equal(judgeBinary(100_000, countBytes(words(100_000))), false)
})

t.test('what looks random', async (t) => {
  const source = words(400_000)
  const deflated = deflateRawSync(source)
  t.equal(looksIncompressible(randomBytes(1 << 20)), true)
  t.equal(looksIncompressible(xorshift(2, 5000)), true)
  t.equal(looksIncompressible(compress(source, 3)), true, 'zstd')
  t.equal(looksIncompressible(deflated), true, 'deflate')
})

t.test('what does not', async (t) => {
  for (const [name, bytes] of [
    ['nothing', new Uint8Array()],
    ['zeros', new Uint8Array(100_000)],
    ['text', words(100_000)],
    ['base64', new TextEncoder().encode(randomBytes(100_000).toString('base64'))],
    ['hexadecimal', new TextEncoder().encode(randomBytes(100_000).toString('hex'))],
    ['all bytes in order, over and over', Uint8Array.from({ length: 100_000 }, (_, i) => i)],
    ['a block of random bytes, over and over', Buffer.concat(Array(50).fill(randomBytes(1024)))],
    ['half random', Buffer.concat([randomBytes(50_000), words(50_000)])],
    ['16-bit samples of a slow wave', new Uint8Array(Int16Array.from({ length: 50_000 },
      (_, i) => 8000 * Math.sin(i / 50)).buffer)],
    ['too little to judge', randomBytes(4095)],
  ] as [string, Uint8Array][]) t.equal(looksIncompressible(bytes), false, name)
})

t.test('random bytes are seldom missed', async (t) => {
  // The shortest input that is judged has the widest spread.
  for (let seed = 1; seed <= 100; seed++) {
    t.equal(looksIncompressible(xorshift(seed, 4096)), true, `seed ${seed}`)
  }
})

t.test('text and binary data', async (t) => {
  const source = words(100_000)
  const umlauts = new TextEncoder().encode('Überfälle auf süße Äpfel. '.repeat(1000))
  for (const [name, bytes, expected] of [
    ['nothing', new Uint8Array(), false],
    ['text', source, false],
    ['text with a few other letters', umlauts, false],
    ['text that is short', new TextEncoder().encode('a\n'), false],
    ['32-bit integers', new Uint8Array(Uint32Array.from({ length: 25_000 }, (_, i) => i).buffer), true],
    ['random bytes', randomBytes(5000), true],
    ['a third of it', Buffer.concat([Buffer.alloc(33_000), source.subarray(0, 67_000)]), false],
    ['more than a third', Buffer.concat([Buffer.alloc(36_000), source.subarray(0, 64_000)]), true],
  ] as [string, Uint8Array, boolean][]) t.equal(isBinary(bytes), expected, name)
})
