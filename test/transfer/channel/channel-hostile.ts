/** A channel against a peer that lies, stalls, floods, or goes. */
import t, { type Test } from 'tap'
import { WarpError } from '../../../src/base/errors.ts'
import { Channel, type ChannelOptions } from '../../../src/transfer/channel/channel.ts'
import type { Connection } from '../../../src/transfer/transports/connection.ts'
import { frameHeader } from '../../../src/transfer/channel/frame-parser.ts'
import { MessageSealer } from '../../../src/transfer/channel/sealed-messages.ts'
import { memoryPair } from '../../../src/transfer/transports/memory.ts'
import { RawPeer } from '../support/raw-peer.ts'

const [CREDIT, PING, PONG, CLOSE, END, ENDED] = [0, 1, 2, 3, 4, 5]
const OPTIONS: ChannelOptions = { windowBytes: 8192, seal: null, maxMessageBytes: 4096 }
const KEYS = { send: Buffer.alloc(32, 1), receive: Buffer.alloc(32, 2) }
const PROTOCOL = { code: 'ERR_WARP_PEER_PROTOCOL' }
const NOTHING = Buffer.alloc(0)

/** A channel, and what is at its other end. */
function open(t: Test, options: Partial<ChannelOptions> = {}): { channel: Channel; peer: RawPeer } {
  const [a, b] = memoryPair()
  const channel = new Channel({ connection: a, leftover: NOTHING }, { ...OPTIONS, ...options })
  t.teardown(async () => {
    b.close()
    await channel.close()
  })
  return { channel, peer: new RawPeer(b) }
}

/** All that is under way fails with ERR_WARP_PEER_PROTOCOL, and the peer is told. */
async function refused(t: Test, channel: Channel, peer: RawPeer, attack: () => Promise<unknown>): Promise<void> {
  // What it may have sent before is dropped, or was taken; the receiver then sees the failure.
  const draining = async (): Promise<void> => { while (await channel.receive()); }
  // Credit for one, at the most.
  const first = Promise.allSettled([channel.send(16, [Buffer.alloc(4096)])])
  const pending = Promise.allSettled([channel.send(16, [Buffer.alloc(4096)]), channel.end(), draining()])
  await attack()
  for (const outcome of await pending) t.match(outcome, { status: 'rejected', reason: PROTOCOL })
  await first
  t.match(await peer.nextClose(), { number: 2 })
  await t.rejects(channel.receive(), PROTOCOL)
  await t.rejects(channel.send(16, []), PROTOCOL)
}

t.test('the first thing said is the window', async t => {
  const { peer } = open(t)
  t.same((await peer.next(CREDIT))!.payload.readBigUInt64LE(), 8192n)
})

const u64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}

const ATTACKS: Record<string, [number, Buffer][]> = {
  'an unknown type': [[6, NOTHING]],
  'the last reserved type': [[15, NOTHING]],
  'a message that is too long': [[16, Buffer.alloc(4097)]],
  'more than its credit': [[16, Buffer.alloc(4096)], [16, Buffer.alloc(4096)]],
  'credit of the wrong length': [[CREDIT, Buffer.alloc(7)]],
  'credit for less than a message': [[CREDIT, u64(4351n)]],
  'credit beyond all numbers': [[CREDIT, u64(1n << 53n)]],
  'no more credit than before': [[CREDIT, u64(4352n)], [CREDIT, u64(4352n)]],
  'a ping with something in it': [[PING, Buffer.alloc(1)]],
  'an answer to no ping': [[PONG, NOTHING], [PONG, NOTHING]],
  'a flood of pings': Array.from({ length: 2000 }, () => [PING, NOTHING]),
  'a close without a number': [[CLOSE, Buffer.alloc(1)]],
  'a close with too much to say': [[CLOSE, Buffer.alloc(1027)]],
  'a message after the end': [[END, NOTHING], [16, NOTHING]],
  'two ends': [[END, NOTHING], [END, NOTHING]],
  'an answer to no end': [[ENDED, NOTHING]],
}

