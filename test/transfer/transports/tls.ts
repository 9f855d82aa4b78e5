import t from 'tap'
import net from 'node:net'
import tls from 'node:tls'
import { tlsTransport } from '../../../src/transfer/transports/tls.ts'
import { certificates, conformNetwork, listening } from './support/network.ts'

// The system's buffers of both sockets come on top of ours.
conformNetwork(t, tlsTransport, { stallBytes: 32 << 20, tellsBreak: false, sharesPort: false })

t.test('who shows no certificate, speaks another protocol or an old version is not let in', async (t) => {
  const listener = await listening(t, tlsTransport)
  const { own } = await certificates()
  const good = { cert: own.certificatePem, key: own.privateKeyPem, ALPNProtocols: ['warp-transfer/1'] }
  const bad = { 'no certificate': { cert: undefined, key: undefined }, 'no ALPN': { ALPNProtocols: undefined }, 'another ALPN': { ALPNProtocols: ['h2'] }, 'TLS 1.2': { maxVersion: 'TLSv1.2' as const } }
  for (const [name, change] of Object.entries(bad)) {
    const socket = tls.connect({ ...listener.address, ...good, rejectUnauthorized: false, ...change })
    socket.on('error', () => {})
    socket.resume()
    await new Promise((resolve) => socket.once('close', resolve))
    t.pass(name)
  }
  const plain = net.connect(listener.address)
  plain.on('error', () => {})
  plain.resume()
  plain.write('GET / HTTP/1.1\r\n\r\n')
  await new Promise((resolve) => plain.once('close', resolve))
  const socket = tls.connect({ ...listener.address, ...good, rejectUnauthorized: false })
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  t.ok(await listener.accept(), 'and what is right still is')
})

t.test('what listens may not be warp', async (t) => {
  const { own, theirs } = await certificates()
  for (const options of [{ cert: theirs.certificatePem, key: theirs.privateKeyPem }, { cert: theirs.certificatePem, key: theirs.privateKeyPem, ALPNProtocols: ['h2'] }]) {
    const server = tls.createServer(options, (socket) => socket.on('error', () => {}))
    server.on('tlsClientError', () => {})
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as net.AddressInfo
    await t.rejects(tlsTransport.connect({ host: '127.0.0.1', port, certificate: own, fingerprint: theirs.fingerprint, timeoutMs: 20_000 }), { code: 'ERR_WARP_PEER_UNREACHABLE' })
    server.close()
  }
})
