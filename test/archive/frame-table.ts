import t from 'tap'
import { FrameTable } from '../../src/archive/frame-table.ts'

t.test('finds frames by their offsets', async t => {
  const table = new FrameTable()
  t.equal(table.unreferred, null)
  const frames = 1000 // past the first two sizes of the table
  for (let i = 0; i < frames; i++) table.add(256 + 100 * i, i + 1)
  t.equal(table.refer(0), undefined)
  t.equal(table.refer(257), undefined)
  t.equal(table.refer(256 + 100 * frames), undefined)
  t.equal(table.unreferred, 256)
  for (let i = frames - 1; i >= 0; i--) t.equal(table.refer(256 + 100 * i), i + 1)
  t.equal(table.unreferred, null)
})

t.test('names the first frame that nothing refers to', async t => {
  const table = new FrameTable()
  for (const offset of [10, 20, 30]) table.add(offset, 1)
  table.refer(10)
  table.refer(10)
  table.refer(30)
  t.equal(table.unreferred, 20)
})

t.test('an offset beyond 32 bits is not another', async t => {
  const table = new FrameTable()
  table.add(256, 1)
  table.add(2 ** 32 + 256, 2)
  t.equal(table.refer(2 ** 32 + 256), 2)
  t.equal(table.unreferred, 256)
})
