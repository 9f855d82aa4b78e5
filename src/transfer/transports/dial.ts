/**
 * Which transport: the choice among those that a listener offers, and a listener that offers several. QUIC comes
 * first, since it loses less to packet loss; TLS over TCP where UDP does not pass. A transport is loaded when it is
 * first used.
 */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { WarpError, asWarpError } from '../../base/errors.ts'
import type { Address, Certificate, Connection, Listener, Transport, TransportKind } from './connection.ts'
import { AcceptQueue } from './accept-queue.ts'
import { hostPort } from './attempt.ts'

/** A transport that finds its peer by an address. */
type Network = Exclude<TransportKind, 'pipe'>

export const TRANSPORTS: Record<Network, () => Promise<Transport>> = {
  quic: async () => (await import('./quic.ts')).quic,
  tls: async () => (await import('./tls.ts')).tlsTransport,
  webtransport: async () => (await import('./webtransport.ts')).webtransport,
  memory: async () => (await import('./memory.ts')).memory,
}

/** Milliseconds after which UDP is taken not to pass. */
const QUIC_AHEAD_MS = 2000
/** Milliseconds between attempts at two addresses. Source: RFC 8305 §5, its lower recommended bound. */
const STAGGER_MS = 100
/** Addresses that one name may stand for. */
const MAX_ADDRESSES_OF_NAME = 8
/** Attempts to find a port that is free for UDP and for TCP. */
const MAX_PORTS = 20

export interface DialOptions {
  /** Where the peer may be, best first; `transports` is what listens there, default QUIC and TLS. */
  addresses: (Address & { transports?: TransportKind[] })[]
  /** Own certificate. */
  certificate: Certificate
  /** SHA-256 of the certificate that the listener must show. */
  fingerprint: Uint8Array
  transport: TransportKind | 'auto'
  /** For all attempts together. */
  timeoutMs: number
  signal?: AbortSignal
}

interface Target extends Address {
  kind: Network
}

/** @throws {WarpError} ERR_WARP_USAGE: it has no addresses */
function networkOf(kind: TransportKind): Network {
  if (kind === 'pipe') throw new WarpError('ERR_WARP_USAGE', 'a pipe cannot be connected to', { hint: 'use --transport pipe with ssh' })
  return kind
}

/**
 * Connects to the first of the addresses that answers.
 * @throws {WarpError} of all failures the one that tells most: ERR_WARP_PEER_AUTH (something shows another certificate),
 * ERR_WARP_PEER_UNREACHABLE, ERR_WARP_TRANSPORT_UNAVAILABLE; its message names every attempt
 */
export async function dial(options: DialOptions): Promise<Connection> {
  const { addresses, transport, signal } = options
  signal?.throwIfAborted()
  const offered = ({ transports = ['quic', 'tls'] }: DialOptions['addresses'][number]): Network[] =>
    transport === 'auto' ? transports.map(networkOf) : [networkOf(transport)]
  const targets = addresses.flatMap((address) => offered(address).map((kind): Target => ({ kind, host: address.host, port: address.port })))
  const race = new Race(options)
  try {
    const first = race.tryAll(targets.filter(({ kind }) => kind === 'quic'))
    // Never rejects: it says when the others' turn has come.
    const isTurn = Promise.race([first.then(() => {}, () => {}), sleep(QUIC_AHEAD_MS, undefined, { signal: race.signal }).catch(() => {})])
    const others = isTurn.then(() => race.tryAll(targets.filter(({ kind }) => kind !== 'quic')))
    return await Promise.any([first, others])
  } catch {
    signal?.throwIfAborted()
    throw race.failure(targets.length)
  } finally {
    race.end()
  }
}

/** Attempts of which one wins; the others are ended, and closed if they succeed as well. */
class Race {
  readonly #options: DialOptions
  readonly #ending = new AbortController()
  readonly #names = new Map<string, Promise<string[]>>()
  readonly #failures: { target: Target; error: WarpError }[] = []
  readonly #deadline: number
  readonly #onAbort = (): void => this.#ending.abort()
  #isWon = false

