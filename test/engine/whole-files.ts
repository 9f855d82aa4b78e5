import t from 'tap'
import { WholeFiles } from '../../src/engine/whole-files.ts'
import { hash, keyedHash } from '../../src/codec/blake3.ts'
import { cutAll } from '../../src/codec/chunker.ts'
import { xorshift } from '../codec/fixtures/xorshift.ts'

const AVERAGE = 8192

const contents: [string, Uint8Array][] = [
  ['empty', new Uint8Array(0)],
  ['one byte', Uint8Array.of(7)],
  ['the minimum: one chunk, never scanned', xorshift(1, AVERAGE / 2)],
  ['one past the minimum', xorshift(2, AVERAGE / 2 + 1)],
  ['many chunks', xorshift(3, 300_000)],
  ['no candidates: chunks of the maximum', new Uint8Array(100_000).fill(9)],
  ['a hole of the least length in the middle', Buffer.concat([xorshift(4, 40_960), new Uint8Array(65_536), xorshift(5, 9999)])],
  ['holes at both ends', Buffer.concat([new Uint8Array(131_072), xorshift(6, 20_480), new Uint8Array(70_000)])],
  ['a run of zeros too short for a hole', Buffer.concat([xorshift(7, 4096), new Uint8Array(61_440), xorshift(8, 100)])],
  ['nothing but zeros', new Uint8Array(200_000)],
]

for (const key of [null, xorshift(9, 32)]) {
  t.test(key ? 'keyed ids' : 'plain ids', async (t) => {
    const slab = Buffer.from(new SharedArrayBuffer(2 << 20))
    const files = new WholeFiles(slab, AVERAGE, key)
    let at = 3
    const offsets = contents.map(([, bytes]) => {
      slab.set(bytes, at)
      files.add(at, bytes.length)
      files.skip()
      at += bytes.length
      return at - bytes.length
    })
    const { chunks, ids, extents, extentEnds } = files.take()
    t.equal(extentEnds.length, 2 * contents.length)
    t.equal(ids.length, 16 * chunks.length)
    contents.forEach(([name, bytes], i) => {
      const from = i > 0 ? extentEnds[2 * i - 1] : 0
      const found = [...extents.subarray(from, extentEnds[2 * i])]
      t.equal(extentEnds[2 * i], extentEnds[2 * i + 1], 'nothing of what was skipped')
      const expected = cutAll(bytes, AVERAGE)
      t.same(found.map((extent) => extent < 0
        ? { kind: 'hole', length: -extent }
        : { kind: 'chunk', length: chunks[2 * extent + 1] }), expected.map(({ kind, length }) => ({ kind, length })), name)
      expected.forEach(({ kind, offset, length }, n) => {
        if (kind === 'hole') return
        const number = found[n]
        t.equal(chunks[2 * number], offsets[i] + offset)
        const piece = bytes.subarray(offset, offset + length)
        t.ok(Buffer.from(ids.subarray(32 * number, 32 * number + 32)).equals(key ? keyedHash(key, piece) : hash(piece)))
      })
    })
  })
}
