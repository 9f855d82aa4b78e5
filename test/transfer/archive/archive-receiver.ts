import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { ARCHIVE_MESSAGE, writeArchiveOffer } from '../../../src/transfer/archive/archive-messages.ts'
import { ArchiveReceiver } from '../../../src/transfer/archive/archive-receiver.ts'
import { CHEAP } from '../../archive/support/archives.ts'
import { openDescriptors } from '../../archive/support/trees.ts'
import { begin, setting } from '../support/archives.ts'
import { link, take, u64, type Link } from '../support/channels.ts'
import { receiveArchive, sendArchive } from '../support/one-connection.ts'

const { offer, data, end, done, start } = ARCHIVE_MESSAGE
const LOST = { code: 'ERR_WARP_PEER_LOST' }

for (const options of [{}, { passphrase: 'secret', passphraseCost: CHEAP }]) {
  t.test(`an archive from end to end, ${'passphrase' in options ? 'encrypted' : 'plain'}`, async t => {
    const { file, target, into, bytes, offered } = await setting(t, 3_000_000, options)
    const before = openDescriptors()
    for (const kind of ['directory', 'file'] as const) {
      const { a, b, cut } = link()
      const seen: number[] = []
      const at = kind === 'directory' ? into.into : { kind, path: path.join(target, 'other.warp') }
      const results = await Promise.all([
        sendArchive(a, file), receiveArchive(b, { ...into, into: at, onBytes: (count, total) => seen.push(count, total) }),
      ])
      for (const result of results) t.match(result, { bytes: bytes.length, resumedBytes: 0, archiveId: offered.archiveId })
      t.same(seen.slice(-2), [bytes.length, bytes.length])
      t.ok(fs.readFileSync(path.join(target, kind === 'directory' ? 'made.warp' : 'other.warp')).equals(bytes))
      cut()
    }
    t.same(fs.readdirSync(target).sort(), ['made.warp', 'other.warp'])
    t.equal(fs.statSync(path.join(target, 'made.warp')).mode & 0o777, 0o666 & ~process.umask())
    t.same(openDescriptors(), before)
  })
}

t.test('what exists is not replaced unless asked for, and nothing is sent before that is known', async t => {
  const { file, target, into, bytes } = await setting(t, 10_000)
  fs.mkdirSync(target)
  const final = path.join(target, 'made.warp')
  fs.writeFileSync(final, 'mine')
  for (const overwrite of [undefined, 'never', 'always'] as const) {
    const { a, b, cut } = link()
    const sending = sendArchive(a, file)
    sending.catch(() => {})
    const receiving = receiveArchive(b, { ...into, into: { ...into.into, overwrite } })
    if (overwrite === 'always') {
      await Promise.all([sending, receiving])
      t.ok(fs.readFileSync(final).equals(bytes))
    } else {
      await t.rejects(receiving, { code: 'ERR_WARP_OUTPUT', class: 'output' })
      t.ok(b.stats().receivedBytes < 1000)
      t.equal(fs.readFileSync(final, 'utf8'), 'mine')
    }
    t.same(fs.readdirSync(target), ['made.warp'])
    cut()
    await sending.catch(() => {})
  }
  // What comes while the archive does.
  fs.rmSync(final)
  const other = link()
  const receiver = new ArchiveReceiver({ ...into, onBytes: () => fs.writeFileSync(final, 'new') })
  const sending = sendArchive(other.a, file)
  await t.rejects(receiver.run(other.b), { code: 'ERR_WARP_OUTPUT' })
  await receiver.close(true)
  t.equal(fs.readFileSync(final, 'utf8'), 'new')
  other.cut()
  await t.rejects(sending, LOST)
})

t.test('a symlink that is named is followed, one of the sender\'s name is in the way', async t => {
  const { file, target, into, bytes } = await setting(t, 10_000)
  fs.mkdirSync(target)
  fs.writeFileSync(path.join(target, 'real'), 'old')
  fs.symlinkSync('real', path.join(target, 'made.warp'))
  const named = link()
  await Promise.all([
    sendArchive(named.a, file),
    receiveArchive(named.b, { ...into, into: { kind: 'file', path: path.join(target, 'made.warp'), overwrite: 'always' } }),
  ])
  t.ok(fs.lstatSync(path.join(target, 'made.warp')).isSymbolicLink())
  t.ok(fs.readFileSync(path.join(target, 'real')).equals(bytes))
  named.cut()
  const other = link()
  const sending = sendArchive(other.a, file)
  await t.rejects(receiveArchive(other.b, { ...into, into: { ...into.into, overwrite: 'always' } }), { code: 'ERR_WARP_OUTPUT' })
  other.cut()
  await t.rejects(sending, LOST)
})

