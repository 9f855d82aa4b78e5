import t from 'tap'
import { blake3 } from '@noble/hashes/blake3.js'
import { indexDigest, locationDigest, pageDigest, rootDigest } from '../../src/codec/merkle.ts'
import { xorshift } from './fixtures/xorshift.ts'

function derive(context: string, hex: string): Buffer {
  return Buffer.from(blake3(Buffer.from(hex.replaceAll(' ', ''), 'hex'), { context: Buffer.from(context) }))
}

t.test('digests have the contexts of §9.3', async (t) => {
  for (const [digest, context] of [
    [pageDigest, 'warp-archive 1 page content'],
    [indexDigest, 'warp-archive 1 index content'],
    [locationDigest, 'warp-archive 1 location'],
  ] as const) {
    t.equal(derive(context, '').compare(digest(new Uint8Array())), 0)
    t.equal(derive(context, '010203').compare(digest(Uint8Array.of(1, 2, 3))), 0)
  }
})

t.test('the root binds its parts as §9.3 lays them out', async (t) => {
  const topDigest = xorshift(1, 32)
  const parts = {
    average: 0x0001_0000, entries: 0x1122_3344_55, logicalBytes: Number.MAX_SAFE_INTEGER, chunkRefs: 3,
    topLevel: 2, topDigest,
  }
  const expected = derive('warp-archive 1 root', `0100 00000100 5544332211000000 ffffffffffff1f00
    0300000000000000 02000000 ${Buffer.from(topDigest).toString('hex')}`.replace(/\s/g, ''))
  t.equal(expected.compare(rootDigest(parts)), 0)
  const names = ['average', 'entries', 'logicalBytes', 'chunkRefs', 'topLevel'] as const
  const changes = [{}, ...names.map((name) => ({ [name]: 1 })), { topDigest: xorshift(2, 32) }]
  const roots = new Set(changes.map((change) => Buffer.from(rootDigest({ ...parts, ...change })).toString('hex')))
  t.equal(roots.size, 7)
})

t.test('without a top, zeros stand for its digest', async (t) => {
  const parts = { average: 65_536, entries: 0, logicalBytes: 0, chunkRefs: 0, topLevel: 0 }
  t.same(rootDigest({ ...parts, topDigest: null }), rootDigest({ ...parts, topDigest: new Uint8Array(32) }))
})
