/** Hard links to what they cannot be names of, and to symlinks that lead out. */
import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { broken, large, write } from './support/archives.ts'
import { demandRefusal } from './support/refusal.ts'
import { makeSandbox, surroundings, tryExtract, type From } from './support/sandbox.ts'

const codes = ['ERR_WARP_HARD_LINK_TARGET'] as const
const refuse = (name: string, entries: Parameters<typeof write>[0], restored?: string[]) =>
  demandRefusal(t, name, { bytes: write(entries).bytes, codes: [...codes], restored })

await refuse('itself', [{ path: 'a', content: 'a' }, { path: 'b', link: 1 }])
await refuse('a later entry', [{ path: 'a', content: 'a' }, { path: 'b', link: 2 }, { path: 'c', content: 'c' }])
await refuse('no entry', [{ path: 'a', content: 'a' }, { path: 'b', link: 2 ** 53 - 1 }])
// Kept in 32 bits, it would be 0.
await refuse('entry 2^32', [{ path: 'a', content: 'a' }, { path: 'b', link: 2 ** 32 }])
await refuse('a directory', [{ path: 'a', type: 2 }, { path: 'b', link: 0 }])
await refuse('the root', [{ path: '', type: 2 }, { path: 'b', link: 0 }])
await refuse('a hard link', [{ path: 'a', content: 'a' }, { path: 'b', link: 0 }, { path: 'c', link: 1 }])
const names = ['1', '2', '3', '4']
await refuse('a directory of an earlier page', [...names.map(large), { path: '5', link: 0 }], names)

await demandRefusal(t, 'two links, each the other', {
  bytes: broken([{ path: 'a', link: 0 }, { path: 'b', link: 0 }], {
    record: (record, { number }) => void (record.link = 1 - number),
  }),
  codes: [...codes],
})

for (const from of ['file', 'stream'] as From[]) {
  t.test(`a symlink that leads out, from a ${from}`, async t => {
    const sandbox = makeSandbox(t)
    const around = surroundings(sandbox)
    const { bytes } = write([{ path: 'a', target: '../outside/file' }, { path: 'b', link: 0 }])
    fs.writeFileSync(sandbox.archive, bytes)
    t.match(await tryExtract(sandbox, from), { class: 'ok' })
    t.strictSame(surroundings(sandbox), around, 'the symlink has two names, not what it leads to')
    t.equal(fs.readlinkSync(join(sandbox.target, 'b')), '../outside/file')
  })

  t.test(`a name that was kept, from a ${from}`, async t => {
    const sandbox = makeSandbox(t)
    fs.mkdirSync(sandbox.target)
    fs.symlinkSync('../outside/file', join(sandbox.target, 'a'))
    const around = surroundings(sandbox)
    const { bytes } = write([{ path: 'a', content: 'of the archive' }, { path: 'b', link: 'a' }])
    fs.writeFileSync(sandbox.archive, bytes)
    t.match(await tryExtract(sandbox, from), { class: 'incomplete', problems: [{ path: 'a' }] })
    t.strictSame(surroundings(sandbox), around)
    t.equal(fs.readFileSync(join(sandbox.target, 'b'), 'utf8'), 'of the archive', 'no link to what stood there')
    t.ok(fs.lstatSync(join(sandbox.target, 'b')).isFile())
  })
}
