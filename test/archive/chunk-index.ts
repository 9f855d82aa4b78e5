import t from 'tap'
import { ChunkIndex } from '../../src/archive/chunk-index.ts'
import { planFrames } from '../../src/archive/frame-plan.ts'

/** Ids that begin their search at one of few slots, so that they collide: at the last ones, so that they wrap around. */
function ids(count: number): Uint32Array {
  return Uint32Array.from({ length: count * 8 }, (_, i) => i % 8 === 0 ? 0xffff_ffff - ((i / 8) % 250) * 2 ** 24 : i)
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

t.test('gives its records in order, and forgets what it is told to', async t => {
  const index = new ChunkIndex(1024 * 1024)
  const some = ids(2000)
  for (let i = 0; i < 2000; i++) index.set(some, i * 8, i, 10 * i, i % 2 === 0)
  t.equal(index.copies, 1000)
  const records = Array.from(index.records(), record => [...record])
  t.equal(records.length, 1000)
  t.ok(records.every((record, i) => i === 0 || records[i - 1]![0]! <= record[0]!))
  t.same(records.map(([,,,,,,,, frame]) => frame).sort((a, b) => a! - b!), Array.from({ length: 1000 }, (_, i) => 2 * i + 1))
  t.same(new Set(records.map(([,,,,,,,, frame, offset]) => offset! / frame!)), new Set([10]))
  index.clear('copies')
  t.same([index.size, index.copies], [1000, 0])
  t.equal(index.find(some, 0), -1)
  t.equal(index.offsetAt(index.find(some, 8)), 10)
  index.clear('all')
  t.equal(index.size, 0)
  t.equal(index.find(some, 8), -1)
})

t.test('ids made to collide are given up after a while, not looked for through the whole table', async t => {
  const index = new ChunkIndex(64 * 1024 * 1024)
  const count = 200_000
  const hostile = Uint32Array.from({ length: count * 8 }, (_, i) => i % 8 === 0 ? 1 : i)
  const started = performance.now()
  for (let i = 0; i < count; i++) index.set(hostile, i * 8, i, 0)
  t.ok(index.size >= 1024 && index.size < count, `${index.size} kept`)
  // 2 * 10^10 comparisons would take a minute.
  t.ok(performance.now() - started < 20_000)
})
