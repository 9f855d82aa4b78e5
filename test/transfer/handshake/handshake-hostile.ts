/** The handshake against those who change, replay, cut, stall and lie. */
import t from 'tap'
import { randomBytes } from 'node:crypto'
import { WarpError } from '../../../src/base/errors.ts'
import { deriveKey, hash, keyedHash } from '../../../src/codec/blake3.ts'
import { sealInto } from '../../../src/codec/aead.ts'
import { sign } from '../../../src/codec/signature.ts'
import { x25519Public, x25519Shared } from '../../../src/codec/x25519.ts'
import { initiate, respond } from '../../../src/transfer/handshake/handshake.ts'
import { connectionPair, type PairOptions } from '../fixtures/connection-pair.ts'
import { LENGTHS, alice, bob, code, meet, only, receives, same, sends, settle, succeeded, ticket, type Outcome } from '../fixtures/handshakes.ts'

/** Lets one bit of one message flip on its way, for every byte of all messages. */
for (const [secret, a, b] of [[ticket, alice, bob], [code, null, null]] as const) {
  t.test(`a bit that flips in any byte, ${secret.kind}`, async (t) => {
    const plan: ['initiator' | 'responder', number, number][] = [
      ['initiator', 0, LENGTHS.hello], ['responder', 0, LENGTHS.answer], ['initiator', 1, LENGTHS.proof], ['responder', 1, LENGTHS.accept],
    ]
    for (const [from, index, length] of plan) {
      const failures = new Set<string>()
      // Signatures take most of the time: only where they are what changes.
      for (let at = 0; at < length; at++) {
        const change: PairOptions['change'] = (side, i, bytes) => {
          if (side === from && i === index) bytes[at] ^= 1 << (at % 8)
          return [bytes]
        }
        // Whoever spoke last cannot know, and goes.
        const spokeLast = from === 'responder' && index === 1
        const pair = connectionPair({ change })
        const [i, r] = await Promise.all([
          settle(initiate(pair.initiator, secret, { ...sends, identity: index === 1 && from === 'initiator' ? a : null })),
          settle(respond(pair.responder, only(secret), { ...receives, identity: index === 0 && from === 'responder' ? b : null })).finally(() => spokeLast && pair.responder.close()),
        ])
        const met = { i, r }
        if (!(met.i instanceof WarpError) || (!spokeLast && !(met.r instanceof WarpError))) failures.add(`${at}: authenticated`)
        for (const outcome of [met.i, met.r]) {
          const expected = /PEER_AUTH|CODE_WRONG|PEER_PROTOCOL|PEER_VERSION/
          if (outcome instanceof WarpError && !expected.test(outcome.code)) failures.add(`${at}: ${outcome.code}`)
        }
      }
      t.same([...failures], [], `${from} ${index}`)
    }
  })
}

t.test('another version', async (t) => {
  const change: PairOptions['change'] = (from, index, bytes) => {
    if (from === 'initiator' && index === 0) bytes[1] = 2
    return [bytes]
  }
  const { r } = await meet({ change })
  t.equal((r as WarpError).code, 'ERR_WARP_PEER_VERSION')
  const { initiator, responder } = connectionPair()
  responder.write([Uint8Array.of(15, 3, 2, 0)])
  await t.rejects(initiate(initiator, ticket, sends), { code: 'ERR_WARP_PEER_VERSION', message: /version 3/ })
})

t.test('a first message that is played back', async (t) => {
  const first = await meet({ initiator: { identity: alice }, responder: { identity: bob } })
  const { initiator, responder } = connectionPair()
  const outcome = settle(respond(responder, only(ticket), { ...receives, identity: bob }))
  await initiator.write([first.initiator.written[0]])
  const answer = await initiator.read()
  t.equal(answer!.length, LENGTHS.answer, 'it is answered')
  t.notOk(Buffer.from(answer!).includes(Buffer.from(bob.signer)), 'without a word in the clear')
  await initiator.write([first.initiator.written[1]])
  t.match(await outcome, { code: 'ERR_WARP_PEER_AUTH' })
})

t.test('a message that is played back to its sender', async (t) => {
  const change: PairOptions['change'] = (from, index, bytes) => from === 'initiator' && index === 0 ? null : [bytes]
  const { initiator } = connectionPair({ change })
  const outcome = settle(initiate(initiator, ticket, sends))
  while (initiator.written.length === 0) await new Promise(setImmediate)
  initiator.deliver(initiator.written[0])
  t.match(await outcome, { code: 'ERR_WARP_PEER_PROTOCOL' })
})

