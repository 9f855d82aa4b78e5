/** The bad network that the tests of transfers run through does what it says. */
import t, { type Test } from 'tap'
import dgram from 'node:dgram'
import net from 'node:net'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { startProxy, type Proxy, type ProxyOptions } from '../support/impaired-proxy.ts'
import { Schedule } from '../support/impaired/schedule.ts'
import { CubicWindow, SEGMENT_BYTES } from '../support/impaired/window.ts'
import { noise } from '../archive/support/trees.ts'

const HOST = '127.0.0.1'

type Impaired = Omit<ProxyOptions, 'target'>

/** A UDP socket that gives each datagram to `take`. */
async function udpServer(t: Test, take: (datagram: Buffer, reply: (datagram: Buffer) => void, from: dgram.RemoteInfo) => void) {
  const socket = dgram.createSocket('udp4')
  socket.on('message', (datagram, from) => take(datagram, bytes => socket.send(bytes, from.port, from.address), from))
  await new Promise<void>(resolve => socket.bind(0, HOST, resolve))
  socket.setRecvBufferSize(1 << 22) // a busy machine must not lose what the proxy does not
  t.teardown(() => void socket.close())
  return socket.address()
}

async function tcpServer(t: Test, take: (socket: net.Socket) => void): Promise<net.AddressInfo> {
  const server = net.createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => {})
    take(socket)
  })
  await new Promise<void>(resolve => server.listen(0, HOST, resolve))
  t.teardown(() => void server.close())
  return server.address() as net.AddressInfo
}

async function proxyTo(t: Test, address: { port: number }, options: Impaired): Promise<Proxy> {
  const proxy = await startProxy({ target: { host: HOST, port: address.port }, ...options })
  t.teardown(() => proxy.close())
  return proxy
}

async function udpClient(t: Test, port: number): Promise<dgram.Socket> {
  const socket = dgram.createSocket('udp4')
  await new Promise<void>(resolve => socket.connect(port, HOST, resolve))
  t.teardown(() => void socket.close())
  return socket
}

/** Sends numbered datagrams with pauses; which of them came to the target, in their order, and when (ms after they were sent). */
async function sendNumbered(t: Test, count: number, options: Impaired, bytes = 100) {
  const arrived: number[] = []
  const tookMs: number[] = []
  const sentMs: number[] = []
  const address = await udpServer(t, datagram => {
    const number = datagram.readUInt32LE()
    arrived.push(number)
    tookMs.push(performance.now() - sentMs[number])
  })
  const proxy = await proxyTo(t, address, { tcp: false, ...options })
  const client = await udpClient(t, proxy.port)
  for (let i = 0; i < count; i++) {
    const datagram = Buffer.alloc(bytes)
    datagram.writeUInt32LE(i)
    sentMs.push(performance.now())
    client.send(datagram)
    if (i % 20 === 19) await sleep(1)
  }
  const { up } = await settled(proxy, count)
  await waitUntil(() => arrived.length === count - up.lost - up.overflowed)
  return { arrived, tookMs, up }
}

async function waitUntil(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(2)
}

async function settled(proxy: Proxy, packets: number) {
  await waitUntil(() => proxy.stats().datagrams!.up.packets === packets)
  return proxy.stats().datagrams!
}

/** What comes back from the target, which answers with all that it got, reversed piece by piece or as it is. */
async function echoThrough(t: Test, options: Impaired, bytes: Buffer) {
  const address = await tcpServer(t, socket => socket.pipe(socket))
  const proxy = await proxyTo(t, address, { udp: false, ...options })
  const client = net.connect({ port: proxy.port, host: HOST })
  const startedMs = performance.now()
  client.end(bytes)
  const pieces: Buffer[] = []
  for await (const piece of client) pieces.push(piece as Buffer)
  return { echo: Buffer.concat(pieces), tookMs: performance.now() - startedMs, stats: proxy.stats().streams! }
}

t.test('the fate of each datagram follows from the seed', async t => {
  const impaired = { lossPercent: 10, reorderPercent: 5, delayMs: 1 }
  const runs = []
  for (const seed of [7, 7, 8]) runs.push(await sendNumbered(t, 500, { seed, ...impaired }))
  const came = runs.map(({ arrived }) => [...arrived].sort((a, b) => a - b))
  t.same(came[0], came[1])
  t.notSame(came[0], came[2])
  t.equal(runs[0].up.reordered, runs[1].up.reordered)
})

t.test('as many are lost as is asked for', async t => {
  const { arrived, up } = await sendNumbered(t, 4000, { lossPercent: 5 })
  t.equal(arrived.length, 4000 - up.lost)
  // Five standard deviations of a binomial distribution are 69. The seed is fixed.
  t.ok(up.lost > 131 && up.lost < 269, `${up.lost}`)
})

