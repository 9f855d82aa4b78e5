/** Names that would act on a terminal, or make text read as something else. */
import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { write } from './support/archives.ts'
import { checkWords, demandRefusal } from './support/refusal.ts'
import { makeSandbox, surroundings, tryExtract, tryList, type From } from './support/sandbox.ts'

const names = {
  'escape sequence': '\x1b]0;title\x07\x1b[2J',
  'line feed': 'a\nwarp: everything is well',
  'carriage return': 'a\rb',
  'backspace': 'a\b\b\b',
  'DEL': 'a\x7f',
  'C1': 'a\u009b31m',
  'text turned around': 'gpj.\u202eexe',
}
const raw = { 'C1 as a byte': Buffer.from([0x61, 0x9b, 0x41]), 'not UTF-8': Buffer.from([0xff, 0xfe]) }
const all = { ...names, ...raw }
const entries = Object.values(all).flatMap(name => {
  const path = Buffer.from(name)
  const within = (more: string) => Buffer.concat([path, Buffer.from(more)])
  return [{ path, mode: 0o755 }, { path: within('/file'), content: 'x' }, { path: within('/link'), target: path }]
})
const { bytes } = write(entries)

for (const from of ['file', 'stream'] as From[]) {
  t.test(`from a ${from}`, async t => {
    const sandbox = makeSandbox(t)
    fs.writeFileSync(sandbox.archive, bytes)
    const around = surroundings(sandbox)
    t.match(await tryExtract(sandbox, from), { class: 'ok' }, 'names are bytes, and restored as they are')
    t.strictSame(surroundings(sandbox), around)
    const found = fs.readdirSync(sandbox.target, 'latin1').sort()
    t.strictSame(found, Object.values(all).map(name => Buffer.from(name).toString('latin1')).sort())
    // All are there now, and each is told.
    const { problems, class: end } = await tryExtract(sandbox, from)
    t.equal(end, 'incomplete')
    t.equal(problems.length, 2 * found.length)
    for (const { message, path } of problems) checkWords(t, message, path)
    t.equal((await tryList(sandbox, from)).entries.length, entries.length)
  })
}

t.test('what the system cannot make is told without its path', async t => {
  const sandbox = makeSandbox(t)
  // A directory stands in the way.
  fs.mkdirSync(join(sandbox.target, '\x1b[2J'), { recursive: true })
  fs.writeFileSync(sandbox.archive, write([{ path: '\x1b[2J', content: 'x' }, { path: 'a', link: 0 }]).bytes)
  for (const from of ['file', 'stream'] as From[]) {
    for (const overwrite of ['never', 'always'] as const) {
      const { problems } = await tryExtract(sandbox, from, { overwrite })
      t.ok(problems.length > 0)
      for (const { message, path } of problems) checkWords(t, message, path)
    }
  }
})

for (const [what, name] of Object.entries(all)) {
  const path = Buffer.concat([Buffer.from(name), Buffer.from('/..')])
  const { bytes } = write([{ path, content: '' }])
  await demandRefusal(t, `in an error: ${what}`, { bytes, codes: ['ERR_WARP_PATH_UNSAFE'] })
}

t.test('on the command line', async t => {
  const program = join(import.meta.dirname, '../../bin/warp.js')
  const sandbox = makeSandbox(t)
  fs.writeFileSync(sandbox.archive, bytes)
  for (const args of [['list'], ['list', '-l'], ['list', '--long'], ['verify']]) {
    const { stdout, stderr } = spawnSync(process.execPath, [program, ...args, sandbox.archive], { encoding: 'latin1' })
    // Of UTF-8 read as latin1, bytes above 0x7f may be parts of characters.
    t.notMatch(stdout.replaceAll('\n', '') + stderr.replaceAll('\n', ''), /[\x00-\x1f\x7f]/, args.join(' '))
  }
  const list = execFileSync(process.execPath, [program, 'list', sandbox.archive], { encoding: 'utf8' })
  t.equal(list.split('\n').length, entries.length + 1, 'a name is a line')
  t.notMatch(list, /[\u0080-\u009f\u202a-\u202e]/)
})
