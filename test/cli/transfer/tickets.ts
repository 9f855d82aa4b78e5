/** What a ticket is good for, and what not: each refusal is told apart by its own error. */
import t, { type Test } from 'tap'
import fs from 'node:fs'
import { lookAtAll, noise, plant } from '../../archive/support/trees.ts'
import { decodeTicket, encodeTicket, type Ticket } from '../../../src/transfer/meetings/ticket.ts'
import { warp, type Ended } from '../support/run.ts'
import { side, type Side } from '../support/sides.ts'
import { startImpostor } from './support/impostor.ts'
import { LISTEN, Place, shown } from './support/place.ts'

function prepare(t: Test): Place {
  const place = new Place(t)
  plant(place.at('src'), { a: noise(1, 300_000), sub: { b: 'B', empty: null } })
  plant(place.at('other'), { c: 'C' })
  return place
}

const receive = (place: Place, ...more: string[]): Side => side(['receive', '-v', '-C', 'out', ...LISTEN, ...more], place.here)

function send(place: Place, ticket: string, ...more: string[]): Promise<Ended> {
  return warp(['send', '-v', ...more, '--to', ticket], place.here)
}

async function interrupted(running: Side): Promise<void> {
  running.child.kill('SIGINT')
  const { status, stderr } = await running.ended
  if (status !== 130) throw new Error(`ended with ${status}: ${stderr}`)
}

/** Exit status and error code of one that was refused. */
function refusedWith(t: Test, { status, stderr }: Ended, code: string): void {
  t.equal(status, 15, stderr)
  t.match(stderr, new RegExp(`\\b${code}\\b`))
}

t.test('after its transfer has completed', async t => {
  const place = prepare(t)
  const first = receive(place)
  const ticket = await first.firstLine
  t.equal((await send(place, ticket, 'src')).status, 0)
  t.equal((await first.ended).status, 0)
  const before = lookAtAll(place.at('out'))

  // The listener has to run for anybody to be told why.
  const second = receive(place)
  const current = await second.firstLine
  t.not(current, ticket)
  refusedWith(t, await send(place, ticket, 'other'), 'ERR_WARP_TICKET_USED')
  t.same(lookAtAll(place.at('out')), before)
  t.equal((await send(place, current, 'other')).status, 0, 'the one refused is no hindrance')
  t.equal((await second.ended).status, 0)

  refusedWith(t, await send(place, ticket, 'other', '--wait', '1s'), 'ERR_WARP_PEER_UNREACHABLE')
})

t.test('by the same command, after its transfer has completed', async t => {
  const place = prepare(t)
  const first = receive(place)
  const ticket = await first.firstLine
  t.equal((await send(place, ticket, 'src')).status, 0)
  t.equal((await first.ended).status, 0)
  const before = lookAtAll(place.at('out'))
  const second = receive(place)
  await second.firstLine
  fs.writeFileSync(place.at('src/more'), 'of another transfer')
  refusedWith(t, await send(place, ticket, 'src'), 'ERR_WARP_TICKET_USED')
  await interrupted(second)
  t.same(lookAtAll(place.at('out')), before)
})

t.test('after it has expired', async t => {
  const place = prepare(t)
  const receiver = receive(place, '--expires', '1s')
  const ticket = await receiver.firstLine
  refusedWith(t, await receiver.ended, 'ERR_WARP_TICKET_EXPIRED')
  refusedWith(t, await send(place, ticket, 'src', '--wait', '1s'), 'ERR_WARP_TICKET_EXPIRED')

  const again = receive(place)
  t.not(await again.firstLine, ticket, 'a new one')
  refusedWith(t, await send(place, ticket, 'src', '--wait', '1s'), 'ERR_WARP_TICKET_EXPIRED')
  await interrupted(again)
  t.notOk(fs.existsSync(place.at('out/src')))
})

t.test('one that somebody has made up', async t => {
  const place = prepare(t)
  const receiver = receive(place)
  const ticket = await receiver.firstLine
  const forge = (change: (ticket: Ticket) => void): string => {
    const decoded = decodeTicket(ticket)
    change(decoded)
    return encodeTicket(decoded)
  }
  const mistyped = ticket.slice(0, 30) + (ticket[30] === 'q' ? 'p' : 'q') + ticket.slice(31)
  t.equal((await send(place, mistyped, 'src')).status, 2, 'a checksum finds it')
  for (const transport of ['quic', 'tls']) {
    refusedWith(t, await send(place, forge(({ secret }) => (secret[15]! ^= 1)), 'src', '--transport', transport), 'ERR_WARP_PEER_AUTH')
    refusedWith(t, await send(place, forge(({ fingerprint }) => (fingerprint[0]! ^= 1)), 'src', '--transport', transport), 'ERR_WARP_PEER_AUTH')
  }
  t.equal((await warp(['receive', '--from', ticket, '-C', 'out'], place.here)).status, 2, 'of a side that wants to receive too')
  t.notOk(fs.existsSync(place.at('out/src')))
  t.equal((await send(place, ticket, 'src')).status, 0, 'the right one, after all that')
  t.equal((await receiver.ended).status, 0)
  t.same(place.leftovers(), [])
})

