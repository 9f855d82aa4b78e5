/**
 * Meeting through ssh. The near side starts warp on the far side, as a child `ssh … 'warp receive --ssh-peer …'`, and
 * speaks with it through the child's standard input and output:
 *
 * 1. far → near: a line, `warp1…`, the ticket under which the far side listens. Lines before it that begin otherwise
 *    are what a shell there prints at a login, and are passed over.
 * 2. The near side connects by the ticket: QUIC, TLS, within DIRECT_MS in all. If that succeeds nothing more is said.
 * 3. Else, and also if the direct connection breaks later: near → far: the line `pipe`. From then on both streams
 *    carry a connection like any other, which begins with the handshake, by the same ticket. ssh ends at neither
 *    process, so that messages are sealed there once more.
 *
 * The end of the far side's standard input means that the near side has gone: the far side ends too. If ssh itself
 * has ended the near side starts it again.
 */
import { WarpError } from '../../base/errors.ts'
import { makeCertificate } from '../transports/certificate.ts'
import type { Certificate, Connection } from '../transports/connection.ts'
import { decodeTicket, secretOf, type Ticket } from './ticket.ts'
import type { Meet } from '../types.ts'
import { Attempts } from './attempts.ts'
import { reach } from './doors.ts'
import { introduce } from './greeting.ts'
import type { Meeting, MeetingOptions } from './met.ts'
import type { Greeting } from './reception.ts'
import { DROP_MS, FINISH_MS, SshChild } from './ssh-child.ts'
import { sshArguments } from './ssh-command.ts'

/** For a connection beside ssh, milliseconds. */
const DIRECT_MS = 3000

type Ssh = Extract<Meet, { way: 'ssh' }>

class SshMeeting extends Attempts {
  readonly #meet: Ssh
  readonly #program: string
  readonly #certificate: Certificate
  #far: { child: SshChild; ticket: Ticket } | null = null
  #hasMet = false

  constructor(options: MeetingOptions, meet: Ssh, program: string, certificate: Certificate) {
    super(options)
    this.#meet = meet
    this.#program = program
    this.#certificate = certificate
  }

  override async close(): Promise<void> {
    await super.close()
    await this.#far?.child.close(this.options.signal?.aborted ? DROP_MS : FINISH_MS)
  }

  protected override async attempt(): Promise<Greeting> {
    const { options, signal } = this
    const { child, ticket } = await this.#farSide()
    const secret = secretOf(ticket)
    const direct = await this.#direct(ticket)
    const greeting = direct && await introduce(direct, secret, options, signal).catch((error: unknown) => {
      // Another host may have the address and not know the secret; who does know it has the last word.
      if (isFinal(error) || signal.aborted || (options.transport ?? 'auto') !== 'auto') throw error
      return null
    })
    const { authenticated, peerName } = greeting || await introduce(await child.pipe(), secret, options, signal)
    this.#hasMet = true
    return { authenticated, peerName: peerName ?? this.#meet.destination }
  }

  /** That ssh cannot log in is worth another attempt only once it could. */
  protected override isPassing(error: WarpError): boolean {
    return this.#hasMet && (super.isPassing(error) || error.code === 'ERR_WARP_PEER_AUTH')
  }

  async #farSide(): Promise<{ child: SshChild; ticket: Ticket }> {
    if (this.#far?.child.isUsable) return this.#far
    await this.#far?.child.close(DROP_MS)
    this.#far = null
    const child = new SshChild(this.#program, argumentsOf(this.options, this.#meet), this.#meet.destination)
    try {
      this.#far = { child, ticket: decodeTicket(await child.ticket(this.signal)) }
      return this.#far
    } catch (error) {
      await child.close(DROP_MS)
      throw error
    }
  }

  /** Null where nothing passes beside ssh. */
  async #direct({ addresses, fingerprint }: Ticket): Promise<Connection | null> {
    const { signal, options: { transport = 'auto' } } = this
    if (transport === 'pipe') return null
    try {
      return await reach({ addresses, fingerprint, certificate: this.#certificate, transport, timeoutMs: DIRECT_MS, signal })
    } catch (error) {
      // A transport that was asked for is not replaced by another.
      if (signal.aborted || transport !== 'auto') throw error
      return null
    }
  }
}

/** @throws {WarpError} ERR_WARP_USAGE */
function argumentsOf({ role, transport }: MeetingOptions, { destination, path, warpCommand = 'warp', sshOptions = [] }: Ssh): string[] {
  const asked = transport === 'auto' || transport === 'pipe' ? undefined : transport
  return sshArguments(destination, sshOptions, { role: role === 'send' ? 'receive' : 'send', path, warpCommand, transport: asked })
}

/** Said by somebody who knows the secret of the ticket, or about whoever does. */
function isFinal(error: unknown): boolean {
  return error instanceof WarpError && ['ERR_WARP_PEER_UNKNOWN', 'ERR_WARP_PEER_REFUSED', 'ERR_WARP_PEER_VERSION'].includes(error.code)
}

/**
 * @param program that is run as ssh
 * @throws {WarpError} ERR_WARP_USAGE: the destination, or the path there
 */
export async function openSshMeeting(options: MeetingOptions, meet: Ssh, program = 'ssh'): Promise<Meeting> {
  // What cannot be run is said at once.
  argumentsOf(options, meet)
  return new SshMeeting(options, meet, program, await makeCertificate())
}
