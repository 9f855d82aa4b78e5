/** IP addresses as text and as bytes, and which of this host a peer can use. */
import os from 'node:os'
import net from 'node:net'
import type { Address } from '../transports/connection.ts'

/** Addresses that a listener tells of, at most. */
export const MAX_ADDRESSES = 16

/** @param host an IPv4 address */
export function ipv4Bytes(host: string): Uint8Array {
  return Uint8Array.from(host.split('.'), Number)
}

/** The groups of the text form that RFC 5952 recommends, as the URL standard writes it. */
function canonical(host: string): string {
  return new URL(`http://[${host}]`).hostname.slice(1, -1)
}

/**
 * @param host an IPv6 address, without a zone
 * @throws {RangeError} it has a zone: that means nothing on another host
 */
export function ipv6Bytes(host: string): Uint8Array {
  if (host.includes('%')) throw new RangeError('an address with a zone')
  const [front, back] = canonical(host).split('::').map((half) => half.split(':').filter((group) => group !== ''))
  const groups = back === undefined ? front : [...front, ...Array<string>(8 - front.length - back.length).fill('0'), ...back]
  return Uint8Array.from(groups.flatMap((group) => {
    const value = Number.parseInt(group, 16)
    return [value >>> 8, value & 0xff]
  }))
}

/** @param bytes 16 bytes */
export function ipv6Text(bytes: Uint8Array): string {
  return canonical(Array.from({ length: 8 }, (_, i) => (bytes[2 * i] << 8 | bytes[2 * i + 1]).toString(16)).join(':'))
}

/** `host`, or if it is IPv4 in the form of IPv6 (RFC 4291 §2.5.5.2) as IPv4; IPv6 in its canonical form. */
export function unmapped(host: string): string {
  if (!net.isIPv6(host) || host.includes('%')) return host
  const bytes = ipv6Bytes(host)
  const isMapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff
  return isMapped ? bytes.subarray(12).join('.') : canonical(host)
}

type Interfaces = ReturnType<typeof os.networkInterfaces>

/**
 * Where a listener that was bound to `host` can be reached, best first: what was asked for, or for '', '::' and
 * '0.0.0.0' every address of this host, those of one link after the others, loopback only where there is no other.
 * @returns at most MAX_ADDRESSES
 */
export function localAddresses(host: string, port: number, interfaces: Interfaces = os.networkInterfaces()): Address[] {
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  if (bare !== '' && bare !== '::' && bare !== '0.0.0.0') return [{ host: bare, port }]
  const own = Object.values(interfaces).flatMap((list) => list ?? [])
    .filter(({ family }) => family === 'IPv4' || bare !== '0.0.0.0')
    // Of a link that only this host has a name for.
    .filter(({ family, address }) => family === 'IPv4' || !/^fe[89ab]/i.test(address))
  const rank = ({ family, address }: os.NetworkInterfaceInfo): number => address.startsWith('169.254.') ? 2 : family === 'IPv4' ? 0 : 1
  const outer = own.filter(({ internal }) => !internal).sort((a, b) => rank(a) - rank(b))
  const hosts = (outer.length > 0 ? outer : own).map(({ address }) => address)
  return [...new Set(hosts)].slice(0, MAX_ADDRESSES).map((host) => ({ host, port }))
}
