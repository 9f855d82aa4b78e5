/** Meeting by a ticket, on the side that was given it. */
import { WarpError } from '../../base/errors.ts'
import { makeCertificate } from '../transports/certificate.ts'
import type { Certificate } from '../transports/connection.ts'
import { decodeTicket, secretOf, type Ticket } from './ticket.ts'
import { expired } from './admission.ts'
import { Attempts } from './attempts.ts'
import { reach } from './doors.ts'
import { introduce } from './greeting.ts'
import type { Meeting, MeetingOptions } from './met.ts'
import type { Greeting } from './reception.ts'

/** For one attempt to connect, milliseconds. */
const ATTEMPT_MS = 10_000
const LEAST_ATTEMPT_MS = 500

class DialMeeting extends Attempts {
  readonly #ticket: Ticket
  readonly #certificate: Certificate

  constructor(options: MeetingOptions, ticket: Ticket, certificate: Certificate) {
    super(options)
    this.#ticket = ticket
    this.#certificate = certificate
  }

  /** By the clock of this host, which does not count while the listener is there to ask. */
  get #hasExpired(): boolean {
    return Date.now() > 1000 * this.#ticket.expires
  }

  protected override async attempt(): Promise<Greeting> {
    const { addresses, fingerprint } = this.#ticket
    const { signal, options } = this
    const connection = await reach({
      addresses, fingerprint, certificate: this.#certificate, transport: options.transport, timeoutMs: Math.min(ATTEMPT_MS, Math.max(LEAST_ATTEMPT_MS, options.waitMs ?? Infinity)), signal,
    }).catch((error: unknown) => {
      throw this.#hasExpired ? expired(error) : error
    })
    return await introduce(connection, secretOf(this.#ticket), options, signal).catch((error: unknown) => {
      // A listener that was started again has forgotten it.
      throw this.#hasExpired && error instanceof WarpError && error.code === 'ERR_WARP_PEER_AUTH' ? expired(error) : error
    })
  }
}

/** @throws {WarpError} ERR_WARP_USAGE: the ticket is malformed, or of a side that wants to do the same */
export async function openDialMeeting(options: MeetingOptions, text: string): Promise<Meeting> {
  const ticket = decodeTicket(text)
  if (ticket.role === options.role) {
    throw new WarpError('ERR_WARP_USAGE', `the ticket is of a side that wants to ${ticket.role}, too`, {
      hint: ticket.role === 'send' ? 'give it to warp receive --from' : 'give it to warp send --to',
    })
  }
  return new DialMeeting(options, ticket, await makeCertificate())
}