t.test('a sender that lies', async t => {
  const { target, into, bytes, offered } = await setting(t, 100_000)
  type Script = (side: Link) => Promise<unknown>
  const lies: [string, string, Script][] = [
    ['something before the offer', 'ERR_WARP_PEER_PROTOCOL', ({ a }) => a.send(data, [bytes])],
    ['no offer', 'ERR_WARP_PEER_PROTOCOL', ({ a }) => a.end()],
    ['an offer of garbage', 'ERR_WARP_PEER_PROTOCOL', ({ a }) => a.send(offer, [Buffer.alloc(20)])],
    ['an offer with more behind', 'ERR_WARP_PEER_PROTOCOL', ({ a }) => a.send(offer, [writeArchiveOffer(offered), Buffer.alloc(1)])],
    ['too short for an archive', 'ERR_WARP_PEER_PROTOCOL', ({ a }) => a.send(offer, [writeArchiveOffer({ ...offered, length: 500 })])],
    ['another start', 'ERR_WARP_PEER_PROTOCOL', async ({ a }) => {
      await a.send(offer, [writeArchiveOffer(offered)])
      await take(a)
      await a.send(start, [u64(1)])
    }],
    ['garbage', 'ERR_WARP_NOT_AN_ARCHIVE', async (side) => { await begin(side.a, offered); await side.a.send(data, [Buffer.alloc(1000)]) }],
    ['another header', 'ERR_WARP_PEER_PROTOCOL', async (side) => {
      await begin(side.a, { ...offered, archiveId: Buffer.alloc(16) })
      await side.a.send(data, [bytes])
    }],
    ['a changed byte', 'ERR_WARP_BLOCK_DAMAGED', async (side) => {
      await begin(side.a, offered)
      const changed = Buffer.from(bytes)
      changed[5000] ^= 1
      await side.a.send(data, [changed])
      await side.a.send(end, [u64(bytes.length)])
    }],
    ['more than it says', 'ERR_WARP_PEER_PROTOCOL', async (side) => { await begin(side.a, offered); await side.a.send(data, [bytes, Buffer.alloc(1)]) }],
    ['a block over the end', 'ERR_WARP_TRUNCATED', async (side) => { await begin(side.a, { ...offered, length: bytes.length - 400 }); await side.a.send(data, [bytes.subarray(0, -400)]) }],
    ['a longer length', 'ERR_WARP_TRAILING_BYTES', async (side) => { await begin(side.a, { ...offered, length: 2 ** 53 - 1 }); await side.a.send(data, [bytes]) }],
    ['less than it says', 'ERR_WARP_PEER_PROTOCOL', async (side) => {
      await begin(side.a, offered)
      await side.a.send(data, [bytes.subarray(0, -1)])
      await side.a.send(end, [u64(bytes.length)])
    }],
    ['another end', 'ERR_WARP_PEER_PROTOCOL', async (side) => {
      await begin(side.a, offered)
      await side.a.send(data, [bytes])
      await side.a.send(end, [u64(bytes.length - 1)])
    }],
    ['data of no bytes', 'ERR_WARP_PEER_PROTOCOL', async (side) => { await begin(side.a, offered); await side.a.send(data, []) }],
    ['an offer in its midst', 'ERR_WARP_PEER_PROTOCOL', async (side) => { await begin(side.a, offered); await side.a.send(offer, [writeArchiveOffer(offered)]) }],
    ['an end without an end', 'ERR_WARP_PEER_PROTOCOL', async (side) => { await begin(side.a, offered); await side.a.end() }],
    ...['../x', '..', '.', '', 'a/b', '/etc/x', 'nul\0', 'x/'].map((name): [string, string, Script] => [
      `the name ${JSON.stringify(name)}`, 'ERR_WARP_PATH_UNSAFE', ({ a }) => a.send(offer, [writeArchiveOffer({ ...offered, name: Buffer.from(name) })]),
    ]),
  ]
  for (const [name, code, script] of lies) {
    const side = link()
    const receiver = new ArchiveReceiver(into)
    const running = receiver.run(side.b)
    running.catch(() => {})
    script(side).catch(() => {})
    await t.rejects(running, { code }, name)
    await receiver.close(code === 'ERR_WARP_BLOCK_DAMAGED')
    t.same(fs.existsSync(target) ? fs.readdirSync(target) : [], [], `${name} leaves nothing`)
    side.cut()
  }
})

t.test('one that stalls is waited for, until the signal', async t => {
  const { target, into, bytes, offered } = await setting(t, 100_000)
  const side = link()
  const controller = new AbortController()
  const receiving = receiveArchive(side.b, { ...into, signal: controller.signal })
  await begin(side.a, offered)
  await side.a.send(data, [bytes.subarray(0, 50_000)])
  setTimeout(() => controller.abort(), 20)
  await t.rejects(receiving, { code: 'ERR_WARP_INTERRUPTED' })
  t.equal(fs.readdirSync(target).length, 2, 'kept for a later run')
  for (const name of fs.readdirSync(target)) t.equal(fs.statSync(path.join(target, name)).mode & 0o777, 0o600)
  side.cut()
})

t.test('names of many kinds', async t => {
  const { target, into, bytes, offered } = await setting(t, 1000)
  // The longest, not UTF-8, and what a shell or a terminal would act on.
  for (const name of [Buffer.alloc(255, 'n'), Buffer.from([0xff, 0xfe]), Buffer.from('-rf *\n\x1b[31m')]) {
    const side = link()
    const receiving = receiveArchive(side.b, into)
    await begin(side.a, { ...offered, name })
    await side.a.send(data, [bytes])
    await side.a.send(end, [u64(bytes.length)])
    t.equal((await take(side.a)).type, done)
    await receiving
    const at = Buffer.concat([Buffer.from(target + '/'), name])
    t.ok(fs.readFileSync(at).equals(bytes))
    fs.unlinkSync(at)
    side.cut()
  }
  t.same(fs.readdirSync(target), [])
})

t.test('no room, and no place', async t => {
  const { file, target, into } = await setting(t, 1000)
  fs.writeFileSync(target, 'a file')
  for (const at of [into.into, { kind: 'file', path: path.join(target, 'x') }, { kind: 'file', path: path.join(target + '2', 'x') }] as const) {
    const { a, b, cut } = link()
    const sending = sendArchive(a, file)
    await t.rejects(receiveArchive(b, { ...into, into: at }), { code: 'ERR_WARP_OUTPUT' })
    cut()
    await t.rejects(sending, LOST)
  }
})
