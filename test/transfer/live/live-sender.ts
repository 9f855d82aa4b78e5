import t from 'tap'
import { PassThrough, Readable } from 'node:stream'
import { LIVE_MESSAGE } from '../../../src/transfer/live/live-messages.ts'
import { LiveSender } from '../../../src/transfer/live/live-sender.ts'
import { noise } from '../../archive/support/trees.ts'
import { link, take, u64 } from '../support/channels.ts'
import { sendLive } from '../support/one-connection.ts'

const { data, end, done, position, ack } = LIVE_MESSAGE
const PROTOCOL = { code: 'ERR_WARP_PEER_PROTOCOL' }
const LOST = { code: 'ERR_WARP_PEER_LOST' }

t.test('what is there goes at once; what comes while the connection is busy is gathered', async t => {
  const { a, b, cut } = link()
  const source = new PassThrough()
  const seen: number[] = []
  const sending = sendLive(a, source, { onBytes: (bytes) => seen.push(bytes) })
  await b.send(position, [u64(0)])
  source.write('x')
  const first = await take(b)
  t.equal(first.type, data)
  t.equal(first.payload.toString(), 'x')
  source.write('y')
  source.write(Buffer.alloc(40_000))
  source.write(Buffer.alloc(40_000))
  source.write('z')
  const sizes: number[] = []
  for (let sum = 0; sum < 80_002;) {
    const { length } = (await take(b)).payload
    sizes.push(length)
    sum += length
  }
  t.ok(sizes.length <= 3 && Math.max(...sizes) === 65_536, String(sizes))
  source.end()
  const last = await take(b)
  t.equal(last.type, end)
  t.ok(last.payload.equals(u64(80_003)))
  await b.send(done, [u64(80_003)])
  t.same(await sending, { bytes: 80_003 })
  t.equal(seen[seen.length - 1], 80_003)
  t.same(seen, [...seen].sort((x, y) => x - y))
  cut()
})

t.test('an empty stream, and one of strings', async t => {
  for (const text of ['', 'as text, ', 'äöü']) {
    const { a, b, cut } = link()
    const source = new PassThrough({ encoding: 'utf8' })
    source.end(text)
    const sending = sendLive(a, source)
    await b.send(position, [u64(0)])
    if (text !== '') t.equal((await take(b)).payload.toString(), text)
    t.equal((await take(b)).type, end)
    await b.send(done, [u64(Buffer.byteLength(text))])
    t.same(await sending, { bytes: Buffer.byteLength(text) })
    cut()
  }
})

t.test('a receiver that acknowledges nothing, or gives no credit, stops the producer', async t => {
  for (const windowBytes of [300_000, 100 * 1024 * 1024]) {
    const { a, b, cut } = link({ windowBytes: 2_000_000 })
    let produced = 0
    const source = new Readable({ highWaterMark: 1, read() { produced += 10_000; this.push(Buffer.alloc(10_000)) } })
    const sender = new LiveSender(source, { windowBytes })
    const sending = sender.run(a)
    await b.send(position, [u64(0)])
    if (windowBytes < 1_000_000) {
      for (let sum = 0; sum < 300_000;) sum += (await take(b)).payload.length
      await new Promise(resolve => setTimeout(resolve, 50))
      t.ok(produced <= 330_000, `${produced}`)
      await b.send(ack, [u64(200_000)])
      for (let sum = 0; sum < 200_000;) sum += (await take(b)).payload.length
      t.ok(produced <= 530_000, `${produced}`)
    } else {
      await new Promise(resolve => setTimeout(resolve, 50))
      t.ok(a.stats().sentBytes < 2_100_000, `${a.stats().sentBytes}`)
    }
    cut()
    await t.rejects(sending, LOST)
    sender.close()
    t.ok(source.destroyed)
  }
})

t.test('after a break it goes on where the receiver is', async t => {
  const whole = noise(2, 500_000)
  const source = new PassThrough()
  const sender = new LiveSender(source)
  const first = link()
  const broken = sender.run(first.a)
  await first.b.send(position, [u64(0)])
  source.write(whole.subarray(0, 300_000))
  let got = Buffer.alloc(0)
  while (got.length < 200_000) got = Buffer.concat([got, (await take(first.b)).payload])
  first.cut()
  await t.rejects(broken, LOST)
  source.end(whole.subarray(300_000))

  const second = link()
  const sending = sender.run(second.a)
  await second.b.send(position, [u64(123_456)])
  got = got.subarray(0, 123_456)
  for (;;) {
    const { type, payload } = await take(second.b)
    if (type === end) break
    got = Buffer.concat([got, payload])
  }
  t.ok(got.equals(whole))
  // DONE does not arrive: the third connection is only for that.
  second.cut()
  await t.rejects(sending, LOST)
  const third = link()
  const again = sender.run(third.a)
  await third.b.send(position, [u64(500_000)])
  t.equal((await take(third.b)).type, end)
  await third.b.send(done, [u64(500_000)])
  t.same(await again, { bytes: 500_000 })
  third.cut()
})

