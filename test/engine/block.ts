import t from 'tap'
import { sealBlock, openBlock, readBlockHeaderOf, blockBytes, BLOCK_OVERHEAD_BYTES } from '../../src/engine/block.ts'
import type { Compression, Sealing } from '../../src/engine/block.ts'
import { BLOCK_HEADER_BYTES } from '../../src/base/limits.ts'
import { CODEC, KIND } from '../../src/format/block.ts'
import { noise, repeated } from '../archive/support/trees.ts'

const plain: Sealing = { archiveId: new Uint8Array(16).fill(1), sealingKey: null }
const encrypted: Sealing = { archiveId: plain.archiveId, sealingKey: new Uint8Array(32).fill(2) }
const words = repeated(Buffer.from('some words that repeat. '), 200_000) // several LZ4 parts
const random = noise(1, 100_000)

function seal(sealing: Sealing, content: Uint8Array, compression: Compression, ordinal = 5): Buffer {
  const out = Buffer.alloc(content.length + BLOCK_OVERHEAD_BYTES)
  return out.subarray(0, sealBlock(sealing, { kind: KIND.frame, ordinal, compression, level: 3 }, content, out))
}

function unseal(sealing: Sealing, block: Buffer): Uint8Array {
  const bytes = Buffer.from(block)
  const header = readBlockHeaderOf(sealing, bytes.subarray(0, BLOCK_HEADER_BYTES), 100, { kind: KIND.frame, ordinal: 5 })
  t.equal(blockBytes(header), block.length)
  return openBlock(sealing, header, bytes, 100)
}

t.test('blocks come back as they were', async t => {
  const cases: [Uint8Array, Compression, number][] = [
    [words, 'auto', CODEC.zstd], [words, 'zstd', CODEC.zstd], [words, 'lz4', CODEC.lz4], [words, 'none', CODEC.store],
    [random, 'auto', CODEC.store], [random, 'zstd', CODEC.store], [random, 'lz4', CODEC.store],
    [Buffer.from('x'), 'zstd', CODEC.store], // does not shrink
  ]
  for (const sealing of [plain, encrypted]) {
    for (const [content, compression, codec] of cases) {
      const block = seal(sealing, content, compression)
      t.equal(block[33], codec, `${compression}, ${content.length} bytes`)
      t.equal(Buffer.compare(unseal(sealing, block), content), 0)
    }
  }
  t.notSame(seal(encrypted, words, 'none').subarray(64, 128), words.subarray(0, 64))
})

t.test('every altered byte is noticed', async t => {
  for (const sealing of [plain, encrypted]) {
    const block = seal(sealing, words, 'zstd')
    for (let at = 0; at < block.length; at++) {
      const altered = Buffer.from(block)
      altered[at] ^= 1
      try {
        unseal(sealing, altered)
        t.fail(`byte ${at}`)
      } catch (error) {
        const { code } = error as { code: string }
        const expected = at < BLOCK_HEADER_BYTES ? 'ERR_WARP_MALFORMED' : 'ERR_WARP_BLOCK_DAMAGED'
        if (code !== expected) t.equal(code, expected, `byte ${at}`)
      }
    }
  }
  t.pass()
})

t.test('a block in another place', async t => {
  const block = seal(plain, words, 'zstd')
  const head = block.subarray(0, BLOCK_HEADER_BYTES)
  const code = 'ERR_WARP_MALFORMED'
  t.throws(() => readBlockHeaderOf(plain, head, 9, { kind: KIND.page }), { code, offset: 9 })
  t.throws(() => readBlockHeaderOf(plain, head, 9, { ordinal: 6 }), { code, offset: 9 })
  t.throws(() => readBlockHeaderOf({ ...plain, archiveId: new Uint8Array(16) }, head, 9), { code, offset: 9 })
  t.throws(() => readBlockHeaderOf(plain, Buffer.alloc(64), 9), { code, offset: 9 })
  t.throws(() => readBlockHeaderOf(plain, head.subarray(0, 63), 9), { code: 'ERR_WARP_TRUNCATED', offset: 9 })
  const other = { ...encrypted, sealingKey: new Uint8Array(32).fill(3) }
  t.throws(() => unseal(other, seal(encrypted, words, 'lz4')), { code: 'ERR_WARP_BLOCK_DAMAGED', offset: 100 })
})
