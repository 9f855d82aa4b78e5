import t from 'tap'
import { PageSequence } from '../../src/archive/page-sequence.ts'
import type { ScannedPage } from '../../src/archive/scan.ts'
import type { Footer } from '../../src/format/footer.ts'
import type { Record } from '../../src/format/entry.ts'
import { metadata } from './support/archives.ts'

const path = (name: string) => Buffer.from(name)
const directory = (name: string): Record => ({ type: 'directory', path: path(name), metadata })
const file = (name: string, type: 'file' | 'part', lengths: number[]): Record => {
  const extents = lengths.map(length => ({ kind: 'chunk' as const, length, id: Buffer.alloc(32) }))
  return type === 'file' ? { type, path: path(name), metadata, extents } : { type, path: path(name), extents }
}

/** As much of a page as a sequence looks at. */
function page(records: Record[], more: { firstOffset?: number; closedBy?: 'limit' | 'end' } = {}): ScannedPage {
  const { firstOffset = 0, closedBy = 'limit' } = more
  const lengths = records.flatMap(record => 'extents' in record ? record.extents.map(({ length }) => length) : [])
  const logicalBytes = lengths.reduce((sum, length) => sum + length, 0)
  const read = { records, closedBy, logicalBytes, lengths: Uint32Array.from(lengths) }
  return { page: read as unknown as ScannedPage['page'], firstEntry: 0, offset: 256, firstOffset }
}

const counts = (pages: number, logicalBytes: number, chunkRefs: number) =>
  ({ pages, logicalBytes, chunkRefs }) as Footer

t.test('pages in order', async () => {
  const sequence = new PageSequence(true)
  sequence.next(page([directory('a'), file('b', 'part', [10, 20])]))
  sequence.next(page([file('b', 'part', [5])], { firstOffset: 30 }))
  sequence.next(page([file('b', 'file', [1]), directory('c')], { firstOffset: 35, closedBy: 'end' }))
  sequence.finish(counts(3, 36, 4))
})

t.test('a wrong place of a part', async t => {
  for (const firstOffset of [0, 29, 31]) {
    const sequence = new PageSequence(true)
    sequence.next(page([file('b', 'part', [10, 20])]))
    t.throws(() => sequence.next(page([file('b', 'file', [1])], { firstOffset })), { code: 'ERR_WARP_MALFORMED' })
  }
  const late = page([file('b', 'file', [1])], { firstOffset: 1 })
  t.throws(() => new PageSequence(true).next(late), { code: 'ERR_WARP_MALFORMED' })
})

t.test('begun within, it takes the first place as it is', async t => {
  const sequence = new PageSequence(false)
  sequence.next(page([file('b', 'part', [10])], { firstOffset: 70 }))
  t.throws(() => sequence.next(page([file('b', 'file', [1])], { firstOffset: 10 })), { code: 'ERR_WARP_MALFORMED' })
})

t.test('what lies between pages', async t => {
  const after = (first: Record[], second: Record[], closedBy: 'limit' | 'end' = 'limit') => () => {
    const sequence = new PageSequence(true)
    sequence.next(page(first, { closedBy }))
    sequence.next(page(second))
  }
  t.throws(after([directory('a')], [directory('a')]), { code: 'ERR_WARP_ENTRY_ORDER' })
  t.throws(after([directory('b')], [directory('a')]), { code: 'ERR_WARP_ENTRY_ORDER' })
  t.throws(after([file('a', 'file', [])], [file('a/b', 'file', [])]), { code: 'ERR_WARP_NOT_A_DIRECTORY' })
  t.throws(after([file('a', 'part', [1])], [directory('a')]), { code: 'ERR_WARP_MALFORMED' })
  const link: Record = { type: 'hardlink', path: path('b'), targetEntry: 0 }
  t.throws(after([directory('a')], [link]), { code: 'ERR_WARP_HARD_LINK_TARGET' })
  t.throws(after([directory('a')], [directory('b')], 'end'), { code: 'ERR_WARP_MALFORMED' })
})

t.test('at the end', async t => {
  const sequence = new PageSequence(true)
  sequence.next(page([file('a', 'file', [3])], { closedBy: 'end' }))
  for (const footer of [counts(2, 3, 1), counts(1, 4, 1), counts(1, 3, 0)]) {
    t.throws(() => sequence.finish(footer), { code: 'ERR_WARP_COUNT_MISMATCH' })
  }
  sequence.finish(counts(1, 3, 1))
  const open = new PageSequence(true)
  open.next(page([file('a', 'part', [3])]))
  t.throws(() => open.finish(counts(1, 3, 1)), { code: 'ERR_WARP_MALFORMED' })
})
