import t from 'tap'
import { cpSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { PROGRAM, ROOT, parseLines, start, warp } from './support/run.ts'

const { version } = JSON.parse(readFileSync(resolve(ROOT, 'package.json'), 'utf8')) as { version: string }

t.test('the version', async t => {
  for (const words of [['--version'], ['create', '--version'], ['-q', '--version']]) {
    t.match(await warp(words), { status: 0, stdout: `warp ${version}\n`, stderr: '' })
  }
})

t.test('the version and help need no library', async t => {
  // A copy that lacks what must not be loaded.
  const dir = t.testdir({})
  cpSync(PROGRAM, resolve(dir, 'bin/warp.js'))
  cpSync(resolve(ROOT, 'package.json'), resolve(dir, 'package.json'))
  cpSync(resolve(ROOT, 'dist/bundle'), resolve(dir, 'dist/bundle'), { recursive: true })
  const copy = (...words: string[]) => start(process.execPath, [resolve(dir, 'bin/warp.js'), ...words], {})
  t.match(await copy('--version'), { status: 0, stdout: `warp ${version}\n`, stderr: '' })
  t.match(await copy('--help'), { status: 0, stderr: '' })
  t.match(await copy('help', 'create'), { status: 0, stderr: '' })
})

t.test('a program that was not built says so', async t => {
  const dir = t.testdir({})
  cpSync(PROGRAM, resolve(dir, 'bin/warp.js'))
  cpSync(resolve(ROOT, 'package.json'), resolve(dir, 'package.json'))
  t.match(
    await start(process.execPath, [resolve(dir, 'bin/warp.js')], {}),
    { status: 1, stderr: /npm run build/ },
  )
})

t.test('a wrong command line', async t => {
  const lines: [string[], RegExp][] = [
    [[], /^warp: a command is missing\nhint: .*create/],
    [['--json', '--frob'], /a command must come before/],
    [['frob'], /^warp: unknown command 'frob'\nhint: commands: create/],
    [['extrct'], /hint: did you mean warp extract\?/],
    [['constructor'], /unknown command/],
    [['list', '--lnog', 'x'], /^warp: unknown option --lnog\nhint: did you mean --long\?/],
    [['list', '-x', 'x'], /^warp: unknown option -x\nhint: usage: warp list/],
    [['list'], /^warp: an argument is missing\nhint: usage: warp list/],
    [['cat', 'a', 'b', 'c'], /^warp: unexpected argument 'c'/],
    [['create', '-o'], /^warp: --output needs a value/],
    [['create', 'x'], /^warp: -o ARCHIVE is missing/],
  ]
  for (const [words, stderr] of lines) {
    t.match(await warp(words), { status: 2, stdout: '', stderr }, words.join(' '))
  }
})

t.test('errors as JSON', async t => {
  const { status, stdout, stderr } = await warp(['frob', '--json'])
  t.equal(status, 2)
  t.equal(stdout, '')
  t.match(
    parseLines(stderr),
    [{ event: 'error', code: 'ERR_WARP_USAGE', message: /frob/, hint: String, exitCode: 2 }],
  )
})

t.test('--verbose shows the code and where it arose', async t => {
  const { stderr } = await warp(['list', '--verbose', '--frob', 'x'])
  t.match(stderr, /^code: ERR_WARP_USAGE$/m)
  t.match(stderr, /^ +at /m)
  t.notMatch((await warp(['list', '--frob', 'x'])).stderr, /^ +at /m)
})
