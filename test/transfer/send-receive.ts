/** `send` and `receive` as a library, over loopback. */
import fs from 'node:fs'
import path from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { create, receive, send, verify, type ReceiveOptions, type SendOptions, type TransferEvent, type TransferProgress, type TransferResult } from '../../src/index.ts'
import { lookAtAll, makeDirectory, MIB, noise, plant } from '../archive/support/trees.ts'

const COMMON = { transport: 'tls', threads: 1, waitMs: 20_000 } as const

interface Ends {
  sent: TransferResult
  received: TransferResult
  events: TransferEvent[]
  progress: TransferProgress[]
}

/** One transfer; the receiver listens. */
async function both(t: Test, what: SendOptions['what'], into: ReceiveOptions['into'], more: Partial<ReceiveOptions> = {}): Promise<Ends> {
  const stateDir = makeDirectory(t)
  const events: TransferEvent[] = []
  const progress: TransferProgress[] = []
  const watch = { onEvent: (event: TransferEvent) => events.push(event), onProgress: (now: TransferProgress) => progress.push(now) }
  let onTicket = (_: string): void => {}
  const ticket = new Promise<string>((resolve) => (onTicket = resolve))
  const receiving = receive({ ...COMMON, ...watch, stateDir, meet: { way: 'listen', host: '127.0.0.1', port: 0, onTicket }, into, ...more })
  receiving.catch(() => {})
  const sending = send({ ...COMMON, ...watch, stateDir, engine: 'cpu', meet: { way: 'ticket', ticket: await ticket }, what })
  // What the sender has to say comes first; both are waited for.
  const [sent, received] = await Promise.allSettled([sending, receiving])
  if (sent.status === 'rejected') throw sent.reason
  if (received.status === 'rejected') throw received.reason
  return { sent: sent.value, received: received.value, events, progress }
}

t.test('a tree, and the same once more', async (t) => {
  const from = path.join(makeDirectory(t), 'tree')
  plant(from, { a: noise(1, 1 * MIB), b: { c: 'text' } })
  const to = makeDirectory(t)
  const what = { kind: 'tree', inputs: [{ path: from }] } as const
  const first = await both(t, { kind: 'tree', inputs: [...what.inputs] }, { kind: 'directory', path: to })
  t.same(lookAtAll(path.join(to, 'tree')), lookAtAll(from))
  t.ok(Buffer.from(first.sent.root!).equals(first.received.root!))
  t.match(first.sent, { entries: 4, bytes: 1 * MIB + 4, problems: 0, transport: 'tls', connections: 1 })
  t.match(first.received, { entries: 4, bytes: 1 * MIB + 4, problems: 0, transport: 'tls', connections: 1 })
  t.equal(first.events.filter(({ type }) => type === 'connected').length, 2)
  t.ok(first.progress.length > 0)
  const again = await both(t, { kind: 'tree', inputs: [...what.inputs] }, { kind: 'directory', path: to })
  t.equal(again.received.reusedBytes, 1 * MIB + 4)
})

t.test('a tree into an archive, and that archive as it is', async (t) => {
  const from = path.join(makeDirectory(t), 'tree')
  plant(from, { a: noise(1, 1 * MIB) })
  const directory = makeDirectory(t)
  const archive = path.join(directory, 'a.warp')
  const { sent } = await both(t, { kind: 'tree', inputs: [{ path: from }] }, { kind: 'archive', path: archive })
  t.ok(Buffer.from((await verify(archive, {})).root).equals(sent.root!))
  for (const into of [{ kind: 'archive', path: path.join(directory, 'copy.warp') }, { kind: 'directory', path: path.join(directory, 'in') }] as const) {
    const whole = await both(t, { kind: 'archive', path: archive }, into)
    t.equal(whole.received.bytes, fs.statSync(archive).size)
    t.ok(fs.readFileSync(into.kind === 'archive' ? into.path : path.join(into.path, 'a.warp')).equals(fs.readFileSync(archive)))
  }
})

t.test('a stream, live and as a file', async (t) => {
  const content = noise(3, 300_000)
  const out = new PassThrough()
  const text = buffer(out)
  const live = await both(t, { kind: 'stream', stream: Readable.from([content]), name: 'stdin' }, { kind: 'stream', stream: out })
  t.ok((await text).equals(content))
  t.equal(live.sent.bytes, content.length)
  const to = makeDirectory(t)
  await both(t, { kind: 'stream', stream: Readable.from([content]), name: 'stdin' }, { kind: 'directory', path: to })
  t.ok(fs.readFileSync(path.join(to, 'stdin')).equals(content))
})

t.test('what does not fit is refused on both sides', async (t) => {
  const from = makeDirectory(t)
  plant(from, { a: 'x' })
  const archive = path.join(from, 'a.warp')
  await create({ inputs: [{ path: path.join(from, 'a') }], output: archive })
  const tree = { kind: 'tree', inputs: [{ path: from }] } as const
  await t.rejects(both(t, { kind: 'tree', inputs: [...tree.inputs] }, { kind: 'stream', stream: new PassThrough() }), { code: 'ERR_WARP_PEER_REFUSED' })
  await t.rejects(both(t, { kind: 'tree', inputs: [{ path: path.join(from, 'missing') }] }, { kind: 'stream', stream: new PassThrough() }, { waitMs: 500 }), { code: 'ERR_WARP_INPUT_UNREADABLE' })
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 200)
  await t.rejects(both(t, { kind: 'stream', stream: new PassThrough(), name: 'endless' }, { kind: 'stream', stream: new PassThrough() }, { signal: controller.signal }), { name: 'WarpError' })
})
