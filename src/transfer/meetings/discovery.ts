/**
 * How two sides with a code find each other on one network: multicast DNS (RFC 6762), asked for by the first word.
 * Who listens answers questions for `WORD._warp._udp.local`, and says nothing unasked; who looks asks until it has
 * found. An answer has, as DNS-SD (RFC 6763) has it:
 *
 * - SRV: the port of the first transport, at a host name made up for this run
 * - TXT: strings `v=1`, `f=` the SHA-256 of the certificate in 64 lower-case hexadecimal digits, and for each
 *   transport `quic=`, `tls=` or `webtransport=` its port
 * - A, AAAA: the addresses of the host, at most 16
 *
 * Nothing of it is trusted: whoever is found has to show that certificate, and to prove that it knows the code.
 */
import net from 'node:net'
import os from 'node:os'
import { randomBytes } from 'node:crypto'
import type { Answer, TxtData } from 'dns-packet'
import type { MulticastDNS, ResponsePacket } from 'multicast-dns'
import { WarpError } from '../../base/errors.ts'
import { ID_BYTES } from '../../base/limits.ts'
import { loadPortable } from '../../codec/native.ts'
import { MAX_ADDRESSES } from './ip-address.ts'
import type { NetworkTransport } from './ticket.ts'

type MakeMdns = typeof import('multicast-dns')

const SERVICE = '_warp._udp.local'
const VERSION = '1'
const TRANSPORTS: NetworkTransport[] = ['quic', 'tls', 'webtransport']
const TTL_SECONDS = 10
/** How often it is asked. */
const ASK_MS = 500
/** No faster are questions answered, on one interface. */
const ANSWER_MS = 50
/** More who claim the same word are not told of. */
const MAX_FOUND = 8
const MAX_INTERFACES = 8
const MAX_RECORDS = 64
const MAX_TXT_STRINGS = 16
const MAX_TXT_BYTES = 128

export interface Service {
  /** First word of the code. */
  word: string
  /** SHA-256 of the certificate, 32 bytes. */
  fingerprint: Uint8Array
  /** Where each transport listens. */
  ports: Partial<Record<NetworkTransport, number>>
}

/** Somebody who claims to be meant. */
export interface Found extends Service {
  /** Where the answer came from first, then what it says itself; at most 16. */
  hosts: string[]
}

export interface DiscoveryOptions {
  /** IPv4 addresses of the interfaces to use; default: all. */
  interfaces?: string[]
  /** UDP; only tests need another than that of multicast DNS. */
  port?: number
}

function ownInterfaces(): string[] {
  const addresses = Object.values(os.networkInterfaces()).flatMap((list) => list ?? []).filter(({ family }) => family === 'IPv4')
  const outer = addresses.filter(({ internal }) => !internal).map(({ address }) => address)
  // Two processes of one host meet there, also without a network.
  return [...outer.slice(0, MAX_INTERFACES - 1), '127.0.0.1']
}

/** One socket for each interface: with a single one the system would choose where questions go. */
class Sockets {
  readonly all: MulticastDNS[] = []

  /** @throws {WarpError} ERR_WARP_TRANSPORT_UNAVAILABLE: multicast DNS cannot be used on any interface */
  static async open({ interfaces = ownInterfaces(), port }: DiscoveryOptions): Promise<Sockets> {
    const makeMdns = loadPortable('multicast-dns') as MakeMdns
    const sockets = new Sockets()
    let failure: unknown
    for (const address of interfaces) {
      // Bound to the address of an interface, a socket gets no multicast on Linux.
      const mdns = makeMdns({ interface: address, bind: '0.0.0.0', ...(port === undefined ? {} : { port }) })
      // One failure may be told of twice.
      mdns.on('error', () => {})
      try {
        await new Promise<void>((resolve, reject) => {
          mdns.once('ready', resolve)
          mdns.once('error', reject)
        })
        sockets.all.push(mdns)
      } catch (error) {
        failure = error
        await destroy(mdns)
      }
    }
    if (sockets.all.length === 0) {
      const reason = failure instanceof Error ? `: ${failure.message}` : ''
      throw new WarpError('ERR_WARP_TRANSPORT_UNAVAILABLE', `codes need multicast DNS, which cannot be used here${reason}`, {
        cause: failure, hint: 'use a ticket: --listen on one side, --to or --from on the other',
      })
    }
    return sockets
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map(destroy))
  }
}

function destroy(mdns: MulticastDNS): Promise<void> {
  return new Promise((resolve) => mdns.destroy(resolve))
}

function nameOf(word: string): string {
  if (!/^[a-z]{1,32}$/.test(word)) throw new RangeError('not a word')
  return `${word}.${SERVICE}`
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b
}

export interface Announcement {
  close(): Promise<void>
}

/**
 * Answers those who look for `service.word` until it is closed.
 * @param hosts addresses at which it can be reached
 * @throws {WarpError} ERR_WARP_TRANSPORT_UNAVAILABLE
 */
export async function announce(service: Service, hosts: string[], options: DiscoveryOptions = {}): Promise<Announcement> {
  const name = nameOf(service.word)
  const answers = answersOf(name, service, hosts)
  const sockets = await Sockets.open(options)
  for (const mdns of sockets.all) {
    let lastMs = -Infinity
    mdns.on('query', ({ questions }) => {
      const isAsked = questions.length <= MAX_RECORDS && questions.some((question) => sameName(question.name, name))
      if (!isAsked || performance.now() - lastMs < ANSWER_MS) return
      lastMs = performance.now()
      mdns.respond(answers)
    })
  }
  return { close: () => sockets.close() }
}

