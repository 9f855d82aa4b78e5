import t from 'tap'
import { WarpError, type ErrorCode } from '../../../src/base/errors.ts'
import { Channel, type ChannelOptions, type Message } from '../../../src/transfer/channel/channel.ts'
import type { Connection } from '../../../src/transfer/transports/connection.ts'
import { memoryPair } from '../../../src/transfer/transports/memory.ts'

const KEYS = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
const OPTIONS: ChannelOptions = { windowBytes: 256 * 1024, seal: null, maxMessageBytes: 64 * 1024 }

function channelPair(options: Partial<ChannelOptions> = {}, isSealed = false): [Channel, Channel] {
  const [a, b] = memoryPair()
  const open = (connection: Connection, send: Buffer, receive: Buffer): Channel =>
    new Channel({ connection, leftover: new Uint8Array() }, { ...OPTIONS, seal: isSealed ? { send, receive } : null, ...options })
  return [open(a, KEYS[0], KEYS[1]), open(b, KEYS[1], KEYS[0])]
}

function bytes(length: number, seed: number): Buffer {
  const out = Buffer.allocUnsafe(length)
  for (let i = 0; i < length; i++) out[i] = i * 31 + seed * 7 + (i >> 8)
  return out
}

async function take(channel: Channel): Promise<Message> {
  const message = await channel.receive()
  if (message === null) throw new Error('the end, not a message')
  message.release()
  return message
}

/** Ends both in order. */
async function endBoth(a: Channel, b: Channel): Promise<void> {
  await Promise.all([a.end(), b.end()])
  await Promise.all([a.close(), b.close()])
}

for (const isSealed of [false, true]) {
  t.test(`messages arrive once, in order, unchanged, sealed: ${isSealed}`, async t => {
    const [a, b] = channelPair({}, isSealed)
    const sizes = [0, 1, 15, 16, 17, 64 * 1024, 65_535, 0, 3]
    const sending = (async () => {
      for (const [i, size] of sizes.entries()) {
        const whole = bytes(size, i)
        await a.send(16 + i, [whole.subarray(0, size >> 1), new Uint8Array(), whole.subarray(size >> 1)])
      }
      await a.end()
    })()
    for (const [i, size] of sizes.entries()) {
      const { type, payload } = await take(b)
      t.equal(type, 16 + i)
      t.ok(payload.equals(bytes(size, i)), `${size} bytes`)
      // In memory of its own: it does not keep what came with it.
      t.equal(payload.buffer.byteLength, size + (isSealed ? 16 : 0))
    }
    t.equal(await b.receive(), null)
    t.equal(await b.receive(), null, 'the end stays')
    await sending
    await b.end()
    await Promise.all([a.close(), b.close()])
    t.ok(a.stats().sentBytes > 131_072)
    t.equal(a.stats().sentBytes, b.stats().receivedBytes)
    t.equal(a.stats().kind, 'memory')
  })

  t.test(`both directions at once, more than the window, calls not awaited one by one, sealed: ${isSealed}`, async t => {
    const [a, b] = channelPair({ windowBytes: 70_000 }, isSealed)
    const count = 200
    const run = async (from: Channel, to: Channel): Promise<void> => {
      const sends = Array.from({ length: count }, (_, i) => from.send(20, [bytes((i * 977) % 9000, i)]))
      for (let i = 0; i < count; i++) {
        const { payload } = await take(to)
        if (!payload.equals(bytes((i * 977) % 9000, i))) t.fail(`message ${i}`)
      }
      await Promise.all(sends)
    }
    await Promise.all([run(a, b), run(b, a)])
    await endBoth(a, b)
  })
}

t.test('a consumer that stalls stops the sender within the window, while the connection stays alive', async t => {
  const silenceMs = 1000
  const [a, b] = channelPair({ silenceMs })
  let sent = 0
  const sending = (async () => {
    for (let i = 0; i < 100; i++) {
      await a.send(16, [bytes(10_000, i)])
      sent++
    }
  })()
  // Longer than the silence: nothing but pings keeps both going.
  await new Promise((resolve) => setTimeout(resolve, 2.5 * silenceMs))
  t.equal(sent, Math.floor(OPTIONS.windowBytes / (10_000 + 256)))
  const { receivedBytes } = b.stats()
  t.ok(receivedBytes <= OPTIONS.windowBytes, `${receivedBytes} bytes came`)
  t.ok(a.stats().creditWaitMs > silenceMs)
  t.ok(a.rttMs !== null && a.rttMs >= 0)
  for (let i = 0; i < 100; i++) t.ok((await take(b)).payload.equals(bytes(10_000, i)))
  await sending
  await endBoth(a, b)
})

t.test('what is taken but not released counts, and is given back once', async t => {
  const [a, b] = channelPair({ windowBytes: 4 * 1256, maxMessageBytes: 1000 })
  const sends = Array.from({ length: 8 }, (_, i) => a.send(16, [bytes(1000, i)]))
  let sent = 0
  for (const send of sends) void send.then(() => sent++)
  const messages: Message[] = []
  for (let i = 0; i < 4; i++) messages.push((await b.receive())!)
  const fifth = b.receive()
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(sent, 4)
  for (let i = 0; i < 5; i++) messages[0].release()
  await fifth
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(sent, 5, 'one message was given back, not five')
  for (const message of messages) message.release()
  ;(await fifth)!.release()
  for (let i = 5; i < 8; i++) await take(b)
  await Promise.all(sends)
  await endBoth(a, b)
})