for (const [name, frames] of Object.entries(ATTACKS)) {
  t.test(`refused: ${name}`, async t => {
    const { channel, peer } = open(t)
    await peer.next(PING)
    const attack = async (): Promise<void> => {
      for (const [type, payload] of frames) await peer.send(type, payload).catch(() => {})
    }
    if (frames[0][0] === END) {
      await attack()
      await t.rejects(channel.send(16, []), PROTOCOL)
      t.match(await peer.nextClose(), { number: 2 })
    } else await refused(t, channel, peer, attack)
  })
}

t.test('refused: what is announced beyond the credit, before it is allocated', async t => {
  const { channel, peer } = open(t, { windowBytes: 2 ** 32, maxMessageBytes: 2 ** 31 })
  await peer.next(PING)
  const before = process.memoryUsage().arrayBuffers
  await refused(t, channel, peer, () => peer.connection.write([frameHeader(16, 2 ** 32 - 1)]))
  t.ok(process.memoryUsage().arrayBuffers - before < 2 ** 24)
})

t.test('refused: grants without end', async t => {
  const { channel, peer } = open(t)
  await peer.credit(4352)
  const sending = t.rejects(channel.end().then(() => channel.receive()), PROTOCOL)
  for (let i = 1; i < 5; i++) await peer.credit(4352 + i).catch(() => {})
  await sending
  t.match(await peer.nextClose(), { number: 2 })
})

t.test('many empty messages cost what it takes to hold them', async t => {
  const { channel, peer } = open(t)
  for (let i = 0; i < 32; i++) await peer.send(16)
  for (let i = 0; i < 32; i++) t.equal((await channel.receive())!.payload.length, 0)
  // None was released.
  await peer.send(16)
  await t.rejects(channel.receive(), PROTOCOL)
})

t.test('the credit of the peer is never overrun', async t => {
  const { channel, peer } = open(t)
  let [granted, used, count] = [0, 0, 0]
  const sends = Array.from({ length: 60 }, (_, i) => channel.send(16, [Buffer.alloc((i * 1237) % 4097, i)]))
  while (count < sends.length) {
    // The least that is a grant, then more than that.
    granted = count === 0 ? 4352 : Math.max(granted + 1, used + 4352)
    await peer.credit(granted)
    do {
      const { payload } = (await peer.next(16))!
      t.ok(payload.equals(Buffer.alloc((count * 1237) % 4097, count)))
      count++
      used += payload.length + 256
    } while (count < sends.length && used + ((count * 1237) % 4097) + 256 <= granted)
    if (used > granted) t.fail(`${used} of ${granted} bytes were used`)
  }
  await Promise.all(sends)
})

t.test('silence', async t => {
  const { channel, peer } = open(t, { silenceMs: 300 })
  const pending = Promise.allSettled([channel.receive(), channel.send(16, []), channel.end()])
  for (const outcome of await pending) t.match(outcome, { status: 'rejected', reason: { code: 'ERR_WARP_PEER_SILENT', exitCode: 15 } })
  t.match(await peer.nextClose(), { number: 7 })
})

/** `connection`, except that `write` does something else, and `close` ends it. */
function withWrite(connection: Connection, write: () => Promise<void>): Connection {
  let end!: (error: Error) => void
  const isClosed = new Promise<never>((_, reject) => (end = reject))
  isClosed.catch(() => {})
  return {
    kind: connection.kind, isInitiator: true, localFingerprint: null, remoteFingerprint: null, remoteAddress: '',
    read: () => connection.read(),
    end: () => connection.end(),
    stats: () => connection.stats(),
    write: () => Promise.race([write(), isClosed]),
    close: () => {
      end(new WarpError('ERR_WARP_PEER_LOST', 'closed'))
      connection.close()
    },
  }
}

