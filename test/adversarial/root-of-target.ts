/** The record of the root, which says what the target itself is to be. */
import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { write } from './support/archives.ts'
import { makeSandbox, tryExtract, type From } from './support/sandbox.ts'

const { bytes } = write([{ path: '', mode: 0o777, mtime: [1e9, 0] }, { path: 'a', content: 'a' }])
const modeOf = (path: string) => fs.statSync(path).mode & 0o7777

for (const from of ['file', 'stream'] as From[]) {
  t.test(`from a ${from}`, async t => {
    const sandbox = makeSandbox(t)
    fs.writeFileSync(sandbox.archive, bytes)
    t.match(await tryExtract(sandbox, from), { class: 'ok' })
    t.equal(modeOf(sandbox.target), 0o777, 'a target that was not there is that of the archive')
    fs.rmSync(sandbox.target, { recursive: true })

    fs.mkdirSync(sandbox.target, { mode: 0o700 })
    fs.chmodSync(sandbox.target, 0o700)
    fs.writeFileSync(join(sandbox.target, 'kept'), '')
    t.match(await tryExtract(sandbox, from), { class: 'ok' })
    t.equal(modeOf(sandbox.target), 0o700, 'one that holds something is opened to nobody')
    t.equal(fs.readFileSync(join(sandbox.target, 'a'), 'utf8'), 'a')
    t.match(await tryExtract(sandbox, from, { overwrite: 'always' }), { class: 'ok' })
    t.equal(modeOf(sandbox.target), 0o777, 'unless that is asked for')
  })
}
