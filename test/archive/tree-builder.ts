import t from 'tap'
import { indexPagesAfter, TreeBuilder } from '../../src/archive/tree-builder.ts'
import type { IndexChild } from '../../src/format/index-page.ts'

const child = (offset: number): IndexChild => ({
  digest: new Uint8Array(32), firstPath: Buffer.from(`${offset}`), firstOffset: 0, entries: 1, offset, locationDigest: new Uint8Array(32),
})

/** The nodes of a tree over `pages` pages: [level, number of children] in the order of writing. */
function build(pages: number) {
  const tree = new TreeBuilder()
  const nodes: [number, number][] = []
  const after: number[] = []
  for (let page = 1; page <= pages; page++) {
    const before = nodes.length
    for (let node = tree.add(0, child(page)); node; node = tree.add(node.level, child(0))) nodes.push([node.level, node.children.length])
    after.push(nodes.length - before)
  }
  for (let node = tree.nextUnfinished(); node; node = tree.nextUnfinished()) {
    nodes.push([node.level, node.children.length])
    tree.add(node.level, child(0))
  }
  return { nodes, after, top: tree.top()?.level }
}

t.test('nodes of 128, the rest at the end, lowest level first (§9.1)', async t => {
  const cases: [pages: number, top: number | undefined, atEnd: [number, number][]][] = [
    [0, undefined, []],
    [1, 0, []],
    [2, 1, [[1, 2]]],
    [127, 1, [[1, 127]]],
    [128, 1, []],
    [129, 2, [[1, 1], [2, 2]]],
    [256, 2, [[2, 2]]],
    [127 * 128 + 1, 2, [[1, 1], [2, 128]]], // the node that is left over completes the set of its level
    [128 * 128 - 1, 2, [[1, 127], [2, 128]]],
    [128 * 128, 2, []],
    [128 * 128 + 1, 3, [[1, 1], [2, 1], [3, 2]]],
  ]
  for (const [pages, top, atEnd] of cases) {
    const built = build(pages)
    t.equal(built.top, top, `${pages} pages`)
    const complete = built.nodes.length - atEnd.length
    t.same(built.nodes.slice(complete), atEnd)
    t.ok(built.nodes.slice(0, complete).every(([, children]) => children === 128))
    t.same(built.after, Array.from({ length: pages }, (_, i) => indexPagesAfter(i + 1)), 'known in advance')
  }
})
