/**
 * Two sides that speak in turn before they know each other: short messages of fixed lengths under one deadline,
 * each begun by a head of four bytes `type, version, two of the message`. Who fails a peer tells it why with an alert.
 *
 * | alert | bytes | |
 * |---|---|---|
 * | type | 1 | 15 |
 * | version | 1 | the sender's; this layout is the same in all versions |
 * | reason | 1 | 1 the proof failed, 2 another version is needed, 3 the message was malformed or out of turn |
 * | zero | 1 | 0 |
 *
 * Nothing authenticates an alert: it can only end what whoever is able to forge it could also cut.
 */
import { WarpError, type ErrorCode } from '../../base/errors.ts'
import type { Connection } from '../transports/connection.ts'

export const TRANSFER_VERSION = 1
export const HEAD_BYTES = 4
/** For the whole exchange, milliseconds. */
export const HANDSHAKE_DEADLINE_MS = 10_000

const ALERT = 15
const PROOF_FAILED = 1
const OTHER_VERSION = 2
const MALFORMED = 3
const REASONS: Partial<Record<ErrorCode, number>> = {
  ERR_WARP_PEER_AUTH: PROOF_FAILED,
  ERR_WARP_CODE_WRONG: PROOF_FAILED,
  ERR_WARP_PEER_VERSION: OTHER_VERSION,
  ERR_WARP_PEER_PROTOCOL: MALFORMED,
}

/** How long the last word may take to be fetched, and what is read away meanwhile. */
const LINGER_MS = 1000
const LINGER_BYTES = 4096

export function malformed(message: string): WarpError {
  return new WarpError('ERR_WARP_PEER_PROTOCOL', message)
}

/** Holds at most one message that is not complete, and what one `read` of the connection gave. */
export class Turns {
  readonly #connection: Connection
  /** What came and was not taken. */
  #pending: Uint8Array = new Uint8Array(0)
  /** The error that a peer's alert of a failed proof becomes. */
  proofError: () => WarpError = () => new WarpError('ERR_WARP_PEER_AUTH', 'the peer did not accept the proof')
  /** The peer knows already why this ends. */
  isTold = false
  /** What was written last says why this ends: it must arrive. */
  isRefusing = false

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Bytes that came beyond the last message. */
  get leftover(): Uint8Array {
    return this.#pending
  }

  async write(message: Uint8Array): Promise<void> {
    await this.#connection.write([message])
  }

  /**
   * The peer's next message.
   * @param lengthBytes of all of it
   * @param isLast the peer may go on without an answer
   * @throws {WarpError} ERR_WARP_PEER_PROTOCOL, _VERSION, _LOST, or what the peer's alert says
   */
  async read(type: number, lengthBytes: number, isLast = false): Promise<Buffer> {
    await this.#fill(HEAD_BYTES)
    const [theirType, version, reason] = this.#pending
    if (theirType === ALERT) throw this.#alerted(version, reason)
    if (theirType !== type) throw malformed('the peer does not speak the protocol of warp')
    if (version !== TRANSFER_VERSION) throw otherVersion(version)
    await this.#fill(lengthBytes)
    const message = Buffer.from(this.#pending.subarray(0, lengthBytes))
    this.#pending = this.#pending.slice(lengthBytes)
    if (!isLast && this.#pending.length > 0) throw malformed('the peer spoke out of turn')
    return message
  }

  async #fill(lengthBytes: number): Promise<void> {
    while (this.#pending.length < lengthBytes) {
      const bytes = await this.#connection.read()
      if (bytes === null) throw new WarpError('ERR_WARP_PEER_LOST', 'the peer ended the connection during the handshake')
      this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes])
    }
  }

  #alerted(version: number, reason: number): WarpError {
    this.isTold = true
    if (reason === PROOF_FAILED) return this.proofError()
    if (reason === OTHER_VERSION && version !== TRANSFER_VERSION) return otherVersion(version)
    return malformed('the peer says that it was sent a malformed message')
  }
}

function otherVersion(version: number): WarpError {
  const hint = version > TRANSFER_VERSION ? 'install a newer warp on this side' : 'install a newer warp on the other side'
  return new WarpError('ERR_WARP_PEER_VERSION', `the peer speaks version ${version} of the protocol, not ${TRANSFER_VERSION}`, { hint })
}

/**
 * Runs `talk` under a deadline. The connection is closed when that fails, after the peer was told why.
 * @param deadlineMs milliseconds
 * @throws {WarpError} ERR_WARP_PEER_SILENT: the time is up; and what `talk` throws
 */
export async function inTurns<T>(connection: Connection, deadlineMs: number, talk: (turns: Turns) => Promise<T>): Promise<T> {
  const turns = new Turns(connection)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new WarpError('ERR_WARP_PEER_SILENT', `the peer did not finish the handshake within ${deadlineMs / 1000} seconds`))
      connection.close()
    }, deadlineMs)
  })
  try {
    return await Promise.race([talk(turns), late])
  } catch (error) {
    const reason = error instanceof WarpError ? REASONS[error.code] : undefined
    if (turns.isRefusing || (reason !== undefined && !turns.isTold)) {
      const alert = turns.isRefusing ? null : Uint8Array.of(ALERT, TRANSFER_VERSION, reason!, 0)
      await Promise.race([late, sayLast(connection, alert)]).catch(() => {})
    }
    connection.close()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** Closing at once could overtake what was written: waits until the peer has closed, for a while. */
async function sayLast(connection: Connection, alert: Uint8Array | null): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LINGER_MS)
  })
  const speak = async (): Promise<void> => {
    if (alert) await connection.write([alert])
    await connection.end()
    for (let left = LINGER_BYTES; left > 0;) {
      const bytes = await connection.read()
      if (bytes === null) return
      left -= bytes.length
    }
  }
  try {
    await Promise.race([speak(), patience])
  } finally {
    clearTimeout(timer)
  }
}
