/** Where a meeting listens, and what it connects to, in terms of tickets and of what is found on the network. */
import type { Certificate, Connection, TransportKind } from '../transports/connection.ts'
import { dial, listenAll } from '../transports/dial.ts'
import type { Found } from './discovery.ts'
import { localAddresses } from './ip-address.ts'
import type { NetworkTransport, TicketAddress } from './ticket.ts'

export interface Door {
  /** Where it can be reached, best first; never empty. */
  addresses: TicketAddress[]
  /** Of each transport. */
  ports: Partial<Record<NetworkTransport, number>>
  /** Next connection; null after `close`. */
  accept(): Promise<Connection | null>
  close(): Promise<void>
}

export interface DoorOptions {
  /** '' is any. */
  host: string
  /** 0: the system picks one. */
  port: number
  certificate: Certificate
  transport: TransportKind | 'auto' | undefined
  signal: AbortSignal | undefined
}

/** @throws {WarpError} ERR_WARP_USAGE: it cannot be listened there; ERR_WARP_TRANSPORT_UNAVAILABLE */
export async function openDoor({ host, port, certificate, transport, signal }: DoorOptions): Promise<Door> {
  // A pipe is what is used when nobody has come through the door.
  const listener = await listenAll({ host, port, certificate, transport: transport === 'pipe' ? 'auto' : transport ?? 'auto', signal })
  const transports = listener.transports as NetworkTransport[]
  const bound = listener.address.port
  const addresses = localAddresses(host, bound)
  // A host without any network can still be met on through a pipe.
  if (addresses.length === 0) addresses.push({ host: '127.0.0.1', port: bound })
  return {
    addresses: addresses.map((address) => ({ ...address, transports })),
    ports: Object.fromEntries(transports.map((kind) => [kind, bound])),
    accept: () => listener.accept(),
    close: () => listener.close(),
  }
}

export interface ReachOptions {
  addresses: TicketAddress[]
  /** The certificate that is expected there. */
  fingerprint: Uint8Array
  certificate: Certificate
  transport: TransportKind | 'auto' | undefined
  /** In all. */
  timeoutMs: number
  signal: AbortSignal
}

/** @throws {WarpError} ERR_WARP_PEER_UNREACHABLE, ERR_WARP_PEER_AUTH: another certificate is shown; ERR_WARP_TRANSPORT_UNAVAILABLE */
export async function reach({ transport = 'auto', ...options }: ReachOptions): Promise<Connection> {
  return await dial({ ...options, transport })
}

/** Where who was found on the network claims to be. */
export function addressesOf({ hosts, ports }: Found): TicketAddress[] {
  const kinds = Object.keys(ports) as NetworkTransport[]
  return hosts.flatMap((host) => {
    const byPort = new Map<number, NetworkTransport[]>()
    for (const kind of kinds) byPort.set(ports[kind]!, [...byPort.get(ports[kind]!) ?? [], kind])
    return [...byPort].map(([port, transports]) => ({ host, port, transports }))
  })
}