t.test('delay is a lower bound, and jitter keeps the order', async t => {
  const { arrived, tookMs } = await sendNumbered(t, 300, { delayMs: 20, jitterMs: 10 })
  t.same(arrived, Array.from({ length: 300 }, (_, i) => i))
  t.ok(Math.min(...tookMs) >= 20, `${Math.min(...tookMs)}`)
})

t.test('reordering lets others overtake, and loses nothing', async t => {
  const { arrived, up } = await sendNumbered(t, 1000, { reorderPercent: 5 })
  const late = arrived.filter((number, i) => i > 0 && number < arrived[i - 1])
  t.ok(late.length > 0 && up.reordered >= late.length, `${late.length} of ${up.reordered}`)
  t.same([...arrived].sort((a, b) => a - b), Array.from({ length: 1000 }, (_, i) => i))
})

t.test('a rate holds, and a full queue drops', async t => {
  const startedMs = performance.now()
  // 200 kB at 1 MB/s; all of it fits the queue.
  const { arrived } = await sendNumbered(t, 200, { rate: 1e6, queueBytes: 1e6 }, 1000)
  t.equal(arrived.length, 200)
  t.ok(performance.now() - startedMs >= 200)
  const { up } = await sendNumbered(t, 200, { rate: 1e5, queueBytes: 10_000 }, 1000)
  t.ok(up.overflowed > 0)
  t.equal(up.lost, 0)
})

t.test('each client has a port of its own towards the target, and answers find their way', async t => {
  const ports = new Set<number>()
  const address = await udpServer(t, (datagram, reply, from) => {
    ports.add(from.port)
    reply(Buffer.from(`${datagram} back`))
  })
  const proxy = await proxyTo(t, address, { delayMs: 1 })
  for (const name of ['a', 'b', 'c']) {
    const client = await udpClient(t, proxy.port)
    client.send(name)
    t.equal(String((await once(client, 'message'))[0]), `${name} back`)
  }
  t.equal(ports.size, 3)
  t.equal(proxy.stats().datagrams!.clients, 3)
})

t.test('what is cut or stalled passes no datagram; after a cut a client has another port', async t => {
  const ports: number[] = []
  const address = await udpServer(t, (datagram, reply, from) => {
    ports.push(from.port)
    reply(datagram)
  })
  const proxy = await proxyTo(t, address, { tcp: false })
  const client = await udpClient(t, proxy.port)
  const answered: string[] = []
  client.on('message', datagram => answered.push(String(datagram)))
  const say = async (word: string) => {
    client.send(word)
    await waitUntil(() => answered.includes(word))
  }
  await say('one')
  proxy.stall()
  client.send('lost')
  await sleep(30)
  proxy.restore()
  await say('two')
  proxy.cut()
  client.send('lost')
  await sleep(30)
  proxy.restore()
  await say('three')
  t.same(answered, ['one', 'two', 'three'])
  t.equal(ports[0], ports[1])
  t.not(ports[1], ports[2])
})

t.test('a stream arrives whole through everything', async t => {
  const bytes = noise(1, 3_000_001)
  const cases: Impaired[] = [
    {}, { delayMs: 2 }, { delayMs: 3, jitterMs: 5, lossPercent: 2 }, { lossPercent: 5 },
    { rate: 2e7, queueBytes: 50_000, delayMs: 1 },
  ]
  for (const options of cases) {
    const { echo, stats } = await echoThrough(t, options, bytes)
    t.ok(echo.equals(bytes), JSON.stringify(options))
    t.same([stats.up.bytes, stats.down.bytes], [bytes.length, bytes.length])
    t.equal(stats.up.packets, Math.ceil(bytes.length / SEGMENT_BYTES))
    if (options.lossPercent) t.ok(stats.up.lost > 0)
  }
})

t.test('the same segments of a stream are lost for the same seed, however it is cut', async t => {
  const bytes = noise(2, 500_000)
  const first = await echoThrough(t, { lossPercent: 3, seed: 5, delayMs: 1 }, bytes)
  const second = await echoThrough(t, { lossPercent: 3, seed: 5 }, bytes)
  t.equal(first.stats.up.lost, second.stats.up.lost)
})

t.test('a stream takes the delay, the rate, and a round trip more where a segment is lost', async t => {
  // Opening takes a round trip, question and answer another.
  t.ok((await echoThrough(t, { delayMs: 25 }, Buffer.from('x'))).tookMs >= 100)
  t.ok((await echoThrough(t, { delayMs: 25, lossPercent: 100 }, Buffer.from('x'))).tookMs >= 200)
  t.ok((await echoThrough(t, { rate: 1e6, queueBytes: 1e6 }, noise(3, 200_000))).tookMs >= 200)
})

