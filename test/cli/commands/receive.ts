import t from 'tap'
import { runReceive, spec } from '../../../src/cli/commands/receive.ts'
import type { ReceiveOptions, TransferResult } from '../../../src/index.ts'
import { contextOf } from '../support/context.ts'

const RESULT: TransferResult = {
  root: new Uint8Array(32), entries: 1, bytes: 10, reusedBytes: 0, sentBytes: 1, receivedBytes: 2,
  transport: 'tls', problems: 0, connections: 1, durationMs: 5,
}
const TICKET = 'warp1qqqsyqcyq5rqwzqf'
const CODE = 'four-words-like-these'

delete process.env['WARP_TICKET']
delete process.env['WARP_PASSPHRASE']

async function run(words: string[], { json = false, act = (_: ReceiveOptions) => {} } = {}) {
  const { context, told } = contextOf(spec, words, json)
  let asked: ReceiveOptions | undefined
  let passphrase: string | undefined
  const status = await runReceive(context, async options => {
    asked = options
    if (options.into.kind === 'archive' && options.into.passphrase) passphrase = Buffer.from(options.into.passphrase).toString()
    act(options)
    return RESULT
  }, () => '')
  return { status, told, asked: asked!, passphrase, output: context.output }
}

t.test('into a directory', async t => {
  const { asked, told, status } = await run([
    '-C', 'out', '--listen', ':0', '--overwrite', 'newer', '--numeric-owner', '--reuse', 'old.warp', '--reuse', 'older',
    '--threads', '1', '--wait', '1m', '--no-same-owner',
  ])
  t.equal(status, 0)
  t.match(asked, {
    into: { kind: 'directory', path: 'out' }, meet: { way: 'listen' }, overwrite: 'newer', numericOwner: true, sameOwner: false,
    reuse: ['old.warp', 'older'], threads: 1, waitMs: 60_000,
  })
  t.match(told.at(-1), { what: { event: 'result', target: 'out' }, table: [['received', '1 entry, 10 B'], ['into', 'out']] })
  t.match((await run([CODE])).asked, { into: { path: '.' }, meet: { way: 'code', code: CODE }, sameOwner: undefined })
  t.match((await run([])).asked.meet, { way: 'code', code: null })
  t.match((await run(['ann@host:x', '-C', 'y'])).asked.meet, { way: 'ssh', destination: 'ann@host', path: 'x' })
})

t.test('to standard output', async t => {
  const act = ({ meet }: ReceiveOptions) => meet.way === 'listen' && meet.onTicket(TICKET)
  const { asked, output, told } = await run(['-', '--listen', ':0'], { act })
  t.match(asked.into, { kind: 'stream' })
  t.ok(output.stdoutTaken, 'what is told goes to standard error')
  t.match(told, [{ table: [[TICKET, '']] }, { what: 'on the other side: warp send - --to TICKET' }, {}])
  t.match((await run(['-', CODE])).asked.meet, { way: 'code', code: CODE })
  t.match((await run([CODE, '-'])).asked.meet, { way: 'code', code: CODE })
})

t.test('as an archive', async t => {
  const dir = t.testdir({ secret: 'open sesame\n' })
  const { asked, passphrase } = await run(['-o', 'x.warp', '--from', TICKET, '--passphrase-file', `${dir}/secret`])
  t.match(asked.into, { kind: 'archive', path: 'x.warp', recipients: [], signWith: undefined })
  t.equal(passphrase, 'open sesame')
  t.ok((asked.into as { passphrase: Uint8Array }).passphrase.every(byte => byte === 0), 'forgotten afterwards')
})

t.test('keys of what is reused', async t => {
  const dir = t.testdir({ secret: 'open sesame\n' })
  let seen: string | undefined
  const act = ({ reuseKeys }: ReceiveOptions) => {
    seen = Buffer.from(reuseKeys!.passphrase!).toString()
  }
  await run(['--reuse', 'old.warp', '--reuse-passphrase-file', `${dir}/secret`], { act })
  t.equal(seen, 'open sesame')
})

t.test('what cannot be', async t => {
  const lines = [
    ['word'], [CODE, 'host:x'], [CODE, '--from', TICKET], ['-', '-C', 'x'], ['-', '-o', 'x'], ['-C', 'x', '-o', 'y'], ['-o', '-'],
    ['--passphrase'], ['--recipient', 'r'], ['-o', 'x', '--overwrite', 'always'], ['-o', 'x', '--numeric-owner'],
    ['-', '--reuse', 'x'], ['--reuse-identity', 'x'], ['--overwrite', 'sometimes'], ['--same-owner', '--no-same-owner'],
    ['--from', TICKET, '--listen', ':0'], ['--listen', '0'], ['--expires', '1h'], [TICKET], ['--reuse', 'x', '--reuse-passphrase-file', '/missing'],
    ['-o', 'x', '--recipient', 'nonsense'],
  ]
  for (const words of lines) await t.rejects(run(words), { code: 'ERR_WARP_USAGE' }, words.join(' '))
  await t.rejects(run([TICKET]), { message: /^(?!.*qqqsy)/ }, 'a ticket is not repeated')
})
