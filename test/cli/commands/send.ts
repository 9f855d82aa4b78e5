import t from 'tap'
import { runSend, spec } from '../../../src/cli/commands/send.ts'
import type { SendOptions, TransferEvent, TransferResult } from '../../../src/index.ts'
import { contextOf } from '../support/context.ts'

const RESULT: TransferResult = {
  root: new Uint8Array(32).fill(0xab), entries: 3, bytes: 2_000_000, reusedBytes: 500_000, sentBytes: 1_600_000, receivedBytes: 4_000,
  transport: 'quic', problems: 0, connections: 1, durationMs: 1000,
}
const SIGNER = (key: Uint8Array) => `warp-signer1${key.length}`
const TICKET = 'warp1qqqsyqcyq5rqwzqf'

delete process.env['WARP_TICKET']

/** Runs the command with a library that only records what it is asked for. */
async function run(words: string[], { json = false, result = RESULT, act = (_: SendOptions) => {} } = {}) {
  const { context, told } = contextOf(spec, words, json)
  let asked: SendOptions | undefined
  const status = await runSend(context, async options => {
    asked = options
    act(options)
    return result
  }, SIGNER)
  return { status, told, asked: asked!, output: context.output }
}

t.test('a tree', async t => {
  const { asked, status } = await run([
    'a', 'b', '--to', TICKET, '--exclude', '*.o', '--one-file-system', '--compress', 'lz4', '--chunk-size', '64K',
    '--engine', 'cpu', '--threads', '2', '--memory', '400M', '--wait', '30s', '--transport', 'tls', '--temp-dir', 'tmp',
    '--peer', 'ann', '--known-peers', 'peers',
  ])
  t.equal(status, 0)
  t.match(asked, {
    what: { kind: 'tree', inputs: [{ path: 'a' }, { path: 'b' }] }, meet: { way: 'ticket' },
    exclude: ['*.o'], oneFileSystem: true, followSymlinks: false, compress: 'lz4', chunkSize: 65_536, engine: 'cpu',
    threads: 2, memory: 400 * 2 ** 20, waitMs: 30_000, transport: 'tls', tempDir: 'tmp', peer: 'ann', knownPeersFile: 'peers',
  })
})

t.test('standard input, an archive, through ssh', async t => {
  t.match((await run(['-', '--to', TICKET])).asked.what, { kind: 'stream', name: 'stdin' })
  t.match((await run(['-', '--stdin-name', 'shop.sql'])).asked.what, { kind: 'stream', name: 'shop.sql' })
  const mixed = (await run(['-', 'a', '--to', TICKET])).asked.what
  t.match(mixed, { kind: 'tree', inputs: [{ name: 'stdin' }, { path: 'a' }] })
  t.match((await run(['--archive', 'x.warp', '--listen', ':0'])).asked.what, { kind: 'archive', path: 'x.warp' })
  t.match((await run(['--archive', 'x.warp', 'host:'])).asked.meet, { way: 'ssh', destination: 'host', path: '.' })
  const { asked } = await run(['a', 'ann@host:dir'])
  t.match(asked.what, { kind: 'tree', inputs: [{ path: 'a' }] })
  t.match(asked.meet, { way: 'ssh', destination: 'ann@host', path: 'dir' })
})

t.test('the far side of ssh keeps standard output free', async t => {
  const { asked, told, output } = await run(['--ssh-peer', 'a:b'], {
    act: ({ onEvent, onProgress }) => {
      onEvent!({ type: 'connected', transport: 'quic', address: 'x', signer: null })
      t.notOk(onProgress)
    },
  })
  t.ok(output.stdoutTaken)
  t.same(told, [])
  t.match(asked.what, { inputs: [{ path: 'a:b' }] }, 'a path, whatever it looks like')
})

t.test('what cannot be', async t => {
  const lines = [
    [], ['--to', TICKET], ['host:dir'], ['a', 'host:dir', 'b'], ['a', 'host:dir', '--to', TICKET],
    ['a', '--archive', 'x.warp'], ['--archive', 'x.warp', '--exclude', 'y'], ['--archive', 'x.warp', '--compress', 'lz4'],
    ['-', '--exclude', 'y'], ['-', '--chunk-size', '64K'], ['a', '--stdin-name', 'b'], ['-', '-', 'a'], ['-', '--ssh-peer'],
    ['a', '--transport', 'udp'], ['a', '--wait', '5'], ['a', '--wait', '0s'], ['a', '--compress', 'gzip'],
    ['a', '--known-peers', 'f'], ['a', '--keep'], ['a', '--to', 'ticket'], ['a', '--identity', '/missing'],
  ]
  for (const words of lines) await t.rejects(run(words), { code: 'ERR_WARP_USAGE' }, words.join(' '))
})

