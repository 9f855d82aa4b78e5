import { randomBytes } from 'node:crypto'
import t from 'tap'
import { makeCertificate } from '../../../src/transfer/transports/certificate.ts'
import { parseCode } from '../../../src/transfer/meetings/code-phrase.ts'
import type { Connection } from '../../../src/transfer/transports/connection.ts'
import { agreeAsInitiator, agreeAsResponder } from '../../../src/transfer/handshake/cpace.ts'
import { announce, discover, type DiscoveryOptions } from '../../../src/transfer/meetings/discovery.ts'
import { initiate } from '../../../src/transfer/handshake/handshake.ts'
import type { Meeting, MeetingOptions } from '../../../src/transfer/meetings/meeting.ts'
import { openCodeGuest } from '../../../src/transfer/meetings/code-guest.ts'
import { openCodeHost } from '../../../src/transfer/meetings/code-host.ts'
import type { TransferEvent } from '../../../src/transfer/types.ts'
import { tlsTransport } from '../../../src/transfer/transports/tls.ts'
import { freePort, whyNoMulticast } from '../support/multicast.ts'
import { WAIT_MS, areConnected, closing, meet, type Test } from '../support/meetings.ts'

const skip = await whyNoMulticast()
const discovery: DiscoveryOptions = { interfaces: ['127.0.0.1'], port: await freePort() }

function optionsOf(role: 'send' | 'receive', rest: Partial<MeetingOptions>): MeetingOptions {
  return { role, meet: { way: 'code', code: null }, transferId: randomBytes(16), subject: 'tests', waitMs: WAIT_MS, transport: 'tls', ...rest }
}

async function host(t: Test, rest: Partial<MeetingOptions> = {}): Promise<{ meeting: Meeting; code: string }> {
  let code = ''
  const meeting = closing(t, await openCodeHost(optionsOf('send', rest), (text) => (code = text), discovery))
  return { meeting, code }
}

async function guest(t: Test, code: string, rest: Partial<MeetingOptions> = {}): Promise<Meeting> {
  return closing(t, await openCodeGuest(optionsOf('receive', rest), code, discovery))
}

/** A code with the same first word. */
function wrong(code: string): string {
  const { channel, secret } = parseCode(code)
  const [second, third, fourth] = secret.split('-')
  return [channel, second, third, fourth === 'zoo' ? 'zone' : 'zoo'].join('-')
}

t.test('two sides meet by a code, and again by what only they know', { skip }, async (t) => {
  const maker = await host(t)
  t.match(maker.code, /^[a-z]+(-[a-z]+){3}$/)
  const other = await guest(t, maker.code)
  let [a, b] = await meet(maker.meeting, other)
  t.ok(await areConnected(a, b))
  for (let i = 0; i < 2; i++) {
    b.authenticated.connection.close()
    b.release()
    a.release()
    ;[a, b] = await meet(maker.meeting, other)
    t.ok(await areConnected(a, b))
  }
})

t.test('a wrong code ends both sides', { skip }, async (t) => {
  const maker = await host(t)
  const waiting = maker.meeting.next()
  await Promise.all([
    t.rejects(waiting, { code: 'ERR_WARP_CODE_WRONG' }),
    t.rejects((await guest(t, wrong(maker.code))).next(), { code: 'ERR_WARP_CODE_WRONG' }),
  ])
  await t.rejects(maker.meeting.next(), { code: 'ERR_WARP_CODE_WRONG' })
  await t.rejects((await guest(t, maker.code, { waitMs: 1000 })).next(), { code: 'ERR_WARP_PEER_UNREACHABLE' }, 'nothing is announced any more')
})

t.test('of many guesses at once one is looked at', { skip }, async (t) => {
  const maker = await host(t)
  const waiting = maker.meeting.next()
  const guessers = await Promise.all(Array.from({ length: 8 }, () => guest(t, wrong(maker.code), { waitMs: 1000 })))
  const guesses = Promise.allSettled(guessers.map((meeting) => meeting.next()))
  await t.rejects(waiting, { code: 'ERR_WARP_CODE_WRONG' })
  for (const { status } of await guesses) t.equal(status, 'rejected')
})

t.test('a wrong code does not disturb who has met', { skip }, async (t) => {
  const maker = await host(t)
  const other = await guest(t, maker.code)
  const [a, b] = await meet(maker.meeting, other)
  await t.rejects((await guest(t, wrong(maker.code))).next(), { code: 'ERR_WARP_CODE_WRONG' })
  t.ok(await areConnected(a, b))
  b.authenticated.connection.close()
  a.release()
  b.release()
  t.ok(await areConnected(...await meet(maker.meeting, other)), 'nor when the two meet again')
})

