import t from 'tap'
import { CheckedChunks } from '../../src/archive/checked-chunks.ts'
import { hash } from '../../src/codec/blake3.ts'

const idOf = (number: number) => hash(Buffer.from(`${number}`))

t.test('a chunk is new once', async t => {
  const checked = new CheckedChunks(2 ** 20)
  for (let i = 0; i < 1000; i++) t.ok(checked.isNew(idOf(i), 256 + i, i, i + 1))
  for (let i = 0; i < 1000; i++) t.notOk(checked.isNew(idOf(i), 256 + i, i, i + 1))
})

t.test('the same id elsewhere, or of another length, is new', async t => {
  const checked = new CheckedChunks(2 ** 20)
  const [frame, offset, length] = [2 ** 33 + 256, 100, 10]
  t.ok(checked.isNew(idOf(1), frame, offset, length))
  t.ok(checked.isNew(idOf(1), frame, offset, length + 1))
  t.ok(checked.isNew(idOf(1), frame, offset + 1, length))
  t.ok(checked.isNew(idOf(1), 256, offset, length), 'an offset of 33 bits is not that of its low 32')
  t.ok(checked.isNew(idOf(2), frame, offset, length))
  t.notOk(checked.isNew(idOf(1), frame, offset, length))
})

t.test('what does not fit is always new', async t => {
  const checked = new CheckedChunks(0)
  const count = 1024 // slots of the smallest index, which is never filled
  for (let i = 0; i < count; i++) checked.isNew(idOf(i), 256, i, 1)
  t.notOk(checked.isNew(idOf(0), 256, 0, 1))
  t.ok(checked.isNew(idOf(count - 1), 256, count - 1, 1))
  t.ok(checked.isNew(idOf(count - 1), 256, count - 1, 1))
})
