import t from 'tap'
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, formatTable, jsonName, readNamedFile, toHex, withPath } from '../../src/cli/output.ts'
import { noTerminal, onTerminal, parseLines, shell, warp } from './support/run.ts'

t.test('tables are aligned', async t => {
  t.equal(
    formatTable([['a', '1'], ['bcd', '2'], null, ['', '3'], ['e', '']]),
    'a    1\nbcd  2\n\n     3\ne\n',
  )
})

t.test('names as JSON', async t => {
  t.same(jsonName('path', Buffer.from('ä')), { path: 'ä' })
  t.same(jsonName('path', Buffer.of(0x61, 0xff)), { path: 'a\ufffd', pathBase64: 'Yf8=' })
  // what decodes to U+FFFD and what is U+FFFD differ
  t.same(jsonName('path', Buffer.from('\ufffd')), { path: '\ufffd' })
  t.same(jsonName('path', new Uint8Array()), { path: '' })
  t.equal(toHex(Uint8Array.of(0, 255)), '00ff')
})

t.test('what the system says', async t => {
  t.throws(() => readNamedFile('/nonexistent', 'list'), {
    code: 'ERR_WARP_USAGE', message: 'cannot read the list /nonexistent: no such file or directory',
  })
  t.equal(describe(new Error('plain')), 'plain')
})

t.test('messages name their path once', async t => {
  const shown: [string | undefined, string, string][] = [
    ['e', 'it exists', 'e: it exists'],
    ['a/b', 'a/b: it exists', 'a/b: it exists'],
    ['a/b', 'the input a/b is gone', 'the input a/b is gone'],
    ['a', "ENOENT: no such file or directory, lstat 'a'", 'a: no such file or directory'],
    ['a', "a: EACCES: permission denied, open '/x/a'", 'a: permission denied'],
    [undefined, 'EIO: i/o error, read', 'i/o error'],
  ]
  for (const [path, message, text] of shown) t.equal(withPath(path, message), text)
})

t.test('a closed pipe ends quietly', async t => {
  // a hundred times what a pipe holds, in two ways
  const names = Array.from({ length: 1000 }, (_, i) => `${'x'.repeat(200)}${i}\n`).join('')
  const cwd = t.testdir({ names })
  writeFileSync(resolve(cwd, 'large'), Buffer.alloc(6_400_000, 'text\n'))
  const made = await shell('xargs mkdir -p < names && warp create -q -o x.warp x* large', { cwd })
  t.match(made, { status: 0, stderr: '' })
  const lines = {
    cat: 'warp cat x.warp large',
    'list --json': 'warp list --json x.warp large x*',
    create: 'warp create -o - large --compress none',
  }
  for (const [name, line] of Object.entries(lines)) {
    const { stdout, stderr } = await shell(`${line} | head -c 1 >/dev/null; echo \${PIPESTATUS[0]}`, { cwd })
    t.equal(stderr, '', name)
    t.equal(stdout, '4\n', name)
  }
})

t.test('messages that nobody reads change nothing', async t => {
  const cwd = t.testdir({ a: 'content' })
  const line = `(sleep 1; warp create --json -o x.warp missing a; echo $? >&3) 3>status 2>&1 >/dev/null | true
    while [ ! -s status ]; do sleep 0.1; done; cat status`
  t.match(await shell(line, { cwd }), { stdout: '3\n', stderr: '' })
})

t.test('a full disk', { skip: process.platform !== 'linux' && 'there is no /dev/full' }, async t => {
  const cwd = t.testdir({ a: 'content' })
  await warp(['create', '-o', 'x.warp', 'a'], { cwd })
  for (const line of ['warp list x.warp', 'warp cat x.warp a', 'warp create -o - a']) {
    const { status, stderr } = await shell(`${line} > /dev/full`, { cwd })
    t.equal(status, 4, line)
    t.match(stderr, /^warp: .+/)
  }
})

t.test('names cannot act on the terminal', async t => {
  const cwd = t.testdir({ d: {} })
  writeFileSync(resolve(cwd, 'd/\x1b[31m\nred'), '')
  await warp(['create', '-o', 'x.warp', 'd'], { cwd })
  t.equal((await warp(['list', 'x.warp'], { cwd })).stdout, 'd\nd/\\x1b[31m\\nred\n')
})

t.test('--quiet leaves errors and problems', async t => {
  const cwd = t.testdir({ a: 'content' })
  const { status, stdout, stderr } = await warp(['create', '-q', '-o', 'x.warp', 'a', 'missing'], { cwd })
  t.equal(status, 3)
  t.equal(stdout, '')
  t.match(stderr, /^warp: .*missing/)
  t.match(await warp(['create', '-q', '-o', 'x.warp', resolve(cwd, 'a')], { cwd }), { status: 0, stderr: '' })
})

t.test('problems and notes as JSON', async t => {
  const cwd = t.testdir({ a: 'content' })
  const words = ['create', '--json', '-o', 'x.warp', resolve(cwd, 'a'), 'missing']
  const { status, stdout, stderr } = await warp(words, { cwd })
  t.equal(status, 3)
  t.match(parseLines(stdout), [{ archive: 'x.warp', problems: 1 }])
  const problems = parseLines(stderr).filter(event => event.event === 'problem')
  t.match(problems.map(problem => problem.kind).sort(), ['note', 'unreadable'])
})

t.test('an archive is not written to a terminal', { skip: noTerminal() }, async t => {
  const cwd = t.testdir({ a: 'content', b: Buffer.of(0x1b, 0x5b, 0x33, 0x31, 0x6d) })
  const refused = await onTerminal('warp create -o - a', [], { cwd })
  t.equal(refused.status, 2)
  t.match(refused.stdout, /terminal/)
  await warp(['create', '-o', 'x.warp', 'a', 'b'], { cwd })
  t.match(await onTerminal('warp cat x.warp a', [], { cwd }), { status: 0, stdout: 'content' })
  const binary = await onTerminal('warp cat x.warp b', [], { cwd })
  t.equal(binary.status, 2)
  t.notMatch(binary.stdout, '\x1b[31m')
})
