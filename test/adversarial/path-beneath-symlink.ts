/** A symlink of the archive, and something beneath it. */
import t from 'tap'
import { large, pagesOf, write } from './support/archives.ts'
import { demandRefusal } from './support/refusal.ts'

for (const target of ['../outside', '../outside/directory', '/tmp', '.', 'nowhere']) {
  await demandRefusal(t, `symlink to ${target}`, {
    bytes: write([{ path: 'a', target }, { path: 'a/new', content: 'x' }]).bytes,
    codes: ['ERR_WARP_NOT_A_DIRECTORY'],
  })
}

await demandRefusal(t, 'symlink, and a directory of the same name after it', {
  bytes: write([{ path: 'a', target: '../outside' }, { path: 'a', type: 2 }, { path: 'a/new', content: 'x' }]).bytes,
  codes: ['ERR_WARP_ENTRY_ORDER'],
})

// Each about fills a quarter of a page, so that the symlink is the last of the first page.
const { xattrs } = large('4')
const apart = write([
  ...['1', '2', '3'].map(large), { path: '4', target: '../outside', xattrs }, { path: '4/new', content: 'x' },
])
t.equal(pagesOf(apart), 2)
await demandRefusal(t, 'symlink at the end of a page, what lies beneath on the next', {
  bytes: apart.bytes, codes: ['ERR_WARP_NOT_A_DIRECTORY'], restored: ['1', '2', '3', '4'],
})
