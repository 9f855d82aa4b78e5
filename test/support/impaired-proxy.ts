/**
 * A bad network in this process: relays UDP and TCP between whoever connects and a target, with delay, loss, reordering
 * and a rate, by a seed. For tests, and bundled into the benchmarks.
 */
import { DatagramRelay } from './impaired/datagrams.ts'
import { UNIMPAIRED, type Counters, type Impairment } from './impaired/line.ts'
import { StreamRelay } from './impaired/streams.ts'

export interface ProxyOptions extends Partial<Impairment> {
  target: { host: string, port: number }
  udp?: boolean
  tcp?: boolean
  /** Where clients connect; default: 127.0.0.1, and a port that the system picks, the same for both protocols. */
  host?: string
  port?: number
  seed?: number
}

export interface ProxyStats {
  /** From the clients to the target, and back. */
  datagrams: { up: Counters, down: Counters, clients: number } | null
  streams: { up: Counters, down: Counters, connections: number } | null
}

export interface Proxy {
  readonly host: string
  readonly port: number
  /** Drops everything under way and all that comes, resets TCP; UDP clients get other ports afterwards. */
  cut(): void
  /** Drops datagrams, and holds streams without a word. */
  stall(): void
  /** After `cut` or `stall`. */
  restore(): void
  stats(): ProxyStats
  close(): Promise<void>
}

/** A port may be free for one protocol and not for the other. */
const ATTEMPTS = 20

/** @throws {Error} EADDRINUSE: the port that was asked for is taken */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { target, udp = true, tcp = true, host = '127.0.0.1', port: wanted = 0, seed = 1 } = options
  const impairment: Impairment = { ...UNIMPAIRED }
  for (const key of Object.keys(UNIMPAIRED) as (keyof Impairment)[]) impairment[key] = options[key] ?? UNIMPAIRED[key]
  for (let attempt = 1; ; attempt++) {
    const streams = tcp || wanted === 0 ? await StreamRelay.open(host, wanted, target, impairment, seed) : null
    const port = streams?.port ?? wanted
    try {
      const datagrams = udp ? await DatagramRelay.open(host, port, target, impairment, seed) : null
      // Only to find a port.
      if (!tcp) await streams?.close()
      return proxyOf(host, port, datagrams, tcp ? streams : null)
    } catch (error) {
      await streams?.close()
      if (wanted !== 0 || attempt === ATTEMPTS) throw error
    }
  }
}

function proxyOf(host: string, port: number, datagrams: DatagramRelay | null, streams: StreamRelay | null): Proxy {
  return {
    host, port,
    cut: () => {
      if (datagrams) datagrams.isOpen = false
      datagrams?.forgetClients()
      streams?.cut()
    },
    stall: () => {
      if (datagrams) datagrams.isOpen = false
      streams?.stall()
    },
    restore: () => {
      if (datagrams) datagrams.isOpen = true
      streams?.restore()
    },
    stats: () => ({
      datagrams: datagrams && { up: { ...datagrams.up }, down: { ...datagrams.down }, clients: datagrams.clients },
      streams: streams && { up: { ...streams.up }, down: { ...streams.down }, connections: streams.connections },
    }),
    close: async () => {
      await Promise.all([datagrams?.close(), streams?.close()])
    },
  }
}
