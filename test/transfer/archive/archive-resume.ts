import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import type { WarpError } from '../../../src/base/errors.ts'
import { ARCHIVE_MESSAGE } from '../../../src/transfer/archive/archive-messages.ts'
import { ArchiveReceiver, type ArchiveReceiveOptions } from '../../../src/transfer/archive/archive-receiver.ts'
import { ArchiveSender } from '../../../src/transfer/archive/archive-sender.ts'
import { begin, makeArchive, offerOf, setting } from '../support/archives.ts'
import { link, seeded } from '../support/channels.ts'
import { receiveArchive, sendArchive } from '../support/one-connection.ts'

const { data } = ARCHIVE_MESSAGE
const LOST = { code: 'ERR_WARP_PEER_LOST' }

t.test('connections that break at any moment, and receivers that are killed: byte for byte the same', async t => {
  const { file, target, into, bytes } = await setting(t, 45_000_000, { compress: 'none' })
  let broken = 0
  let kills = 0
  let resumed = 0
  for (let seed = 1; seed <= 4; seed++) {
    const random = seeded(seed)
    const sender = await ArchiveSender.open(file)
    const options: ArchiveReceiveOptions = { ...into, into: { kind: 'directory', path: path.join(target, `${seed}`) } }
    let receiver = new ArchiveReceiver(options)
    for (let received = false; !received; broken++) {
      const { a, b, cut } = link({ windowBytes: 8 * 1024 * 1024 })
      const runs = Promise.allSettled([sender.run(a), receiver.run(b)])
      const limit = random() * 40_000_000
      const breaking = setInterval(() => { if (b.stats().receivedBytes > limit) cut() }, 1)
      const results = await runs
      clearInterval(breaking)
      cut()
      for (const result of results) {
        if (result.status === 'rejected' && (result.reason as WarpError).code !== 'ERR_WARP_PEER_LOST') t.fail(result.reason)
      }
      received = results.every(({ status }) => status === 'fulfilled')
      if (received) {
        const [, { value }] = results as PromiseFulfilledResult<{ resumedBytes: number }>[]
        if (value.resumedBytes > 0) resumed++
      } else if (random() < 0.5) {
        // As SIGKILL leaves it: what is in the journal is in the file.
        const at = path.join(target, `${seed}`)
        const killed = fs.existsSync(at) ? fs.readdirSync(at).sort((x, y) => y.length - x.length).map(name => [path.join(at, name), path.join(target, `kept-${name}`)]) : []
        for (const [name, kept] of killed) fs.copyFileSync(name, kept)
        await receiver.close(false)
        for (const [name, kept] of killed) fs.renameSync(kept, name)
        receiver = new ArchiveReceiver(options)
        kills++
      } else if (random() < 0.3) {
        await receiver.close(true)
        receiver = new ArchiveReceiver(options)
      }
    }
    await receiver.close(false)
    await sender.close()
    t.same(fs.readdirSync(path.join(target, `${seed}`)), ['made.warp'])
    t.ok(fs.readFileSync(path.join(target, `${seed}`, 'made.warp')).equals(bytes))
    fs.rmSync(path.join(target, `${seed}`), { recursive: true })
  }
  t.ok(broken > 4 && kills > 0 && resumed > 0, `${broken} connections, ${kills} kills, ${resumed} resumed`)
})

t.test('an archive that is complete, and whose receiver was killed before it could say so', async t => {
  const { file, target, into, bytes } = await setting(t, 100_000)
  const final = path.join(target, 'made.warp')
  const first = link()
  const receiver = new ArchiveReceiver(into)
  await Promise.all([sendArchive(first.a, file), receiver.run(first.b)])
  first.cut()
  // DONE did not arrive, the receiver lives.
  const again = link()
  const [sent] = await Promise.all([sendArchive(again.a, file), receiver.run(again.b)])
  t.equal(sent.resumedBytes, bytes.length)
  again.cut()
  // It was killed: its journal is there.
  t.equal(fs.readdirSync(target).length, 2)
  for (const isLinked of [true, false]) {
    const journal = fs.readdirSync(target).find(name => name.endsWith('.journal'))!
    if (isLinked) fs.linkSync(final, path.join(target, journal.slice(0, -'.journal'.length)))
    const { a, b, cut } = link()
    const copy = path.join(target, 'copy')
    fs.copyFileSync(path.join(target, journal), copy)
    const results = await Promise.all([sendArchive(a, file), receiveArchive(b, into)])
    for (const result of results) t.match(result, { resumedBytes: bytes.length })
    t.same(fs.readdirSync(target).sort(), ['copy', 'made.warp'])
    fs.renameSync(copy, path.join(target, journal))
    cut()
  }
  // The journal speaks of a file that is another by now: it is one that exists.
  fs.appendFileSync(final, 'x')
  const other = link()
  const sending = sendArchive(other.a, file)
  await t.rejects(receiveArchive(other.b, into), { code: 'ERR_WARP_OUTPUT' })
  other.cut()
  await t.rejects(sending, LOST)
  await receiver.close(false)
})

