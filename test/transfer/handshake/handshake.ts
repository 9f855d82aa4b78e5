import t from 'tap'
import { WarpError } from '../../../src/base/errors.ts'
import { initiate, respond, type RespondOptions } from '../../../src/transfer/handshake/handshake.ts'
import { connectionPair, type PairOptions } from '../fixtures/connection-pair.ts'
import { LENGTHS, alice, bob, code, codes, meet, only, receives, same, sends, succeeded, ticket, type Find } from '../fixtures/handshakes.ts'

t.test('both sides authenticate, with every choice of kind and identities', async (t) => {
  for (const secret of [ticket, code]) {
    for (const [a, b] of [[null, null], [alice, null], [null, bob], [alice, bob], [alice, alice]]) {
      const met = await meet({ secret, find: only(secret), initiator: { identity: a }, responder: { identity: b } })
      const [i, r] = [succeeded(met.i), succeeded(met.r)]
      t.ok(same(i.sessionKeys.send, r.sessionKeys.receive))
      t.ok(same(i.sessionKeys.receive, r.sessionKeys.send))
      t.notOk(same(i.sessionKeys.send, i.sessionKeys.receive), 'another key for each direction')
      t.ok(same(i.transcript, r.transcript))
      t.ok(i.isBound && r.isBound)
      t.equal(i.leftover.length + r.leftover.length, 0)
      t.ok(same(i.peerTransferId, receives.transferId) && same(r.peerTransferId, sends.transferId))
      t.equal(i.peerSigner && Buffer.from(i.peerSigner).toString('hex'), b && Buffer.from(b.signer).toString('hex'))
      t.equal(r.peerSigner && Buffer.from(r.peerSigner).toString('hex'), a && Buffer.from(a.signer).toString('hex'))
      t.notOk(met.initiator.isClosed || met.responder.isClosed)
    }
  }
})

t.test('roles may be the other way round', async (t) => {
  t.same(codes(await meet({ initiator: { role: 'receive' }, responder: { role: 'send' } })), ['ok', 'ok'])
})

t.test('no two handshakes have keys or messages in common', async (t) => {
  const seen = new Set<string>()
  for (let run = 0; run < 3; run++) {
    const { i, initiator, responder } = await meet()
    const { sessionKeys, transcript } = succeeded(i)
    const shares = [initiator.written[0].subarray(20, 52), responder.written[0].subarray(4, 36)]
    for (const bytes of [sessionKeys.send, sessionKeys.receive, transcript, ...shares]) seen.add(Buffer.from(bytes).toString('hex'))
  }
  t.equal(seen.size, 15)
})

t.test('messages have the documented lengths, split in any way', async (t) => {
  const { initiator, responder } = await meet({ initiator: { identity: alice } })
  t.same(initiator.written.map((message) => message.length), [LENGTHS.hello, LENGTHS.proof])
  t.same(responder.written.map((message) => message.length), [LENGTHS.answer, LENGTHS.accept])
  const parts = (size: number) => (_: unknown, __: number, bytes: Buffer) =>
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
  for (const size of [1, 3, 5, 83]) t.same(codes(await meet({ change: parts(size) })), ['ok', 'ok'])
})

t.test('without TLS it is not bound, and works', async (t) => {
  const { i, r } = await meet({ fingerprints: [null, null] })
  t.notOk(succeeded(i).isBound || succeeded(r).isBound)
  const oneSided = await meet({ fingerprints: [null, Buffer.alloc(32, 3)] })
  t.ok(succeeded(oneSided.i).isBound && succeeded(oneSided.r).isBound, 'a listener with a certificate is enough')
})

t.test('what the responder says at once after the handshake is left over', async (t) => {
  const change: PairOptions['change'] = (from, index, bytes) =>
    from === 'responder' && index === 1 ? [Buffer.concat([bytes, Buffer.from('first')])] : [bytes]
  const { i } = await meet({ change })
  t.equal(Buffer.from(succeeded(i).leftover).toString(), 'first')
})

