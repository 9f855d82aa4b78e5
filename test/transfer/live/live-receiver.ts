import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough, Readable, Writable } from 'node:stream'
import { LIVE_MESSAGE } from '../../../src/transfer/live/live-messages.ts'
import { LiveReceiver } from '../../../src/transfer/live/live-receiver.ts'
import { LiveSender } from '../../../src/transfer/live/live-sender.ts'
import { WarpError } from '../../../src/base/errors.ts'
import { makeDirectory, noise } from '../../archive/support/trees.ts'
import { link, seeded, take, u64 } from '../support/channels.ts'
import { receiveLive, sendLive } from '../support/one-connection.ts'

const { data, end, done, position, ack } = LIVE_MESSAGE
const PROTOCOL = { code: 'ERR_WARP_PEER_PROTOCOL' }
const LOST = { code: 'ERR_WARP_PEER_LOST' }

/** Keeps what is written to it. */
class Kept extends Writable {
  readonly pieces: Buffer[] = []

  override _write(piece: Buffer, _encoding: string, callback: () => void): void {
    this.pieces.push(piece)
    callback()
  }

  get bytes(): Buffer {
    return Buffer.concat(this.pieces)
  }
}

t.test('a stream from end to end', async t => {
  // Nothing, one byte, around one message, more than the window of the channel.
  for (const length of [0, 1, 65_535, 65_536, 65_537, 5_000_000]) {
    const whole = noise(length, length)
    const { a, b, cut } = link()
    const output = new Kept()
    const seen: number[] = []
    const results = await Promise.all([
      sendLive(a, Readable.from([whole])), receiveLive(b, output, { onBytes: (bytes) => seen.push(bytes) }),
    ])
    t.same(results, [{ bytes: length }, { bytes: length }])
    t.ok(output.bytes.equals(whole))
    t.ok(output.writableFinished, 'the consumer sees the end')
    t.same(seen.slice(-1), length > 0 ? [length] : [])
    cut()
  }
})

t.test('a byte arrives while the producer is still there', async t => {
  const { a, b, cut } = link()
  const [source, output] = [new PassThrough(), new PassThrough()]
  const ends = Promise.all([sendLive(a, source), receiveLive(b, output)])
  for (const letter of 'abc') {
    source.write(letter)
    t.equal(String((await once(output, 'data'))[0]), letter)
  }
  source.end()
  t.same(await ends, [{ bytes: 3 }, { bytes: 3 }])
  cut()
})

t.test('connections that break at any moment: every byte once, in order', async t => {
  let broken = 0
  for (let seed = 1; seed <= 12; seed++) {
    const random = seeded(seed)
    const whole = noise(seed, 2_000_000)
    let at = 0
    const source = new Readable({
      read() {
        const size = 1 + Math.floor(random() * random() * 100_000)
        setImmediate(() => this.push(at < whole.length ? whole.subarray(at, at += size) : null))
      },
    })
    const output = new Kept()
    const sender = new LiveSender(source, { windowBytes: 1_200_000 })
    const receiver = new LiveReceiver(output)
    let results: PromiseSettledResult<{ bytes: number }>[] = []
    let links = 0
    // Both sides must have seen the end, or one says it again.
    for (; links < 1000; links++) {
      const { a, b, cut, kill } = link({ windowBytes: 400_000, maxMessageBytes: 65_536 })
      const runs = Promise.allSettled([sender.run(a), receiver.run(b)])
      let turns = Math.floor(random() * 20)
      const breaking = (async () => {
        for (; turns > 0; turns--) await new Promise(resolve => setImmediate(resolve))
        if (random() < 0.5) cut()
        else kill()
      })()
      results = await runs
      await breaking
      cut()
      if (results.every(({ status }) => status === 'fulfilled')) break
      for (const result of results) {
        if (result.status === 'rejected' && (result.reason as WarpError).code !== 'ERR_WARP_PEER_LOST') t.fail(result.reason)
      }
    }
    t.ok(output.bytes.equals(whole), `seed ${seed}, ${links} connections broke`)
    broken += links
    t.same(results.map((result) => (result as { value: unknown }).value), [{ bytes: whole.length }, { bytes: whole.length }])
  }
  t.ok(broken > 40, `${broken} connections broke`)
})