t.test('a connection that ends after any number of bytes', async (t) => {
  const ends = async (from: 'initiator' | 'responder', index: number, length: number): Promise<void> => {
    for (const at of [0, 1, 3, 4, 5, length - 1]) {
      const change: PairOptions['change'] = (side, i, bytes) => {
        if (side !== from || i !== index) return [bytes]
        const speaker = from === 'initiator' ? pair.initiator : pair.responder
        setImmediate(() => setImmediate(() => speaker.close()))
        return at === 0 ? null : [bytes.subarray(0, at)]
      }
      const pair = connectionPair({ change })
      const [i, r] = await Promise.all([
        settle(initiate(pair.initiator, ticket, sends)), settle(respond(pair.responder, only(ticket), receives)),
      ])
      t.equal((from === 'initiator' ? r : i as WarpError as { code?: string }).constructor, WarpError)
      t.equal(((from === 'initiator' ? r : i) as WarpError).code, 'ERR_WARP_PEER_LOST', `${from} ${index} at ${at}`)
    }
  }
  await ends('initiator', 0, LENGTHS.hello)
  await ends('responder', 0, LENGTHS.answer)
  await ends('initiator', 1, LENGTHS.proof)
  await ends('responder', 1, LENGTHS.accept)
  const { initiator, responder } = connectionPair()
  const outcome = respond(responder, only(ticket), receives)
  await initiator.end()
  await t.rejects(outcome, { code: 'ERR_WARP_PEER_LOST' })
})

t.test('garbage, and more than a message', async (t) => {
  const { initiator: recorded } = { initiator: (await meet()).initiator.written }
  const inputs: [string, Uint8Array][] = [
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: here\r\n\r\n'.repeat(4))],
    ['zeros', new Uint8Array(LENGTHS.hello)],
    ['a mebibyte', Buffer.alloc(1 << 20, 1)],
    ['one byte too many', Buffer.concat([recorded[0], Buffer.alloc(1)])],
    ['the answer of a responder', Buffer.alloc(LENGTHS.answer, 2)],
    ['no role', Buffer.concat([Uint8Array.of(1, 1, 1, 3), recorded[0].subarray(4)])],
  ]
  for (const [name, bytes] of inputs) {
    let isAsked = false
    const { initiator, responder } = connectionPair()
    const outcome = settle(respond(responder, () => {
      isAsked = true
      return null
    }, receives))
    await initiator.write([bytes])
    const alert = await initiator.read()
    t.same([...alert!], [15, 1, 3, 0], name)
    initiator.close()
    t.match(await outcome, { code: 'ERR_WARP_PEER_PROTOCOL' }, name)
    t.equal(isAsked, false)
    t.ok(responder.isClosed)
  }
})

t.test('a peer that says nothing, or stops', async (t) => {
  const { initiator, responder } = connectionPair()
  await t.rejects(initiate(initiator, ticket, { ...sends, deadlineMs: 20 }), { code: 'ERR_WARP_PEER_SILENT' })
  t.ok(initiator.isClosed)
  t.equal(responder.written.length, 0)
  for (const [from, index] of [['initiator', 0], ['responder', 0], ['initiator', 1], ['responder', 1]] as const) {
    const change: PairOptions['change'] = (side, i, bytes) => side === from && i === index ? [bytes.subarray(0, 7)] : [bytes]
    const met = await meet({ change, initiator: { deadlineMs: 300 }, responder: { deadlineMs: 300 } })
    t.equal(((from === 'initiator' ? met.r : met.i) as WarpError).code.replace('LOST', 'SILENT'), 'ERR_WARP_PEER_SILENT')
  }
})

t.test('a stranger who does not fetch the alert does not keep the listener', async (t) => {
  const { initiator, responder } = connectionPair()
  const outcome = settle(respond(responder, only(ticket), receives))
  await initiator.write([Buffer.alloc(100, 0x47)])
  t.match(await outcome, { code: 'ERR_WARP_PEER_PROTOCOL' })
  t.ok(responder.isClosed)
})

t.test('a share of small order', async (t) => {
  // With the right proof: the peer knows the secret and lies.
  const { initiator, responder } = connectionPair({ fingerprints: [null, null] })
  const body = Buffer.concat([Uint8Array.of(1, 1, 1, 1), ticket.id, new Uint8Array(32)])
  const h0 = deriveKey('warp-transfer 1 transcript', new Uint8Array(64))
  const mac = keyedHash(deriveKey('warp-transfer 1 hello', ticket.psk), hash(Buffer.concat([h0, body])))
  const outcome = settle(respond(responder, only(ticket), receives))
  await initiator.write([body, mac])
  t.same([...(await initiator.read())!], [15, 1, 3, 0])
  initiator.close()
  t.match(await outcome, { code: 'ERR_WARP_PEER_PROTOCOL' })

  const other = connectionPair()
  const answer = Buffer.alloc(LENGTHS.answer)
  answer.set([2, 1, 0, 2])
  const initiating = settle(initiate(other.initiator, ticket, sends))
  await other.responder.read()
  await other.responder.write([answer])
  t.match([...(await other.responder.read())!], [15, 1, 3, 0])
  other.responder.close()
  t.match(await initiating, { code: 'ERR_WARP_PEER_PROTOCOL' })
})