t.test('a wrong secret, an unknown id, another kind', async (t) => {
  const wrong = { ...ticket, psk: Buffer.alloc(32, 77) }
  t.same(codes(await meet({ secret: wrong })), ['ERR_WARP_PEER_AUTH', 'ERR_WARP_PEER_AUTH'])
  t.same(codes(await meet({ secret: { ...ticket, id: Buffer.alloc(16) } })), ['ERR_WARP_PEER_AUTH', 'ERR_WARP_PEER_AUTH'])
  t.same(codes(await meet({ secret: { ...ticket, kind: 'code' } })), ['ERR_WARP_CODE_WRONG', 'ERR_WARP_PEER_AUTH'])
  const guess = { ...code, psk: Buffer.alloc(32, 78) }
  const met = await meet({ secret: guess, find: only(code) })
  t.same(codes(met), ['ERR_WARP_CODE_WRONG', 'ERR_WARP_CODE_WRONG'])
  t.ok(met.initiator.isClosed && met.responder.isClosed)
  t.equal(met.responder.written[0].length, 4, 'an alert is all that a stranger gets')
})

t.test('a refusal reaches who knows the secret, and nobody else', async (t) => {
  for (const told of ['ERR_WARP_TICKET_USED', 'ERR_WARP_TICKET_EXPIRED', 'ERR_WARP_TICKET_BUSY', 'ERR_WARP_PEER_REFUSED'] as const) {
    const find: Find = () => ({ secret: ticket, error: new WarpError(told, 'no') })
    t.same(codes(await meet({ find, responder: { identity: bob } })), [told, told])
    const wrong = { ...ticket, psk: Buffer.alloc(32, 77) }
    t.same(codes(await meet({ find, secret: wrong })), ['ERR_WARP_PEER_AUTH', 'ERR_WARP_PEER_AUTH'])
  }
})

t.test('a judge sees who came, and its refusal is told', async (t) => {
  const judge: RespondOptions['judge'] = ({ signer, transferId }) => {
    t.ok(same(signer!, alice.signer) && same(transferId, sends.transferId))
    return new WarpError('ERR_WARP_PEER_UNKNOWN', 'not this one')
  }
  const met = await meet({ initiator: { identity: alice }, responder: { judge } })
  t.same(codes(met), ['ERR_WARP_PEER_REFUSED', 'ERR_WARP_PEER_UNKNOWN'])
  t.same(codes(await meet({ responder: { judge: () => null } })), ['ok', 'ok'])
})

t.test('two senders, two receivers', async (t) => {
  for (const role of ['send', 'receive'] as const) {
    const met = await meet({ initiator: { role }, responder: { role } })
    t.same(codes(met), ['ERR_WARP_PEER_REFUSED', 'ERR_WARP_PEER_REFUSED'])
    t.match((met.i as WarpError).message, role)
  }
})

t.test('a man in the middle has another certificate', async (t) => {
  const [mine, his, theirs] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte))
  for (const fingerprints of [[mine, theirs], [null, theirs]] as [Buffer | null, Buffer][]) {
    const met = await meet({ fingerprints, seen: [his, fingerprints[0] && his] })
    t.same(codes(met), ['ERR_WARP_PEER_AUTH', 'ERR_WARP_PEER_AUTH'])
  }
  // He may let the one see the right certificate of the other, but then not the other way round.
  t.same(codes(await meet({ fingerprints: [mine, theirs], seen: [theirs, his] })), ['ERR_WARP_PEER_AUTH', 'ERR_WARP_PEER_AUTH'])
  t.same(codes(await meet({ fingerprints: [mine, theirs], seen: [his, mine] })), ['ERR_WARP_PEER_AUTH', 'ERR_WARP_PEER_AUTH'])
})

t.test('misuse', async (t) => {
  const { initiator, responder } = connectionPair()
  await t.rejects(initiate(initiator, { ...ticket, psk: new Uint8Array(16) }, sends), RangeError)
  await t.rejects(initiate(initiator, ticket, { ...sends, transferId: new Uint8Array(15) }), RangeError)
  await t.rejects(respond(responder, only(ticket), { ...receives, transferId: new Uint8Array(17) }), RangeError)
})
