import t, { type Test } from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { MAX_STRANGERS, quic } from '../../../src/transfer/transports/quic.ts'
import { CONNECT_ALLOWANCE, LISTEN_ALLOWANCE, loadBinding, makeHostKey, remoteOf, type Binding } from '../../../src/transfer/transports/quic-binding.ts'
import { encodeProof, type ProofParties } from '../../../src/transfer/transports/quic-proof.ts'
import { readExactly } from './support/content.ts'
import { certificates, conformNetwork, listening } from './support/network.ts'

const why = await quic.unavailable()
const skip = why ?? false

// The window, and what the binding takes ahead of it.
if (why === null) conformNetwork(t, quic, { stallBytes: 24 << 20, tellsBreak: true, sharesPort: true })
else t.comment(why)

/** One who connects by the binding alone, and the key that it sees. */
async function stranger(t: Test, port: number) {
  const binding = loadBinding() as Binding
  const key = makeHostKey(binding, CONNECT_ALLOWANCE)
  const client = new binding.Client(key.config, 0)
  t.teardown(() => client.abort())
  const connection = await client.outboundConnection('127.0.0.1', port)
  const parties = { isInitiator: true, senderKey: key.publicKey, recipientKey: remoteOf(connection).hostKey }
  return { connection, parties }
}

t.test('a certificate whose key the peer does not hold', { skip }, async (t) => {
  const listener = await listening(t, quic)
  const { own, theirs } = await certificates()
  const proofs = (parties: ProofParties): Record<string, Buffer> => ({
    'signed by another key': encodeProof({ ...own, privateKeyPem: theirs.privateKeyPem }, parties),
    'signed for another connection': encodeProof(own, { ...parties, recipientKey: Buffer.alloc(32) }),
    'no certificate': Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    'too long': Buffer.alloc(70_000, 0xff),
  })
  for (const name of Object.keys(proofs({ isInitiator: true, senderKey: own.fingerprint, recipientKey: own.fingerprint }))) {
    const { connection, parties } = await stranger(t, listener.address.port)
    const stream = await connection.inboundStream()
    await stream.write(proofs(parties)[name]!).catch(() => {})
    await connection.closed()
    t.pass(name)
  }
})

t.test('a peer cannot open streams', { skip }, async (t) => {
  const listener = await listening(t, quic)
  const { own } = await certificates()
  const { connection: native, parties } = await stranger(t, listener.address.port)
  let opened = 0
  const open = async (): Promise<void> => {
    const kept = []
    for (; opened < 2000; opened++) kept.push(await native.outboundStream())
  }
  open().catch(() => {})
  const stream = await native.inboundStream()
  await stream.write(encodeProof(own, parties))
  const connection = (await listener.accept())!
  t.teardown(() => connection.close())
  await stream.write(Buffer.from('after all that'))
  t.equal(String(await readExactly(connection, 14)), 'after all that')
  await sleep(300)
  t.equal(opened, 0)
})

t.test('strangers beyond the bound get no stream to send on, until others have gone', { skip }, async (t) => {
  const listener = await listening(t, quic)
  const silent = await Promise.all(Array.from({ length: MAX_STRANGERS + 4 }, () => stranger(t, listener.address.port)))
  let count = 0
  const given = silent.map(({ connection }) => connection.inboundStream().then(() => count++, () => {}))
  while (count < MAX_STRANGERS) await sleep(20)
  await sleep(300)
  t.equal(count, MAX_STRANGERS)
  for (const { connection } of silent) connection.abort()
  await Promise.all(given)
  const { own, theirs } = await certificates()
  const connect = quic.connect({ ...listener.address, certificate: own, fingerprint: theirs.fingerprint, timeoutMs: 20_000 })
  const [near, far] = await Promise.all([connect, listener.accept()])
  near.close()
  far!.close()
})

t.test('a listener that shows another certificate is not shown any', { skip }, async (t) => {
  const { own, theirs } = await certificates()
  const binding = loadBinding() as Binding
  const key = makeHostKey(binding, LISTEN_ALLOWANCE)
  const server = new binding.Server(key.config, '127.0.0.1', 0)
  t.teardown(() => server.abort())
  const refused = t.rejects(quic.connect({ host: '127.0.0.1', port: server.port(), certificate: own, fingerprint: own.fingerprint, timeoutMs: 20_000 }), { code: 'ERR_WARP_PEER_AUTH' })
  const native = await server.inboundConnection()
  const stream = await native.outboundStream()
  await stream.write(encodeProof(theirs, { isInitiator: false, senderKey: key.publicKey, recipientKey: remoteOf(native).hostKey }))
  await t.rejects(stream.read(1))
  await refused
})