/** An initiator made after the tables of the header of handshake.ts, by hand. */
async function byHand(card: (h3: Uint8Array) => Uint8Array): Promise<{ outcome: Outcome, accept: Uint8Array | null, session: Uint8Array }> {
  const { initiator, responder } = connectionPair({ fingerprints: [null, null] })
  const outcome = settle(respond(responder, only(ticket), receives))
  const d = (context: string, ...parts: Uint8Array[]): Uint8Array => deriveKey(`warp-transfer 1 ${context}`, Buffer.concat(parts))
  const h = (...parts: Uint8Array[]): Uint8Array => hash(Buffer.concat(parts))
  const ephemeral = randomBytes(32)
  const hello = Buffer.concat([Uint8Array.of(1, 1, 1, 1), ticket.id, x25519Public(ephemeral)])
  const h1 = h(d('transcript', new Uint8Array(64)), hello)
  const mac = keyedHash(d('hello', ticket.psk), h1)
  await initiator.write([hello, mac])
  const answer = Buffer.from((await initiator.read())!)
  const h2 = h(h(h1, mac), answer.subarray(0, 36))
  const s = d('handshake secret', ticket.psk, x25519Shared(ephemeral, answer.subarray(4, 36))!, h2)
  const h3 = h(h(h2, answer.subarray(36)), Uint8Array.of(3, 1, 0, 0))
  const plain = card(h3)
  const sealed = Buffer.alloc(132)
  sealInto(d('proof', s, h3), new Uint8Array(12), new Uint8Array(0), plain, sealed.subarray(0, 116), sealed.subarray(116))
  await initiator.write([Uint8Array.of(3, 1, 0, 0), sealed])
  const accept = await initiator.read()
  const h4 = h(h(h3, sealed), Uint8Array.of(4, 1, 0, 0))
  const session = d('session initiator', s, h(h4, accept!.subarray(4)))
  if (accept!.length !== LENGTHS.accept) initiator.close()
  return { outcome: await outcome, accept, session }
}

function cardOf(signer: Uint8Array, signerSeed: Uint8Array, side = 'initiator'): (h3: Uint8Array) => Uint8Array {
  return (h3) => {
    const plain = Buffer.alloc(116)
    plain[2] = 1
    plain.set(signer, 20)
    plain.set(sign(signerSeed, Buffer.concat([Buffer.from(`warp-transfer 1 ${side} signature`), h3, plain.subarray(0, 52)])), 52)
    return plain
  }
}

t.test('an implementation after the documentation alone comes to the same keys', async (t) => {
  const { outcome, session } = await byHand(cardOf(alice.signer, alice.signerSeed))
  t.ok(same(succeeded(outcome).sessionKeys.receive, session))
  t.ok(same(succeeded(outcome).peerSigner!, alice.signer))
  t.equal(succeeded((await byHand(() => new Uint8Array(116))).outcome).peerSigner, null)
})

t.test('a peer that knows the secret and lies about itself', async (t) => {
  const at = (offset: number, byte: number) => (): Uint8Array => {
    const plain = new Uint8Array(116)
    plain[offset] = byte
    return plain
  }
  const lies: [string, (h3: Uint8Array) => Uint8Array, string][] = [
    ['the key of somebody else', cardOf(alice.signer, bob.signerSeed), 'ERR_WARP_PEER_AUTH'],
    ['a signature of the other side', cardOf(alice.signer, alice.signerSeed, 'responder'), 'ERR_WARP_PEER_AUTH'],
    ['a signature of another handshake', () => cardOf(alice.signer, alice.signerSeed)(new Uint8Array(32)), 'ERR_WARP_PEER_AUTH'],
    ['an identity without a signature', (h3) => cardOf(alice.signer, alice.signerSeed)(h3).fill(0, 52), 'ERR_WARP_PEER_AUTH'],
    ['a key of small order', at(2, 1), 'ERR_WARP_PEER_PROTOCOL'],
    ['an unknown flag', at(2, 2), 'ERR_WARP_PEER_PROTOCOL'],
    ['a reserved byte', at(3, 1), 'ERR_WARP_PEER_PROTOCOL'],
    ['a signer that is not announced', at(20, 1), 'ERR_WARP_PEER_PROTOCOL'],
    ['a refusal of what it began', at(0, 16), 'ERR_WARP_PEER_PROTOCOL'],
    ['a refusal with more', (h3) => Buffer.concat([Uint8Array.of(16, 0), at(50, 1)(), h3]).subarray(0, 116), 'ERR_WARP_PEER_PROTOCOL'],
  ]
  for (const [name, card, expected] of lies) {
    const { outcome, accept } = await byHand(card)
    t.match(outcome, { code: expected }, name)
    t.equal(accept!.length, 4, 'told by an alert')
  }
})

t.test('a stranger who goes on talking is heard for a while, and not kept', async (t) => {
  const { initiator, responder } = connectionPair()
  const outcome = settle(respond(responder, only(ticket), receives))
  await initiator.write([Buffer.alloc(100, 0x47)])
  for (let i = 0; i < 5; i++) await initiator.write([Buffer.alloc(1000, 0x47)])
  t.match(await outcome, { code: 'ERR_WARP_PEER_PROTOCOL' })
  t.ok(responder.isClosed)

  const orderly = connectionPair()
  const ended = settle(respond(orderly.responder, only(ticket), receives))
  await orderly.initiator.write([Buffer.alloc(100, 0x47)])
  await orderly.initiator.end()
  t.match(await ended, { code: 'ERR_WARP_PEER_PROTOCOL' })
})