t.test('a second peer with the right code', { skip }, async (t) => {
  const maker = await host(t)
  const transferId = randomBytes(16)
  const [a] = await meet(maker.meeting, await guest(t, maker.code, { transferId }))
  const controller = new AbortController()
  const codes: string[] = []
  const onEvent = (event: TransferEvent): void => {
    if (event.type === 'disconnected') codes.push(event.code)
    controller.abort()
  }
  await t.rejects((await guest(t, maker.code, { onEvent, signal: controller.signal })).next(), { code: 'ERR_WARP_INTERRUPTED' })
  t.same(codes, ['ERR_WARP_TICKET_BUSY'])
  a.release()
  const [again] = await meet(maker.meeting, await guest(t, maker.code, { transferId }))
  await maker.meeting.completed(again)
  await t.rejects((await guest(t, maker.code)).next(), { code: 'ERR_WARP_TICKET_USED' })
})

/** Answers to the word of `code` and runs the PAKE with another secret; then does `then`. */
async function impostor(t: Test, code: string, then: (connection: Connection) => void): Promise<() => number> {
  const certificate = await makeCertificate()
  const listener = await tlsTransport.listen({ host: '127.0.0.1', port: 0, certificate })
  const { channel } = parseCode(code)
  const service = { word: channel, fingerprint: certificate.fingerprint, ports: { tls: listener.address.port } }
  const announcement = await announce(service, ['127.0.0.1'], discovery)
  t.teardown(() => Promise.all([listener.close(), announcement.close()]))
  let met = 0
  void (async () => {
    for (let connection = await listener.accept(); connection !== null; connection = await listener.accept()) {
      met++
      await agreeAsResponder(connection, { channel, secret: 'zoo-zoo-zoo' }).catch(() => {})
      then(connection)
    }
  })()
  return () => met
}

t.test('who has answered gets one guess, even if it goes away then', { skip }, async (t) => {
  const code = 'abandon-ability-able-about'
  const met = await impostor(t, code, (connection) => connection.close())
  await t.rejects((await guest(t, code)).next(), { code: 'ERR_WARP_CODE_WRONG' })
  t.equal(met(), 1)
})

t.test('who answers without knowing the protocol has guessed nothing', { skip }, async (t) => {
  const code = 'zebra-ability-able-about'
  const certificate = await makeCertificate()
  const listener = await tlsTransport.listen({ host: '127.0.0.1', port: 0, certificate })
  const announcement = await announce({ word: 'zebra', fingerprint: certificate.fingerprint, ports: { tls: listener.address.port } }, ['127.0.0.1'], discovery)
  t.teardown(() => Promise.all([listener.close(), announcement.close()]))
  void listener.accept().then((connection) => connection?.close())
  await t.rejects((await guest(t, code, { waitMs: 1000 })).next(), { code: 'ERR_WARP_PEER_UNREACHABLE' })
})

t.test('strangers who stall or say something else do not burn a code', { skip }, async (t) => {
  const maker = await host(t)
  const { channel } = parseCode(maker.code)
  for await (const found of discover(channel, WAIT_MS, discovery)) {
    const certificate = await makeCertificate()
    const address = { host: '127.0.0.1', port: found.ports.tls!, fingerprint: found.fingerprint, certificate, timeoutMs: WAIT_MS }
    const connect = async (): Promise<Connection> => {
      const connection = await tlsTransport.connect(address)
      t.teardown(() => connection.close())
      return connection
    }
    await connect()
    ;(await connect()).close()
    await (await connect()).write([Buffer.from('GET / HTTP/1.1\r\n\r\n')])
    await agreeAsInitiator(await connect(), { channel, secret: 'zoo-zoo-zoo' })
    // Of the kind that resumes, and not known.
    const unknown = { kind: 'ticket', psk: randomBytes(32), id: randomBytes(16) } as const
    await t.rejects(initiate(await connect(), unknown, { role: 'receive', identity: null, transferId: randomBytes(16) }), { code: 'ERR_WARP_PEER_AUTH' })
    break
  }
  t.ok(await areConnected(...await meet(maker.meeting, await guest(t, maker.code))))
})

t.test('nobody there, and words that are none', { skip }, async (t) => {
  await t.rejects((await guest(t, 'abandon-ability-able-about', { waitMs: 1 })).next(), { code: 'ERR_WARP_PEER_UNREACHABLE' })
  await t.rejects(guest(t, 'abandon-ability-able'), { code: 'ERR_WARP_USAGE' })
  const { meeting } = await host(t, { waitMs: 1 })
  await t.rejects(meeting.next(), { code: 'ERR_WARP_PEER_UNREACHABLE' })
})

t.test('an abort ends the search', { skip }, async (t) => {
  const controller = new AbortController()
  const searching = (await guest(t, 'abandon-ability-able-about', { signal: controller.signal })).next()
  setImmediate(() => controller.abort())
  await t.rejects(searching, { code: 'ERR_WARP_INTERRUPTED' })
})