t.test('another process at the other side cannot go on', async t => {
  const sender = new LiveSender(Readable.from([noise(3, 100_000)]))
  const first = link()
  const sending = sender.run(first.a)
  await first.b.send(position, [u64(0)])
  while ((await take(first.b)).type !== end);
  await first.b.send(ack, [u64(60_000)])
  await new Promise(resolve => setTimeout(resolve, 10))
  first.cut()
  await t.rejects(sending, LOST)
  const second = link()
  const again = sender.run(second.a)
  await second.b.send(position, [u64(0)])
  await t.rejects(again, { code: 'ERR_WARP_PEER_FAILED' })
  second.cut()
})

t.test('a producer that fails: all that came is sent first', async t => {
  for (const error of [new Error('gone'), undefined]) {
    const { a, b, cut } = link()
    const source = new PassThrough()
    const sending = sendLive(a, source)
    sending.catch(() => {})
    await b.send(position, [u64(0)])
    while (source.listenerCount('data') === 0) await new Promise(resolve => setImmediate(resolve))
    source.once('data', () => source.destroy(error))
    source.write(Buffer.alloc(100_000))
    let sum = 0
    while (sum < 100_000) sum += (await take(b)).payload.length
    await t.rejects(sending, { code: 'ERR_WARP_INPUT_UNREADABLE' })
    cut()
  }
  const { a, b, cut } = link()
  const source = new PassThrough()
  source.destroy()
  const sending = sendLive(a, source)
  await b.send(position, [u64(0)])
  await t.rejects(sending, { code: 'ERR_WARP_INPUT_UNREADABLE' })
  cut()
})

t.test('an abort ends it whatever it waits for', async t => {
  for (const isOpen of [false, true]) {
    const { a, b, cut } = link()
    const controller = new AbortController()
    const source = new PassThrough()
    const sending = sendLive(a, source, { signal: controller.signal })
    if (isOpen) await b.send(position, [u64(0)])
    setImmediate(() => controller.abort())
    await t.rejects(sending, { code: 'ERR_WARP_INTERRUPTED' })
    t.ok(source.destroyed)
    await t.rejects(new LiveSender(new PassThrough(), { signal: controller.signal }).run(a), { code: 'ERR_WARP_INTERRUPTED' }, 'before it begins')
    cut()
  }
})

t.test('a receiver that lies', async t => {
  const lies: [string, [number, Buffer][]][] = [
    ['it begins with something else', [[ack, u64(0)]]],
    ['a position that was never sent', [[position, u64(1)]]],
    ['a second position', [[position, u64(0)], [position, u64(0)]]],
    ['acknowledged what was not sent', [[position, u64(0)], [ack, u64(1_000_000)]]],
    ['done before the end', [[position, u64(0)], [done, u64(10)]]],
    ['a position above 2^53-1', [[position, u64(2n ** 53n)]]],
    ['a position that is too short', [[position, Buffer.alloc(7)]]],
    ['a position with more behind it', [[position, Buffer.alloc(9)]]],
    ['a message of a type of its own', [[position, u64(0)], [data, u64(0)]]],
  ]
  for (const [name, messages] of lies) {
    const { a, b, cut } = link()
    const source = new PassThrough()
    source.write('0123456789')
    const sending = sendLive(a, source)
    for (const [type, payload] of messages) await b.send(type, [payload])
    await t.rejects(sending, PROTOCOL, name)
    cut()
  }
  const { a, b, cut } = link()
  const ended = sendLive(a, new PassThrough())
  await b.send(position, [u64(0)])
  b.end().catch(() => {})
  await t.rejects(ended, PROTOCOL, 'it ends first')
  cut()
  const other = link()
  const sending = sendLive(other.a, Readable.from([Buffer.alloc(10)]))
  await other.b.send(position, [u64(0)])
  while ((await take(other.b)).type !== end);
  await other.b.send(done, [u64(9)])
  await t.rejects(sending, PROTOCOL, 'done with another total')
  other.cut()
})
