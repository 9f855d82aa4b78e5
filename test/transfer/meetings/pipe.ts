import { randomBytes } from 'node:crypto'
import { PassThrough, type Readable } from 'node:stream'
import t from 'tap'
import type { Meeting, MeetingOptions, Met } from '../../../src/transfer/meetings/meeting.ts'
import { introduce } from '../../../src/transfer/meetings/greeting.ts'
import { readLine } from '../../../src/transfer/meetings/lines.ts'
import type { Greeting } from '../../../src/transfer/meetings/reception.ts'
import { decodeTicket, encodeTicket, secretOf } from '../../../src/transfer/meetings/ticket.ts'
import { pipeConnection } from '../../../src/transfer/transports/pipe.ts'
import { WAIT_MS, areConnected, dial, meet, open, type Test } from '../support/meetings.ts'

interface Far {
  meeting: Meeting
  /** The near side's ends of the streams. */
  toFar: PassThrough
  fromFar: Readable
  ticket: string
}

async function far(t: Test): Promise<Far> {
  const [toFar, fromFar] = [new PassThrough(), new PassThrough()]
  const meeting = await open(t, { way: 'pipe', input: toFar, output: fromFar }, { role: 'receive' })
  return { meeting, toFar, fromFar, ticket: await readLine(fromFar) ?? '' }
}

/** The near side, through the streams themselves. */
async function introduceThrough({ toFar, fromFar, ticket }: Far, transferId: Uint8Array = randomBytes(16)): Promise<Greeting> {
  toFar.write('pipe\n')
  const connection = pipeConnection({ readable: fromFar, writable: toFar, isInitiator: true, remoteAddress: 'far' })
  const options: MeetingOptions = { role: 'send', meet: { way: 'ticket', ticket }, transferId, subject: '', waitMs: WAIT_MS }
  return await introduce(connection, secretOf(decodeTicket(ticket)), options, undefined)
}

function asMet({ authenticated }: Greeting): Met {
  return { authenticated, peerName: null, release: () => {} }
}

t.test('the ticket leads to the far side', async (t) => {
  const side = await far(t)
  const [a, b] = await meet(side.meeting, await dial(t, side.ticket))
  t.ok(await areConnected(a, b))
  t.equal(a.authenticated.isBound, true)
  await t.rejects((await dial(t, side.ticket, { waitMs: 0 })).next(), { code: 'ERR_WARP_TICKET_BUSY' })
  await side.meeting.completed(a)
  await t.rejects((await dial(t, side.ticket)).next(), { code: 'ERR_WARP_TICKET_USED' })
})

t.test('the streams themselves', async (t) => {
  const side = await far(t)
  const [met, greeting] = await Promise.all([side.meeting.next(), introduceThrough(side)])
  t.ok(await areConnected(met, asMet(greeting)))
  t.equal(met.authenticated.isBound, false)
  t.equal(met.peerName, null)
  greeting.authenticated.connection.close()
  met.release()
  await t.rejects(side.meeting.next(), { code: 'ERR_WARP_PEER_LOST' })
})

t.test('the streams when the direct connection has broken', async (t) => {
  const side = await far(t)
  const transferId = randomBytes(16)
  const [a] = await meet(side.meeting, await dial(t, side.ticket, { transferId }))
  const again = introduceThrough(side, transferId)
  await t.rejects(a.authenticated.connection.read(), { code: 'ERR_WARP_PEER_LOST' })
  a.release()
  t.ok(await areConnected(await side.meeting.next(), asMet(await again)))
})

t.test('the near side goes away', async (t) => {
  const before = await far(t)
  const waiting = before.meeting.next()
  before.toFar.end()
  await t.rejects(waiting, { code: 'ERR_WARP_PEER_LOST' })
  await t.rejects(before.meeting.next(), { code: 'ERR_WARP_PEER_LOST' })

  const during = await far(t)
  const [a] = await meet(during.meeting, await dial(t, during.ticket))
  during.toFar.end()
  await t.rejects(a.authenticated.connection.read(), { code: 'ERR_WARP_PEER_LOST' }, 'after a while')
  a.release()
  await t.rejects(during.meeting.next(), { code: 'ERR_WARP_PEER_LOST' })

  const afterwards = await far(t)
  const [b] = await meet(afterwards.meeting, await dial(t, afterwards.ticket))
  afterwards.toFar.end()
  b.release()
  await t.rejects(afterwards.meeting.next(), { code: 'ERR_WARP_PEER_LOST' })
})

t.test('a line that means nothing, and an output that nobody reads', async (t) => {
  const side = await far(t)
  const waiting = side.meeting.next()
  side.toFar.write('what?\n')
  await t.rejects(waiting, { code: 'ERR_WARP_PEER_LOST' })
  const output = new PassThrough()
  output.on('error', () => {})
  output.destroy()
  await t.rejects(open(t, { way: 'pipe', input: new PassThrough(), output }), { code: 'ERR_WARP_PEER_LOST' })
})

t.test('the address of the login comes first', async (t) => {
  const before = process.env['SSH_CONNECTION']
  t.teardown(() => {
    if (before === undefined) delete process.env['SSH_CONNECTION']
    else process.env['SSH_CONNECTION'] = before
  })
  for (const [value, host] of [['10.0.0.1 1 192.0.2.7 22', '192.0.2.7'], ['::1 1 2001:db8::7 22', '2001:db8::7'], ['x 1 ::ffff:192.0.2.7 22', '192.0.2.7']]) {
    process.env['SSH_CONNECTION'] = value
    t.equal(decodeTicket((await far(t)).ticket).addresses[0].host, host)
  }
  for (const value of ['', 'x', '1 2 fe80::1%eth0 22', '1 2 name 22']) {
    process.env['SSH_CONNECTION'] = value
    const { addresses } = decodeTicket((await far(t)).ticket)
    t.notOk(addresses.some(({ host }) => host === 'name' || host.startsWith('fe80')))
    t.ok(encodeTicket(decodeTicket((await far(t)).ticket)))
  }
})
