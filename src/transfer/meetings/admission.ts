/**
 * Who may use a ticket. A ticket for one transfer is bound to the first transfer id that comes with it: that one may
 * come again, to resume, and even after the transfer has completed, since it may have missed the last message, until
 * the listener has ended in order; any other is refused as long as the ticket is known. A ticket for many takes all,
 * until it expires.
 */
import { WarpError } from '../../base/errors.ts'
import { equalBytes } from '../../format/cursor.ts'
import type { HandshakeSecret, Refusal } from '../handshake/handshake.ts'
import type { OwnTicket } from './listener-record.ts'
import { secretOf } from './ticket.ts'

/** Where it is kept what became of a ticket. */
export interface TicketLedger {
  readonly current: OwnTicket
  readonly past: readonly OwnTicket[]
  /** Durable when it returns. */
  bind(ticket: OwnTicket, transferId: Uint8Array): void
  used(ticket: OwnTicket): void
}

export interface AdmissionOptions {
  ledger: TicketLedger
  /** The current ticket is for many transfers. */
  keep: boolean
  now?: () => number
}

export class Admission {
  readonly #ledger: TicketLedger
  readonly #keep: boolean
  readonly #now: () => number
  #known: { ticket: OwnTicket; secret: HandshakeSecret }[] | null = null

  constructor({ ledger, keep, now = Date.now }: AdmissionOptions) {
    this.#ledger = ledger
    this.#keep = keep
    this.#now = now
  }

  /** The ticket that is meant by `id`, with its secret, or why it does not do; null: there is none. */
  find(id: Uint8Array): { ticket: OwnTicket; secret: HandshakeSecret | Refusal } | null {
    const { current, past } = this.#ledger
    this.#known ??= [current, ...past].map((ticket) => ({ ticket, secret: secretOf(ticket) }))
    const known = this.#known.find(({ secret }) => equalBytes(secret.id, id))
    if (!known) return null
    const { ticket, secret } = known
    return { ticket, secret: ticket.expires > this.#now() ? secret : { secret, error: expired() } }
  }

  /** Lets `transferId` in, which is durable then, or says why not. */
  judge(ticket: OwnTicket, transferId: Uint8Array): WarpError | null {
    if (this.#keep && ticket === this.#ledger.current) return null
    if (ticket.boundTo === null) {
      this.#ledger.bind(ticket, transferId)
      return null
    }
    if (equalBytes(ticket.boundTo, transferId) && (!ticket.isUsed || ticket === this.#ledger.current)) return null
    if (ticket.isUsed) return new WarpError('ERR_WARP_TICKET_USED', 'a peer came with a ticket that was used')
    return new WarpError('ERR_WARP_TICKET_BUSY', 'another peer came with a ticket that is in use')
  }

  /** The transfer `transferId`, which `judge` has let in, is complete. */
  completed(transferId: Uint8Array): void {
    const { current } = this.#ledger
    if (!this.#keep && !current.isUsed && current.boundTo && equalBytes(current.boundTo, transferId)) this.#ledger.used(current)
  }
}

export function expired(cause?: unknown): WarpError {
  return new WarpError('ERR_WARP_TICKET_EXPIRED', 'the ticket has expired', { cause, hint: 'the side that listens makes a new one when it is started again' })
}
