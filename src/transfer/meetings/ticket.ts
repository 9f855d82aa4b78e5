/**
 * Tickets: all that a peer needs to find a listener, to know it and to be let in, as one word to copy. A secret.
 *
 * `warp` in Bech32 (BIP 173, without its limit of 90 characters) of, integers little-endian:
 *
 * | field | bytes | |
 * |---|---|---|
 * | version | 1 | 1 |
 * | role | 1 | of the listener: 1 sends, 2 receives |
 * | expiry | 4 | seconds since 1970, not 0 |
 * | secret | 16 | random |
 * | fingerprint | 32 | SHA-256 of the listener's certificate (DER) |
 * | count | 1 | of addresses, 1 to 16 |
 *
 * and for each address, no two of them the same:
 *
 * | field | bytes | |
 * |---|---|---|
 * | transports | 1 | bits: 1 QUIC, 2 TLS, 4 WebTransport; at least one, no other |
 * | family | 1 | 1 IPv4, 2 IPv6, 3 name |
 * | port | 2 | not 0 |
 * | host | 4, 16 or 1 + n | IPv4; IPv6, not one that is mapped to IPv4; u8 n = 1 to 253 and a name of lower case ASCII |
 */
import net from 'node:net'
import { WarpError } from '../../base/errors.ts'
import { ID_BYTES } from '../../base/limits.ts'
import { deriveKey } from '../../codec/blake3.ts'
import { loadPortable } from '../../codec/native.ts'
import { ByteReader, ByteWriter } from '../../format/cursor.ts'
import type { Address, TransportKind } from '../transports/connection.ts'
import type { HandshakeSecret } from '../handshake/handshake.ts'
import { SECRET_ID_BYTES } from '../handshake/handshake-messages.ts'
import { MAX_ADDRESSES, ipv4Bytes, ipv6Bytes, ipv6Text, unmapped } from './ip-address.ts'

const PREFIX = 'warp'
const VERSION = 1
export const TICKET_SECRET_BYTES = 16
const MAX_NAME_BYTES = 253
/** Of the longest: 16 names. */
const MAX_TICKET_BYTES = 55 + MAX_ADDRESSES * (5 + MAX_NAME_BYTES)
const MAX_TICKET_CHARACTERS = PREFIX.length + 1 + Math.ceil(MAX_TICKET_BYTES * 8 / 5) + 6

export type NetworkTransport = Exclude<TransportKind, 'pipe' | 'memory'>

const TRANSPORTS: [NetworkTransport, number][] = [['quic', 1], ['tls', 2], ['webtransport', 4]]
const ROLES = ['send', 'receive'] as const
const IPV4 = 1
const IPV6 = 2
const NAME = 3

export interface TicketAddress extends Address {
  /** What listens there, in the order of preference quic, tls, webtransport. */
  transports: NetworkTransport[]
}

export interface Ticket {
  /** What the listener does. */
  role: 'send' | 'receive'
  /** Seconds since 1970, 1 to 2³²−1. */
  expires: number
  /** 16 bytes. */
  secret: Uint8Array
  /** SHA-256 of the listener's certificate, 32 bytes. */
  fingerprint: Uint8Array
  /** 1 to 16, those to try first in front. */
  addresses: TicketAddress[]
}

/** @throws {RangeError} a field is out of range, or an address twice */
export function encodeTicket(ticket: Ticket): string {
  const { role, expires, secret, fingerprint, addresses } = ticket
  if (secret.length !== TICKET_SECRET_BYTES || fingerprint.length !== ID_BYTES || expires < 1) throw new RangeError('a ticket out of range')
  if (addresses.length < 1 || addresses.length > MAX_ADDRESSES) throw new RangeError('a ticket has 1 to 16 addresses')
  const writer = new ByteWriter().u8(VERSION).u8(1 + ROLES.indexOf(role)).u32(expires).put(secret).put(fingerprint).u8(addresses.length)
  const seen = new Set<string>()
  for (const { host, port, transports } of addresses) {
    const mask = TRANSPORTS.reduce((sum, [kind, bit]) => sum | (transports.includes(kind) ? bit : 0), 0)
    if (mask === 0 || port < 1) throw new RangeError('an address without a port or a transport')
    writer.u8(mask)
    writeHost(writer, unmapped(host.toLowerCase()), port)
    const key = `${unmapped(host.toLowerCase())} ${port}`
    if (seen.has(key)) throw new RangeError('an address twice')
    seen.add(key)
  }
  const { bech32 } = loadPortable('@scure/base') as typeof import('@scure/base')
  return bech32.encode(PREFIX, bech32.toWords(writer.peek()), false)
}

