import t from 'tap'
import { Admission, type TicketLedger } from '../../../src/transfer/meetings/admission.ts'
import { secretOf } from '../../../src/transfer/meetings/ticket.ts'
import type { OwnTicket } from '../../../src/transfer/meetings/listener-record.ts'

const NOW = 1_000_000
const a = new Uint8Array(16).fill(1)
const b = new Uint8Array(16).fill(2)

function ticketOf(seed: number, rest: Partial<OwnTicket> = {}): OwnTicket {
  return { secret: new Uint8Array(16).fill(seed), expires: NOW + 1000, boundTo: null, isUsed: false, ...rest }
}

function admissionOf(current: OwnTicket, { keep = false, past = [] as OwnTicket[] } = {}): { admission: Admission; log: string[]; clock: { now: number } } {
  const log: string[] = []
  const clock = { now: NOW }
  const ledger: TicketLedger = {
    current,
    past,
    bind: (ticket, boundTo) => {
      log.push('bind')
      Object.assign(ticket, { boundTo })
    },
    used: (ticket) => {
      log.push('used')
      Object.assign(ticket, { isUsed: true })
    },
  }
  return { admission: new Admission({ ledger, keep, now: () => clock.now }), log, clock }
}

t.test('a ticket for one transfer is bound to the first who comes, and used up when that is complete', async (t) => {
  const ticket = ticketOf(1)
  const { admission, log } = admissionOf(ticket)
  t.equal(admission.judge(ticket, a), null)
  t.same(log, ['bind'])
  t.equal(admission.judge(ticket, b)?.code, 'ERR_WARP_TICKET_BUSY')
  t.equal(admission.judge(ticket, a), null, 'it comes again to resume')
  admission.completed(b)
  t.same(log, ['bind'], 'nobody else completes it')
  admission.completed(a)
  admission.completed(a)
  t.same(log, ['bind', 'used'])
  t.equal(admission.judge(ticket, b)?.code, 'ERR_WARP_TICKET_USED')
  t.equal(admission.judge(ticket, a), null, 'it may have missed the last message')
})

t.test('one that was bound in an earlier run', async (t) => {
  const ticket = ticketOf(1, { boundTo: a })
  const { admission, log } = admissionOf(ticket)
  t.equal(admission.judge(ticket, b)?.code, 'ERR_WARP_TICKET_BUSY')
  t.equal(admission.judge(ticket, a), null)
  t.same(log, [])
})

t.test('a ticket for many is never used up', async (t) => {
  const ticket = ticketOf(1)
  const { admission, log } = admissionOf(ticket, { keep: true })
  for (const id of [a, b, a]) {
    t.equal(admission.judge(ticket, id), null)
    admission.completed(id)
  }
  t.same(log, [])
})

t.test('old tickets', async (t) => {
  const old = ticketOf(2, { boundTo: a, isUsed: true })
  for (const keep of [false, true]) {
    const { admission } = admissionOf(ticketOf(1), { past: [old], keep })
    t.equal(admission.judge(old, b)?.code, 'ERR_WARP_TICKET_USED')
    t.equal(admission.judge(old, a)?.code, 'ERR_WARP_TICKET_USED', 'the one that used it, too')
  }
})

t.test('which ticket is meant', async (t) => {
  const [current, old] = [ticketOf(1), ticketOf(2)]
  const { admission, clock } = admissionOf(current, { past: [old] })
  t.equal(admission.find(secretOf(current).id)?.ticket, current)
  t.equal(admission.find(secretOf(old).id)?.ticket, old)
  t.equal(admission.find(secretOf(ticketOf(3)).id), null)
  clock.now = NOW + 999
  t.match(admission.find(secretOf(current).id)?.secret, { kind: 'ticket' })
  clock.now = NOW + 1000
  t.match(admission.find(secretOf(current).id)?.secret, { error: { code: 'ERR_WARP_TICKET_EXPIRED' } })
})