t.test('two at once', async t => {
  const place = prepare(t)
  const receiver = receive(place)
  const connected = shown(receiver, 'stderr', /connected with/)
  const env = { ...place.env, WARP_TICKET: await receiver.firstLine }
  // Holds its last input open for as long as the other one tries.
  const first = side(['send', 'src', '-'], { cwd: place.cwd, env, input: undefined })
  await connected
  refusedWith(t, await warp(['send', '-v', 'other', '--wait', '1s'], { cwd: place.cwd, env }), 'ERR_WARP_TICKET_BUSY')
  first.child.stdin!.end('last')
  for (const { ended } of [first, receiver]) {
    const { status, stderr } = await ended
    t.equal(status, 0, stderr)
  }
  t.same(fs.readdirSync(place.at('out')).sort(), ['src', 'stdin'])
})

t.test('the same command twice at once', async t => {
  const place = prepare(t)
  const receiver = receive(place)
  const ticket = await receiver.firstLine
  const ends = await Promise.all([send(place, ticket, 'src', '--wait', '8s'), send(place, ticket, 'src', '--wait', '8s')])
  t.ok(ends.some(({ status }) => status === 0), ends.map(({ stderr }) => stderr).join('\n'))
  t.comment(ends.map(({ status, stderr }) => `${status}: ${stderr}`).join('\n'))
  const { status, stderr } = await receiver.ended
  t.equal(status, 0, stderr)
  t.same(lookAtAll(place.at('out/src')), lookAtAll(place.at('src')))
  t.same(place.leftovers(), [])
})

t.test('@FILE comes before WARP_TICKET', async t => {
  const place = prepare(t)
  for (const role of ['send', 'receive'] as const) {
    const listener = role === 'send' ? receive(place) : side(['send', 'other', ...LISTEN], place.here)
    fs.writeFileSync(place.at('ticket'), `${await listener.firstLine}\n`)
    const option = role === 'send' ? ['send', 'src', '--to', '@ticket'] : ['receive', '-C', 'out', '--from', '@ticket']
    const { status, stderr } = await warp(option, { cwd: place.cwd, env: { ...place.env, WARP_TICKET: 'warp1nonsense' } })
    t.equal(status, 0, stderr)
    t.equal((await listener.ended).status, 0)
  }
  const listener = receive(place, '--overwrite', 'always')
  const { status, stderr } = await warp(['send', 'src'], { cwd: place.cwd, env: { ...place.env, WARP_TICKET: await listener.firstLine } })
  t.equal(status, 0, stderr)
  t.equal((await listener.ended).status, 0)
})

for (const signal of ['SIGKILL', 'SIGINT'] as const) {
  t.test(`a listener that was ended by ${signal} and started again`, async t => {
    const place = prepare(t)
    const first = receive(place)
    const ticket = await first.firstLine
    first.child.kill(signal)
    await first.ended
    const second = receive(place)
    t.equal(await second.firstLine, ticket, 'the same address, secret and certificate')
    t.equal((await send(place, ticket, 'src')).status, 0)
    t.equal((await second.ended).status, 0)
    t.same(lookAtAll(place.at('out/src')), lookAtAll(place.at('src')))
  })
}

t.test('a man in the middle', async t => {
  const place = prepare(t)
  const receiver = receive(place, '--transport', 'tls')
  const ticket = decodeTicket(await receiver.firstLine)
  const impostor = await startImpostor({ host: '127.0.0.1', port: ticket.addresses[0]!.port })
  t.teardown(() => impostor.close())
  const through = { ...ticket, addresses: [{ host: '127.0.0.1', port: impostor.port, transports: ['tls' as const] }] }

  refusedWith(t, await send(place, encodeTicket(through), 'src'), 'ERR_WARP_PEER_AUTH')
  t.equal(impostor.overheard, 0, 'nothing was said to it')
  // Were it believed to be the one that is meant, the handshake would still name both certificates.
  refusedWith(t, await send(place, encodeTicket({ ...through, fingerprint: impostor.fingerprint }), 'src'), 'ERR_WARP_PEER_AUTH')
  t.ok(impostor.overheard > 0)
  t.notOk(fs.existsSync(place.at('out/src')))

  t.equal((await send(place, encodeTicket(ticket), 'src')).status, 0, 'the ticket is still good')
  t.equal((await receiver.ended).status, 0)
})