t.test('a sender that is killed is no end', async t => {
  const { a, b, kill } = link()
  const output = new Kept()
  const receiving = receiveLive(b, output)
  output.on('error', () => {})
  while ((await take(a)).type !== position);
  await a.send(data, [Buffer.from('some')])
  kill()
  await t.rejects(receiving, { ...LOST, exitCode: 15 })
  t.equal(output.bytes.toString(), 'some')
  t.notOk(output.writableFinished)
  t.match(output.errored, LOST)
})

t.test('a stalled consumer stops the producer, and what it did not take is not piled up by new connections', async t => {
  let release: (() => void) | undefined
  const stalled = new Writable({ write(_piece, _encoding, callback) { release = callback } })
  let produced = 0
  const source = new Readable({ highWaterMark: 1, read() { produced += 10_000; this.push(Buffer.alloc(10_000)) } })
  const sender = new LiveSender(source, { windowBytes: 4_000_000 })
  const receiver = new LiveReceiver(stalled)
  const windowBytes = 200_000
  for (let i = 0; i < 5; i++) {
    const { a, b, cut } = link({ windowBytes, maxMessageBytes: 65_536 })
    const runs = Promise.allSettled([sender.run(a), receiver.run(b)])
    await new Promise(resolve => setTimeout(resolve, 20))
    cut()
    // The receiver notices when the consumer moves on.
    if (i === 0) t.match(await runs, [{ reason: LOST }, { reason: LOST }])
    else void runs
    t.ok(stalled.writableLength <= windowBytes, `${stalled.writableLength} bytes held`)
  }
  t.ok(release)
  t.ok(produced <= 4_100_000)
  sender.close()
})

t.test('acknowledged at least every MiB', async t => {
  const { a, b, cut } = link()
  const receiving = receiveLive(b, new Kept())
  t.equal((await take(a)).type, position)
  for (let i = 0; i < 17; i++) await a.send(data, [Buffer.alloc(65_536)])
  const message = await take(a)
  t.equal(message.type, ack)
  t.ok(message.payload.equals(u64(1024 * 1024)))
  await a.send(end, [u64(17 * 65_536)])
  t.equal((await take(a)).type, done)
  t.same(await receiving, { bytes: 17 * 65_536 })
  cut()
})

t.test('a consumer that goes: the receiver says so, the sender ends', async t => {
  for (const when of ['before', 'within']) {
    const { a, b, cut } = link()
    const output = new Kept()
    if (when === 'before') output.destroy()
    const sending = sendLive(a, new Readable({ read() { setTimeout(() => this.push('x'), 1) } }))
    const receiving = receiveLive(b, output)
    if (when === 'within') setTimeout(() => output.destroy(), 20)
    await t.rejects(receiving, { code: 'ERR_WARP_PIPE_CLOSED', class: 'output' })
    await Promise.all([
      t.rejects(sending, { code: 'ERR_WARP_PEER_FAILED', exitCode: 15 }),
      b.close(new WarpError('ERR_WARP_PIPE_CLOSED', 'gone')),
    ])
    cut()
  }
})

t.test('a producer that fails: the consumer gets what came before, and no end', async t => {
  const { a, b, cut } = link()
  const output = new Kept()
  output.on('error', () => {})
  const source = new PassThrough()
  const sending = sendLive(a, source).catch(async (error: WarpError) => { await a.close(error); throw error })
  const receiving = receiveLive(b, output)
  while (source.listenerCount('data') === 0) await new Promise(resolve => setImmediate(resolve))
  source.once('data', () => source.destroy(new Error('unplugged')))
  source.write(Buffer.alloc(100_000))
  await Promise.all([
    t.rejects(sending, { code: 'ERR_WARP_INPUT_UNREADABLE' }),
    t.rejects(receiving, { code: 'ERR_WARP_PEER_FAILED' }),
  ])
  t.equal(output.bytes.length, 100_000)
  t.notOk(output.writableFinished)
  cut()
})

