import t from 'tap'
import dgram from 'node:dgram'
import os from 'node:os'
import type { AddressInfo } from 'node:net'
import { decode, encode, type Answer } from 'dns-packet'
import { announce, discover, foundIn, type Found, type Service } from '../../../src/transfer/meetings/discovery.ts'
import { freePort, whyNoMulticast } from '../support/multicast.ts'

const GROUP = '224.0.0.251'
const LOOPBACK = '127.0.0.1'
/** Long enough for a loaded machine. */
const TIMEOUT_MS = 60_000
const service: Service = { word: 'apple', fingerprint: new Uint8Array(32).fill(0xab), ports: { quic: 4433, tls: 4434 } }
const NAME = 'apple._warp._udp.local'

const skip = await whyNoMulticast()
const interfaces = [LOOPBACK]

async function all(search: AsyncGenerator<Found>): Promise<Found[]> {
  const found: Found[] = []
  for await (const one of search) found.push(one)
  return found
}

async function first(search: AsyncGenerator<Found>): Promise<Found | null> {
  for await (const found of search) return found
  return null
}

t.test('who listens is found by its word', { skip }, async (t) => {
  const port = await freePort()
  const announcement = await announce(service, ['192.0.2.1', '2001:db8::1', 'a name', LOOPBACK], { interfaces, port })
  t.teardown(() => announcement.close())
  const found = await first(discover('apple', TIMEOUT_MS, { interfaces, port }))
  t.ok(Buffer.from(found!.fingerprint).equals(service.fingerprint))
  t.same({ ...found, fingerprint: null }, { word: 'apple', fingerprint: null, ports: { quic: 4433, tls: 4434 }, hosts: [LOOPBACK, '192.0.2.1', '2001:db8::1'] })
  await t.rejects(all(discover('banana', 300, { interfaces, port })), { code: 'ERR_WARP_PEER_UNREACHABLE' })
})

t.test('it may come after the search has begun, and be one of several', { skip }, async (t) => {
  const port = await freePort()
  const search = discover('apple', TIMEOUT_MS, { interfaces, port })
  const finding = search.next()
  const others = [1, 2].map((byte) => ({ ...service, fingerprint: new Uint8Array(32).fill(byte), ports: { webtransport: byte } }))
  const announcements = await Promise.all(others.map((other) => announce(other, [], { interfaces, port })))
  t.teardown(() => Promise.all(announcements.map((announcement) => announcement.close())))
  const found = [(await finding).value!, (await search.next()).value!]
  t.same(new Set(found.map(({ fingerprint }) => fingerprint[0])), new Set([1, 2]))
  await search.return()
})

t.test('nobody, an abort, a word that is none, no interface', async (t) => {
  const port = await freePort()
  if (skip === false) {
    await t.rejects(all(discover('apple', 20, { interfaces, port })), { code: 'ERR_WARP_PEER_UNREACHABLE' })
    const controller = new AbortController()
    const search = all(discover('apple', TIMEOUT_MS, { interfaces, port, signal: controller.signal }))
    setImmediate(() => controller.abort())
    await t.rejects(search, { code: 'ERR_WARP_INTERRUPTED' })
    await t.rejects(all(discover('apple', TIMEOUT_MS, { interfaces, port, signal: AbortSignal.abort() })), { code: 'ERR_WARP_INTERRUPTED' })
  }
  for (const word of ['', 'two.words', 'Apple', 'ä']) await t.rejects(all(discover(word, 20, { interfaces, port })), RangeError)
  await t.rejects(announce({ ...service, ports: {} }, [], { interfaces, port }), RangeError)
  await t.rejects(announce({ ...service, fingerprint: new Uint8Array(31) }, [], { interfaces, port }), RangeError)
  await t.rejects(announce(service, [], { interfaces: [], port }), { code: 'ERR_WARP_TRANSPORT_UNAVAILABLE' })
})

t.test('a port that others do not share', async (t) => {
  const socket = dgram.createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '0.0.0.0', resolve))
  t.teardown(() => socket.close())
  const { port } = socket.address() as AddressInfo
  await t.rejects(announce(service, [], { interfaces, port }), { code: 'ERR_WARP_TRANSPORT_UNAVAILABLE' })
  await t.rejects(all(discover('apple', TIMEOUT_MS, { interfaces, port })), { code: 'ERR_WARP_TRANSPORT_UNAVAILABLE' })
})

t.test('the sockets of all interfaces are closed at the end', { skip }, async (t) => {
  const port = await freePort()
  const announcement = await announce(service, [], { interfaces, port })
  await first(discover('apple', TIMEOUT_MS, { interfaces, port }))
  await announcement.close()
  const socket = dgram.createSocket('udp4')
  // Not possible while another has the port, since this one does not share it.
  await new Promise<void>((resolve, reject) => socket.once('error', reject).bind(port, '0.0.0.0', resolve))
  socket.close()
  t.pass()
})

