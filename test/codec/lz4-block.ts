import t from 'tap'
import fc from 'fast-check'
import { compressBlock, decompressBlock } from '../../src/codec/lz4-block.ts'
import { native } from '../../src/codec/lz4.ts'
import { xorshift } from './fixtures/xorshift.ts'

const MALFORMED = { code: 'ERR_WARP_MALFORMED' }

function compress(bytes: Uint8Array): Uint8Array {
  const room = new Uint8Array(bytes.length + bytes.length / 255 + 16)
  return room.slice(0, compressBlock(bytes, room))
}

function decompress(block: ArrayLike<number>, length: number): Uint8Array {
  const plain = new Uint8Array(length)
  decompressBlock(Uint8Array.from(block), plain)
  return plain
}

/** [literals, match length, position after it] of each sequence; the last one has no match. */
function sequences(block: Uint8Array): { literals: number, match: number, end: number }[] {
  const list = []
  let end = 0
  for (let at = 0; at < block.length;) {
    const token = block[at++]
    const extended = (nibble: number) => {
      let length = nibble
      if (nibble === 15) do length += block[at]; while (block[at++] === 255)
      return length
    }
    const literals = extended(token >>> 4)
    at += literals
    end += literals
    const match = at === block.length ? 0 : (at += 2, extended(token & 15) + 4)
    end += match
    list.push({ literals, match, end })
  }
  return list
}

/** Data with repeats of many lengths and distances. */
const repetitive = fc.array(fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => ({ bytes, times: 1 })),
  fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 6 }), times: fc.integer({ min: 1, max: 300 }) }),
), { maxLength: 12 }).map((list) => new Uint8Array(Buffer.concat(list.flatMap(({ bytes, times }) => Array<Uint8Array>(times).fill(bytes)))))

t.test('what was compressed comes back', async (t) => {
  fc.assert(fc.property(repetitive, (bytes) => {
    t.equal(Buffer.compare(decompress(compress(bytes), bytes.length), bytes), 0)
  }), { numRuns: 200 })
  for (const bytes of [
    xorshift(1, 65_536),
    new Uint8Array(65_536),
    // Matches at the largest offset, and one that is out of reach.
    Buffer.concat([xorshift(2, 20), new Uint8Array(65_515), xorshift(2, 20)]),
    Buffer.concat([xorshift(2, 20), new Uint8Array(65_516), xorshift(2, 20)]),
  ]) t.equal(Buffer.compare(decompress(compress(bytes), bytes.length), bytes), 0)
})

t.test('literal and match lengths around their extensions', async (t) => {
  for (const length of [14, 15, 16, 15 + 254, 15 + 255, 15 + 256, 15 + 510]) {
    const literals = Buffer.concat([xorshift(length, length), new Uint8Array(40)])
    t.equal(Buffer.compare(decompress(compress(literals), literals.length), literals), 0)
    const match = Buffer.concat([Buffer.alloc(length + 5, 7), xorshift(9, 12)])
    t.equal(Buffer.compare(decompress(compress(match), match.length), match), 0)
  }
})

t.test('the end of a block', async (t) => {
  fc.assert(fc.property(repetitive, (bytes) => {
    const list = sequences(compress(bytes))
    const last = list.at(-1)!
    t.equal(last.match, 0)
    t.equal(last.end, bytes.length)
    if (list.length === 1) return
    t.ok(last.literals >= 5, 'the last five bytes are literals')
    const match = list.at(-2)!
    t.ok(match.end - match.match <= bytes.length - 12, 'no match starts in the last twelve')
  }), { numRuns: 100 })
  t.equal(sequences(compress(new Uint8Array(12))).length, 1, 'too short for a match')
  t.equal(sequences(compress(new Uint8Array(13))).length, 2)
})

t.test('the output depends on the input alone', async (t) => {
  const bytes = Buffer.concat([xorshift(4, 3000), xorshift(4, 3000)])
  const first = compress(bytes)
  compress(xorshift(4, 500))
  t.equal(Buffer.compare(compress(bytes), first), 0)
  t.ok(first.length < 3100)
})

t.test('0 where it does not fit', async (t) => {
  fc.assert(fc.property(repetitive, fc.integer({ min: 1, max: 20 }), (bytes, less) => {
    const block = compress(bytes)
    const exact = new Uint8Array(block.length + 1).fill(255)
    t.equal(compressBlock(bytes, exact.subarray(0, block.length)), block.length)
    t.equal(exact[block.length], 255)
    t.equal(compressBlock(bytes, exact.subarray(0, Math.max(0, block.length - less))), 0)
  }), { numRuns: 100 })
})

t.test('blocks by hand', async (t) => {
  t.same([...decompress([0x30, 1, 2, 3], 3)], [1, 2, 3])
  t.same([...decompress([0x11, 9, 1, 0, 0x50, 1, 2, 3, 4, 5], 11)], [9, 9, 9, 9, 9, 9, 1, 2, 3, 4, 5], 'overlap')
  t.same([...decompress([0], 0)], [])
  for (const [name, block, length] of [
    ['nothing', [], 0],
    ['longer than the part', [0x30, 1, 2, 3], 2],
    ['shorter than the part', [0x30, 1, 2, 3], 4],
    ['literals cut short', [0x30, 1, 2], 3],
    ['literal length cut short', [0xf0], 15],
    ['literal length cut short after 255', [0xf0, 255], 15],
    ['offset 0', [0x10, 9, 0, 0, 0x50, 1, 2, 3, 4, 5], 10],
    ['offset before the start', [0x10, 9, 2, 0, 0x50, 1, 2, 3, 4, 5], 10],
    ['offset cut short', [0x10, 9, 1], 5],
    ['match length cut short', [0x1f, 9, 1, 0], 20],
    ['match longer than the part', [0x1f, 9, 1, 0, 200, 0x50, 1, 2, 3, 4, 5], 100],
    ['byte after the end', [0x30, 1, 2, 3, 0x10], 3],
  ] as [string, number[], number][]) t.throws(() => decompress(block, length), MALFORMED, name)
})

t.test('agrees with the native decoder', { skip: native() === null && 'no native package here' }, async (t) => {
  const decode = native()!.decompressBlock
  const outcome = (run: () => Uint8Array) => {
    try {
      return Buffer.from(run()).toString('hex')
    } catch {
      return 'refused'
    }
  }
  const mutation = fc.record({ at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) })
  let refused = 0
  fc.assert(fc.property(repetitive, fc.array(mutation, { maxLength: 3 }), fc.integer({ min: -1, max: 1 }),
    (bytes, mutations, cut) => {
      const block = compress(bytes)
      for (const { at, value } of mutations) block[at % block.length] = value
      const damaged = cut < 0 ? block.subarray(0, -1) : block
      const length = bytes.length + (cut > 0 ? 1 : 0)
      const own = outcome(() => decompress(damaged, length))
      if (own === 'refused') refused++
      t.equal(outcome(() => {
        const plain = new Uint8Array(length)
        decode(damaged, plain)
        return plain
      }), own)
    }), { numRuns: 500 })
  t.ok(refused > 50)
})
