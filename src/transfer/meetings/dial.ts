/** Meeting by a ticket, on the side that was given it. */
import { makeCertificate } from '../certificate.ts'
import type { Certificate } from '../connection.ts'
import { decodeTicket, secretOf, type Ticket } from '../ticket.ts'
import { Attempts } from './attempts.ts'
import { reach } from './doors.ts'
import { introduce } from './greeting.ts'
import type { Meeting, MeetingOptions } from './met.ts'
import type { Greeting } from './reception.ts'

/** For one attempt to connect, milliseconds. */
const ATTEMPT_MS = 10_000

class DialMeeting extends Attempts {
  readonly #ticket: Ticket
  readonly #certificate: Certificate

  constructor(options: MeetingOptions, ticket: Ticket, certificate: Certificate) {
    super(options)
    this.#ticket = ticket
    this.#certificate = certificate
  }

  protected override async attempt(): Promise<Greeting> {
    const { addresses, fingerprint } = this.#ticket
    const { signal, options } = this
    const connection = await reach({
      addresses, fingerprint, certificate: this.#certificate, transport: options.transport, timeoutMs: ATTEMPT_MS, signal,
    })
    return await introduce(connection, secretOf(this.#ticket), options, signal)
  }
}

/** @throws {WarpError} ERR_WARP_USAGE: the ticket is malformed */
export async function openDialMeeting(options: MeetingOptions, text: string): Promise<Meeting> {
  return new DialMeeting(options, decodeTicket(text), await makeCertificate())
}
