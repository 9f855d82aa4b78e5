import t from 'tap'
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseLines, warp } from '../support/run.ts'

t.test('makes an identity that nobody else can read', async t => {
  const cwd = t.testdir({})
  const { status, stdout } = await warp(['keygen', '-o', 'id'], { cwd })
  t.equal(status, 0)
  const [, recipient] = /^recipient {2}(warp-recipient1\S+)$/m.exec(stdout)!
  const [, signer] = /^signer {5}(warp-signer1\S+)$/m.exec(stdout)!
  const text = readFileSync(resolve(cwd, 'id'), 'utf8')
  t.match(text, /^# made: \d{4}-/)
  t.ok(text.includes(`# recipient: ${recipient}\n`) && text.includes(`# signer: ${signer}\n`))
  t.match(text, /^WARP-IDENTITY1[A-Z0-9]+$/m)
  t.equal(statSync(resolve(cwd, 'id')).mode & 0o777, 0o600)
})

t.test('never replaces one', async t => {
  const cwd = t.testdir({ id: 'precious' })
  t.match(
    await warp(['keygen', '-o', 'id'], { cwd }),
    { status: 4, stdout: '', stderr: /hint: an identity is never replaced/ },
  )
  t.equal(readFileSync(resolve(cwd, 'id'), 'utf8'), 'precious')
  t.match(await warp(['keygen', '-o', 'missing/id'], { cwd }), { status: 4 })
  t.match(await warp(['keygen'], { cwd }), { status: 2 })
})

t.test('prints the public keys as JSON', async t => {
  const cwd = t.testdir({})
  const { stdout } = await warp(['keygen', '--json', '-o', 'id'], { cwd })
  t.match(parseLines(stdout), [{ identity: 'id', recipient: /^warp-recipient1/, signer: /^warp-signer1/ }])
})
