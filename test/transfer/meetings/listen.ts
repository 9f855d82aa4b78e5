import { randomBytes } from 'node:crypto'
import t from 'tap'
import { identityFromSeed } from '../../../src/codec/identity.ts'
import { decodeTicket, encodeTicket } from '../../../src/transfer/meetings/ticket.ts'
import type { TransferEvent } from '../../../src/transfer/types.ts'
import { areConnected, dial, listen, meet } from '../support/meetings.ts'

t.test('two sides meet by a ticket', async (t) => {
  const { listener, ticket } = await listen(t, t.testdir())
  t.match(ticket, /^warp1/)
  const dialler = await dial(t, ticket)
  const [a, b] = await meet(listener, dialler)
  t.ok(await areConnected(a, b))
  t.equal(Buffer.compare(a.authenticated.transcript, b.authenticated.transcript), 0)
  t.match(a.peerName, /^(\[::ffff:)?127\.0\.0\.1/)
  t.equal(a.authenticated.isBound, true)
})

t.test('by whatever transport passes', async (t) => {
  const { listener, ticket } = await listen(t, t.testdir(), {}, { transport: 'auto' })
  const [a, b] = await meet(listener, await dial(t, ticket, { transport: 'auto' }))
  t.ok(await areConnected(a, b))
  t.equal(a.authenticated.connection.kind, decodeTicket(ticket).addresses[0].transports[0], 'the one that comes first')
})

t.test('a wrong secret is refused at once, and disturbs nobody', async (t) => {
  const { listener, ticket } = await listen(t, t.testdir())
  const wrong = encodeTicket({ ...decodeTicket(ticket), secret: randomBytes(16) })
  await t.rejects((await dial(t, wrong)).next(), { code: 'ERR_WARP_PEER_AUTH' })
  const other = encodeTicket({ ...decodeTicket(ticket), fingerprint: randomBytes(32) })
  await t.rejects((await dial(t, other)).next(), { code: 'ERR_WARP_PEER_AUTH' })
  t.ok(await areConnected(...await meet(listener, await dial(t, ticket))))
})

t.test('one transfer: its peer may come again, another not, neither before it is complete nor afterwards', async (t) => {
  const stateDir = t.testdir()
  const { listener, ticket } = await listen(t, stateDir)
  const first = { transferId: randomBytes(16) }
  const dialler = await dial(t, ticket, first)
  const [old, oldPeer] = await meet(listener, dialler)
  await t.rejects((await dial(t, ticket, { waitMs: 0 })).next(), { code: 'ERR_WARP_TICKET_BUSY' })

  // The peer has lost the connection, which the listener has not noticed.
  oldPeer.release()
  const again = dialler.next()
  await t.rejects(old.authenticated.connection.read(), { code: 'ERR_WARP_PEER_LOST' })
  old.release()
  const met = await listener.next()
  t.ok(await areConnected(met, await again))

  await listener.completed(met)
  await t.rejects((await dial(t, ticket)).next(), { code: 'ERR_WARP_TICKET_USED' })
  met.release()
  const [late] = await meet(listener, await dial(t, ticket, first))
  t.equal(Buffer.compare(late.authenticated.peerTransferId, first.transferId), 0, 'it may have missed the last message')
})

t.test('a busy ticket is tried again', async (t) => {
  const { listener, ticket } = await listen(t, t.testdir())
  const [met] = await meet(listener, await dial(t, ticket))
  const events: TransferEvent[] = []
  let completed = null as Promise<void> | null
  const onEvent = (event: TransferEvent): void => {
    events.push(event)
    completed ??= listener.completed(met)
  }
  await t.rejects((await dial(t, ticket, { onEvent })).next(), { code: 'ERR_WARP_TICKET_USED' })
  t.match(events[0], { type: 'disconnected', code: 'ERR_WARP_TICKET_BUSY' })
})

t.test('an expired ticket', async (t) => {
  const { listener, ticket } = await listen(t, t.testdir(), { expiresMs: 1 })
  await t.rejects(listener.next(), { code: 'ERR_WARP_TICKET_EXPIRED' })
  await t.rejects((await dial(t, ticket)).next(), { code: 'ERR_WARP_TICKET_EXPIRED' })
})

t.test('many transfers, twenty at once', async (t) => {
  const { listener, ticket } = await listen(t, t.testdir(), { keep: true })
  const diallers = await Promise.all(Array.from({ length: 20 }, () => dial(t, ticket)))
  const dialling = diallers.map((dialler) => dialler.next())
  const ids = new Set<string>()
  for (let i = 0; i < 20; i++) {
    const met = await listener.next()
    ids.add(Buffer.from(met.authenticated.peerTransferId).toString('hex'))
    await met.authenticated.connection.write([met.authenticated.transcript])
    await listener.completed(met)
    met.release()
  }
  for (const met of await Promise.all(dialling)) {
    const bytes = await met.authenticated.connection.read()
    t.equal(Buffer.compare(bytes!, met.authenticated.transcript), 0)
  }
  t.equal(ids.size, 20)
  await meet(listener, await dial(t, ticket))
})

t.test('the same command again is found under the same ticket', async (t) => {
  const stateDir = t.testdir()
  const first = { transferId: randomBytes(16) }
  const run = await listen(t, stateDir)
  const dialler = await dial(t, run.ticket, first)
  const [, peer] = await meet(run.listener, dialler)
  await t.rejects(listen(t, stateDir), { code: 'ERR_WARP_USAGE' }, 'it runs already')
  await run.listener.close()

  const again = await listen(t, stateDir)
  t.equal(again.ticket, run.ticket)
  await t.rejects((await dial(t, again.ticket, { waitMs: 0 })).next(), { code: 'ERR_WARP_TICKET_BUSY' })
  peer.release()
  const [met] = await meet(again.listener, dialler)
  await again.listener.completed(met)
  await again.listener.close()

  const third = await listen(t, stateDir)
  t.not(third.ticket, run.ticket, 'the transfer was complete')
  await t.rejects((await dial(t, run.ticket)).next(), { code: 'ERR_WARP_TICKET_USED' })
  await t.rejects((await dial(t, run.ticket, first)).next(), { code: 'ERR_WARP_TICKET_USED' }, 'also by the transfer that used it')
  await meet(third.listener, await dial(t, third.ticket))
})

t.test('a peer that has to be known', async (t) => {
  const stateDir = t.testdir({ state: {} })
  const knownPeersFile = `${stateDir}/known`
  const [bob, eve] = [identityFromSeed(randomBytes(32)), identityFromSeed(randomBytes(32))]
  const { listener, ticket } = await listen(t, stateDir, {}, { peer: 'bob', knownPeersFile })

  for (const identity of [undefined, bob, eve]) {
    const waiting = listener.next()
    const dialling = (await dial(t, ticket, { identity })).next()
    if (identity === bob) {
      const met = await waiting
      t.equal(met.peerName, 'bob')
      t.equal(Buffer.compare(met.authenticated.peerSigner!, bob.signer), 0)
      await dialling
    } else {
      await Promise.all([
        t.rejects(waiting, { code: 'ERR_WARP_PEER_UNKNOWN' }),
        t.rejects(dialling, { code: 'ERR_WARP_PEER_REFUSED' }),
      ])
    }
  }
})

t.test('a listener that has to be known', async (t) => {
  const stateDir = t.testdir({ state: {} })
  const known = { peer: 'alice', knownPeersFile: `${stateDir}/known` }
  const alice = identityFromSeed(randomBytes(32))
  const { listener, ticket } = await listen(t, stateDir, { keep: true }, { identity: alice })
  const [, met] = await meet(listener, await dial(t, ticket, known))
  t.equal(met.peerName, 'alice')
  const other = await listen(t, stateDir, { keep: true }, { identity: identityFromSeed(randomBytes(32)), subject: 'other' })
  await t.rejects((await dial(t, other.ticket, known)).next(), { code: 'ERR_WARP_PEER_UNKNOWN' })
})

t.test('many peers that have to be known: a wrong one is told of', async (t) => {
  const stateDir = t.testdir({ state: {} })
  const events: TransferEvent[] = []
  const { listener, ticket } = await listen(t, stateDir, { keep: true }, {
    peer: 'bob', knownPeersFile: `${stateDir}/known`, onEvent: (event) => events.push(event),
  })
  await t.rejects((await dial(t, ticket)).next(), { code: 'ERR_WARP_PEER_REFUSED' })
  t.match(events, [{ type: 'failed', code: 'ERR_WARP_PEER_UNKNOWN' }])
  await meet(listener, await dial(t, ticket, { identity: identityFromSeed(randomBytes(32)) }))
})

t.test('nobody comes', async (t) => {
  const { listener, ticket } = await listen(t, t.testdir(), {}, { waitMs: 1 })
  await t.rejects(listener.next(), { code: 'ERR_WARP_PEER_UNREACHABLE' })
  await listener.close()
  await t.rejects((await dial(t, ticket, { waitMs: 1 })).next(), { code: 'ERR_WARP_PEER_UNREACHABLE' })
})

t.test('an abort ends the wait on both sides', async (t) => {
  const controller = new AbortController()
  const { signal } = controller
  const { listener, ticket } = await listen(t, t.testdir(), {}, { signal })
  const waiting = listener.next()
  const other = await listen(t, t.testdir())
  await other.listener.close()
  const dialling = (await dial(t, other.ticket, { signal, onEvent: () => controller.abort() })).next()
  await Promise.all([t.rejects(waiting, { code: 'ERR_WARP_INTERRUPTED' }), t.rejects(dialling, { code: 'ERR_WARP_INTERRUPTED' })])
  await t.rejects(dial(t, ticket, { signal }), { code: 'ERR_WARP_INTERRUPTED' })
})

t.test('tickets that will not do', async (t) => {
  const { listener, ticket } = await listen(t, t.testdir())
  await t.rejects(dial(t, ticket, { role: 'receive' }), { code: 'ERR_WARP_USAGE' }, 'both sides want the same')
  await t.rejects(dial(t, encodeTicket({ ...decodeTicket(ticket), role: 'send' }), { role: 'receive' }).then((meeting) => meeting.next()),
    { code: 'ERR_WARP_PEER_REFUSED' }, 'both sides want the same, whatever the ticket says')
  await t.rejects(dial(t, ticket.slice(0, -1)), { code: 'ERR_WARP_USAGE' })
  await listener.close()
  const old = encodeTicket({ ...decodeTicket(ticket), expires: 1 })
  await t.rejects((await dial(t, old)).next(), { code: 'ERR_WARP_TICKET_EXPIRED' }, 'nobody is there who could say so')
})

t.test('options that will not do', async (t) => {
  const { ticket } = await listen(t, t.testdir())
  await t.rejects(dial(t, ticket, { waitMs: NaN }), { code: 'ERR_WARP_USAGE' })
  await t.rejects(dial(t, ticket, { peer: 'a b' }), { code: 'ERR_WARP_USAGE' })
  await t.rejects(dial(t, ticket, { peer: 'bob', knownPeersFile: t.testdir({ known: {} }) }), { code: 'ERR_WARP_USAGE' })
  await t.rejects(listen(t, t.testdir(), { expiresMs: 0 }), { code: 'ERR_WARP_USAGE' })
  await t.rejects(listen(t, t.testdir(), { host: '192.0.2.1' }), { code: 'ERR_WARP_USAGE' }, 'an address of nobody')
})
