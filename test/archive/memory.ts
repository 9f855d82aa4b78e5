import t from 'tap'
import { planMemory, threadsWithin } from '../../src/archive/memory.ts'

const MIB = 1024 * 1024
const SLAB = 33 * MIB

t.test('the budget bounds what is in flight', async t => {
  for (const memory of [128, 256, 512, 1024, 4096, 65_536].map(mib => mib * MIB)) {
    for (const threads of [1, 2, 8, 64]) {
      const { slabs, indexBytes } = planMemory(memory, SLAB, threads)
      t.ok(Number.isInteger(slabs) && slabs >= 1 && slabs <= threads + 2)
      t.ok(indexBytes >= 0)
      // One batch is the least there can be, whatever the budget.
      if (slabs > 1) t.ok(slabs * 2 * SLAB + indexBytes <= memory, `${memory / MIB} MiB, ${threads} threads: ${slabs} slabs`)
    }
  }
  const small = planMemory(256 * MIB, SLAB, 2)
  const large = planMemory(1024 * MIB, SLAB, 2)
  t.ok(large.slabs > small.slabs && large.indexBytes > small.indexBytes)
  t.same(planMemory(undefined, SLAB, 2), planMemory(512 * MIB, SLAB, 2))
  t.ok(planMemory(undefined, SLAB, 2, true).slabs < planMemory(undefined, SLAB, 2).slabs, 'LZ4 needs memory of its own')
  t.equal(planMemory(128 * MIB, SLAB, 2, true).slabs, 1)
})

t.test('threads within a budget', async t => {
  t.equal(threadsWithin(undefined, 2), 2, 'the default is enough for two')
  t.equal(threadsWithin(64 * MIB, 8), 1, 'never none')
  t.ok(threadsWithin(512 * MIB, 64) < 10)
  t.equal(threadsWithin(64 * 1024 * MIB, 64), 64)
})
