/** Meeting by a ticket, on the side that makes it. What a restart needs is in the listener's record. */
import { WarpError } from '../../base/errors.ts'
import { ListenerRecord } from './listener-record.ts'
import { encodeTicket } from './ticket.ts'
import type { Meet } from '../types.ts'
import { Admission, expired } from './admission.ts'
import { openDoor, type Door } from './doors.ts'
import { welcomeByTicket } from './greeting.ts'
import { DEFAULT_WAIT_MS, type Meeting, type MeetingOptions, type Met } from './met.ts'
import { Reception } from './reception.ts'

type Listen = Extract<Meet, { way: 'listen' }>

class ListenMeeting implements Meeting {
  readonly #options: MeetingOptions
  readonly #keep: boolean
  readonly #record: ListenerRecord
  readonly #door: Door
  readonly #admission: Admission
  readonly #reception: Reception
  #hasMet = false

  constructor(options: MeetingOptions, keep: boolean, record: ListenerRecord, door: Door) {
    this.#options = options
    this.#keep = keep
    this.#record = record
    this.#door = door
    this.#admission = new Admission({ ledger: record, keep })
    this.#reception = new Reception({
      accept: () => door.accept(),
      greet: (connection) =>
        welcomeByTicket(connection, this.#admission, options, (error) => this.#meetUnknown(error), () => this.#reception.isFull),
      signal: options.signal,
    })
  }

  async next(): Promise<Met> {
    const leftMs = Math.max(0, this.#record.current.expires - Date.now())
    const { waitMs } = this.#options
    // Who was given a ticket has until it expires to come, unless something else is asked for.
    const patienceMs = this.#keep ? leftMs : Math.min(leftMs, waitMs ?? (this.#hasMet ? DEFAULT_WAIT_MS : leftMs))
    const met = await this.#reception.next({ waitMs: patienceMs, error: () => (patienceMs === leftMs ? expired() : nobody(patienceMs)) })
    this.#hasMet = true
    return met
  }

  async completed({ authenticated }: Met): Promise<void> {
    this.#admission.completed(authenticated.peerTransferId)
  }

  async close(): Promise<void> {
    this.#reception.close()
    await this.#door.close()
    this.#record.ended()
  }

  /** Of many peers one may be the wrong one; a single one that is awaited must not be. */
  #meetUnknown(error: WarpError): void {
    if (this.#keep) this.#options.onEvent?.({ type: 'failed', code: error.code, message: error.message })
    else this.#reception.disappoint(error)
  }
}

function nobody(waitMs: number): WarpError {
  return new WarpError('ERR_WARP_PEER_UNREACHABLE', `no peer came within ${Math.round(waitMs / 1000)} seconds`, {
    hint: 'run the same command again: the ticket stays good',
  })
}

/** @throws {WarpError} ERR_WARP_USAGE: it cannot be listened there, or the same command runs already; ERR_WARP_OUTPUT */
export async function openListenMeeting(options: MeetingOptions, meet: Listen): Promise<Meeting> {
  const { role, subject, stateDir } = options
  const { host, port, expiresMs } = meet
  const record = await ListenerRecord.open({ role, host, port, subject, stateDir, expiresMs })
  const door = await open(options, meet, record)
  try {
    record.listening(door.addresses[0].port)
    const { certificate: { fingerprint }, current: { secret, expires } } = record
    meet.onTicket(encodeTicket({ role, expires: Math.ceil(expires / 1000), secret, fingerprint, addresses: door.addresses }))
  } catch (error) {
    await door.close()
    throw error
  }
  return new ListenMeeting(options, meet.keep ?? false, record, door)
}

/** Listens where it did the last time, if it may choose, so that the same ticket leads here. */
async function open({ transport, signal }: MeetingOptions, { host, port }: Listen, record: ListenerRecord): Promise<Door> {
  const where = { host, certificate: record.certificate, transport, signal }
  const lastPort = record.port
  if (port !== 0 || lastPort === null) return await openDoor({ ...where, port })
  try {
    return await openDoor({ ...where, port: lastPort })
  } catch (error) {
    if (!(error instanceof WarpError && error.code === 'ERR_WARP_USAGE')) throw error
    if (record.lastPid !== null && isAlive(record.lastPid)) {
      throw new WarpError('ERR_WARP_USAGE', `the same command runs already, as process ${record.lastPid}`, {
        cause: error, hint: 'one that serves many peers is started with --keep',
      })
    }
    return await openDoor({ ...where, port: 0 })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