function answersOf(name: string, { fingerprint, ports }: Service, hosts: string[]): Answer[] {
  const offered = TRANSPORTS.filter((kind) => ports[kind] !== undefined)
  if (fingerprint.length !== ID_BYTES || offered.length === 0) throw new RangeError('a service has a fingerprint and a port')
  const target = `warp-${randomBytes(8).toString('hex')}.local`
  const txt = [`v=${VERSION}`, `f=${Buffer.from(fingerprint).toString('hex')}`, ...offered.map((kind) => `${kind}=${ports[kind]}`)]
  return [
    { type: 'SRV', name, ttl: TTL_SECONDS, data: { port: ports[offered[0]]!, target } },
    { type: 'TXT', name, ttl: TTL_SECONDS, data: txt },
    ...hosts.slice(0, MAX_ADDRESSES).flatMap((host): Answer[] => {
      if (net.isIP(host) === 0) return []
      return [{ type: net.isIPv4(host) ? 'A' : 'AAAA', name: target, ttl: TTL_SECONDS, data: host }]
    }),
  ]
}

/**
 * Who answers for `word`, each certificate once, as they are found, at most 8; ends when the time is up.
 * @param timeoutMs milliseconds
 * @throws {WarpError} ERR_WARP_PEER_UNREACHABLE: nobody did; ERR_WARP_INTERRUPTED; ERR_WARP_TRANSPORT_UNAVAILABLE
 */
export async function* discover(
  word: string, timeoutMs: number, options: DiscoveryOptions & { signal?: AbortSignal } = {},
): AsyncGenerator<Found, void, undefined> {
  const name = nameOf(word)
  const { signal } = options
  const sockets = await Sockets.open(options)
  const seen = new Set<string>()
  const queue: Found[] = []
  let wake = (): void => {}
  for (const mdns of sockets.all) {
    mdns.on('response', (packet, { address }) => {
      const found = seen.size < MAX_FOUND ? foundIn(packet, name, word, address) : null
      const key = found && Buffer.from(found.fingerprint).toString('hex')
      if (!key || seen.has(key)) return
      seen.add(key)
      queue.push(found)
      wake()
    })
  }
  const ask = (): void => {
    for (const mdns of sockets.all) mdns.query([{ name, type: 'SRV' }, { name, type: 'TXT' }])
  }
  const asking = setInterval(ask, ASK_MS)
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    wake()
  }, timeoutMs)
  const onAbort = (): void => wake()
  signal?.addEventListener('abort', onAbort)
  try {
    ask()
    while (true) {
      if (signal?.aborted) throw new WarpError('ERR_WARP_INTERRUPTED', 'the search for the peer was interrupted', { cause: signal.reason })
      const found = queue.shift()
      if (found) {
        yield found
      } else {
        if (isLate || seen.size >= MAX_FOUND) break
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  } finally {
    clearInterval(asking)
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
    await sockets.close()
  }
  if (seen.size === 0) {
    throw new WarpError('ERR_WARP_PEER_UNREACHABLE', `nobody on this network answered to the code within ${timeoutMs / 1000} seconds`, {
      hint: 'both sides must be on one network that passes multicast; else use a ticket',
    })
  }
}

/** What `packet` says of `name`, or null where that is not all of it, or malformed. */
export function foundIn(packet: Pick<ResponsePacket, 'answers' | 'additionals'>, name: string, word: string, from: string): Found | null {
  const records = [...packet.answers.slice(0, MAX_RECORDS), ...packet.additionals.slice(0, MAX_RECORDS)]
  const texts = records.flatMap((record) => record.type === 'TXT' && sameName(record.name, name) ? [textsOf(record.data)] : [])
  if (texts.length !== 1) return null
  const values = new Map<string, string>()
  for (const text of texts[0]) {
    const at = text.indexOf('=')
    if (at > 0 && !values.has(text.slice(0, at))) values.set(text.slice(0, at), text.slice(at + 1))
  }
  const fingerprint = values.get('f') ?? ''
  if (values.get('v') !== VERSION || !/^[0-9a-f]{64}$/.test(fingerprint)) return null
  const ports: Found['ports'] = {}
  for (const kind of TRANSPORTS) {
    const text = values.get(kind)
    if (text === undefined) continue
    if (!/^[1-9]\d{0,4}$/.test(text) || Number(text) > 65_535) return null
    ports[kind] = Number(text)
  }
  if (Object.keys(ports).length === 0) return null
  const target = records.find((record) => record.type === 'SRV' && sameName(record.name, name))
  const targetName = target?.type === 'SRV' ? target.data.target : null
  const said = records.flatMap((record) =>
    (record.type === 'A' || record.type === 'AAAA') && record.name === targetName && net.isIP(record.data) !== 0 ? [record.data] : [])
  const hosts = [...new Set([from, ...said])].slice(0, MAX_ADDRESSES)
  return { word, fingerprint: Uint8Array.from(Buffer.from(fingerprint, 'hex')), ports, hosts }
}

function textsOf(data: TxtData): string[] {
  const strings = (Array.isArray(data) ? data : [data]).slice(0, MAX_TXT_STRINGS)
  return strings.flatMap((text) => text.length > MAX_TXT_BYTES ? [] : [typeof text === 'string' ? text : Buffer.from(text).toString('latin1')])
}
