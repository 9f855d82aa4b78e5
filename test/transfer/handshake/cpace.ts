import t from 'tap'
import { readFileSync } from 'node:fs'
import { WarpError } from '../../../src/base/errors.ts'
import { initiate, respond, type HandshakeOptions, type HandshakeSecret } from '../../../src/transfer/handshake/handshake.ts'
import {
  agreeAsInitiator, agreeAsResponder, calculateGenerator, generatorString, lvCat, sampleScalar, scalarMult, scalarMultVfy, sessionKey,
} from '../../../src/transfer/handshake/cpace.ts'
import type { CodePhrase } from '../../../src/transfer/meetings/code-phrase.ts'
import { connectionPair, type PairOptions } from '../fixtures/connection-pair.ts'

interface Vectors {
  [name: string]: string | Record<string, string>
  scalar_mult_vfy: Record<string, string>
}

const vectors = JSON.parse(readFileSync(new URL('../fixtures/cpace-ristretto255.json', import.meta.url), 'utf8')) as Vectors
const of = (name: string): Buffer => Buffer.from(vectors[name] as string, 'hex')
const hex = (bytes: Uint8Array | null): string | null => bytes && Buffer.from(bytes).toString('hex')
const DEADLINE_MS = 60_000

t.test('the vectors of the draft', async (t) => {
  const inputs = [of('PRS'), of('CI'), of('sid')] as const
  t.equal(hex(generatorString(...inputs)), vectors['generator_string'])
  const g = calculateGenerator(...inputs)
  t.equal(hex(g.toBytes()), vectors['g'])
  t.equal(hex(scalarMult(of('ya'), g)), vectors['Ya'])
  t.equal(hex(scalarMult(of('yb'), g)), vectors['Yb'])
  t.equal(hex(scalarMultVfy(of('ya'), of('Yb'))), vectors['K'])
  t.equal(hex(scalarMultVfy(of('yb'), of('Ya'))), vectors['K'])
  const transcript = lvCat(of('Ya'), of('ADa'), of('Yb'), of('ADb'))
  t.equal(hex(transcript), vectors['transcript_ir'])
  const { isk, sidOutput } = sessionKey(of('sid'), of('K'), transcript)
  t.equal(hex(isk), vectors['ISK_IR'])
  t.equal(hex(sidOutput), vectors['sid_output_ir'])
})

t.test('points that are none', async (t) => {
  const { s, X, result, Y_i1: outside, Y_i2: neutral } = vectors.scalar_mult_vfy
  const multiply = (share: string): string | null => hex(scalarMultVfy(Buffer.from(s, 'hex'), Buffer.from(share, 'hex')))
  t.equal(multiply(X), result)
  t.equal(multiply(outside), null)
  t.equal(multiply(neutral), null)
})

t.test('a long secret needs no padding', async (t) => {
  const prs = Buffer.alloc(200, 1)
  t.equal(hex(generatorString(prs, Buffer.alloc(0), Buffer.alloc(0))), hex(lvCat(Buffer.from('CPaceRistretto255'), prs, Buffer.alloc(0), Buffer.alloc(0), Buffer.alloc(0))))
})

t.test('scalars have 252 random bits', async (t) => {
  const scalars = Array.from({ length: 64 }, sampleScalar)
  t.ok(scalars.every((scalar) => scalar.length === 32 && scalar[31] < 16))
  t.equal(new Set(scalars.map(hex)).size, 64)
})

const right: CodePhrase = { channel: 'abandon', secret: 'zoo-zone-zero' }

async function agree(options: PairOptions & { a?: CodePhrase, b?: CodePhrase } = {}): Promise<{
  pair: ReturnType<typeof connectionPair>, a: HandshakeSecret | WarpError, b: HandshakeSecret | WarpError,
}> {
  const pair = connectionPair(options)
  const settle = (work: Promise<HandshakeSecret>): Promise<HandshakeSecret | WarpError> => work.catch((error: unknown) => error as WarpError)
  const [a, b] = await Promise.all([
    settle(agreeAsInitiator(pair.initiator, options.a ?? right, DEADLINE_MS)), settle(agreeAsResponder(pair.responder, options.b ?? right, DEADLINE_MS)),
  ])
  return { pair, a, b }
}

const sends: HandshakeOptions = { role: 'send', identity: null, transferId: new Uint8Array(16), deadlineMs: DEADLINE_MS }
const receives: HandshakeOptions = { ...sends, role: 'receive' }

/** Codes of what comes of the handshake that follows. */
async function confirm({ pair, a, b }: Awaited<ReturnType<typeof agree>>): Promise<string[]> {
  if (a instanceof WarpError || b instanceof WarpError) throw new Error('no agreement')
  const outcomes = await Promise.allSettled([
    initiate(pair.initiator, a, sends), respond(pair.responder, (id) => hex(id) === hex(b.id) ? b : null, receives),
  ])
  return outcomes.map((outcome) => outcome.status === 'fulfilled' ? 'ok' : (outcome.reason as WarpError).code)
}

