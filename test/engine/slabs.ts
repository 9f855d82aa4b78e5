import t from 'tap'
import { Slabs } from '../../src/engine/slabs.ts'

t.test('no more slabs than agreed, each lent to one at a time', async t => {
  const slabs = new Slabs(4096, 2)
  t.equal(slabs.slabBytes, 4096)
  const first = await slabs.acquire()
  const second = await slabs.acquire()
  t.equal(first.byteLength, 4096)
  t.not(first, second)
  const order: string[] = []
  const third = slabs.acquire().then(slab => (order.push('third'), slab))
  const fourth = slabs.acquire().then(slab => (order.push('fourth'), slab))
  await new Promise(resolve => setImmediate(resolve))
  t.same(order, [], 'both wait')
  slabs.release(second)
  t.equal(await third, second)
  slabs.release(first)
  t.equal(await fourth, first)
  t.same(order, ['third', 'fourth'], 'first come, first served')
  slabs.release(first)
  t.equal(await slabs.acquire(), first, 'used again')
})
