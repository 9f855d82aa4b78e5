/** Symlinks that lead to each other, and out: restored by one archive, used by the next. */
import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { write } from './support/archives.ts'
import { makeSandbox, surroundings, tryExtract, type From } from './support/sandbox.ts'

const chain = [
  { path: 'a', target: 'b' },
  { path: 'b', target: 'c/..' },
  { path: 'c', target: '../outside/directory' },
  { path: 'loop', target: 'loop' },
]
const through = [
  { path: 'a/new', content: 'x' },
  { path: 'b/file', content: 'x' },
  { path: 'c/deep/new', content: 'x' },
  { path: 'loop/new', content: 'x' },
  { path: 'well', content: 'restored' },
]

for (const from of ['file', 'stream'] as From[]) {
  for (const overwrite of ['never', 'always', 'newer'] as const) {
    t.test(`from a ${from}, overwrite ${overwrite}`, async t => {
      const sandbox = makeSandbox(t)
      const around = surroundings(sandbox)
      fs.writeFileSync(sandbox.archive, write(chain).bytes)
      t.match(await tryExtract(sandbox, from), { class: 'ok' }, 'symlinks are restored as they are')
      t.equal(fs.readlinkSync(join(sandbox.target, 'c')), '../outside/directory')
      fs.writeFileSync(sandbox.archive, write(through).bytes)
      const { class: end, problems } = await tryExtract(sandbox, from, { overwrite })
      t.equal(end, 'incomplete')
      t.strictSame(problems.map(({ kind, path }) => [kind, path]),
        ['a/new', 'b/file', 'c/deep/new', 'loop/new'].map(path => ['unrestored', path]))
      t.strictSame(surroundings(sandbox), around)
      t.strictSame(fs.readdirSync(sandbox.target).sort(), ['a', 'b', 'c', 'loop', 'well'])
      t.equal(fs.readFileSync(join(sandbox.target, 'well'), 'utf8'), 'restored')
      t.ok(fs.lstatSync(join(sandbox.target, 'a')).isSymbolicLink())
    })
  }
}
