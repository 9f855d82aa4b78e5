import t from 'tap'
import { readFileSync, existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { COMMANDS } from '../../src/cli/commands.ts'
import { EXIT } from '../../src/base/errors.ts'
import { ROOT, start } from './support/run.ts'

const readme = readFileSync(resolve(ROOT, 'README.md'), 'utf8')
const manifest = JSON.parse(readFileSync(resolve(ROOT, 'package.json'), 'utf8'))

t.test('the library example runs', async t => {
  // within the package, so that it can import it by its name
  const cwd = t.testdir({ Notes: { 'hello.txt': 'Hello.\n' } })
  const [, example] = /```js\n(.*?)```/s.exec(readme)!
  writeFileSync(resolve(cwd, 'example.mjs'), example)
  const { status, stdout, stderr } = await start(process.execPath, ['example.mjs'], { cwd })
  t.equal(stderr, '')
  t.equal(status, 0)
  t.match(stdout, /^directory Notes 0\nfile Notes\/hello\.txt 7\nHello\.\n[0-9a-f]{64} good\n$/)
})

t.test('every command is shown', async t => {
  for (const name of Object.keys(COMMANDS)) t.match(readme, new RegExp(`warp ${name}\\b`), name)
})

t.test('every exit status is explained', async t => {
  for (const [name, status] of Object.entries(EXIT)) t.match(readme, `\n| ${status} | `, name)
})

t.test('every dependency is explained', async t => {
  const { dependencies, optionalDependencies } = manifest
  const names = Object.keys({ ...dependencies, ...optionalDependencies })
  for (const name of names) {
    const note = name in optionalDependencies ? ' (optional)' : ''
    t.match(readme, `\n| \`${name}\`${note} | `, name)
  }
  const rows = readme.slice(readme.indexOf('| package |')).match(/^\| `/gm)!
  t.equal(rows.length, names.length)
})

t.test('links lead somewhere', async t => {
  for (const [, path] of readme.matchAll(/\]\(([^)#]+)\)/g)) t.ok(existsSync(resolve(ROOT, path)), path)
})

t.test('commands of the project exist', async t => {
  for (const [, name] of readme.matchAll(/npm run (\w+)/g)) t.ok(name in manifest.scripts, name)
})
