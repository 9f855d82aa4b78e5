/** The same path twice, next to each other and far apart. */
import t from 'tap'
import { broken, large, write } from './support/archives.ts'
import { demandRefusal } from './support/refusal.ts'

const kinds = {
  file: { content: 'x' }, directory: { type: 2 }, symlink: { target: '../outside' }, 'hard link': { link: 'a' },
}
for (const [first, one] of Object.entries(kinds)) {
  for (const [second, other] of Object.entries(kinds)) {
    await demandRefusal(t, `${first}, then ${second}`, {
      bytes: write([{ path: 'a', content: 'a' }, { path: 'b', ...one }, { path: 'b', ...other }]).bytes,
      codes: ['ERR_WARP_ENTRY_ORDER'],
    })
  }
}

await demandRefusal(t, 'apart', {
  bytes: write(['a', 'b', 'a'].map(path => ({ path, content: path })), { sort: false }).bytes,
  codes: ['ERR_WARP_ENTRY_ORDER'],
})
await demandRefusal(t, 'root after all else', {
  bytes: write([{ path: 'a', content: '1' }, { path: '', type: 2 }], { sort: false }).bytes,
  codes: ['ERR_WARP_ENTRY_ORDER'],
})

const pages = ['1', '2', '3', '4'].map(large)
await demandRefusal(t, 'at the end of a page and the start of the next', {
  bytes: write([...pages, { path: '4', content: 'x' }], { sort: false }).bytes,
  codes: ['ERR_WARP_ENTRY_ORDER'], restored: ['1', '2', '3', '4'],
})
await demandRefusal(t, 'on two pages, the index in order', {
  bytes: broken([...pages, { path: '1', content: 'x' }], {
    child: (child, { index }) => void (index === 1 && (child.firstPath = Buffer.from('5'))),
  }, { sort: false }),
  codes: ['ERR_WARP_ENTRY_ORDER', 'ERR_WARP_DIGEST_MISMATCH'], restored: ['1', '2', '3', '4'],
})