t.test('a target that does not read holds the source back', async t => {
  let reader: net.Socket | null = null
  const address = await tcpServer(t, socket => {
    reader = socket.pause()
  })
  for (const options of [{}, { delayMs: 1 }]) {
    const proxy = await proxyTo(t, address, { udp: false, ...options })
    const client = net.connect({ port: proxy.port, host: HOST })
    client.on('error', () => {})
    const piece = Buffer.alloc(1 << 20)
    let written = 0
    // Its window, and what the system keeps for four sockets, some 6 MB each.
    while (client.write(piece) || await Promise.race([once(client, 'drain'), sleep(500, false)])) written += piece.length
    t.ok(written < 64 * piece.length, `${written}`)
    client.destroy()
    reader!.destroy()
  }
})

t.test('a cut resets streams, a stall holds them', async t => {
  const address = await tcpServer(t, socket => socket.pipe(socket))
  const proxy = await proxyTo(t, address, { delayMs: 1 })
  const held = net.connect({ port: proxy.port, host: HOST })
  await once(held, 'connect')
  proxy.stall()
  held.write('still')
  t.equal(await Promise.race([once(held, 'data'), sleep(50, 'nothing')]), 'nothing')
  proxy.restore()
  t.equal(String((await once(held, 'data'))[0]), 'still')
  const isReset = t.rejects(once(held, 'never'), { code: 'ECONNRESET' })
  proxy.cut()
  await isReset
  const refused = net.connect({ port: proxy.port, host: HOST })
  await t.rejects(once(refused, 'never'), { code: 'ECONNRESET' })
  proxy.restore()
  const again = net.connect({ port: proxy.port, host: HOST })
  again.write('again')
  t.equal(String((await once(again, 'data'))[0]), 'again')
  again.destroy()
})

t.test('a reset and a target that is not there come through', async t => {
  const address = await tcpServer(t, socket => socket.once('data', () => socket.resetAndDestroy()))
  const proxy = await proxyTo(t, address, { delayMs: 1 })
  const client = net.connect({ port: proxy.port, host: HOST })
  client.write('x')
  await t.rejects(once(client, 'never'), { code: 'ECONNRESET' })
  const nowhere = await proxyTo(t, { port: 1 }, {})
  await t.rejects(once(net.connect({ port: nowhere.port, host: HOST }), 'never'), { code: 'ECONNRESET' })
  // Nor does a datagram that nobody takes end it.
  const datagrams = await udpClient(t, nowhere.port)
  for (let i = 0; i < 3; i++) datagrams.send('x')
  await settled(nowhere, 3)
})

t.test('close frees ports and timers', async t => {
  const address = await tcpServer(t, socket => socket.pipe(socket))
  const handles = () => process.getActiveResourcesInfo().filter(kind => /TCP|UDP|Timeout/.test(kind)).sort()
  await sleep(10)
  const before = handles()
  const proxy = await startProxy({ target: { host: HOST, port: address.port }, delayMs: 10_000 })
  const client = net.connect({ port: proxy.port, host: HOST })
  client.on('error', () => {})
  client.write('never comes')
  const socket = dgram.createSocket('udp4')
  socket.send('x', proxy.port, HOST)
  await waitUntil(() => proxy.stats().datagrams!.up.packets === 1 && proxy.stats().streams!.up.bytes > 0)
  const closed = new Promise(resolve => client.on('close', resolve))
  await proxy.close()
  socket.close()
  await closed
  await sleep(10)
  t.same(handles(), before)
  const again = await startProxy({ target: { host: HOST, port: address.port }, port: proxy.port })
  await t.rejects(startProxy({ target: { host: HOST, port: 1 }, port: proxy.port }), { code: 'EADDRINUSE' })
  await again.close()
})

t.test('a schedule runs in order of time, and of calls where that is the same', async t => {
  const schedule = new Schedule()
  const ran: number[] = []
  const nowMs = performance.now()
  const dues = Array.from({ length: 200 }, (_, i) => nowMs + 5 + (i * 37) % 20)
  await new Promise<void>(resolve => dues.forEach((dueMs, i) => schedule.at(dueMs, () => {
    t.ok(performance.now() >= dueMs)
    if (ran.push(i) === dues.length) resolve()
  })))
  t.same(ran, dues.map((_, i) => i).sort((a, b) => dues[a] - dues[b] || a - b))
})

t.test('a congestion window grows, shrinks once a round trip, and grows again', t => {
  const window = new CubicWindow(100)
  const initial = window.bytes
  for (let i = 0; i < 5; i++) window.acknowledged(window.bytes, i * 100)
  t.equal(window.bytes, initial * 32)
  window.lost(600)
  window.lost(650)
  t.equal(Math.round(window.bytes), Math.round(initial * 32 * 0.7))
  const shrunk = window.bytes
  for (let i = 0; i < 100; i++) window.acknowledged(window.bytes, 700 + i * 100)
  t.ok(window.bytes > initial * 32 && window.bytes > shrunk)
  t.end()
})
