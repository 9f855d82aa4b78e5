import t from 'tap'
import { existsSync, readFileSync, statSync, truncateSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseLines, shell, warp } from '../support/run.ts'

const cwd = t.testdir({ d: { a: 'content' }, pass: 'secret\n', other: 'other secret\n' })
// more entries than a page holds (8,192), so that there is a first page to recover and a second to lose
const made = await shell(`seq -f d/%g 8300 | xargs touch; warp create -q -o open.warp d
  WARP_PASSPHRASE=secret warp create -q -o pass.warp d`, { cwd })
if (made.status !== 0) throw new Error(made.stderr)

/** Takes the footer, the top and a part of the last page away. */
function cut(archive: string): void {
  truncateSync(resolve(cwd, archive), statSync(resolve(cwd, archive)).size - 1000)
}

t.test('an archive that was cut short', async t => {
  cut('open.warp')
  const { status, stdout, stderr } = await warp(['recover', 'open.warp', '-o', 'new.warp'], { cwd })
  t.equal(status, 3)
  t.match(stdout, /^archive +new\.warp$/m)
  t.match(stderr, /cut short/)
  t.match(
    await warp(['verify', 'new.warp'], { cwd }),
    { status: 0, stdout: /^partial +made by warp recover$/m },
  )
  t.match(await warp(['list', 'new.warp', 'd/10'], { cwd }), { status: 0, stdout: 'd/10\n' })
  const json = await warp(['recover', '--json', 'open.warp', '-o', 'new.warp'], { cwd })
  t.equal(json.status, 3)
  t.match(parseLines(json.stdout), [{
    archive: 'new.warp', damaged: 'open.warp', root: /^[0-9a-f]{64}$/, entries: Number, truncated: true,
    lost: Array, unreadable: Array,
  }])
})

t.test('the passphrase that opened the old one opens the new one', async t => {
  cut('pass.warp')
  t.match(await warp(['recover', 'pass.warp', '-o', 'n.warp'], { cwd }), { status: 12 })
  t.notOk(existsSync(resolve(cwd, 'n.warp')))
  t.match(
    await warp(['recover', 'pass.warp', '-o', 'n.warp', '--passphrase-file', 'pass'], { cwd }),
    { status: 3 },
  )
  t.match(await warp(['list', 'n.warp', 'd/10', '--passphrase-file', 'pass'], { cwd }), { status: 0 })
  t.match(await warp(['list', 'n.warp'], { cwd }), { status: 12 })
})

t.test('other keys for the new one', async t => {
  const env = { WARP_PASSPHRASE: 'secret' }
  t.match(
    await warp(['recover', 'pass.warp', '-o', 'n.warp', '--new-passphrase-file', 'other'], { cwd, env }),
    { status: 3 },
  )
  t.match(await warp(['list', 'n.warp', 'd/10'], { cwd, env }), { status: 12 })
  t.match(await warp(['list', 'n.warp', 'd/10', '--passphrase-file', 'other'], { cwd }), { status: 0 })
  await warp(['keygen', '-q', '-o', 'id'], { cwd })
  const [, key] = /# recipient: (.+)/.exec(readFileSync(resolve(cwd, 'id'), 'utf8'))!
  t.match(
    await warp(['recover', 'pass.warp', '-o', 'n.warp', '--recipient', key], { cwd, env }),
    { status: 3 },
  )
  t.match(await warp(['list', 'n.warp', 'd/10', '--identity', 'id'], { cwd }), { status: 0 })
})

t.test('wrong uses', async t => {
  t.match(await warp(['recover', 'open.warp'], { cwd }), { status: 2 })
  t.match(await warp(['recover', 'open.warp', '-o', '-'], { cwd }), { status: 2 })
  t.match(await warp(['recover', 'pass', '-o', 'n.warp'], { cwd }), { status: 10 })
})
