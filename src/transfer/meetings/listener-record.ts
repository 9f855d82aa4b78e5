/**
 * What a listener keeps so that the same command, run again, is found under the same ticket: its certificate, its
 * port and its tickets, with what has become of each. One file for each command, readable by its owner alone, since
 * the secrets are in it. Every change is durable before it is acted on: a ticket that is bound to one peer, or used
 * up, stays so whatever happens to the process.
 *
 * Tickets of earlier runs stay until they expire, so that who brings one is told that it was used, not that it is
 * forged, and so that a peer that missed the last message can come for it.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { randomBytes } from 'node:crypto'
import { WarpError } from '../../base/errors.ts'
import { outputError, syncDirectory } from '../../archive/sink.ts'
import { hash } from '../../codec/blake3.ts'
import { makeCertificate } from '../transports/certificate.ts'
import type { Certificate } from '../transports/connection.ts'

const VERSION = 1
const SECRET_BYTES = 16
const TRANSFER_ID_BYTES = 16
/** Old tickets that are remembered for one command. */
const MAX_PAST_TICKETS = 16
/** A ticket is not good for longer: its certificate is not. */
export const MAX_EXPIRES_MS = 12 * 86_400_000
export const DEFAULT_EXPIRES_MS = 86_400_000

/** A ticket, as its listener knows it. */
export interface OwnTicket {
  /** 16 bytes. */
  readonly secret: Uint8Array
  /** Milliseconds since 1970. */
  readonly expires: number
  /** The transfer that it stands for, 16 bytes; null until a peer has come, and of a ticket for many. */
  readonly boundTo: Uint8Array | null
  /** That transfer has completed. */
  readonly isUsed: boolean
}

/** What tells one command that listens from another. */
export interface ListenerName {
  role: 'send' | 'receive'
  host: string
  /** As asked for: 0 is any. */
  port: number
  /** Absolute target, or the inputs. */
  subject: string
}

export interface ListenerRecordOptions extends ListenerName {
  stateDir?: string
  /** How long a new ticket is good, milliseconds, 1 to MAX_EXPIRES_MS. */
  expiresMs?: number
  now?: () => number
}

interface Stored {
  version: number
  /** Null where it ended in order. */
  pid: number | null
  port: number | null
  certificate: Omit<Certificate, 'fingerprint'> & { fingerprint: string }
  tickets: { secret: string; expires: number; boundTo: string | null; isUsed: boolean }[]
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** `$XDG_STATE_HOME/warp`, where `stateDir` names no other. */
export function stateFolder(stateDir: string | undefined): string {
  return stateDir ?? path.join(process.env['XDG_STATE_HOME'] || path.join(os.homedir(), '.local', 'state'), 'warp')
}

export class ListenerRecord {
  readonly certificate: Certificate
  /** The ticket of this run; `past` are older ones, none of them expired when the record was opened. */
  readonly current: OwnTicket
  readonly past: readonly OwnTicket[]
  /** Process that used it last, unless that has ended in order. */
  readonly lastPid: number | null
  readonly #file: string
  #port: number | null
  #isEnded = false

  private constructor(file: string, certificate: Certificate, current: OwnTicket, past: OwnTicket[], port: number | null, lastPid: number | null) {
    this.#file = file
    this.certificate = certificate
    this.current = current
    this.past = past
    this.#port = port
    this.lastPid = lastPid
  }

  /**
   * The record of a command, made if there is none that can go on.
   * @throws {WarpError} ERR_WARP_USAGE: `expiresMs`; ERR_WARP_OUTPUT: the folder cannot be used
   */
  static async open(options: ListenerRecordOptions): Promise<ListenerRecord> {
    const { stateDir, expiresMs = DEFAULT_EXPIRES_MS, now = Date.now } = options
    if (!(expiresMs >= 1 && expiresMs <= MAX_EXPIRES_MS)) {
      throw new WarpError('ERR_WARP_USAGE', `a ticket cannot expire after ${expiresMs / 1000} s`, { hint: `between a moment and ${MAX_EXPIRES_MS / 86_400_000} days can be asked for` })
    }
    const folder = path.join(stateFolder(stateDir), 'listeners')
    makeFolder(folder, now())
    const file = path.join(folder, `${fileName(options)}.json`)
    const stored = read(file)
    const alive = stored?.tickets.filter(({ expires }) => expires > now()) ?? []
    const last = alive.at(-1)
    // One that was killed after its transfer had completed perhaps could not say so: its peer may come for that.
    if (stored && last && (!last.isUsed || stored.pid !== null)) return new ListenerRecord(file, stored.certificate, last, alive.slice(0, -1), stored.port, stored.pid)

    const ticket: OwnTicket = { secret: randomBytes(SECRET_BYTES), expires: now() + Math.floor(expiresMs), boundTo: null, isUsed: false }
    const isCertificateGood = stored !== null && stored.certificate.notAfter > ticket.expires
    const certificate = isCertificateGood ? stored.certificate : await makeCertificate(now())
    // Who brings an older ticket expects the certificate that it names.
    const past = isCertificateGood ? alive.slice(-MAX_PAST_TICKETS) : []
    return new ListenerRecord(file, certificate, ticket, past, stored?.port ?? null, stored?.pid ?? null)
  }

