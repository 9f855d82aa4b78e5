import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { ARCHIVE_MESSAGE, readArchiveOffer, tailDigest, writeArchiveFrom } from '../../../src/transfer/archive/archive-messages.ts'
import { ArchiveSender } from '../../../src/transfer/archive/archive-sender.ts'
import { CHEAP } from '../../archive/support/archives.ts'
import { makeDirectory, noise } from '../../archive/support/trees.ts'
import { makeArchive } from '../support/archives.ts'
import { link, take, u64 } from '../support/channels.ts'
import { sendArchive } from '../support/one-connection.ts'

const { offer, from, data, end, done, start } = ARCHIVE_MESSAGE
const PROTOCOL = { code: 'ERR_WARP_PEER_PROTOCOL' }

t.test('only a complete archive is offered', async t => {
  const directory = makeDirectory(t)
  const at = path.join(directory, 'x')
  for (const options of [{}, { passphrase: 'secret', passphraseCost: CHEAP }]) {
    const whole = fs.readFileSync(await makeArchive(directory, 10_000, options))
    const open = async (bytes: Uint8Array): Promise<void> => {
      fs.writeFileSync(at, bytes)
      await (await ArchiveSender.open(at)).close()
    }
    await open(whole)
    for (const [code, bytes] of [
      ['ERR_WARP_TRUNCATED', Buffer.alloc(0)],
      ['ERR_WARP_NOT_AN_ARCHIVE', Buffer.alloc(1000)],
      ['ERR_WARP_TRUNCATED', whole.subarray(0, 256 + 311)],
      ['ERR_WARP_TRUNCATED', whole.subarray(0, -1)],
      ['ERR_WARP_TRUNCATED', Buffer.concat([whole, Buffer.alloc(1)])],
      ['ERR_WARP_HEADER_DAMAGED', Buffer.concat([whole.subarray(0, 40), Buffer.alloc(1, 0x55), whole.subarray(41)])],
      // The footer is in its place, something before it is missing.
      ...('passphrase' in options ? [] : [['ERR_WARP_COUNT_MISMATCH', Buffer.concat([whole.subarray(0, 3000), whole.subarray(3001)])]]),
    ] as [string, Buffer][]) await t.rejects(open(bytes), { code })
    fs.rmSync(path.join(directory, 'tree'), { recursive: true })
  }
  await t.rejects(ArchiveSender.open(path.join(directory, 'missing')), { code: 'ERR_WARP_ARCHIVE_UNREADABLE' })
  await t.rejects(ArchiveSender.open(directory), { code: 'ERR_WARP_ARCHIVE_UNREADABLE' })
})

t.test('it goes on where the receiver is, if that has the same bytes', async t => {
  const file = await makeArchive(makeDirectory(t), 3_000_000)
  const bytes = fs.readFileSync(file)
  const digest = (position: number): Uint8Array => tailDigest(bytes.subarray(Math.max(0, position - 1024 * 1024), position))
  // Nothing, less than what is compared, more, everything; and the digest of something else.
  for (const [position, proof, expected] of [
    [0, digest(0), 0], [0, Buffer.alloc(32, 1), 0], [100, digest(100), 100], [2_000_001, digest(2_000_001), 2_000_001],
    [bytes.length, digest(bytes.length), bytes.length], [2_000_000, digest(2_000_001), 0],
  ] as [number, Uint8Array, number][]) {
    const { a, b, cut } = link()
    const seen: number[] = []
    const sending = sendArchive(a, file, { onBytes: (count) => seen.push(count) })
    const offered = await take(b)
    t.equal(offered.type, offer)
    t.match(readArchiveOffer(offered.payload), { length: bytes.length, name: Buffer.from('made.warp') })
    await b.send(from, [writeArchiveFrom({ position, digest: proof })])
    const begun = await take(b)
    t.equal(begun.type, start)
    t.ok(begun.payload.equals(u64(expected)))
    const pieces: Buffer[] = []
    for (;;) {
      const { type, payload } = await take(b)
      if (type === end) break
      t.equal(type, data)
      pieces.push(payload)
    }
    t.ok(Buffer.concat([bytes.subarray(0, expected), ...pieces]).equals(bytes))
    await b.send(done, [u64(bytes.length)])
    t.match(await sending, { bytes: bytes.length, resumedBytes: expected })
    t.same(seen, [...seen].sort((x, y) => x - y))
    cut()
  }
})

t.test('a receiver that gives no credit is waited for, and the signal ends that', async t => {
  const file = await makeArchive(makeDirectory(t), 20_000_000, { compress: 'none' })
  const { a, b, cut } = link()
  const controller = new AbortController()
  const sending = sendArchive(a, file, { signal: controller.signal })
  await take(b)
  await b.send(from, [writeArchiveFrom({ position: 0, digest: Buffer.alloc(32) })])
  await new Promise(resolve => setTimeout(resolve, 50))
  t.ok(a.stats().sentBytes < 3_000_000)
  controller.abort()
  await t.rejects(sending, { code: 'ERR_WARP_INTERRUPTED' })
  cut()
})

t.test('a file that changes is said to', async t => {
  const directory = makeDirectory(t)
  const file = await makeArchive(directory, 5_000_000, { compress: 'none' })
  const whole = fs.readFileSync(file)
  for (const change of [
    () => fs.appendFileSync(file, 'x'),
    () => fs.truncateSync(file, 4_000_000),
    () => fs.writeFileSync(file, noise(1, whole.length)),
    () => fs.utimesSync(file, 1, 1),
  ]) {
    fs.writeFileSync(file, whole)
    const { a, b, cut } = link()
    const sending = sendArchive(a, file)
    sending.catch(() => {})
    await take(b)
    await b.send(from, [writeArchiveFrom({ position: 0, digest: Buffer.alloc(32) })])
    await take(b)
    change()
    const draining = (async () => { for (;;) if ((await take(b)).type === end) t.fail('an end') })().catch(() => {})
    await t.rejects(sending, { code: 'ERR_WARP_INPUT_UNREADABLE' })
    cut()
    await draining
  }
  // Between two connections.
  fs.writeFileSync(file, whole)
  const sender = await ArchiveSender.open(file)
  fs.appendFileSync(file, 'x')
  const { a, cut } = link()
  await t.rejects(sender.run(a), { code: 'ERR_WARP_INPUT_UNREADABLE' })
  await sender.close()
  await sender.close()
  cut()
})

t.test('a receiver that lies', async t => {
  const file = await makeArchive(makeDirectory(t), 1000)
  const { size } = fs.statSync(file)
  const nothing = writeArchiveFrom({ position: 0, digest: Buffer.alloc(32) })
  for (const [name, messages] of [
    ['something before where it is', [[done, u64(size)]]],
    ['a position beyond the end', [[from, writeArchiveFrom({ position: size + 1, digest: Buffer.alloc(32) })]]],
    ['a position above 2^53-1', [[from, Buffer.alloc(40, 0xff)]]],
    ['no digest', [[from, u64(0)]]],
    ['done with another length', [[from, nothing], [done, u64(size - 1)]]],
    ['a second from', [[from, nothing], [from, nothing]]],
  ] as [string, [number, Uint8Array][]][]) {
    const { a, b, cut } = link()
    const sending = sendArchive(a, file)
    for (const [type, payload] of messages) await b.send(type, [payload])
    await t.rejects(sending, PROTOCOL, name)
    cut()
  }
  const { a, b, cut } = link()
  const sending = sendArchive(a, file)
  b.end().catch(() => {})
  await t.rejects(sending, PROTOCOL, 'it ends')
  cut()
})
