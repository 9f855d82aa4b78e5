/** As many levels as a path can have: longer than what the system takes for a path, and as many descriptors. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import t from 'tap'
import { write } from './support/archives.ts'
import { makeSandbox, removeTree, surroundings, tryExtract, tryRecover, type From } from './support/sandbox.ts'

// 4,096 bytes, the limit of a path: 2,047 levels and a file.
const deepest = 'd/'.repeat(2047) + 'f'
const { bytes } = write([
  { path: deepest, content: 'deep' },
  { path: `${deepest.slice(0, -1)}g`, target: deepest.slice(0, 4095) },
])

for (const from of ['file', 'stream'] as From[]) {
  t.test(`from a ${from}`, async t => {
    const sandbox = makeSandbox(t)
    fs.writeFileSync(sandbox.archive, bytes)
    const around = surroundings(sandbox)
    const { class: end, problems } = await tryExtract(sandbox, from)
    // Whoever may open fewer files at a time gets fewer levels, and is told so.
    t.match(end, /^(ok|incomplete)$/)
    for (const { path } of problems) t.match(path, /^d\/d\//)
    t.strictSame(surroundings(sandbox), around)
    const found = execFileSync('find', [sandbox.target, '-name', 'f', '-size', '4c'], { encoding: 'utf8' })
    if (end === 'ok') t.equal(found.trimEnd().length, sandbox.target.length + 1 + deepest.length)
    removeTree(sandbox.target)
  })
}

t.test('recovered', async t => {
  const sandbox = makeSandbox(t)
  fs.writeFileSync(sandbox.archive, bytes)
  t.match(await tryRecover(sandbox), { class: 'ok' })
})