  /** Where it was reached the last time; null if it never was. */
  get port(): number | null {
    return this.#port
  }

  /** It listens at `port` now: only then may the ticket be told. */
  listening(port: number): void {
    this.#port = port
    this.#write()
  }

  /** `ticket` stands for the transfer `transferId` from now on. */
  bind(ticket: OwnTicket, transferId: Uint8Array): void {
    const changed = ticket as Mutable<OwnTicket>
    changed.boundTo = Uint8Array.from(transferId)
    this.#write()
  }

  /** The transfer of `ticket` has completed. */
  used(ticket: OwnTicket): void {
    const changed = ticket as Mutable<OwnTicket>
    changed.isUsed = true
    this.#write()
  }

  /** It listens no more. */
  ended(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    try {
      this.#write()
    } catch {
      // What is lost is a better message if the port is then taken by somebody else.
    }
  }

  #write(): void {
    const { certificate: { fingerprint, ...pems }, current, past } = this
    const stored: Stored = {
      version: VERSION,
      pid: this.#isEnded ? null : process.pid,
      port: this.#port,
      certificate: { ...pems, fingerprint: hex(fingerprint) },
      tickets: [...past, current].map(({ secret, expires, boundTo, isUsed }) => ({ secret: hex(secret), expires, boundTo: boundTo && hex(boundTo), isUsed })),
    }
    writeDurably(this.#file, JSON.stringify(stored))
  }
}

function fileName({ role, host, port, subject }: ListenerName): string {
  return hex(hash(Buffer.from(JSON.stringify([role, host, port, subject])))).slice(0, 32)
}

/** Makes the folder, and clears away what no ticket of can be good any more. */
function makeFolder(folder: string, now: number): void {
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
    for (const name of fs.readdirSync(folder)) {
      const file = path.join(folder, name)
      const modified = fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs
      if (modified !== undefined && modified + 2 * MAX_EXPIRES_MS < now) fs.rmSync(file, { force: true })
    }
  } catch (error) {
    throw outputError(error, folder)
  }
}

/** Null where there is no record, or one that is not understood: a new ticket harms nobody. */
function read(file: string): { pid: number | null; port: number | null; certificate: Certificate; tickets: OwnTicket[] } | null {
  try {
    const { version, pid, port, certificate, tickets } = JSON.parse(fs.readFileSync(file, 'utf8')) as Stored
    if (version !== VERSION || !Number.isFinite(certificate.notAfter)) return null
    return {
      pid,
      port,
      certificate: { ...certificate, fingerprint: fromHex(certificate.fingerprint, 32) },
      tickets: tickets.map(({ secret, expires, boundTo, isUsed }) => ({
        secret: fromHex(secret, SECRET_BYTES), expires, boundTo: boundTo === null ? null : fromHex(boundTo, TRANSFER_ID_BYTES), isUsed,
      })),
    }
  } catch {
    return null
  }
}

function writeDurably(file: string, text: string): void {
  const temporary = `${file}.${process.pid}`
  try {
    const fd = fs.openSync(temporary, 'w', 0o600)
    try {
      fs.writeFileSync(fd, text)
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
    fs.renameSync(temporary, file)
    syncDirectory(path.dirname(file))
  } catch (error) {
    fs.rmSync(temporary, { force: true })
    throw outputError(error, file)
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function fromHex(text: string, length: number): Uint8Array {
  const bytes = Uint8Array.from(Buffer.from(text, 'hex'))
  if (bytes.length !== length) throw new RangeError('a field has another length')
  return bytes
}
