import t from 'tap'
import { numberPages, type FoundIndex, type Gap } from '../../src/archive/recover-scan.ts'

/** Index pages of level 1 over two pages each, of 10 entries: pages at 100, 200, index at 300; pages at 400, 500, index at 600; … */
function level1(n: number): FoundIndex {
  const at = n * 300
  return { offset: at + 300, level: 1, children: [100, 200].map(offset => ({ offset: at + offset, firstOffset: 0, entries: 10 })) }
}

const TOP: FoundIndex = { offset: 5000, level: 2, children: [0, 1, 2].map(n => ({ offset: n * 300 + 300, firstOffset: 0, entries: 20 })) }

function numbers(index: FoundIndex[], gaps: Gap[], top: number | null): (number | null)[] {
  return [...numberPages(index, gaps, top).values()].map(({ firstEntry }) => firstEntry)
}

t.test('what is whole is counted', async t => {
  t.same(numbers([level1(0), level1(1), level1(2)], [], null), [0, 10, 20, 30, 40, 50])
  t.same(numbers([level1(0), level1(1), level1(2), TOP], [], 5000), [0, 10, 20, 30, 40, 50])
  t.same(numbers([], [], null), [])
})

t.test('pages that an index page names are counted though they are lost', async t => {
  // The first page of the second; then the second of it; then one from before.
  for (const [from, to] of [[400, 500], [500, 600], [200, 300]]) {
    t.same(numbers([level1(0), level1(1)], [{ from, to }], null), [0, 10, 20, 30], `${from}`)
  }
})

t.test('what follows a lost index page has no numbers, unless one above tells', async t => {
  // All of the second: nothing but its size would tell that it was there.
  const gaps = [{ from: 350, to: 700 }]
  t.same(numbers([level1(0), level1(2)], gaps, null), [0, 10, null, null])
  t.same(numbers([level1(0), level1(2), TOP], gaps, null), [0, 10, null, null], 'without the footer the top may be another')
  t.same(numbers([level1(0), level1(2), TOP], gaps, 5000), [0, 10, 40, 50])
  // Its index page alone.
  t.same(numbers([level1(0), level1(2)], [{ from: 600, to: 650 }], null), [0, 10, null, null])
  // The first with all its pages.
  t.same(numbers([level1(1), level1(2)], [{ from: 0, to: 400 }], null), [null, null, null, null])
  t.same(numbers([level1(1), level1(2), TOP], [{ from: 0, to: 400 }], 5000), [20, 30, 40, 50])
  // Bytes were taken out.
  t.same(numbers([level1(0), level1(2)], [{ from: 700, to: 700 }], null), [0, 10, null, null])
})
