/** Meetings of both sides in one process, over loopback. */
import { randomBytes } from 'node:crypto'
import type { Test as TapTest } from 'tap'
import { openMeeting, type Meeting, type MeetingOptions, type Met } from '../../../src/transfer/meetings/meeting.ts'
import type { Meet } from '../../../src/transfer/types.ts'

export type Test = Pick<TapTest, 'testdir' | 'teardown'>

/** Far above what a meeting takes here. */
export const WAIT_MS = 60_000

/** `meeting`, which is closed at the end of the test with all connections that it has given. */
export function closing(t: Test, meeting: Meeting): Meeting {
  t.teardown(() => meeting.close())
  return {
    next: async () => {
      const met = await meeting.next()
      t.teardown(() => met.authenticated.connection.close())
      return met
    },
    completed: (met) => meeting.completed(met),
    close: () => meeting.close(),
  }
}

export async function open(t: Test, meet: Meet, rest: Partial<MeetingOptions> = {}): Promise<Meeting> {
  return closing(t, await openMeeting({ meet, role: 'send', transferId: randomBytes(16), subject: 'tests', waitMs: WAIT_MS, transport: 'tls', ...rest }))
}

export interface Listening {
  listener: Meeting
  ticket: string
}

export type ListenMeet = Partial<Extract<Meet, { way: 'listen' }>>

/** A receiver that listens on loopback. */
export async function listen(t: Test, stateDir: string, meet: ListenMeet = {}, rest: Partial<MeetingOptions> = {}): Promise<Listening> {
  let ticket = ''
  const listener = await open(t, { way: 'listen', host: '127.0.0.1', port: 0, onTicket: (text) => (ticket = text), ...meet }, { role: 'receive', stateDir, ...rest })
  return { listener, ticket }
}

export async function dial(t: Test, ticket: string, rest: Partial<MeetingOptions> = {}): Promise<Meeting> {
  return await open(t, { way: 'ticket', ticket }, rest)
}

/** Sends a byte each way over the connections of the two sides. */
export async function areConnected(a: Met, b: Met): Promise<boolean> {
  const [one, other] = [a.authenticated.connection, b.authenticated.connection]
  const [left, right] = randomBytes(2)
  await Promise.all([one.write([Uint8Array.of(left)]), other.write([Uint8Array.of(right)])])
  const [byOther, byOne] = await Promise.all([other.read(), one.read()])
  return byOther?.[0] === left && byOne?.[0] === right
}

/** The next peer of both sides, which are to meet each other. */
export async function meet(listener: Meeting, dialler: Meeting): Promise<[listener: Met, dialler: Met]> {
  return await Promise.all([listener.next(), dialler.next()])
}
