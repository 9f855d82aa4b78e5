import t from 'tap'
import { Fifo } from '../../../src/transfer/channel/fifo.ts'

t.test('first in, first out', async t => {
  const fifo = new Fifo<number>()
  t.equal(fifo.shift(), undefined)
  let [next, expected] = [0, 0]
  for (const [pushes, shifts] of [[3, 1], [10, 4], [0, 8], [2, 0], [100, 99], [1, 4]]) {
    for (let i = 0; i < pushes; i++) fifo.push(next++)
    for (let i = 0; i < shifts; i++) {
      t.equal(fifo.first, expected)
      t.equal(fifo.shift(), expected++)
    }
    t.equal(fifo.length, next - expected)
  }
  t.equal(fifo.length, 0)
  t.equal(fifo.first, undefined)
  for (let i = 0; i < 5; i++) fifo.push(i)
  fifo.shift()
  t.same(fifo.drain(), [1, 2, 3, 4])
  t.same([fifo.length, fifo.drain()], [0, []])
  fifo.push(9)
  t.equal(fifo.shift(), 9)
})
