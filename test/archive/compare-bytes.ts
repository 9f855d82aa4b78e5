import t from 'tap'
import { BytesComparer } from '../../src/archive/compare-bytes.ts'
import { hash, keyedHash } from '../../src/codec/blake3.ts'
import type { Extent } from '../../src/format/entry.ts'
import { noise } from './support/trees.ts'

const HOLE = 65_536 // the least there is
const content = Buffer.concat([noise(1, 1000), noise(2, 3000), Buffer.alloc(HOLE), noise(3, 10)])

async function* extents(key: Uint8Array | null): AsyncGenerator<Extent> {
  for (const [start, end] of [[0, 1000], [1000, 4000], [4000, 4000 + HOLE], [4000 + HOLE, 4010 + HOLE]]) {
    const bytes = content.subarray(start, end)
    if (start === 4000) yield { kind: 'hole', length: HOLE }
    else yield { kind: 'chunk', length: end - start, id: key ? keyedHash(key, bytes) : hash(bytes) }
  }
}

async function isSame(bytes: Buffer, size: number, key: Uint8Array | null = null): Promise<boolean> {
  const comparer = new BytesComparer(extents(key), key)
  for (let at = 0; at < bytes.length; at += size) if (!(await comparer.push(bytes.subarray(at, at + size)))) return false
  return comparer.end()
}

t.test('in pieces of any size, keyed or not', async t => {
  for (const size of [1, 7, 1000, 4001, 1_000_000]) {
    t.ok(await isSame(content, size))
    t.ok(await isSame(content, size, new Uint8Array(32).fill(9)))
  }
})

t.test('every difference shows', async t => {
  for (const at of [0, 999, 1000, 3999, 4000, 4000 + HOLE - 1, 4000 + HOLE, 4009 + HOLE]) {
    const other = Buffer.from(content)
    other[at] ^= 1
    t.notOk(await isSame(other, 512), `byte ${at}`)
  }
  t.notOk(await isSame(content.subarray(0, -1), 512), 'shorter')
  t.notOk(await isSame(content.subarray(0, 4000), 512), 'shorter by whole extents')
  t.notOk(await isSame(Buffer.concat([content, Buffer.from([1])]), 512), 'longer')
  t.notOk(await isSame(Buffer.alloc(0), 512))
})
