/**
 * The far side of a meeting through ssh: it tells a ticket over its output and listens, and if told so by its input
 * goes on over these two streams themselves. The lines that are said: ssh.ts.
 */
import { randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import { WarpError } from '../../base/errors.ts'
import { makeCertificate } from '../transports/certificate.ts'
import { MAX_ADDRESSES, unmapped } from './ip-address.ts'
import type { OwnTicket } from './listener-record.ts'
import { encodeTicket, type TicketAddress } from './ticket.ts'
import { pipeConnection } from '../transports/pipe.ts'
import type { Meet } from '../types.ts'
import { Admission } from './admission.ts'
import { openDoor, type Door } from './doors.ts'
import { welcomeByTicket } from './greeting.ts'
import { readLine } from './lines.ts'
import type { Meeting, MeetingOptions, Met } from './met.ts'
import { Reception } from './reception.ts'

/** How long sessions go on after the near side has gone: its last message may be under way, milliseconds. */
const GRACE_MS = 5000
/** How long to wait for the near side to come back: it does so at once, or starts another far side, milliseconds. */
const RETURN_MS = 60_000

type Pipe = Extract<Meet, { way: 'pipe' }>

class PipeMeeting implements Meeting {
  readonly #door: Door
  readonly #admission: Admission
  readonly #reception: Reception
  readonly #meet: Pipe
  readonly #closing = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #isLeft = false

  constructor(options: MeetingOptions, meet: Pipe, ticket: OwnTicket, door: Door) {
    this.#meet = meet
    this.#door = door
    // Nothing outlives the process: whoever starts it again through ssh gets another ticket.
    const bind = (_: OwnTicket, transferId: Uint8Array): void => void Object.assign(ticket, { boundTo: Uint8Array.from(transferId) })
    const used = (): void => void Object.assign(ticket, { isUsed: true })
    this.#admission = new Admission({ ledger: { current: ticket, past: [], bind, used }, keep: false })
    this.#reception = new Reception({
      accept: () => door.accept(),
      greet: (connection) =>
        welcomeByTicket(connection, this.#admission, options, (error) => this.#reception.disappoint(error), () => false),
      signal: options.signal,
    })
    void this.#heed()
  }

  async next(): Promise<Met> {
    if (this.#isLeft && !this.#reception.hasSessions) this.#reception.close(gone())
    const error = (): WarpError => new WarpError('ERR_WARP_PEER_LOST', 'the near side of ssh did not connect')
    return await this.#reception.next({ waitMs: RETURN_MS, error })
  }

  async completed({ authenticated }: Met): Promise<void> {
    this.#admission.completed(authenticated.peerTransferId)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    clearTimeout(this.#timer)
    this.#reception.close()
    await this.#door.close()
  }

  /** Does what the near side says. */
  async #heed(): Promise<void> {
    const { input, output } = this.#meet
    const line = await readLine(input, this.#closing.signal)
    if (line !== 'pipe') {
      // Nothing that it says is of use any more, and an open input keeps a process alive.
      input.destroy()
      return this.#leave()
    }
    void this.#door.close()
    this.#reception.connect(pipeConnection({ readable: input, writable: output, isInitiator: false, remoteAddress: 'the near side of ssh', onClose: () => this.#leave() }))
  }

  /** The near side has gone. */
  #leave(): void {
    this.#isLeft = true
    if (this.#reception.hasSessions) this.#timer ??= setTimeout(() => this.#reception.expel(gone()), GRACE_MS)
    else this.#reception.close(gone())
  }
}

function gone(): WarpError {
  return new WarpError('ERR_WARP_PEER_LOST', 'the near side of ssh has gone')
}

/** @throws {WarpError} ERR_WARP_PEER_LOST: nobody reads the ticket; ERR_WARP_USAGE: nothing can be listened on */
export async function openPipeMeeting(options: MeetingOptions, meet: Pipe): Promise<Meeting> {
  const certificate = await makeCertificate()
  const { role, transport, signal } = options
  const door = await openDoor({ host: '', port: 0, certificate, transport, signal })
  try {
    const ticket: OwnTicket = { secret: randomBytes(16), expires: certificate.notAfter, boundTo: null, isUsed: false }
    const { fingerprint } = certificate
    const { secret, expires } = ticket
    const addresses = withAddressOfLogin(door.addresses)
    await say(meet.output, encodeTicket({ role, expires: Math.ceil(expires / 1000), secret, fingerprint, addresses }))
    return new PipeMeeting(options, meet, ticket, door)
  } catch (error) {
    await door.close()
    throw error
  }
}

/** Where the near side has reached this host already comes first. Source: ssh(1), SSH_CONNECTION. */
function withAddressOfLogin(addresses: TicketAddress[]): TicketAddress[] {
  const host = unmapped(process.env['SSH_CONNECTION']?.split(' ')[2] ?? '')
  // One with a zone means nothing at the near side.
  if (isIP(host) === 0 || host.includes('%')) return addresses
  const first = addresses.filter((address) => address.host === addresses[0].host).map((address) => ({ ...address, host }))
  return [...first, ...addresses.filter((address) => address.host !== host)].slice(0, MAX_ADDRESSES)
}

function say(output: NodeJS.WritableStream, line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    output.write(`${line}\n`, (error) => {
      if (error) reject(new WarpError('ERR_WARP_PEER_LOST', 'nobody reads the ticket', { cause: error }))
      else resolve()
    })
  })
}
