import t from 'tap'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseLines, shell, warp } from '../support/run.ts'

const cwd = t.testdir({ d: {}, pass: 'secret\n', other: 'other secret\n' })
// more than the 64 MiB of a page, so that there is a first page to recover and a second to lose
for (const name of ['a', 'b', 'c', 'd', 'e']) writeFileSync(resolve(cwd, 'd', name), randomBytes(16_000_000))
const made = await shell('for k in open pass; do [ $k = pass ] && export WARP_PASSPHRASE=secret; warp create -q --compress none -o $k.warp d; done', { cwd })
if (made.status !== 0) throw new Error(made.stderr)
const { size } = { size: readFileSync(resolve(cwd, 'open.warp')).length }

t.test('an archive that was cut short', async t => {
  truncateSync(resolve(cwd, 'open.warp'), size - 1000)
  const { status, stdout, stderr } = await warp(['recover', 'open.warp', '-o', 'new.warp'], { cwd })
  t.equal(status, 3)
  t.match(stdout, /^archive +new\.warp$/m)
  t.match(stderr, /cut short/)
  t.match(await warp(['verify', 'new.warp'], { cwd }), { status: 0, stdout: /^partial +made by warp recover$/m })
  t.match(await warp(['list', 'new.warp', 'd/a'], { cwd }), { status: 0, stdout: 'd/a\n' })
  const json = await warp(['recover', '--json', 'open.warp', '-o', 'new.warp'], { cwd })
  t.equal(json.status, 3)
  t.match(parseLines(json.stdout), [{
    archive: 'new.warp', damaged: 'open.warp', root: /^[0-9a-f]{64}$/, entries: Number, truncated: true, lost: Array, unreadable: Array,
  }])
})

t.test('the passphrase that opened the old one opens the new one', async t => {
  truncateSync(resolve(cwd, 'pass.warp'), size - 1000)
  t.match(await warp(['recover', 'pass.warp', '-o', 'n.warp'], { cwd }), { status: 12 })
  t.notOk(existsSync(resolve(cwd, 'n.warp')))
  t.match(await warp(['recover', 'pass.warp', '-o', 'n.warp', '--passphrase-file', 'pass'], { cwd }), { status: 3 })
  t.match(await warp(['list', 'n.warp', 'd/a', '--passphrase-file', 'pass'], { cwd }), { status: 0 })
  t.match(await warp(['list', 'n.warp'], { cwd }), { status: 12 })
})

t.test('other keys for the new one', async t => {
  const env = { WARP_PASSPHRASE: 'secret' }
  t.match(await warp(['recover', 'pass.warp', '-o', 'n.warp', '--new-passphrase-file', 'other'], { cwd, env }), { status: 3 })
  t.match(await warp(['list', 'n.warp', 'd/a'], { cwd, env }), { status: 12 })
  t.match(await warp(['list', 'n.warp', 'd/a', '--passphrase-file', 'other'], { cwd }), { status: 0 })
  await warp(['keygen', '-q', '-o', 'id'], { cwd })
  const [, key] = /# recipient: (.+)/.exec(readFileSync(resolve(cwd, 'id'), 'utf8'))!
  t.match(await warp(['recover', 'pass.warp', '-o', 'n.warp', '--recipient', key], { cwd, env }), { status: 3 })
  t.match(await warp(['list', 'n.warp', 'd/a', '--identity', 'id'], { cwd }), { status: 0 })
})

t.test('wrong uses', async t => {
  t.match(await warp(['recover', 'open.warp'], { cwd }), { status: 2 })
  t.match(await warp(['recover', 'open.warp', '-o', '-'], { cwd }), { status: 2 })
  t.match(await warp(['recover', 'pass', '-o', 'n.warp'], { cwd }), { status: 10 })
})
