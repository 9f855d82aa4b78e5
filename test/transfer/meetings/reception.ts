import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { WarpError } from '../../../src/base/errors.ts'
import type { Connection } from '../../../src/transfer/transports/connection.ts'
import { MAX_GREETED, Reception } from '../../../src/transfer/meetings/reception.ts'
import { memoryPair } from '../../../src/transfer/transports/memory.ts'

const LATE = { waitMs: 20, error: () => new WarpError('ERR_WARP_PEER_UNREACHABLE', 'nobody') }

/**
 * A reception whose handshake is a byte: the transfer id, 0 for a proof that fails. Nothing at all is a peer that
 * stalls.
 */
function open(signal?: AbortSignal): { reception: Reception; come: (id: number | null) => Connection; greeted: () => number } {
  const arrived: Connection[] = []
  let wake = (): void => {}
  let greeted = 0
  const reception = new Reception({
    signal,
    accept: async () => {
      while (arrived.length === 0) await new Promise<void>((resolve) => (wake = resolve))
      return arrived.shift()!
    },
    greet: async (connection) => {
      greeted++
      const id = (await connection.read())?.[0]
      if (!id) throw new WarpError('ERR_WARP_PEER_AUTH', 'wrong')
      const key = new Uint8Array(32)
      const peerTransferId = new Uint8Array(16).fill(id)
      return {
        authenticated: { connection, sessionKeys: { send: key, receive: key }, isBound: true, peerSigner: null, peerTransferId, transcript: key, leftover: new Uint8Array(0) },
        peerName: String(id),
      }
    },
  })
  const come = (id: number | null): Connection => {
    const [peer, own] = memoryPair()
    arrived.push(own)
    wake()
    if (id !== null) void peer.write([Uint8Array.of(id)]).catch(() => {})
    return peer
  }
  return { reception, come, greeted: () => greeted }
}

t.test('peers are handed out as they come, whoever waits first gets the first', async (t) => {
  const { reception, come } = open()
  const [first, second] = [reception.next(null), reception.next(null)]
  come(1)
  come(2)
  come(3)
  t.equal((await first).peerName, '1')
  t.equal((await second).peerName, '2')
  t.equal((await reception.next(null)).peerName, '3')
  await t.rejects(reception.next(LATE), { code: 'ERR_WARP_PEER_UNREACHABLE' })
  reception.close()
})

t.test('strangers that fail, go or stall disturb nobody', async (t) => {
  const { reception, come } = open()
  come(0)
  come(null).close()
  come(null)
  come(1)
  t.equal((await reception.next(null)).peerName, '1')
  await t.rejects(reception.next(LATE), { code: 'ERR_WARP_PEER_UNREACHABLE' })
  reception.close()
})

t.test('no more than so many are greeted at once', async (t) => {
  const { reception, come, greeted } = open()
  const stalled = Array.from({ length: MAX_GREETED }, () => come(null))
  const refused = come(1)
  await t.rejects(refused.read(), { code: 'ERR_WARP_PEER_LOST' })
  t.equal(greeted(), MAX_GREETED)
  stalled[0].close()
  let met = null
  while (met === null) {
    come(2)
    met = await reception.next(LATE).catch(() => null)
  }
  t.equal(met.peerName, '2')
  reception.close()
})

t.test('who comes again takes the place of its session, once that was released', async (t) => {
  const { reception, come } = open()
  come(1)
  const old = await reception.next(null)
  const oldPeer = old.authenticated.connection
  come(1)
  await t.rejects(oldPeer.read(), { code: 'ERR_WARP_PEER_LOST' })
  await t.rejects(reception.next(LATE), { code: 'ERR_WARP_PEER_UNREACHABLE' })
  old.release()
  const again = await reception.next(LATE)
  t.not(again.authenticated.connection, oldPeer)
  old.release()
  t.ok(reception.hasSessions, 'a second release is nothing')
  again.release()
  t.notOk(reception.hasSessions)
  reception.close()
})

t.test('of several that nobody has taken the last counts', async (t) => {
  const { reception, come } = open()
  const [first, second] = [come(1), come(1)]
  await t.rejects(first.read(), { code: 'ERR_WARP_PEER_LOST' })
  const met = await reception.next(null)
  const third = come(1)
  await t.rejects(second.read(), { code: 'ERR_WARP_PEER_LOST' })
  come(1)
  await t.rejects(third.read(), { code: 'ERR_WARP_PEER_LOST' })
  met.release()
  await reception.next(LATE)
  await t.rejects(reception.next(LATE), { code: 'ERR_WARP_PEER_UNREACHABLE' })
  reception.close()
})

t.test('the end', async (t) => {
  const { reception, come, greeted } = open()
  come(1)
  const met = await reception.next(null)
  const waiting = reception.next(null)
  const stalled = come(null)
  while (greeted() < 2) await sleep(1)
  reception.close()
  await t.rejects(waiting, { code: 'ERR_WARP_INTERRUPTED' })
  await t.rejects(reception.next(null), { code: 'ERR_WARP_INTERRUPTED' })
  await t.rejects(stalled.read(), { code: 'ERR_WARP_PEER_LOST' })
  const late = come(2)
  await t.rejects(late.read(), { code: 'ERR_WARP_PEER_LOST' })
  await met.authenticated.connection.write([Uint8Array.of(1)])
  t.pass('what was handed out goes on')
  reception.expel(new WarpError('ERR_WARP_PEER_LOST', 'gone'))
  await t.rejects(met.authenticated.connection.read(), { code: 'ERR_WARP_PEER_LOST' })
})

t.test('an abort', async (t) => {
  const controller = new AbortController()
  const { reception } = open(controller.signal)
  const waiting = reception.next(null)
  controller.abort()
  await t.rejects(waiting, { code: 'ERR_WARP_INTERRUPTED' })
  await t.rejects(open(controller.signal).reception.next(null), { code: 'ERR_WARP_INTERRUPTED' })
})

t.test('a failure that is no end', async (t) => {
  const { reception, come } = open()
  const waiting = reception.next(null)
  reception.disappoint(new WarpError('ERR_WARP_PEER_UNKNOWN', 'another'))
  await t.rejects(waiting, { code: 'ERR_WARP_PEER_UNKNOWN' })
  come(1)
  t.equal((await reception.next(null)).peerName, '1')
  reception.close()
})