t.test('messages of the largest size pass through a window of one', async t => {
  for (const isSealed of [false, true]) {
    const maxMessageBytes = 1000
    const windowBytes = maxMessageBytes + 256 + (isSealed ? 16 : 0)
    t.throws(() => channelPair({ maxMessageBytes, windowBytes: windowBytes - 1 }, isSealed), RangeError)
    const [a, b] = channelPair({ maxMessageBytes, windowBytes }, isSealed)
    for (let i = 0; i < 20; i++) {
      const sending = a.send(16, [bytes(i % 2 ? 0 : maxMessageBytes, i)])
      await take(b)
      await sending
    }
    await endBoth(a, b)
  }
})

t.test('one side ends, the other goes on', async t => {
  const [a, b] = channelPair()
  await a.send(16, [bytes(10, 0)])
  const ending = a.end()
  t.equal((await take(b)).payload.length, 10)
  t.equal(await b.receive(), null)
  await ending
  await t.rejects(a.send(16, []), TypeError)
  for (let i = 0; i < 50; i++) {
    const sending = b.send(17, [bytes(20_000, i)])
    t.ok((await take(a)).payload.equals(bytes(20_000, i)))
    await sending
  }
  const waiting = a.receive()
  await b.end()
  t.equal(await waiting, null)
  await a.end()
  await Promise.all([a.close(), b.close()])
  t.equal(await a.receive(), null)
})

t.test('messages that nobody has taken yet outlast the end', async t => {
  const [a, b] = channelPair()
  const sends = [a.send(16, [bytes(5, 1)]), a.send(17, [bytes(6, 2)])]
  await endBoth(a, b)
  await Promise.all(sends)
  t.equal((await take(b)).type, 16)
  t.equal((await take(b)).type, 17)
  t.equal(await b.receive(), null)
})

t.test('the peer is told why', async t => {
  const cases: [ErrorCode, ErrorCode][] = [
    ['ERR_WARP_NO_SPACE', 'ERR_WARP_PEER_FAILED'],
    ['ERR_WARP_TICKET_USED', 'ERR_WARP_TICKET_USED'],
    ['ERR_WARP_DIGEST_MISMATCH', 'ERR_WARP_PEER_FAILED'],
  ]
  for (const [code, received] of cases) {
    for (const isSealed of [false, true]) {
      const [a, b] = channelPair({}, isSealed)
      const pending = [a.receive(), b.receive(), b.send(16, Array.from({ length: 50 }, () => Buffer.alloc(1000))), b.end()]
      const outcomes = Promise.allSettled(pending)
      await a.close(new WarpError(code, 'for a reason'))
      const [own, ...theirs] = await outcomes
      t.match(own, { status: 'rejected', reason: { code } })
      t.match(theirs[0], { status: 'rejected', reason: { code: received, message: /^the other side/ } })
      t.match(theirs[2], { status: 'rejected', reason: { code: received } })
      await t.rejects(a.send(16, []), { code })
      await t.rejects(a.end(), { code })
      await t.rejects(b.receive(), { code: received })
      await t.rejects(b.send(16, []), { code: received })
      await b.close()
    }
  }
})

t.test('closing says so, also while messages wait for credit', async t => {
  const [a, b] = channelPair()
  const stuck = Promise.allSettled(Array.from({ length: 10 }, () => a.send(16, [bytes(60_000, 0)])))
  await take(b)
  const told = t.rejects(b.end().then(() => a.receive()), { code: 'ERR_WARP_PEER_LOST' })
  await a.close()
  await told
  t.match((await stuck).at(-1), { status: 'rejected', reason: { code: 'ERR_WARP_PEER_LOST' } })
  await b.close()
})

t.test('what came before a close is given first', async t => {
  const [a, b] = channelPair()
  await a.send(16, [bytes(3, 0)])
  await a.close(new WarpError('ERR_WARP_INTERRUPTED', 'stopped'))
  t.equal((await take(b)).payload.length, 3)
  await t.rejects(b.receive(), { code: 'ERR_WARP_PEER_FAILED' })
  await b.close()
})

t.test('a connection that breaks fails every call under way', async t => {
  for (const isOrderly of [false, true]) {
    const [a, b] = memoryPair()
    const channel = new Channel({ connection: a, leftover: new Uint8Array() }, OPTIONS)
    const sends = Array.from({ length: 10 }, () => channel.send(16, [bytes(60_000, 0)]))
    const outcomes = Promise.allSettled([...sends, channel.receive(), channel.receive(), channel.end()])
    if (isOrderly) await b.end()
    else b.close()
    for (const outcome of await outcomes) t.match(outcome, { status: 'rejected', reason: { code: 'ERR_WARP_PEER_LOST' } })
    await t.rejects(channel.send(16, []), { code: 'ERR_WARP_PEER_LOST' })
    await channel.close()
    b.close()
  }
})

t.test('misuse', async t => {
  const [a, b] = channelPair()
  for (const type of [0, 15, 256, Number.NaN]) await t.rejects(a.send(type, []), RangeError)
  await t.rejects(a.send(16, [Buffer.alloc(40_000), Buffer.alloc(40_000)]), RangeError)
  await endBoth(a, b)
})

t.test('bytes that came with the handshake come first', async t => {
  const [a, b] = memoryPair()
  const sender = new Channel({ connection: a, leftover: new Uint8Array() }, OPTIONS)
  const leftover = (await b.read())!
  const receiver = new Channel({ connection: b, leftover }, OPTIONS)
  const sending = sender.send(16, [bytes(9, 9)])
  const { payload } = await take(receiver)
  t.ok(payload.equals(bytes(9, 9)))
  await sending
  await endBoth(sender, receiver)
})
