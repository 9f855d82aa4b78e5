import t from 'tap'
import fc from 'fast-check'
import { ChunkIndex } from '../../src/archive/chunk-index.ts'
import { planFrames } from '../../src/archive/frame-plan.ts'

const MIB = 1024 * 1024

function idsOf(names: number[]): Uint32Array {
  return Uint32Array.from(names.flatMap(name => [name, 0, 0, 0, 0, 0, 0, name]))
}

function chunksOf(lengths: number[]): Uint32Array {
  let offset = 0
  return Uint32Array.from(lengths.flatMap(length => [(offset += length) - length, length]))
}

t.test('what is there is not stored again', async t => {
  const index = new ChunkIndex(MIB)
  const first = planFrames(index, idsOf([1, 2, 1]), chunksOf([10, 20, 10]), 0)
  t.same(first.frames, [{ pieces: Uint32Array.of(0, 10, 10, 20), plainLength: 30 }])
  t.same([...first.frameOf], [0, 0, 0])
  t.same([...first.offsetOf], [0, 10, 0])
  const second = planFrames(index, idsOf([2, 3]), chunksOf([20, 5]), 1)
  t.same(second.frames, [{ pieces: Uint32Array.of(20, 5), plainLength: 5 }])
  t.same([...second.frameOf], [0, 1])
  t.same([...second.offsetOf], [10, 0])
  t.same(planFrames(index, idsOf([3]), chunksOf([5]), 2).frames, [])
  t.same(planFrames(index, idsOf([]), chunksOf([]), 2).frames, [])
})

t.test('frames of about the target, and never above the limit', async t => {
  // 4 MiB is the target, 16 MiB the limit of a frame and of a chunk (§5.3, §4.1).
  const lengths = fc.array(fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max: MIB }) }, fc.constant(16 * MIB)), { minLength: 1, maxLength: 60 })
  fc.assert(fc.property(lengths, fc.nat(5), (lengths, modulus) => {
    const names = lengths.map((_, i) => modulus > 1 && i > 9 ? i % modulus : i)
    const sizes = names.map(name => lengths[name])
    const { frames, frameOf, offsetOf } = planFrames(new ChunkIndex(MIB), idsOf(names), chunksOf(sizes), 5)
    for (const { plainLength, pieces } of frames) {
      t.ok(plainLength > 0 && plainLength <= 16 * MIB)
      t.equal(plainLength, pieces.filter((_, i) => i % 2 === 1).reduce((a, b) => a + b, 0))
    }
    const seen = new Map<number, string>()
    names.forEach((name, i) => {
      const place = `${frameOf[i]} ${offsetOf[i]}`
      t.equal(seen.get(name) ?? place, place, 'one place for one id')
      seen.set(name, place)
      t.ok(offsetOf[i] + sizes[i] <= frames[frameOf[i] - 5].plainLength)
    })
  }), { numRuns: 30 })
})