t.test('an abort', async t => {
  const { a, b, cut } = link()
  const controller = new AbortController()
  const output = new Kept()
  output.on('error', () => {})
  const receiving = receiveLive(b, output, { signal: controller.signal })
  t.equal((await take(a)).type, position)
  controller.abort()
  await t.rejects(receiving, { code: 'ERR_WARP_INTERRUPTED' })
  t.ok(output.destroyed)
  cut()
})

t.test('a sender that lies', async t => {
  const lies: [string, [number, Buffer][]][] = [
    ['data of no bytes', [[data, Buffer.alloc(0)]]],
    ['more than it says', [[data, Buffer.alloc(10)], [end, u64(9)]]],
    ['less than it says', [[data, Buffer.alloc(10)], [end, u64(11)]]],
    ['an end that is no number', [[end, Buffer.alloc(3)]]],
    ['a message of the other side', [[ack, u64(0)]]],
    ['a message of another kind of transfer', [[80, u64(0)]]],
  ]
  for (const [name, messages] of lies) {
    const { a, b, cut } = link()
    const output = new Kept()
    output.on('error', () => {})
    const receiving = receiveLive(b, output)
    for (const [type, payload] of messages) await a.send(type, [payload])
    await t.rejects(receiving, PROTOCOL, name)
    t.notOk(output.writableFinished)
    cut()
  }
  const { a, b, cut } = link()
  const receiving = receiveLive(b, new Kept().on('error', () => {}))
  a.end().catch(() => {})
  await t.rejects(receiving, PROTOCOL, 'it ends without an end of the stream')
  cut()
  const first = link()
  const receiver = new LiveReceiver(new Kept())
  const complete = receiver.run(first.b)
  await first.a.send(end, [u64(0)])
  await complete
  first.cut()
  const second = link()
  const again = receiver.run(second.b)
  await second.a.send(data, [Buffer.alloc(1)])
  await t.rejects(again, PROTOCOL, 'data after the end')
  second.cut()
})

t.test('a pipe as descriptor', async t => {
  const fifo = path.join(makeDirectory(t), 'fifo')
  execFileSync('mkfifo', [fifo])
  const whole = noise(5, 3_000_000)
  const cat = spawn('cat', [fifo])
  const pieces: Buffer[] = []
  cat.stdout.on('data', (piece: Buffer) => pieces.push(piece))
  const closed = once(cat, 'close')
  const fd = fs.openSync(fifo, 'w')
  const { a, b, cut } = link()
  await Promise.all([sendLive(a, Readable.from([whole])), receiveLive(b, fd)])
  fs.closeSync(fd)
  await closed
  t.ok(Buffer.concat(pieces).equals(whole))
  cut()

  const head = spawn('head', ['-c', '10', fifo], { stdio: 'ignore' })
  const gone = once(head, 'close')
  const short = fs.openSync(fifo, 'w')
  const other = link()
  const sending = sendLive(other.a, new Readable({ read() { setTimeout(() => this.push(Buffer.alloc(100)), 1) } }))
  await t.rejects(receiveLive(other.b, short), { code: 'ERR_WARP_PIPE_CLOSED' })
  other.cut()
  await t.rejects(sending, LOST)
  await gone
  // Nobody reads any more at all.
  const third = link()
  const toNobody = receiveLive(third.b, short)
  await third.a.send(data, [Buffer.alloc(1)])
  await t.rejects(toNobody, { code: 'ERR_WARP_PIPE_CLOSED' })
  third.cut()
  fs.closeSync(short)
})

t.test('a file as descriptor', async t => {
  const file = path.join(makeDirectory(t), 'out')
  const whole = noise(6, 1_000_000)
  const fd = fs.openSync(file, 'w')
  const { a, b, cut } = link()
  await Promise.all([sendLive(a, Readable.from([whole.subarray(0, 300_000), whole.subarray(300_000)])), receiveLive(b, fd)])
  fs.closeSync(fd)
  t.ok(fs.readFileSync(file).equals(whole))
  cut()
  const full = fs.openSync('/dev/full', 'w')
  const other = link()
  const receiving = receiveLive(other.b, full)
  await other.a.send(data, [Buffer.alloc(1)])
  await t.rejects(receiving, { code: 'ERR_WARP_NO_SPACE' })
  fs.closeSync(full)
  other.cut()
})