t.test('another archive than the one that was begun is received from its beginning, and that is said', async t => {
  const { file, target, into } = await setting(t, 1_000_000)
  const problems: string[] = []
  const options: ArchiveReceiveOptions = { ...into, onProblem: ({ kind }) => problems.push(kind) }
  const part = async (receiver: ArchiveReceiver): Promise<void> => {
    const { a, b, cut } = link()
    const running = receiver.run(b)
    const [whole, offered] = [fs.readFileSync(file), await offerOf(file)]
    const position = await begin(a, offered)
    await a.send(data, [whole.subarray(position, position + 500_000)])
    while (b.stats().receivedBytes < 500_000) await new Promise(resolve => setImmediate(resolve))
    await new Promise(resolve => setTimeout(resolve, 20))
    cut()
    await t.rejects(running, LOST)
  }
  const replace = async (): Promise<Buffer> => {
    fs.rmSync(path.dirname(file) + '/tree', { recursive: true })
    await makeArchive(path.dirname(file), 1_000_000)
    return fs.readFileSync(file)
  }
  for (const isNewProcess of [false, true]) {
    let receiver = new ArchiveReceiver(options)
    await part(receiver)
    if (isNewProcess) {
      await receiver.close(true)
      receiver = new ArchiveReceiver(options)
    }
    t.same(problems.splice(0), [])
    const bytes = await replace()
    const { a, b, cut } = link()
    const [sent, received] = await Promise.all([sendArchive(a, file), receiver.run(b)])
    t.same([sent.resumedBytes, received.resumedBytes], [0, 0])
    t.same(problems.splice(0), ['note'])
    await receiver.close(false)
    t.ok(fs.readFileSync(path.join(target, 'made.warp')).equals(bytes))
    t.same(fs.readdirSync(target), ['made.warp'])
    fs.rmSync(path.join(target, 'made.warp'))
    cut()
  }
  // The sender finds that what is there is not the beginning of its file.
  const receiver = new ArchiveReceiver(options)
  await part(receiver)
  const left = fs.readdirSync(target).find(name => !name.endsWith('.journal'))!
  const fd = fs.openSync(path.join(target, left), 'r+')
  fs.writeSync(fd, 'changed', 400_000)
  fs.closeSync(fd)
  const { a, b, cut } = link()
  await Promise.all([sendArchive(a, file), receiver.run(b)])
  t.same(problems, ['note'])
  await receiver.close(false)
  cut()

  // What is complete is not undone.
  const complete = new ArchiveReceiver({ ...options, into: { kind: 'file', path: path.join(target, 'second') } })
  const first = link()
  await Promise.all([sendArchive(first.a, file), complete.run(first.b)])
  first.cut()
  await replace()
  const second = link()
  const sending = sendArchive(second.a, file)
  await t.rejects(complete.run(second.b), { code: 'ERR_WARP_PEER_FAILED' })
  second.cut()
  await t.rejects(sending, LOST)
  await complete.close(false)
})

t.test('a torn or foreign journal', async t => {
  const { file, target, into, bytes, offered } = await setting(t, 20_000_000, { compress: 'none' })
  const leave = async (): Promise<string> => {
    const { a, b, cut } = link({ windowBytes: 32 * 1024 * 1024 })
    const receiver = new ArchiveReceiver(into)
    const running = receiver.run(b)
    await begin(a, offered)
    for (let at = 0; at < bytes.length - 1000; at += 500_000) await a.send(data, [bytes.subarray(at, Math.min(at + 500_000, bytes.length - 1000))])
    while (b.stats().receivedBytes < bytes.length - 1000) await new Promise(resolve => setImmediate(resolve))
    await new Promise(resolve => setTimeout(resolve, 50))
    cut()
    await t.rejects(running, LOST)
    await receiver.close(true)
    return path.join(target, fs.readdirSync(target).find(name => name.endsWith('.journal'))!)
  }
  const whole = async (): Promise<number> => {
    const { a, b, cut } = link()
    const { resumedBytes } = (await Promise.all([sendArchive(a, file), receiveArchive(b, into)]))[0]
    t.ok(fs.readFileSync(path.join(target, 'made.warp')).equals(bytes))
    fs.rmSync(path.join(target, 'made.warp'))
    cut()
    return resumedBytes
  }
  await leave()
  t.ok(await whole() > 16_000_000)
  for (const [name, change, isResumed] of [
    ['its last record is torn', (journal: string) => fs.truncateSync(journal, fs.statSync(journal).size - 1), true],
    ['garbage follows', (journal: string) => fs.appendFileSync(journal, Buffer.alloc(64, 7)), true],
    ['its first record is damaged', (journal: string) => flip(journal, 90), false],
    ['its head is damaged', (journal: string) => flip(journal, 20), false],
    ['it is empty', (journal: string) => fs.truncateSync(journal, 0), false],
    ['it is gone', (journal: string) => fs.rmSync(journal), false],
    ['the file is shorter', (journal: string) => fs.truncateSync(journal.slice(0, -'.journal'.length), 1_000_000), false],
    ['the file begins otherwise', (journal: string) => flip(journal.slice(0, -'.journal'.length), 30), false],
    ['the file is another before where it ends', (journal: string) => flip(journal.slice(0, -'.journal'.length), lastRecord(journal) - 9), false],
  ] as [string, (journal: string) => void, boolean][]) {
    change(await leave())
    t.equal(await whole() > 0, isResumed, name)
    t.same(fs.readdirSync(target), [])
  }
})

function flip(file: string, offset: number): void {
  const bytes = fs.readFileSync(file)
  bytes[offset] ^= 1
  fs.writeFileSync(file, bytes)
}

/** Position in the last record of a journal. */
function lastRecord(journal: string): number {
  const bytes = fs.readFileSync(journal)
  return Number(bytes.readBigUInt64LE(bytes.length - 64))
}
