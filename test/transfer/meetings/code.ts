import { randomBytes } from 'node:crypto'
import t from 'tap'
import { parseCode } from '../../../src/transfer/code-phrase.ts'
import type { Meeting, MeetingOptions } from '../../../src/transfer/meeting.ts'
import { openCodeGuest } from '../../../src/transfer/meetings/code-guest.ts'
import { openCodeHost } from '../../../src/transfer/meetings/code-host.ts'
import type { TransferEvent } from '../../../src/transfer/types.ts'
import type { DiscoveryOptions } from '../../../src/transfer/discovery.ts'
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