t.test('a peer that talks and takes nothing', async t => {
  const [a, b] = memoryPair()
  const connection = withWrite(a, () => new Promise(() => {}))
  const channel = new Channel({ connection, leftover: NOTHING }, { ...OPTIONS, silenceMs: 200 })
  const peer = new RawPeer(b)
  const talking = setInterval(() => void peer.send(PING).catch(() => {}), 20)
  t.teardown(() => clearInterval(talking))
  await t.rejects(channel.receive(), { code: 'ERR_WARP_PEER_SILENT' })
  await channel.close()
})

t.test('any byte is a sign of life', async t => {
  const { channel, peer } = open(t, { silenceMs: 1000 })
  const receiving = channel.receive()
  // Three seconds for one message.
  const message = Buffer.concat([frameHeader(16, 7), Buffer.from('message')])
  for (const byte of message) {
    await new Promise((resolve) => setTimeout(resolve, 250))
    await peer.connection.write([Buffer.from([byte])])
  }
  t.equal((await receiving)!.payload.toString(), 'message')
})

t.test('a peer that goes within a message', async t => {
  const { channel, peer } = open(t)
  await peer.connection.write([frameHeader(16, 7), Buffer.from('mess')])
  await peer.connection.end()
  await t.rejects(channel.receive(), { code: 'ERR_WARP_PEER_LOST', message: /within a message/ })
})

t.test('why the peer closed is found, though writing failed first', async t => {
  const [a, b] = memoryPair()
  const connection = withWrite(a, () => Promise.reject(new WarpError('ERR_WARP_PEER_LOST', 'broken pipe')))
  const channel = new Channel({ connection, leftover: NOTHING }, OPTIONS)
  const sending = t.rejects(channel.send(16, []), { code: 'ERR_WARP_TICKET_EXPIRED' })
  await new RawPeer(b).send(CLOSE, Buffer.from([17, 0]))
  await sending
  await channel.close()
})

t.test('a close breaks no message, and ends though the peer does not', async t => {
  const { channel, peer } = open(t)
  await peer.credit(8192)
  const sending = Promise.allSettled([channel.send(16, [Buffer.alloc(4096, 5)])])
  await channel.close(new WarpError('ERR_WARP_NO_SPACE', 'x'))
  await sending
  t.same(await peer.nextClose(), { number: 32, text: '' })
})

t.test('sealed: every flipped bit, every repeated and every forged message is refused', async t => {
  const seal = (type: number, payload: Buffer, sealer: MessageSealer): Buffer => {
    const header = frameHeader(type, payload.length + 16)
    return Buffer.concat([header, sealer.seal(header, [payload], payload.length)])
  }
  const attack = async (name: string, bytes: Buffer, code = 'ERR_WARP_PEER_AUTH'): Promise<void> => {
    const { channel, peer } = open(t, { seal: KEYS })
    await peer.connection.write([bytes])
    const failed = await channel.receive().then(() => channel.receive()).catch((error: unknown) => error)
    t.match(failed, { code }, name)
    peer.connection.close()
  }
  const sealer = new MessageSealer(KEYS.receive)
  const [first, second] = [seal(16, Buffer.from('text'), sealer), seal(17, Buffer.from('text'), sealer)]
  for (let bit = 32; bit < first.length * 8; bit++) {
    const changed = Buffer.from(first)
    changed[bit >> 3] ^= 1 << (bit & 7)
    const isChannelType = bit < 40 && changed[4] < 16
    await attack(`bit ${bit}`, changed, isChannelType ? 'ERR_WARP_PEER_PROTOCOL' : undefined)
  }
  await attack('repeated', Buffer.concat([first, first]))
  await attack('out of order', Buffer.concat([second, first]))
  await attack('sealed for the other direction', seal(16, NOTHING, new MessageSealer(KEYS.send)))
  await attack('a forged close', Buffer.concat([frameHeader(CLOSE, 18), Buffer.alloc(18)]))
  await attack('no tag', Buffer.concat([frameHeader(16, 15), Buffer.alloc(15)]), 'ERR_WARP_PEER_PROTOCOL')
})