t.test('the ticket comes first, on standard output', async t => {
  const act = ({ meet }: SendOptions) => meet.way === 'listen' && meet.onTicket(TICKET)
  const plain = (await run(['a', '--listen', ':0'], { act })).told
  t.match(plain[0], { kind: 'result', table: [[TICKET, '']] })
  t.match(plain[1], { kind: 'note', what: /^on the other side: warp receive -C DIR --from TICKET$/ })
  t.equal(plain.length, 3)
  const json = (await run(['-', '--listen', ':0'], { act, json: true })).told
  t.match(json, [{ kind: 'result', what: { event: 'ticket', ticket: TICKET } }, { kind: 'result', what: { event: 'result' } }])
})

t.test('the code phrase too', async t => {
  const act = ({ meet }: SendOptions) => meet.way === 'code' && meet.onCode!('four-words-like-these')
  const { told } = await run(['a'], { act })
  t.match(told, [
    { kind: 'result', what: { event: 'code', code: 'four-words-like-these' } },
    { kind: 'note', what: 'on the other side: warp receive -C DIR CODE' },
    { kind: 'result' },
  ])
})

t.test('a ticket that cannot be told ends the transfer', async t => {
  const { context } = contextOf(spec, ['a', '--listen', ':0'])
  const closed = new Error('closed')
  context.output.result = async () => {
    throw closed
  }
  const send = ({ meet, signal }: SendOptions) => new Promise<TransferResult>((_, reject) => {
    signal!.addEventListener('abort', () => reject(signal!.reason as Error))
    if (meet.way === 'listen') meet.onTicket(TICKET)
  })
  await t.rejects(runSend(context, send, SIGNER), closed)
})

const EVENTS: TransferEvent[] = [
  { type: 'connected', transport: 'tls', address: '[::1]:4433', signer: new Uint8Array(32) },
  { type: 'disconnected', code: 'ERR_WARP_PEER_LOST', message: 'reset', retryMs: 2000 },
  { type: 'disconnected', code: 'ERR_WARP_PEER_LOST', message: 'reset', retryMs: null },
  { type: 'completed', result: RESULT },
  { type: 'failed', code: 'ERR_WARP_PEER_AUTH', message: 'no' },
]
const act = ({ onEvent, onProblem }: SendOptions) => {
  EVENTS.forEach(event => onEvent!(event))
  onProblem!({ kind: 'unreadable', message: 'denied', path: 'a' })
}

t.test('events as lines', async t => {
  const { told } = await run(['a', '--to', TICKET], { act })
  t.match(told.map(({ what }) => what), [
    'connected with [::1]:4433 over tls; its key is warp-signer132',
    'the connection broke: reset; trying again in 2.00 s',
    'the connection broke: reset; waiting for the other side',
    { kind: 'unrestored', message: 'a transfer failed: no' },
    { kind: 'unreadable', path: 'a' },
    { event: 'completed', entries: 3 },
    { event: 'result' },
  ])
})

t.test('events as JSON', async t => {
  const { told } = await run(['a', '--to', TICKET], { act, json: true })
  t.match(told.map(({ what }) => what), [
    { event: 'connected', transport: 'tls', address: '[::1]:4433', signer: 'warp-signer132' },
    { event: 'disconnected', retryMs: 2000, code: 'ERR_WARP_PEER_LOST' }, { event: 'disconnected', retryMs: null },
    { event: 'failed', code: 'ERR_WARP_PEER_AUTH' },
    { kind: 'unreadable', path: 'a' },
    { event: 'completed', root: 'ab'.repeat(32) },
    { event: 'result', root: 'ab'.repeat(32), entries: 3, bytes: 2_000_000, reusedBytes: 500_000, transport: 'quic', problems: 0 },
  ])
})

t.test('progress as JSON: each state at once, else a few times a second', async t => {
  const progress = { state: 'waiting', bytes: 0, totalBytes: null, entries: 0, totalEntries: null, wireBytes: 0, transport: null,
    rttMs: null, lostPackets: null, bottleneck: null } as const
  const { told } = await run(['a'], {
    json: true,
    act: ({ onProgress }) => {
      onProgress!(progress)
      onProgress!({ ...progress, bytes: 1 })
      onProgress!({ ...progress, state: 'connected' })
    },
  })
  t.match(told.slice(0, -1).map(({ what }) => what), [{ event: 'progress', state: 'waiting', bytes: 0 }, { state: 'connected' }])
})

t.test('the summary', async t => {
  const rows = (await run(['a'])).told.at(-1)!.table!
  t.same(rows, [
    ['sent', '3 entries, 2.0 MB'], ['reused', '500.0 kB that the receiver had'], ['on the wire', '1.6 MB sent, 4.0 kB received'],
    ['over', 'quic'], ['time', '1.00 s, 2.0 MB/s'], ['root', 'ab'.repeat(32)],
  ])
  const result = { ...RESULT, root: null, entries: 0, reusedBytes: 0, problems: 2, connections: 3 }
  const other = await run(['--archive', 'x.warp'], { result })
  t.equal(other.status, 3)
  t.match(other.told.at(-1)!.table!, [['sent', '2.0 MB'], ['archive', 'x.warp'], ['on the wire'], ['over', 'quic, 3 connections'], ['time'], ['problems']])
})