  constructor(options: DialOptions) {
    this.#options = options
    this.#deadline = performance.now() + options.timeoutMs
    options.signal?.addEventListener('abort', this.#onAbort)
  }

  get signal(): AbortSignal {
    return this.#ending.signal
  }

  /** The first that connects. */
  tryAll(targets: Target[]): Promise<Connection> {
    return Promise.any(targets.map(async (target, i) => {
      await sleep(i * STAGGER_MS, undefined, { signal: this.signal })
      try {
        const hosts = await this.#resolve(target.host)
        return await Promise.any(hosts.map((host) => this.#connect({ ...target, host })))
      } catch (error) {
        if (!(error instanceof AggregateError)) this.#failed(target, error)
        throw error
      }
    }))
  }

  /** Ends every attempt that is under way. */
  end(): void {
    this.#isWon = true
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#ending.abort()
  }

  /** What to say when nothing has connected. */
  failure(count: number): WarpError {
    if (count === 0) return new WarpError('ERR_WARP_PEER_UNREACHABLE', 'there is no address to connect to')
    const codes = ['ERR_WARP_PEER_AUTH', 'ERR_WARP_PEER_UNREACHABLE', 'ERR_WARP_TRANSPORT_UNAVAILABLE'] as const
    const code = codes.find((code) => this.#failures.some(({ error }) => error.code === code)) ?? 'ERR_WARP_PEER_UNREACHABLE'
    const told = this.#failures.map(({ target, error }) => `${target.kind} ${hostPort(target.host, target.port)} (${error.message})`)
    const cause = this.#failures.find(({ error }) => error.code === code)?.error
    return new WarpError(code, `cannot connect: ${told.join('; ')}`, {
      cause,
      hint: cause?.hint ?? 'is the other side still listening, and does a firewall let it be reached?',
    })
  }

  async #connect(target: Target): Promise<Connection> {
    const { certificate, fingerprint } = this.#options
    const { kind, host, port } = target
    try {
      const transport = await TRANSPORTS[kind]()
      const timeoutMs = Math.max(1, this.#deadline - performance.now())
      const connection = await transport.connect({ host, port, certificate, fingerprint, timeoutMs, signal: this.signal })
      if (this.#isWon) {
        connection.close()
        throw new Error('another was faster')
      }
      this.#isWon = true
      return connection
    } catch (error) {
      this.#failed(target, error)
      throw error
    }
  }

  #failed(target: Target, error: unknown): void {
    if (!this.signal.aborted) this.#failures.push({ target, error: asWarpError(error) })
  }

  /** IP addresses of `host`; each name is looked up once. */
  #resolve(host: string): Promise<string[]> {
    if (isIP(host) || host.includes('%')) return Promise.resolve([host])
    const found = this.#names.get(host) ?? lookup(host, { all: true }).then(
      (all) => all.slice(0, MAX_ADDRESSES_OF_NAME).map(({ address }) => address),
      (error: unknown) => {
        throw new WarpError('ERR_WARP_PEER_UNREACHABLE', `there is no host ${host}`, { cause: error })
      },
    )
    this.#names.set(host, found)
    const left = sleep(Math.max(1, this.#deadline - performance.now()), undefined, { signal: this.signal })
    return Promise.race([found, left.then(() => {
      throw new WarpError('ERR_WARP_PEER_UNREACHABLE', `the name ${host} was not found in time`)
    })])
  }
}

export interface ListenAllOptions {
  /** Address to bind; '' or '::' is any. */
  host: string
  /** 0: one is picked that is free for all transports. */
  port: number
  certificate: Certificate
  transport: TransportKind | 'auto'
  signal?: AbortSignal
}

export interface ManifoldListener extends Listener {
  /** What listens, in the order of preference. */
  readonly transports: TransportKind[]
}

/**
 * Listens with every transport that is wished for and can be used here, all on one port number.
 * @throws {WarpError} ERR_WARP_USAGE: the port is in use; ERR_WARP_TRANSPORT_UNAVAILABLE
 */
export async function listenAll({ transport, ...options }: ListenAllOptions): Promise<ManifoldListener> {
  const wished: Network[] = transport === 'auto' ? ['quic', 'tls'] : [networkOf(transport)]
  const loaded = await Promise.all(wished.map((kind) => TRANSPORTS[kind]()))
  const usable = wished.length === 1 ? loaded : await onlyUsable(loaded)
  const listeners = await openAll(usable, options)
  const queue = new AcceptQueue()
  const take = async (listener: Listener): Promise<void> => {
    for (;;) {
      // Each transport bounds its own: no more than one of each waits here.
      await queue.room(1)
      const connection = await listener.accept()
      if (connection === null) return
      queue.offer(connection)
    }
  }
  const all = Promise.all(listeners.map(take)).finally(() => queue.close())
  const close = async (): Promise<void> => {
    queue.close()
    await Promise.all([...listeners.map((listener) => listener.close()), all])
  }
  return { address: listeners[0]!.address, transports: usable.map(({ kind }) => kind), accept: () => queue.take(), close }
}

async function onlyUsable(transports: Transport[]): Promise<Transport[]> {
  const reasons = await Promise.all(transports.map((transport) => transport.unavailable()))
  return transports.filter((_, i) => reasons[i] === null)
}

async function openAll(transports: Transport[], options: Omit<ListenAllOptions, 'transport'>): Promise<Listener[]> {
  for (let attempt = 1; ; attempt++) {
    const open: Listener[] = []
    try {
      for (const transport of transports) open.push(await transport.listen({ ...options, port: open[0]?.address.port ?? options.port }))
      return open
    } catch (error) {
      await Promise.all(open.map((listener) => listener.close()))
      // What the system picked for the first may be taken for the second.
      const isTaken = error instanceof WarpError && error.code === 'ERR_WARP_USAGE' && open.length > 0
      if (options.port !== 0 || !isTaken || attempt === MAX_PORTS) throw error
    }
  }
}
