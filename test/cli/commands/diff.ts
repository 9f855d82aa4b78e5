import t from 'tap'
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { warp } from '../support/run.ts'

const cwd = t.testdir({ d: { same: 'S', gone: 'G', content: 'old', mode: 'M' } })
const path = (name: string) => resolve(cwd, 'd', name)
await warp(['create', '-q', '-o', 'old.warp', 'd'], { cwd })
rmSync(path('gone'))
writeFileSync(path('new'), 'N')
writeFileSync(path('content'), 'new and longer')
chmodSync(path('mode'), 0o600)
await warp(['create', '-q', '-o', 'new.warp', 'd'], { cwd })

t.test('what differs', async t => {
  const { status, stdout, stderr } = await warp(['diff', 'old.warp', 'new.warp'], { cwd })
  t.equal(status, 5)
  t.equal(stderr, '')
  const lines = stdout.split('\n')
  t.ok(lines.includes('added    d/new'))
  t.ok(lines.includes('removed  d/gone'))
  t.ok(lines.includes('changed  d/mode  (mode)'))
  t.match(lines.find(line => line.includes('d/content')), /^changed {2}d\/content {2}\(.*content.*\)$/)
  t.notMatch(stdout, 'd/same')
})

t.test('nothing', async t => {
  t.match(await warp(['diff', 'old.warp', 'old.warp'], { cwd }), { status: 0, stdout: '', stderr: '' })
  const json = await warp(['diff', '--json', 'old.warp', 'old.warp'], { cwd })
  t.same(JSON.parse(json.stdout), {
    differences: [], first: 'old.warp', second: 'old.warp', added: 0, removed: 0, changed: 0, problems: 0,
  })
})

t.test('as JSON', async t => {
  const { status, stdout } = await warp(['diff', '--json', 'old.warp', 'new.warp'], { cwd })
  t.equal(status, 5)
  const document = JSON.parse(stdout)
  t.match(document, { first: 'old.warp', second: 'new.warp', added: 1, removed: 1, problems: 0 })
  const differences = document.differences as { kind: string; path: string }[]
  t.match(differences.find(({ kind }) => kind === 'added'), { path: 'd/new' })
  t.match(differences.find(({ path }) => path === 'd/mode'), { kind: 'changed', what: ['mode'] })
})

t.test('with a directory', async t => {
  const tree = t.testdir({})
  await warp(['extract', '-q', resolve(cwd, 'new.warp'), '-C', 'out'], { cwd: tree })
  t.match(await warp(['diff', resolve(cwd, 'new.warp'), 'out'], { cwd: tree }), { status: 0, stdout: '' })
  writeFileSync(resolve(tree, 'out/d/more'), '')
  const { status, stdout } = await warp(['diff', resolve(cwd, 'new.warp'), 'out'], { cwd: tree })
  t.equal(status, 5)
  t.match(stdout, /^added {4}d\/more$/m)
})

t.test('what is not there', async t => {
  t.match(await warp(['diff', 'old.warp', 'missing'], { cwd }), { stdout: '', stderr: /^warp: .*missing/ })
  t.match(await warp(['diff', 'old.warp'], { cwd }), { status: 2 })
})