function writeHost(writer: ByteWriter, host: string, port: number): void {
  if (net.isIPv4(host)) {
    writer.u8(IPV4).u16(port).put(ipv4Bytes(host))
  } else if (net.isIPv6(host)) {
    writer.u8(IPV6).u16(port).put(ipv6Bytes(host))
  } else {
    if (!isName(host)) throw new RangeError('no host')
    writer.u8(NAME).u16(port).u8(host.length).put(Buffer.from(host))
  }
}

/** A name as DNS has them; the last label is no number, so that it is no address in any notation. */
function isName(host: string): boolean {
  return host.length <= MAX_NAME_BYTES && /^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*(?!\d+$|0x[0-9a-f]*$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(host)
}

/**
 * @param text with space around it at most
 * @throws {WarpError} ERR_WARP_USAGE: not a ticket of this version. The text is not repeated, it may be a secret.
 */
export function decodeTicket(text: string): Ticket {
  const trimmed = text.trim()
  if (trimmed.length > MAX_TICKET_CHARACTERS) throw notATicket()
  const { bech32 } = loadPortable('@scure/base') as typeof import('@scure/base')
  const decoded = bech32.decodeUnsafe(trimmed, false)
  const bytes = decoded && bech32.fromWordsUnsafe(decoded.words)
  if (!decoded || decoded.prefix !== PREFIX || !bytes) throw notATicket()
  if (bytes.length > 0 && bytes[0] !== VERSION) {
    throw new WarpError('ERR_WARP_USAGE', `the ticket is of version ${bytes[0]}, not ${VERSION}`, { hint: 'both sides need the same version of warp' })
  }
  try {
    return readTicket(new ByteReader(bytes))
  } catch (error) {
    // Only of ByteReader, and of the checks below.
    if (error instanceof WarpError) throw notATicket()
    throw error
  }
}

function notATicket(): WarpError {
  return new WarpError('ERR_WARP_USAGE', 'the ticket is mistyped or cut short', { hint: 'copy all of it; a ticket starts with warp1' })
}

function readTicket(reader: ByteReader): Ticket {
  reader.u8()
  const role = ROLES[reader.u8() - 1]
  const expires = reader.u32()
  const secret = reader.take(TICKET_SECRET_BYTES).slice()
  const fingerprint = reader.take(ID_BYTES).slice()
  const count = reader.u8()
  if (role === undefined || expires === 0 || count < 1 || count > MAX_ADDRESSES) throw notATicket()
  const addresses: TicketAddress[] = []
  for (let i = 0; i < count; i++) {
    const mask = reader.u8()
    if (mask < 1 || mask > 7) throw notATicket()
    const transports = TRANSPORTS.filter(([, bit]) => (mask & bit) !== 0).map(([kind]) => kind)
    const family = reader.u8()
    const port = reader.u16()
    if (port === 0) throw notATicket()
    const host = readHost(reader, family)
    if (addresses.some((other) => other.host === host && other.port === port)) throw notATicket()
    addresses.push({ host, port, transports })
  }
  reader.done()
  return { role, expires, secret, fingerprint, addresses }
}

function readHost(reader: ByteReader, family: number): string {
  if (family === IPV4) return reader.take(4).join('.')
  if (family === IPV6) {
    const host = ipv6Text(reader.take(16))
    if (unmapped(host) !== host) throw notATicket()
    return host
  }
  if (family !== NAME) throw notATicket()
  const host = Buffer.from(reader.take(reader.u8())).toString('latin1')
  if (!isName(host)) throw notATicket()
  return host
}

/** The secret of the handshake that a ticket stands for. */
export function secretOf(ticket: Pick<Ticket, 'secret'>): HandshakeSecret {
  return {
    kind: 'ticket',
    psk: deriveKey('warp-transfer 1 ticket', ticket.secret),
    id: deriveKey('warp-transfer 1 ticket id', ticket.secret).subarray(0, SECRET_ID_BYTES),
  }
}
