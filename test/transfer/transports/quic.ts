import t from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { base58 } from '@scure/base'
import { quic } from '../../../src/transfer/transports/quic.ts'
import { loadBinding, makeHostKey, type Binding } from '../../../src/transfer/transports/quic-binding.ts'
import { encodeProof } from '../../../src/transfer/transports/quic-proof.ts'
import { readExactly } from './support/content.ts'
import { certificates, conformNetwork, listening } from './support/network.ts'

const why = await quic.unavailable()
const skip = why ?? false

// The window, and what the binding takes ahead of it.
if (why === null) conformNetwork(t, quic, { stallBytes: 24 << 20, tellsBreak: true, sharesPort: true })
else t.comment(why)

t.test('a certificate whose key the peer does not hold', { skip }, async (t) => {
  const listener = await listening(t, quic)
  const { own, theirs } = await certificates()
  const binding = loadBinding() as Binding
  const key = makeHostKey(binding)
  const client = new binding.Client(key.config, 0)
  t.teardown(() => client.abort())
  const proofs = {
    'signed by another key': encodeProof({ ...own, privateKeyPem: theirs.privateKeyPem }, { isInitiator: true, senderKey: key.publicKey, recipientKey: Buffer.alloc(32) }),
    'signed for another connection': encodeProof(own, { isInitiator: true, senderKey: key.publicKey, recipientKey: Buffer.alloc(32) }),
    'no certificate': Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    'too long': Buffer.alloc(70_000, 0xff),
  }
  for (const [name, proof] of Object.entries(proofs)) {
    const connection = await client.outboundConnection('127.0.0.1', listener.address.port)
    const stream = await connection.outboundStream()
    await stream.write(proof).catch(() => {})
    await connection.closed()
    t.pass(name)
  }
})

t.test('a peer that would open thousands of streams', { skip }, async (t) => {
  const listener = await listening(t, quic)
  const { own } = await certificates()
  const binding = loadBinding() as Binding
  const key = makeHostKey(binding)
  const client = new binding.Client(key.config, 0)
  t.teardown(() => client.abort())
  const native = await client.outboundConnection('127.0.0.1', listener.address.port)
  const stream = await native.outboundStream()
  const [, , , , , , , id] = native.remoteMultiaddr().split('/')
  const hostKey = base58.decode(id!).subarray(6)
  await stream.write(encodeProof(own, { isInitiator: true, senderKey: key.publicKey, recipientKey: hostKey }))
  const connection = (await listener.accept())!
  t.teardown(() => connection.close())
  let opened = 0
  const open = async (): Promise<void> => {
    const kept = []
    for (; opened < 2000; opened++) kept.push(await native.outboundStream())
  }
  open().catch(() => {})
  await stream.write(Buffer.from('after all that'))
  t.equal(String(await readExactly(connection, 14)), 'after all that')
  await sleep(300)
  t.equal(opened, 1, 'beside the one that carries the bytes')
})
