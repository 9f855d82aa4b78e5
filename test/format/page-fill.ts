import t from 'tap'
import { MIB } from '../../src/base/limits.ts'
import { PageFill } from '../../src/format/page-fill.ts'

// Each limit of §8.1 Closing: one below it, and at it.

t.test('S: encoded bytes of extents and records together', async t => {
  const fill = new PageFill()
  fill.addExtent(MIB - 101, 0)
  fill.addRecord(100)
  t.equal(fill.isFull, false)
  fill.addExtent(1, 0)
  t.equal(fill.isFull, true)
})

t.test('L: bytes of chunks', async t => {
  const fill = new PageFill()
  fill.addExtent(36, 64 * MIB - 1)
  fill.addRecord(50)
  t.equal(fill.isFull, false)
  fill.addExtent(33, 1)
  t.equal(fill.isFull, true)
})

t.test('R: records other than parts', async t => {
  const fill = new PageFill()
  for (let i = 0; i < 8191; i++) fill.addRecord(1)
  t.equal(fill.isFull, false)
  fill.addRecord(1)
  t.equal(fill.isFull, true)
  t.equal(fill.entries, 8192)
})
