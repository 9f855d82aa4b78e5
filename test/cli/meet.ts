import t from 'tap'
import { chooseMeet, isCode, parseListen, parseRemote, splitRemote } from '../../src/cli/meet.ts'
import { spec as receiveSpec } from '../../src/cli/commands/receive.ts'
import { spec as sendSpec } from '../../src/cli/commands/send.ts'
import { contextOf } from './support/context.ts'

const USAGE = { code: 'ERR_WARP_USAGE' }
const TELLER = { onTicket: () => {}, onCode: () => {} }
const TICKET = 'warp1qqqsyqcyq5rqwzqf'

function meet(words: string[], more = {}) {
  const { context } = contextOf(sendSpec, words)
  return chooseMeet(context, { option: 'to', ...more }, TELLER)
}

t.beforeEach(() => {
  delete process.env['WARP_TICKET']
})

t.test('where to listen', async t => {
  t.same(parseListen(':0'), { host: '', port: 0 })
  t.same(parseListen('127.0.0.1:4433'), { host: '127.0.0.1', port: 4433 })
  t.same(parseListen('host.example:65535'), { host: 'host.example', port: 65_535 })
  t.same(parseListen('[::1]:1'), { host: '::1', port: 1 })
  t.same(parseListen('[fe80::1%eth0]:1'), { host: 'fe80::1%eth0', port: 1 })
  for (const text of ['', ':', '4433', 'host', 'host:', ':65536', ':-1', ':1x', '::1:1', '[::1]', '[host]:1', 'a:b:1', ':999999']) {
    t.throws(() => parseListen(text), USAGE, text)
  }
})

t.test('places on other hosts', async t => {
  t.same(parseRemote('host:dir'), { destination: 'host', path: 'dir' })
  t.same(parseRemote('ann@host:/srv/a b:c'), { destination: 'ann@host', path: '/srv/a b:c' })
  t.same(parseRemote('host:'), { destination: 'host', path: '.' })
  t.same(parseRemote('ann@[2001:db8::7]:dir'), { destination: 'ann@2001:db8::7', path: 'dir' })
  t.same(parseRemote('host:a\nb'), { destination: 'host', path: 'a\nb' })
  for (const path of ['dir', './a:b', '/a:b', 'a/b:c', ':dir', '', '.', 'a@b']) t.equal(parseRemote(path), null, path)
  t.throws(() => parseRemote('-oProxyCommand=x:y'), USAGE, 'ssh would take it for an option')
})

t.test('only the last argument is a place on another host, and none that is a file here', async t => {
  const cwd = t.testdir({ 'a:b': '' })
  const before = process.cwd()
  process.chdir(cwd)
  t.teardown(() => process.chdir(before))
  t.same(splitRemote(['x', 'host:dir']), { paths: ['x'], remote: { destination: 'host', path: 'dir' } })
  t.same(splitRemote(['x', 'a:b']), { paths: ['x', 'a:b'] })
  t.same(splitRemote(['./missing:b']), { paths: ['./missing:b'] })
  t.throws(() => splitRemote(['host:dir', 'x']), USAGE)
})

t.test('code phrases', async t => {
  for (const code of ['four-words-like-these', 'Four-Words-Like-These', 'four words like these']) t.ok(isCode(code), code)
  for (const word of ['three-words-here', 'one-two-three-four-five', 'a-b-c-1', 'a-b--c', '']) t.notOk(isCode(word), word)
})

t.test('each way', async t => {
  const onTicket = TELLER.onTicket
  t.match(meet(['--to', TICKET]), { way: 'ticket', ticket: TICKET })
  t.match(meet(['--to', 'Four-words-like-these']), { way: 'code', code: 'Four-words-like-these' })
  t.match(meet([], { code: 'four-words-like-these' }), { way: 'code', code: 'four-words-like-these' })
  t.match(meet([]), { way: 'code', code: null, onCode: TELLER.onCode })
  t.same(meet(['--listen', ':0']), { way: 'listen', host: '', port: 0, keep: false, expiresMs: undefined, onTicket })
  t.same(
    meet(['--listen', '[::1]:7', '--keep', '--expires', '90s']),
    { way: 'listen', host: '::1', port: 7, keep: true, expiresMs: 90_000, onTicket },
  )
  const remote = { destination: 'ann@host', path: 'dir' }
  t.match(meet([], { remote }), { way: 'ssh', ...remote, sshOptions: [], warpCommand: undefined })
  t.match(
    meet(['--ssh-option', 'Port=22', '--ssh-option', 'User=ann', '--warp-command', '/opt/warp'], { remote }),
    { sshOptions: ['-o', 'Port=22', '-o', 'User=ann'], warpCommand: '/opt/warp' },
  )
  t.match(meet(['--ssh-peer']), { way: 'pipe', output: process.stdout })
})

t.test('a ticket from a file or from the environment', async t => {
  const dir = t.testdir({ ticket: `${TICKET}\nsent  1 entry\n`, code: 'four-words-like-these', empty: '', other: 'x\n' })
  t.match(meet(['--to', `@${dir}/ticket`]), { way: 'ticket', ticket: TICKET })
  t.match(meet(['--to', `@${dir}/code`]), { way: 'code', code: 'four-words-like-these' })
  for (const name of ['empty', 'other', 'missing']) t.throws(() => meet(['--to', `@${dir}/${name}`]), USAGE, name)
  t.throws(() => meet(['--to', 'warp2xyz']), USAGE)

  process.env['WARP_TICKET'] = TICKET
  t.match(meet([]), { way: 'ticket', ticket: TICKET })
  t.match(meet(['--listen', ':0']), { way: 'listen' }, 'an option comes first')
  t.match(meet([], { code: 'four-words-like-these' }), { way: 'code' })
  process.env['WARP_TICKET'] = `@${dir}/code`
  t.match(meet([]), { way: 'code', code: 'four-words-like-these' })
  process.env['WARP_TICKET'] = 'nonsense'
  t.throws(() => meet([]), USAGE)
})

t.test('what may be a secret is not repeated', async t => {
  t.throws(() => meet(['--to', 'Xarp1secret']), { message: /^(?!.*secret)/ })
})

t.test('ways exclude each other, and need their options', async t => {
  const remote = { destination: 'host', path: 'dir' }
  const cases: [string[], object?][] = [
    [['--to', TICKET, '--listen', ':0']],
    [['--to', TICKET], { remote }],
    [['--listen', ':0'], { remote }],
    [['--to', TICKET], { code: 'four-words-like-these' }],
    [['--ssh-peer', '--listen', ':0']],
    [['--keep']], [['--expires', '1h']], [['--to', TICKET, '--keep']],
    [['--ssh-option', 'Port=22']], [['--warp-command', 'w', '--to', TICKET]],
    [['--listen', ':0', '--expires', '1']], [['--listen', 'x']],
  ]
  for (const [words, more] of cases) t.throws(() => meet(words, more), USAGE, words.join(' '))
  const { context } = contextOf(receiveSpec, ['--from', TICKET, '--listen', ':0'])
  t.throws(() => chooseMeet(context, { option: 'from' }, TELLER), USAGE)
})
