import t from 'tap'
import { Sequence } from '../../src/archive/sequence.ts'

t.test('one after the other', async t => {
  const sequence = new Sequence()
  const order: number[] = []
  const turns = (count: number) => async () => {
    for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve))
    order.push(count)
    return count
  }
  const results = Promise.all([sequence.run(turns(3)), sequence.run(turns(1)), sequence.run(turns(0))])
  await sequence.idle()
  t.same(order, [3, 1, 0])
  t.same(await results, [3, 1, 0])
})

t.test('after a failure nothing runs', async t => {
  const sequence = new Sequence()
  let ran = false
  const failing = sequence.run(async () => {
    throw new Error('first')
  })
  const after = sequence.run(async () => {
    ran = true
  })
  await t.rejects(failing, { message: 'first' })
  await t.rejects(after, { message: 'first' })
  await t.rejects(sequence.idle(), { message: 'first' })
  await t.rejects(sequence.failed, { message: 'first' })
  t.notOk(ran)
})
