/** `create --base` and `--thin`, and the commands that read what they made. */
import { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { parseLines, warp } from '../support/run.ts'

const OLD = { WARP_PASSPHRASE: 'old' }

function makeTree(t: Test): string {
  const cwd = t.testdir({ tree: { a: 'one\n'.repeat(1000), b: 'two' } })
  return cwd
}

const ok = async (t: Test, cwd: string, words: string, env?: Record<string, string>) => {
  const ended = await warp(words.split(' '), { cwd, env })
  t.equal(ended.status, 0, `${words}: ${ended.stderr}`)
  return ended
}

t.test('a complete archive', async t => {
  const cwd = makeTree(t)
  await ok(t, cwd, 'create -o old.warp tree')
  appendFileSync(join(cwd, 'tree/b'), 'more')
  const { stdout } = await ok(t, cwd, 'create -o new.warp --base old.warp tree')
  t.match(stdout, /^unchanged +1 file, 4\.0 kB; not read$/m)
  const { stdout: json } = await ok(t, cwd, 'create --json -o new.warp --base old.warp tree')
  t.match(JSON.parse(json), { kept: { files: 1, bytes: 4000 } })
  renameSync(join(cwd, 'old.warp'), join(cwd, 'away'))
  await ok(t, cwd, 'verify new.warp')
  t.equal((await warp(['diff', 'new.warp', '.'], { cwd })).status, 0)
})

t.test('a thin archive', async t => {
  const cwd = makeTree(t)
  await ok(t, cwd, 'create -o old.warp tree')
  appendFileSync(join(cwd, 'tree/b'), 'more')
  mkdirSync(join(cwd, 'elsewhere'))
  await ok(t, cwd, 'create -o elsewhere/thin.warp --thin --base old.warp tree')
  t.match((await ok(t, cwd, 'list elsewhere/thin.warp')).stdout, 'tree/a\n')
  for (const words of ['verify', 'extract -C out', 'cat', 'recover -o rescued.warp']) {
    const [command, ...rest] = words.split(' ')
    const line = [command, 'elsewhere/thin.warp', ...(command === 'cat' ? ['tree/a'] : []), ...rest]
    const { status, stderr } = await warp(line, { cwd })
    t.equal(status, 16, words)
    t.match(stderr, /its content is read with the archive [0-9a-f]{32}.*\nhint: give it with --base FILE/)
    t.equal((await warp([...line, '--base', 'old.warp'], { cwd })).status, 0, `${words} --base`)
  }
  t.match((await ok(t, cwd, 'info elsewhere/thin.warp')).stdout, /^note +thin: 4\.0 kB of its content lie in the archive/m)
  const json = JSON.parse((await ok(t, cwd, 'verify --json elsewhere/thin.warp --base old.warp')).stdout)
  t.match(json, { good: true, baseId: /^[0-9a-f]{32}$/ })
  writeFileSync(join(cwd, 'tree/c'), 'three')
  await ok(t, cwd, 'create -o other.warp tree')
  const wrong = await warp(['verify', '--json', 'elsewhere/thin.warp', '--base', 'other.warp'], { cwd })
  t.equal(wrong.status, 16)
  t.match(parseLines(wrong.stderr).at(-1), { code: 'ERR_WARP_BASE_MISMATCH' })
  renameSync(join(cwd, 'old.warp'), join(cwd, 'elsewhere/any name.warp'))
  await ok(t, cwd, 'verify elsewhere/thin.warp')
})

t.test('keys of the base', async t => {
  const cwd = makeTree(t)
  writeFileSync(join(cwd, 'old.txt'), 'old\n')
  const { stdout } = await ok(t, cwd, 'keygen -o me')
  const [recipient] = /warp-recipient\S+/.exec(stdout)!
  await ok(t, cwd, 'create -o old.warp tree', OLD)
  await ok(t, cwd, 'create -o same.warp --base old.warp tree', OLD)
  await ok(t, cwd, `create -o to-me.warp --base old.warp --base-passphrase-file old.txt --recipient ${recipient} tree`)
  await ok(t, cwd, `create -o again.warp --thin --base to-me.warp --base-identity me --recipient ${recipient} tree`)
  await ok(t, cwd, 'verify again.warp --identity me')
  await ok(t, cwd, `create -o thin.warp --thin --base old.warp --base-passphrase-file old.txt --recipient ${recipient} tree`)
  await ok(t, cwd, 'verify thin.warp --identity me --base-passphrase-file old.txt')
  t.equal((await warp(['verify', 'thin.warp', '--identity', 'me'], { cwd })).status, 12)
  t.equal((await warp(['verify', 'to-me.warp'], { cwd, env: OLD })).status, 12)
})

t.test('what is refused', async t => {
  const cwd = makeTree(t)
  await ok(t, cwd, 'create -o old.warp tree')
  for (const options of ['--thin', '--base-passphrase-file old.txt', '--base-identity me', '--base old.warp --chunk-size 64K',
    '--base old.warp --reproducible', '--base old.warp --thin -o old.warp']) {
    const { status, stderr } = await warp(['create', '-o', 'new.warp', ...options.split(' '), 'tree'], { cwd })
    t.equal(status, 2, `${options}: ${stderr}`)
  }
  t.equal((await warp(['create', '-o', 'new.warp', '--base', 'old.warp', 'tree'], { cwd, env: OLD })).status, 2, 'one of the two encrypted')
})