t.test('with the same code both come to one secret, another each time', async (t) => {
  const seen = new Set<string | null>()
  for (let run = 0; run < 2; run++) {
    const met = await agree()
    const [a, b] = [met.a as HandshakeSecret, met.b as HandshakeSecret]
    t.equal(hex(a.psk), hex(b.psk))
    t.equal(hex(a.id), hex(b.id))
    t.match([a.kind, b.kind, a.psk.length, a.id.length], ['code', 'code', 32, 16])
    seen.add(hex(a.psk)).add(hex(a.id))
    t.same(await confirm(met), ['ok', 'ok'])
  }
  t.equal(seen.size, 4)
})

t.test('a wrong guess is known as one, on both sides, and shows nothing', async (t) => {
  for (const b of [{ ...right, secret: 'zoo-zone-zebra' }, { ...right, channel: 'ability' }]) {
    const met = await agree({ b })
    t.not(hex((met.a as HandshakeSecret).psk), hex((met.b as HandshakeSecret).psk))
    t.equal(hex((met.a as HandshakeSecret).id), hex((met.b as HandshakeSecret).id), 'the id is of the exchange, not of the code')
    t.same(await confirm(met), ['ERR_WARP_CODE_WRONG', 'ERR_WARP_CODE_WRONG'])
  }
})

t.test('a man in the middle with the right words has the wrong certificate', async (t) => {
  const [mine, his, theirs] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte))
  const met = await agree({ fingerprints: [mine, theirs], seen: [his, his] })
  t.same(await confirm(met), ['ERR_WARP_CODE_WRONG', 'ERR_WARP_CODE_WRONG'])
  t.same(await confirm(await agree({ fingerprints: [null, null] })), ['ok', 'ok'], 'without TLS')
})

/** Of the bytes of a message, each takes a tenth of a second. */
const EVERY = process.env['WARP_LONG'] === '1' ? 1 : 5

t.test('a bit that flips in any byte', async (t) => {
  for (const from of ['initiator', 'responder'] as const) {
    for (let at = 0; at < 36; at += EVERY) {
      const change: PairOptions['change'] = (side, index, bytes) => {
        if (side === from && index === 0) bytes[at] ^= 1 << (at % 8)
        return [bytes]
      }
      const met = await agree({ change })
      const heard = from === 'initiator' ? met.b : met.a
      if (heard instanceof WarpError) t.match(heard.code, /^ERR_WARP_PEER_(PROTOCOL|VERSION)$/)
      // About half of all strings encode a point.
      else if (met.a instanceof WarpError || met.b instanceof WarpError) t.fail('one side alone')
      else t.not(hex(met.a.psk), hex(met.b.psk))
    }
  }
})

t.test('shares that are none', async (t) => {
  const { Y_i1: outside, Y_i2: neutral } = vectors.scalar_mult_vfy
  for (const share of [outside, neutral, 'ff'.repeat(32)]) {
    const toResponder = connectionPair()
    const responding = agreeAsResponder(toResponder.responder, right, DEADLINE_MS).catch((error: unknown) => error)
    await toResponder.initiator.write([Buffer.from(`06010000${share}`, 'hex')])
    t.same([...(await toResponder.initiator.read())!], [15, 1, 3, 0], 'nothing of its own is sent')
    toResponder.initiator.close()
    t.match(await responding, { code: 'ERR_WARP_PEER_PROTOCOL' })

    const toInitiator = connectionPair()
    const initiating = agreeAsInitiator(toInitiator.initiator, right, DEADLINE_MS).catch((error: unknown) => error)
    await toInitiator.responder.read()
    await toInitiator.responder.write([Buffer.from(`07010000${share}`, 'hex')])
    t.same([...(await toInitiator.responder.read())!], [15, 1, 3, 0])
    toInitiator.responder.close()
    t.match(await initiating, { code: 'ERR_WARP_PEER_PROTOCOL' })
  }
})

t.test('silence, an early end, more than a message', async (t) => {
  await t.rejects(agreeAsResponder(connectionPair().responder, right, 20), { code: 'ERR_WARP_PEER_SILENT' })
  await t.rejects(agreeAsInitiator(connectionPair().initiator, right, 20), { code: 'ERR_WARP_PEER_SILENT' })
  const gone = connectionPair()
  const waiting = agreeAsResponder(gone.responder, right, DEADLINE_MS)
  gone.initiator.close()
  await t.rejects(waiting, { code: 'ERR_WARP_PEER_LOST' })
  const change: PairOptions['change'] = (from, _, bytes) => from === 'initiator' ? [Buffer.concat([bytes, bytes])] : [bytes]
  const met = await agree({ change })
  t.match([met.a, met.b], [{ code: 'ERR_WARP_PEER_PROTOCOL' }, { code: 'ERR_WARP_PEER_PROTOCOL' }])
})

t.test('the holder of a ticket is not taken for the holder of a code', async (t) => {
  const { initiator, responder } = connectionPair()
  const secret: HandshakeSecret = { kind: 'ticket', psk: new Uint8Array(32), id: new Uint8Array(16) }
  const outcomes = await Promise.allSettled([initiate(initiator, secret, sends), agreeAsResponder(responder, right, DEADLINE_MS)])
  for (const outcome of outcomes) t.match(outcome, { status: 'rejected', reason: { code: 'ERR_WARP_PEER_PROTOCOL' } })
})
