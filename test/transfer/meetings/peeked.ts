import t from 'tap'
import { PeekedConnection } from '../../../src/transfer/meetings/peeked.ts'
import { memoryPair } from '../../../src/transfer/transports/memory.ts'

const LONG_MS = 60_000

t.test('what was looked at is still read', async (t) => {
  const [peer, own] = memoryPair(new Uint8Array(32).fill(1), new Uint8Array(32).fill(2))
  await peer.write([Uint8Array.of(7, 8)])
  const { firstByte, connection } = await PeekedConnection.peek(own, LONG_MS)
  t.equal(firstByte, 7)
  t.equal(Buffer.compare((await connection.read())!, Uint8Array.of(7, 8)), 0)
  await peer.write([Uint8Array.of(9)])
  t.equal(Buffer.compare((await connection.read())!, Uint8Array.of(9)), 0)
  await connection.write([Uint8Array.of(10)])
  t.equal((await peer.read())?.[0], 10)
  t.same(connection.stats().sentBytes, 1)
  for (const name of ['kind', 'isInitiator', 'localFingerprint', 'remoteFingerprint', 'remoteAddress'] as const) t.equal(connection[name], own[name])
  await connection.end()
  t.equal(await peer.read(), null)
  connection.close()
  await t.rejects(own.read(), { code: 'ERR_WARP_PEER_LOST' })
})

t.test('a close forgets it', async (t) => {
  const [peer, own] = memoryPair()
  await peer.write([Uint8Array.of(7)])
  const { connection } = await PeekedConnection.peek(own, LONG_MS)
  connection.close()
  await t.rejects(connection.read(), { code: 'ERR_WARP_PEER_LOST' })
})

t.test('nothing comes', async (t) => {
  const [ending, ended] = memoryPair()
  await ending.end()
  await t.rejects(PeekedConnection.peek(ended, LONG_MS), { code: 'ERR_WARP_PEER_LOST' })
  await t.rejects(PeekedConnection.peek(memoryPair()[1], 1), { code: 'ERR_WARP_PEER_LOST' })
})
