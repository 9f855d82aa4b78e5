/** Pages and index pages that lead to themselves, to each other, out of the archive, or twice to one place. */
import t from 'tap'
import { broken, large, pagesOf, write, type Hook } from './support/archives.ts'
import { demandRefusal } from './support/refusal.ts'

const names = ['1', '2', '3', '4', '5', '6', '7', '8', '9']
const entries = names.map(large)
const good = write(entries)
t.equal(pagesOf(good), 3)
const index = good.blocks.find(({ kind }) => kind === 3)!
const pages = good.blocks.filter(({ kind }) => kind === 2)

const codes = ['ERR_WARP_MALFORMED', 'ERR_WARP_DIGEST_MISMATCH', 'ERR_WARP_COUNT_MISMATCH', 'ERR_WARP_ENTRY_ORDER',
  'ERR_WARP_TRUNCATED', 'ERR_WARP_BLOCK_DAMAGED', 'ERR_WARP_LIMIT'] as const
// A stream is restored page by page, before its index comes.
const refuse = (name: string, hooks: Record<string, Hook>) =>
  demandRefusal(t, name, { bytes: broken(entries, hooks), codes: [...codes], restored: names, brief: true })

const places = {
  'the index page itself': index.offset, 'the footer': good.bytes.length - 312, 'the header': 0,
  'the first block': 256, 'beyond the end': good.bytes.length, 'far beyond the end': 2 ** 53 - 1,
  'the middle of a block': pages[1]!.offset + 1,
  'the page before': pages[0]!.offset, 'the page after': pages[2]!.offset,
}
for (const [name, offset] of Object.entries(places)) {
  await refuse(`child at ${name}`, { child: (child, at) => void (at.index === 1 && (child.offset = offset)) })
  await refuse(`frame at ${name}`, {
    location: value => {
      value.frames = [offset]
      value.references = [{ index: 0, offset: 0 }]
    },
  })
  // That is where it belongs.
  if (offset === index.offset) continue
  await refuse(`top at ${name}`, { footer: value => void (value.topOffset = offset) })
}
await refuse('the same child for ever', {
  index: value => void (value.children = Array(128).fill(value.children[0])),
})
await refuse('the same child under other names', {
  index: value => void (value.children =
    Array.from(value.children, (_, i) => ({ ...value.children[0], firstPath: Buffer.from(`${i + 1}`) }))),
})
await refuse('no children', { index: value => void (value.children = []) })
await refuse('one child of three', { index: value => void (value.children = value.children.slice(0, 1)) })
for (const level of [0, 2, 8, 9, 255]) await refuse(`level ${level}`, { index: value => void (value.level = level) })
for (const topLevel of [0, 2, 8, 2 ** 31, 2 ** 32 - 1]) {
  await refuse(`top level ${topLevel}`, { footer: value => void (value.topLevel = topLevel) })
}

await demandRefusal(t, 'index pages that nothing needs', {
  bytes: broken(entries, {
    before: (value, { kind }) => {
      if (kind === 4) value.push(...Array.from({ length: 8 }, () => ({ kind: 3, plain: Buffer.alloc(100) })))
    },
  }),
  codes: [...codes], restored: names,
})

// Blocks within blocks: pages and their index stand in the payload of a frame, where no walk finds them.
const inner = write(entries)
await demandRefusal(t, 'pages inside a frame', {
  bytes: broken([{ path: 'a', content: [{ data: inner.bytes.subarray(256) }] }], {
    // Right after the header of the frame's block, as after the header of the archive.
    footer: value => void Object.assign(value, {
      topOffset: index.offset + 64, topLevel: 1, pages: 3, entries: names.length, chunkRefs: 0, logicalBytes: 0,
    }),
  }, { average: 2 ** 22 }),
  codes: [...codes], restored: ['a'],
})
