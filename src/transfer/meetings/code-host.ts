/**
 * Meeting by a code phrase, on the side that makes it: listens, answers on the network to the first word, and runs
 * the PAKE with whoever connects.
 *
 * One wrong guess burns the code: as long as nobody has shown that it knows it, both sides end with
 * ERR_WARP_CODE_WRONG. The guess is in HELLO, so no two of them are judged at a time: while it is not known what has
 * become of one, another fails unseen. After the first session its peer comes again by the secret of that
 * (resumption.ts), or, if it was started again, by the code; a wrong guess then burns the code and disturbs nobody.
 */
import { WarpError } from '../../base/errors.ts'
import { equalBytes } from '../../format/cursor.ts'
import { makeCertificate } from '../transports/certificate.ts'
import { formatCode, generateCode, type CodePhrase } from './code-phrase.ts'
import type { Connection } from '../transports/connection.ts'
import { agreeAsResponder } from '../handshake/cpace.ts'
import { announce, type Announcement, type DiscoveryOptions } from './discovery.ts'
import type { HandshakeSecret } from '../handshake/handshake.ts'
import { HELLO } from '../handshake/handshake-messages.ts'
import type { OwnTicket } from './listener-record.ts'
import { HANDSHAKE_DEADLINE_MS } from '../handshake/turns.ts'
import { Admission } from './admission.ts'
import { codeWrong } from './code-wrong.ts'
import { openDoor, type Door } from './doors.ts'
import { welcome } from './greeting.ts'
import { DEFAULT_WAIT_MS, type Meeting, type MeetingOptions, type Met } from './met.ts'
import { PeekedConnection } from './peeked.ts'
import { Reception, type Greeting } from './reception.ts'
import { resumptionSecret } from './resumption.ts'

/** Sessions whose peer may come again. */
const MAX_RESUMPTIONS = 4

class CodeHost implements Meeting {
  readonly #options: MeetingOptions
  readonly #code: CodePhrase
  readonly #door: Door
  readonly #announcement: Announcement
  readonly #reception: Reception
  readonly #admission: Admission
  readonly #place: OwnTicket = { secret: new Uint8Array(0), expires: Infinity, boundTo: null, isUsed: false }
  #resumptions: HandshakeSecret[] = []
  /** A guess has come, and it is not known yet whether it is right. */
  #isGuessing = false
  #isBurnt = false

  constructor(options: MeetingOptions, code: CodePhrase, door: Door, announcement: Announcement) {
    this.#options = options
    this.#code = code
    this.#door = door
    this.#announcement = announcement
    const place = this.#place
    this.#admission = new Admission({
      keep: false,
      ledger: {
        current: place,
        past: [],
        bind: (_, transferId) => void Object.assign(place, { boundTo: Uint8Array.from(transferId) }),
        used: () => void Object.assign(place, { isUsed: true }),
      },
    })
    this.#reception = new Reception({
      accept: () => door.accept(),
      greet: (connection) => this.#greet(connection),
      signal: options.signal,
    })
  }

  async next(): Promise<Met> {
    const { waitMs = DEFAULT_WAIT_MS } = this.#options
    const error = (): WarpError => new WarpError('ERR_WARP_PEER_UNREACHABLE', `no peer came within ${Math.round(waitMs / 1000)} seconds`)
    return await this.#reception.next({ waitMs, error })
  }

  async completed({ authenticated }: Met): Promise<void> {
    this.#admission.completed(authenticated.peerTransferId)
  }

  async close(): Promise<void> {
    this.#reception.close()
    await Promise.all([this.#announcement.close(), this.#door.close()])
  }

  async #greet(below: Connection): Promise<Greeting> {
    const { firstByte, connection } = await PeekedConnection.peek(below, HANDSHAKE_DEADLINE_MS)
    const greeting = await (firstByte === HELLO ? this.#resume(connection) : this.#meet(connection))
    // All that was looked at has been read.
    return { ...greeting, authenticated: { ...greeting.authenticated, connection: below } }
  }

  async #resume(connection: Connection): Promise<Greeting> {
    const find = (id: Uint8Array): HandshakeSecret | null => this.#resumptions.find((secret) => equalBytes(secret.id, id)) ?? null
    return await this.#welcome(connection, find, () => {})
  }

  async #meet(connection: Connection): Promise<Greeting> {
    if (this.#isBurnt) {
      connection.close()
      throw codeWrong()
    }
    const secret = await agreeAsResponder(connection, this.#code)
    let isGuess = false
    const find = (id: Uint8Array): HandshakeSecret | null => {
      if (this.#isBurnt || this.#isGuessing || !equalBytes(id, secret.id)) return null
      isGuess = this.#isGuessing = true
      return secret
    }
    const judged = (): void => {
      if (isGuess) this.#isGuessing = false
    }
    try {
      const greeting = await this.#welcome(connection, find, judged)
      this.#resumptions = [resumptionSecret(greeting.authenticated, false), ...this.#resumptions].slice(0, MAX_RESUMPTIONS)
      return greeting
    } catch (error) {
      if (isGuess && error instanceof WarpError && error.code === 'ERR_WARP_CODE_WRONG') this.#burn()
      throw error
    } finally {
      judged()
    }
  }

  async #welcome(connection: Connection, find: (id: Uint8Array) => HandshakeSecret | null, judged: () => void): Promise<Greeting> {
    return await welcome(connection, {
      meeting: this.#options,
      find,
      judge: (transferId) => {
        judged()
        return this.#admission.judge(this.#place, transferId)
      },
      onUnknown: (error) => this.#reception.disappoint(error),
    })
  }

  #burn(): void {
    this.#isBurnt = true
    void this.#announcement.close().catch(() => {})
    if (this.#resumptions.length === 0) this.#reception.close(codeWrong())
  }
}

/**
 * @param discovery where the first word is announced
 * @throws {WarpError} ERR_WARP_TRANSPORT_UNAVAILABLE: the network has no multicast; ERR_WARP_USAGE
 */
export async function openCodeHost(options: MeetingOptions, onCode: ((code: string) => void) | undefined, discovery?: DiscoveryOptions): Promise<Meeting> {
  const { transport, signal } = options
  const code = generateCode()
  const certificate = await makeCertificate()
  const door = await openDoor({ host: '', port: 0, certificate, transport, signal })
  try {
    const service = { word: code.channel, fingerprint: certificate.fingerprint, ports: door.ports }
    const announcement = await announce(service, door.addresses.map(({ host }) => host), discovery)
    const meeting = new CodeHost(options, code, door, announcement)
    onCode?.(formatCode(code))
    return meeting
  } catch (error) {
    await door.close()
    throw error
  }
}
