/**
 * Meeting by a code phrase, on the side that was told it: looks for who answers to its first word, and runs the PAKE.
 * Who answers with a right share and the wrong secret has had its one guess: the code is not used again, whatever has
 * become of the connection. After the first session both meet by the secret of that (resumption.ts), where the peer
 * was, and if it is not there any more where its certificate is announced.
 */
import { WarpError } from '../../base/errors.ts'
import { equalBytes } from '../../format/cursor.ts'
import { makeCertificate } from '../transports/certificate.ts'
import { parseCode, type CodePhrase } from './code-phrase.ts'
import type { Certificate, Connection } from '../transports/connection.ts'
import { agreeAsInitiator } from '../handshake/cpace.ts'
import { discover, type DiscoveryOptions, type Found } from './discovery.ts'
import type { HandshakeSecret } from '../handshake/handshake.ts'
import { Attempts } from './attempts.ts'
import { codeWrong } from './code-wrong.ts'
import { addressesOf, reach } from './doors.ts'
import { introduce } from './greeting.ts'
import { DEFAULT_WAIT_MS, type Meeting, type MeetingOptions } from './met.ts'
import type { Greeting } from './reception.ts'
import { resumptionSecret } from './resumption.ts'
import { isPassing } from './retry.ts'

/** For one attempt to connect, milliseconds. */
const CONNECT_MS = 5000
/** For one search of the network. */
const SEARCH_MS = 60_000
/** Told by a peer that has proved to know the code: nothing was guessed. */
const REFUSALS = ['ERR_WARP_TICKET_BUSY', 'ERR_WARP_TICKET_USED', 'ERR_WARP_TICKET_EXPIRED', 'ERR_WARP_PEER_REFUSED', 'ERR_WARP_PEER_UNKNOWN']

class CodeGuest extends Attempts {
  readonly #code: CodePhrase
  readonly #certificate: Certificate
  readonly #discovery: DiscoveryOptions
  #known: { found: Found; secret: HandshakeSecret } | null = null

  constructor(options: MeetingOptions, code: CodePhrase, certificate: Certificate, discovery: DiscoveryOptions) {
    super(options)
    this.#code = code
    this.#certificate = certificate
    this.#discovery = discovery
  }

  protected override async attempt(): Promise<Greeting> {
    if (this.#known) return await this.#meetAgain(this.#known)
    let failure: unknown
    for await (const found of this.#search()) {
      try {
        return await this.#meet(found)
      } catch (error) {
        // Anybody can answer to a word; one that is not reached, or does not speak the protocol, is not meant.
        if (this.signal.aborted || (error instanceof WarpError && (error.code === 'ERR_WARP_CODE_WRONG' || REFUSALS.includes(error.code)))) throw error
        failure = error
      }
    }
    throw new WarpError('ERR_WARP_PEER_UNREACHABLE', 'who answers to the code on this network cannot be reached', { cause: failure })
  }

  async #meet(found: Found): Promise<Greeting> {
    const connection = await this.#connect(found)
    const secret = await agreeAsInitiator(connection, this.#code)
    try {
      const greeting = await introduce(connection, secret, this.options, this.signal)
      this.#known = { found, secret: resumptionSecret(greeting.authenticated, true) }
      return greeting
    } catch (error) {
      if (error instanceof WarpError && (REFUSALS.includes(error.code) || error.code === 'ERR_WARP_INTERRUPTED')) throw error
      throw codeWrong(error)
    }
  }

  async #meetAgain(known: { found: Found; secret: HandshakeSecret }): Promise<Greeting> {
    let connection: Connection
    try {
      connection = await this.#connect(known.found)
    } catch (error) {
      if (!(error instanceof WarpError && isPassing(error)) || this.signal.aborted) throw error
      known.found = await this.#findAgain(known.found)
      connection = await this.#connect(known.found)
    }
    return await introduce(connection, known.secret, this.options, this.signal)
  }

  async #findAgain({ fingerprint }: Found): Promise<Found> {
    for await (const found of this.#search()) if (equalBytes(found.fingerprint, fingerprint)) return found
    throw new WarpError('ERR_WARP_PEER_UNREACHABLE', 'the peer is no longer on this network')
  }

  #search(): AsyncGenerator<Found> {
    const { options: { waitMs = DEFAULT_WAIT_MS }, signal } = this
    return discover(this.#code.channel, Math.min(waitMs, SEARCH_MS), { ...this.#discovery, signal })
  }

  async #connect(found: Found): Promise<Connection> {
    const { options: { transport }, signal } = this
    const { fingerprint } = found
    return await reach({ addresses: addressesOf(found), fingerprint, certificate: this.#certificate, transport, timeoutMs: CONNECT_MS, signal })
  }
}

/**
 * @param text the code
 * @throws {WarpError} ERR_WARP_USAGE: it is not four words of the list
 */
export async function openCodeGuest(options: MeetingOptions, text: string, discovery: DiscoveryOptions = {}): Promise<Meeting> {
  return new CodeGuest(options, parseCode(text), await makeCertificate(), discovery)
}
