import t from 'tap'
import type { Extent, Record } from '../../src/format/entry.ts'
import { PathOrder, RecordOrder } from '../../src/format/record-order.ts'
import { bytes, chunk, hole, metadata } from './support/samples.ts'

const ORDER = { code: 'ERR_WARP_ENTRY_ORDER' }
const BENEATH = { code: 'ERR_WARP_NOT_A_DIRECTORY' }
const MALFORMED = { code: 'ERR_WARP_MALFORMED' }
const TARGET = { code: 'ERR_WARP_HARD_LINK_TARGET' }

const dir = (path: string): Record => ({ type: 'directory', path: bytes(path), metadata })
const file = (path: string, ...extents: Extent[]): Record =>
  ({ type: 'file', path: bytes(path), metadata, extents })
const part = (path: string, ...extents: Extent[]): Record => ({ type: 'part', path: bytes(path), extents })
const symlink = (path: string): Record =>
  ({ type: 'symlink', path: bytes(path), metadata, target: bytes('x') })
const hardlink = (path: string, targetEntry: number): Record =>
  ({ type: 'hardlink', path: bytes(path), targetEntry })
const fifo = (path: string): Record => ({ type: 'fifo', path: bytes(path), metadata })

function take(records: Record[], options = {}): RecordOrder {
  const order = new RecordOrder(options)
  for (const record of records) order.next(record)
  order.finish()
  return order
}

t.test('paths ascend', async t => {
  t.equal(take([dir(''), dir('a'), file('a/b'), file('a-b')]).entries, 4)
  t.equal(take([file('a/b'), dir('c')]).entries, 2, 'parents need not be present')
  t.equal(take([]).entries, 0)
  t.throws(() => take([file('a'), file('a')]), { ...ORDER, path: 'a' })
  t.throws(() => take([file('b'), file('a')]), ORDER)
  t.throws(() => take([file('a-b'), file('a/b')]), ORDER, 'as bytes, but not by component')
  t.throws(() => take([file('a'), dir('')]), ORDER, 'the root comes first')
  t.throws(() => take([dir(''), dir('')]), ORDER, 'the root comes once')
})

t.test('nothing lies beneath what is not a directory', async t => {
  for (const record of [file('a'), symlink('a'), fifo('a')]) {
    t.throws(() => take([record, file('a/b')]), { ...BENEATH, path: 'a/b' })
    t.throws(() => take([record, file('a/b/c')]), BENEATH)
    take([record, file('a-b/c')])
  }
  t.throws(() => take([file('0'), hardlink('a', 0), file('a/b')]), BENEATH)
  t.throws(() => take([part('a', chunk(1)), file('a'), file('a/b')]), BENEATH)
  const order = new PathOrder()
  order.next(bytes('a'), false)
  t.throws(() => order.next(bytes('a/b'), true), BENEATH)
})

t.test('parts', async t => {
  const order = new RecordOrder()
  t.equal(order.nextOffset, 0)
  order.next(part('a', chunk(1000), chunk(24)))
  t.equal(order.nextOffset, 1024)
  order.next(part('a', chunk(1)))
  t.equal(order.nextOffset, 1025)
  t.equal(order.entries, 0)
  t.throws(() => order.finish(), MALFORMED)
  order.next(file('a'))
  t.equal(order.nextOffset, 0)
  t.equal(order.entries, 1)
  order.finish()
  t.throws(() => take([part('a', chunk(1)), file('b')]), { ...MALFORMED, path: 'a' })
  t.throws(() => take([part('a', chunk(1)), dir('a')]), MALFORMED)
  t.throws(() => take([part('a', chunk(1)), hardlink('a', 0)]), MALFORMED)
  t.throws(() => take([part('a', chunk(1)), part('b', chunk(1))]), MALFORMED)
  t.throws(() => take([part('a', chunk(1)), file('a'), file('a')]), ORDER)
})

t.test('holes', async t => {
  const least = 65_536
  take([file('a', hole(least)), file('b', chunk(4096), hole(least), chunk(5)), file('c', hole(least + 1))])
  t.throws(() => take([file('a', hole(least - 4096), chunk(1))]), MALFORMED, 'too short')
  t.throws(() => take([file('a', hole(least), hole(least))]), MALFORMED, 'adjacent')
  t.throws(() => take([file('a', chunk(4095), hole(least))]), MALFORMED, 'starts inside a block')
  t.throws(() => take([file('a', hole(least + 1), chunk(1))]), MALFORMED, 'ends inside a block')
})

t.test('holes where pages meet', async t => {
  const least = 65_536
  take([part('a', hole(least + 1)), file('a'), file('b', hole(least))])
  take([part('a', chunk(4000)), part('a', chunk(96)), file('a', hole(least))])
  t.throws(() => take([part('a', hole(least)), file('a', hole(least))]), MALFORMED)
  t.throws(() => take([part('a', hole(least + 1)), file('a', chunk(1))]), MALFORMED)
  t.throws(() => take([part('a', chunk(4000)), file('a', hole(least))]), MALFORMED)
  t.throws(() => take([part('a', hole(least)), part('a', chunk(1)), file('a', hole(least))]), MALFORMED)
})

t.test('a file is at most 2^53-1 bytes', async t => {
  const most = 2 ** 53 - 4096
  take([file('a', hole(most), chunk(4095))])
  t.throws(() => take([file('a', hole(most), chunk(4096))]), { code: 'ERR_WARP_LIMIT' })
  t.throws(() => take([part('a', hole(most)), file('a', chunk(4096))]), { code: 'ERR_WARP_LIMIT' })
})

t.test('hard links name a smaller number of a linkable type', async t => {
  const start = [dir(''), file('a'), symlink('b'), fifo('c'), part('d', chunk(1)), file('d'), dir('e')]
  for (const target of [1, 2, 3, 4]) take([...start, hardlink('f', target), hardlink('g', target)])
  for (const target of [0, 5, 6, 7, 2 ** 40]) {
    t.throws(() => take([...start, hardlink('f', target)]), { ...TARGET, path: 'f' }, `${target}`)
  }
  t.throws(() => take([...start, hardlink('f', 1), hardlink('g', 6)]), TARGET, 'a hard link')
  const path = (i: number) => `x/${String(i).padStart(5, '0')}`
  const count = 1025 // more than the first 512 bits, twice doubled
  const many = Array.from({ length: count }, (_, i) => (i % 3 === 0 ? dir(path(i)) : file(path(i))))
  for (const target of [1, 511, 512, 1024]) {
    const records = [...many, hardlink('y', target)]
    if (target % 3 === 0) t.throws(() => take(records), TARGET)
    else take(records)
  }
})

t.test('midway, what depends on earlier pages passes', async t => {
  const least = 65_536
  const midway = { midway: true }
  take([file('a', hole(least)), hardlink('b', 70)], midway)
  take([file('a', hole(least), chunk(1))], midway)
  t.throws(() => take([file('a', hole(least), hole(least))], midway), MALFORMED)
  t.throws(() => take([file('a', hole(least + 1), chunk(1))], midway), MALFORMED)
  t.throws(() => take([file('a'), file('b', chunk(1), hole(least))], midway), MALFORMED)
  t.throws(() => take([file('a'), file('a')], midway), ORDER)
})
