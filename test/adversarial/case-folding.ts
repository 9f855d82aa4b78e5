/** Names that are one where the target cannot tell case apart. Few systems here have such a file system. */
import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { TargetTree } from '../../src/archive/os/target-tree.ts'
import { write } from './support/archives.ts'
import { makeSandbox, pathsBeneath, surroundings, tryExtract, type From } from './support/sandbox.ts'

// "É" in one character and in two: macOS takes them for the same.
const composed = Buffer.from('\u00c9')
const decomposed = Buffer.from('e\u0301')

const { bytes } = write([
  { path: 'A', target: '../outside' },
  { path: 'D' },
  { path: 'D/X', content: '1' },
  { path: 'a/new', content: 'through the symlink' },
  { path: 'd/x', content: '2' },
  { path: decomposed, target: '../outside' },
  { path: Buffer.concat([composed, Buffer.from('/new')]), content: 'through the symlink' },
  { path: 'f', content: 'first' },
  { path: 'g', content: 'well' },
])

const original = TargetTree.prototype.isCaseInsensitive
t.beforeEach(() => {
  TargetTree.prototype.isCaseInsensitive = () => true
})
t.afterEach(() => {
  TargetTree.prototype.isCaseInsensitive = original
})

for (const from of ['file', 'stream'] as From[]) {
  for (const before of ['empty', 'filled']) {
    t.test(`from a ${from}, target ${before}`, async t => {
      const sandbox = makeSandbox(t)
      fs.mkdirSync(sandbox.target)
      const kept = before === 'filled' ? ['kept'] : []
      for (const name of kept) fs.writeFileSync(join(sandbox.target, name), '')
      fs.writeFileSync(sandbox.archive, bytes)
      const around = surroundings(sandbox)
      const { class: end, problems } = await tryExtract(sandbox, from)
      t.equal(end, 'incomplete')
      t.strictSame(problems.map(({ kind, path }) => [kind, path]).sort(), [
        ['unrestored', 'a/new'], ['unrestored', 'd/x'], ['unrestored', '\u00c9/new'],
      ].sort())
      for (const { message } of problems) t.match(message, /case/)
      t.strictSame(surroundings(sandbox), around)
      const latin1 = (name: Buffer) => name.toString('latin1')
      t.strictSame(pathsBeneath(sandbox.target), ['A', 'D', 'D/X', latin1(decomposed), 'f', 'g', ...kept].sort())
    })
  }
}
