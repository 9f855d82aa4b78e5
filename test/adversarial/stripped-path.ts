/** Paths that are one, or lead through each other, once their first components are left out. */
import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { write } from './support/archives.ts'
import { makeSandbox, surroundings, tryExtract, type From } from './support/sandbox.ts'

const { bytes } = write([
  { path: 'a/file', content: 'first' },
  { path: 'a/link', target: '../outside' },
  { path: 'b/file', content: 'second' },
  { path: 'b/link/new', content: 'through the symlink' },
  { path: 'c/file/new', content: 'beneath a file' },
  { path: 'd/hard', link: 'b/file' },
  { path: 'd/link', link: 'a/file' },
])

for (const from of ['file', 'stream'] as From[]) {
  for (const before of ['missing', 'filled']) {
    for (const overwrite of ['never', 'always'] as const) {
      t.test(`from a ${from}, target ${before}, overwrite ${overwrite}`, async t => {
        const sandbox = makeSandbox(t)
        if (before === 'filled') {
          fs.mkdirSync(sandbox.target)
          fs.writeFileSync(join(sandbox.target, 'kept'), '')
        }
        fs.writeFileSync(sandbox.archive, bytes)
        const around = surroundings(sandbox)
        const { class: end, problems } = await tryExtract(sandbox, from, { stripComponents: 1, overwrite })
        t.equal(end, 'incomplete')
        t.strictSame(surroundings(sandbox), around)
        // Whichever of two stands there first, the other one is told of.
        t.ok(problems.length >= 3)
        t.ok(problems.some(({ path }) => path === 'b/link/new'))
        t.strictSame(fs.readdirSync(sandbox.target).filter(name => name.startsWith('.warp')), [])
      })
    }
  }
}
