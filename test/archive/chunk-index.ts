import t from 'tap'
import { ChunkIndex } from '../../src/archive/chunk-index.ts'
import { planFrames } from '../../src/archive/frame-plan.ts'

/** Ids that all begin their search at one of few slots, so that they collide. */
function ids(count: number): Uint32Array {
  return Uint32Array.from({ length: count * 8 }, (_, i) => i % 8 === 0 ? (i / 8) % 7 : i)
}

t.test('keeps what it was given while it grows', async t => {
  const index = new ChunkIndex(1024 * 1024)
  const some = ids(3000) // beyond 70 % of the first 1,024 slots, twice
  for (let i = 0; i < 3000; i++) {
    t.equal(index.find(some, i * 8), -1)
    index.set(some, i * 8, i, 10 * i)
  }
  t.equal(index.size, 3000)
  for (let i = 0; i < 3000; i++) {
    const slot = index.find(some, i * 8)
    t.same([index.frameAt(slot), index.offsetAt(slot)], [i, 10 * i])
  }
  index.set(some, 0, 77, 78)
  t.equal(index.frameAt(index.find(some, 0)), 77, 'set again')
  t.equal(index.size, 3000)
})

t.test('takes no more than its memory allows, and goes on knowing what it has', async t => {
  const index = new ChunkIndex(0) // the least: 1,024 slots
  const some = ids(2000)
  for (let i = 0; i < 2000; i++) index.set(some, i * 8, i, 0)
  t.ok(index.size >= 700 && index.size <= 1024, `${index.size} kept`)
  t.equal(index.frameAt(index.find(some, 0)), 0)
  t.equal(index.find(some, 1999 * 8), -1)
})

t.test('a chunk that the full index cannot take up is stored again, rightly', async t => {
  const index = new ChunkIndex(0)
  const filler = ids(2000)
  for (let i = 0; i < 2000; i++) index.set(filler, i * 8, 0, 0)
  const fresh = Uint32Array.from({ length: 16 }, () => 0xabcdef)
  for (const firstFrame of [1, 2]) {
    const { frames, frameOf, offsetOf } = planFrames(index, fresh, Uint32Array.of(0, 50, 50, 50), firstFrame)
    t.same(frames.map(({ plainLength }) => plainLength), [100])
    t.same([...frameOf], [firstFrame, firstFrame])
    t.same([...offsetOf], [0, 50])
  }
})