t.test('a network full of nonsense', { skip }, async (t) => {
  const port = await freePort()
  const socket = dgram.createSocket('udp4')
  t.teardown(() => socket.close())
  await new Promise<void>((resolve) => socket.bind(0, LOOPBACK, resolve))
  socket.setMulticastInterface(LOOPBACK)
  const say = (bytes: Uint8Array): Promise<void> => new Promise((resolve) => socket.send(bytes, port, GROUP, () => resolve()))
  const search = discover('apple', TIMEOUT_MS, { interfaces, port })
  const finding = search.next()
  const txt = (data: string[]): Uint8Array => encode({ type: 'response', answers: [{ type: 'TXT', name: NAME, data }] })
  const fingerprint = (byte: number): string => `f=${Buffer.alloc(32, byte).toString('hex')}`
  const nonsense = [
    Buffer.alloc(0), Buffer.alloc(1), Buffer.alloc(1000, 0xff), Buffer.alloc(12, 0x84), txt([]), txt(['v=1']), txt(['v=2', fingerprint(1), 'tls=1']),
    txt(['v=1', 'f=00', 'tls=1']), txt(['v=1', fingerprint(1), 'tls=0']), encode({ type: 'query', questions: [{ type: 'TXT', name: NAME }] }),
  ]
  for (const bytes of nonsense) await say(bytes)
  // Until the search has begun to listen.
  const telling = setInterval(() => void say(txt(['v=1', fingerprint(9), 'tls=9'])), 50)
  t.teardown(() => clearInterval(telling))
  t.equal((await finding).value!.ports.tls, 9, 'what is good is found among it')
  clearInterval(telling)
  for (let byte = 10; byte < 40; byte++) await say(txt(['v=1', fingerprint(byte), 'tls=9']))
  t.equal((await all(search)).length, 7, 'a crowd is not listened to for ever')
})

t.test('questions in a flood, of others, and malformed, do not matter', { skip }, async (t) => {
  const port = await freePort()
  const announcement = await announce(service, [LOOPBACK], { interfaces, port })
  t.teardown(() => announcement.close())
  const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true })
  t.teardown(() => socket.close())
  await new Promise<void>((resolve) => socket.bind(port, '0.0.0.0', resolve))
  socket.addMembership(GROUP, LOOPBACK)
  socket.setMulticastInterface(LOOPBACK)
  let answered = 0
  socket.on('message', (message) => {
    if (decode(message).type === 'response') answered++
  })
  const question = (name: string): Buffer => encode({ type: 'query', questions: [{ type: 'SRV', name }] })
  const many = encode({ type: 'query', questions: Array.from({ length: 65 }, () => ({ type: 'SRV' as const, name: NAME })) })
  const startMs = performance.now()
  for (const bytes of [many, question('banana._warp._udp.local'), ...Array.from({ length: 200 }, () => question(NAME.toUpperCase()))]) {
    await new Promise<void>((resolve) => socket.send(bytes, port, GROUP, () => resolve()))
  }
  while (answered === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  t.ok(answered <= 2 + (performance.now() - startMs) / 50, `${answered} answers`)
})

t.test('what an answer may say', async (t) => {
  const fingerprint = `f=${'ab'.repeat(32)}`
  const record = (data: string[], name = NAME): Answer => ({ type: 'TXT', name, data: data.map((text) => Buffer.from(text)) })
  const read = (answers: Answer[], additionals: Answer[] = []): Found | null => foundIn({ answers, additionals }, NAME, 'apple', '192.0.2.9')
  const good = record(['v=1', fingerprint, 'tls=1'])
  t.same(read([good])!.hosts, ['192.0.2.9'])
  t.same(read([record(['tls=65535', 'x', '=', 'v=1', 'new=1', fingerprint, 'v=2'])])!.ports, { tls: 65_535 })
  t.equal(read([record(['v=1', fingerprint, 'tls=1'], NAME.toUpperCase())])!.word, 'apple')
  t.ok(read([], [good]), 'in any section')
  const bad: [string, Answer[]][] = [
    ['nothing', []], ['another name', [record(['v=1', fingerprint, 'tls=1'], 'banana._warp._udp.local')]], ['twice', [good, good]],
    ['no version', [record([fingerprint, 'tls=1'])]], ['another version', [record(['v=2', fingerprint, 'tls=1'])]],
    ['no fingerprint', [record(['v=1', 'tls=1'])]], ['upper case', [record(['v=1', fingerprint.toUpperCase(), 'tls=1'])]],
    ['no transport', [record(['v=1', fingerprint])]], ['another transport', [record(['v=1', fingerprint, 'tcp=1'])]],
    ...['0', '65536', '-1', '1e3', '01', '', ' 1', '99999999999'].map((port): [string, Answer[]] => [`port ${port}`, [record(['v=1', fingerprint, `tls=${port}`])]]),
    ['too far behind', [...Array.from({ length: 64 }, () => record([], 'x.local')), good]],
    ['in too many strings', [record([...Array.from({ length: 16 }, () => 'x=1'), 'v=1', fingerprint, 'tls=1'])]],
  ]
  for (const [name, answers] of bad) t.equal(read(answers), null, name)
  const target: Answer = { type: 'SRV', name: NAME, data: { port: 1, target: 'host.local' } }
  const addresses = [...Array(20).keys()].map((i): Answer => ({ type: 'A', name: 'host.local', data: `192.0.2.${i}` }))
  const strange: Answer[] = [{ type: 'A', name: 'other.local', data: '192.0.2.100' }, { type: 'AAAA', name: 'host.local', data: 'no address' }]
  const hosts = read([good, target], [...strange, ...addresses])!.hosts
  t.equal(hosts.length, 16)
  t.equal(hosts[0], '192.0.2.9', 'where it came from')
  t.same(hosts.slice(1, 4), ['192.0.2.0', '192.0.2.1', '192.0.2.2'])
})

t.test('all interfaces', { skip }, async (t) => {
  // Joins groups and asks nobody.
  t.ok(Object.keys(os.networkInterfaces()).length > 0)
  const announcement = await announce(service, [], { port: await freePort() })
  await announcement.close()
})
