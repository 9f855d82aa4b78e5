import t, { type Test } from 'tap'
import dgram from 'node:dgram'
import net from 'node:net'
import { makeCertificate } from '../../../src/transfer/transports/certificate.ts'
import type { Connection } from '../../../src/transfer/transports/connection.ts'
import { dial, listenAll, type DialOptions, type ListenAllOptions, type ManifoldListener } from '../../../src/transfer/transports/dial.ts'
import { quic } from '../../../src/transfer/transports/quic.ts'
import { tlsTransport } from '../../../src/transfer/transports/tls.ts'

const [certificate, other] = await Promise.all([makeCertificate(), makeCertificate()])
const host = '127.0.0.1'
const hasQuic = (await quic.unavailable()) === null
const skip = hasQuic ? false : 'there is no QUIC here'

function connecting(t: Test, options: Partial<DialOptions> & Pick<DialOptions, 'addresses'>): Promise<Connection> {
  const connection = dial({ certificate: other, fingerprint: certificate.fingerprint, transport: 'auto', timeoutMs: 20_000, ...options })
  connection.then((connection) => t.teardown(() => connection.close()), () => {})
  return connection
}

async function listening(t: Test, options: Partial<ListenAllOptions> = {}): Promise<ManifoldListener> {
  const listener = await listenAll({ host, port: 0, certificate, transport: 'auto', ...options })
  t.teardown(() => listener.close())
  return listener
}

/** A port of UDP that takes packets and says nothing. */
async function silentPort(t: Test, port = 0): Promise<number> {
  const socket = dgram.createSocket('udp4')
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(port, host, resolve)
  })
  t.teardown(() => socket.close())
  return socket.address().port
}

t.test('QUIC first, on the port that TLS has too', async (t) => {
  const listener = await listening(t)
  t.same(listener.transports, hasQuic ? ['quic', 'tls'] : ['tls'])
  const near = await connecting(t, { addresses: [listener.address] })
  t.equal(near.kind, listener.transports[0])
  const far = (await listener.accept())!
  t.teardown(() => far.close())
  t.equal(far.kind, near.kind)
  for (const transport of listener.transports) {
    const one = await connecting(t, { addresses: [listener.address], transport })
    t.equal(one.kind, transport)
    const taken = (await listener.accept())!
    t.teardown(() => taken.close())
    t.equal(taken.kind, transport, 'one accept for all')
  }
})

t.test('TLS where UDP does not pass', { skip }, async (t) => {
  const listener = await listening(t, { transport: 'tls' })
  const { port } = listener.address
  await silentPort(t, port)
  const near = await connecting(t, { addresses: [{ host, port }] })
  t.equal(near.kind, 'tls')
})

t.test('only what listens is tried', async (t) => {
  const listener = await listening(t, { transport: 'tls' })
  const near = await connecting(t, { addresses: [{ ...listener.address, transports: ['tls'] }] })
  t.equal(near.kind, 'tls')
})

t.test('the first address that answers, of several and of names', async (t) => {
  const listener = await listening(t)
  const { port } = listener.address
  const dead = await closedPort()
  const addresses = [{ host: 'no-such-host.invalid', port }, { host, port: dead }, { host: '127.0.0.2', port: dead }, { host: 'localhost', port }]
  const near = await connecting(t, { addresses })
  t.equal(near.kind, listener.transports[0])
})

t.test('who loses the race is closed', async (t) => {
  const listener = await listening(t, { transport: 'tls' })
  const addresses = Array.from({ length: 5 }, () => listener.address)
  const near = await connecting(t, { addresses, transport: 'tls' })
  await near.write([Buffer.from('me')])
  const one = async (): Promise<string> => {
    const far = (await listener.accept())!
    t.teardown(() => far.close())
    return String((await far.read().catch(() => null)) ?? 'ended')
  }
  t.equal(await one(), 'me')
  await listener.close()
})

t.test('a failure names every attempt', async (t) => {
  const port = await closedPort()
  const addresses = [{ host, port }, { host: 'no-such-host.invalid', port: 7 }]
  const error = await dial({ addresses, certificate: other, fingerprint: certificate.fingerprint, transport: 'tls', timeoutMs: 20_000 }).then(() => null, (error: unknown) => error as Error)
  t.match(error, { code: 'ERR_WARP_PEER_UNREACHABLE', hint: String })
  t.match(error?.message, `tls ${host}:${port}`)
  t.match(error?.message, 'tls no-such-host.invalid:7')
  await t.rejects(connecting(t, { addresses: [] }), { code: 'ERR_WARP_PEER_UNREACHABLE' })
  await t.rejects(connecting(t, { addresses, transport: 'pipe' }), { code: 'ERR_WARP_USAGE' })
})

t.test('nothing answers in time', { skip }, async (t) => {
  const port = await silentPort(t)
  await t.rejects(connecting(t, { addresses: [{ host, port }], transport: 'quic', timeoutMs: 500 }), { code: 'ERR_WARP_PEER_UNREACHABLE' })
})

t.test('another certificate tells more than that nobody answers', async (t) => {
  const listener = await listening(t)
  const addresses = [{ host, port: await closedPort() }, listener.address]
  await t.rejects(connecting(t, { addresses, fingerprint: other.fingerprint, timeoutMs: 3000 }), { code: 'ERR_WARP_PEER_AUTH' })
})

t.test('an abort ends it all', { skip }, async (t) => {
  const port = await silentPort(t)
  const controller = new AbortController()
  const reason = new Error('enough')
  const dialling = t.rejects(connecting(t, { addresses: [{ host, port }, { host: 'localhost', port }], transport: 'quic', signal: controller.signal }), reason)
  setTimeout(() => controller.abort(reason), 50)
  await dialling
  await t.rejects(connecting(t, { addresses: [{ host, port }], signal: controller.signal }), reason)
  const listener = await listening(t, { signal: AbortSignal.timeout(50) })
  t.equal(await listener.accept(), null)
})

t.test('a listener that closes frees its port for all transports', async (t) => {
  const first = await listenAll({ host, port: 0, certificate, transport: 'auto' })
  const { port } = first.address
  await t.rejects(listenAll({ host, port, certificate, transport: 'auto' }), { code: 'ERR_WARP_USAGE' })
  const waiting = first.accept()
  await first.close()
  await first.close()
  t.equal(await waiting, null)
  const second = await listening(t, { port })
  t.equal(second.address.port, port)
})

t.test('a port that one transport cannot have is given back by the other', { skip }, async (t) => {
  const blocked = await tlsTransport.listen({ host, port: 0, certificate })
  const { port } = blocked.address
  await t.rejects(listenAll({ host, port, certificate, transport: 'auto' }), { code: 'ERR_WARP_USAGE' })
  const udp = await quic.listen({ host, port, certificate })
  await udp.close()
  await blocked.close()
})

t.test('every address of this host', async (t) => {
  const listener = await listening(t, { host: '' })
  for (const transport of listener.transports) {
    const near = await connecting(t, { addresses: [{ host, port: listener.address.port }], transport })
    t.equal(near.kind, transport)
  }
})

async function closedPort(): Promise<number> {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const { port } = server.address() as net.AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
