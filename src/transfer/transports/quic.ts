/**
 * QUIC over UDP, where its native part is installed (see quic-binding.ts). Certificates are shown after its own
 * handshake (see quic-proof.ts). What is accepted shares the port of the listener: that is free when the last
 * connection has gone.
 *
 * Who listens opens both streams: that for the bytes with its certificate, that for the ends with one byte of zero.
 */
import { lookup } from 'node:dns/promises'
import { isIP, isIPv6 } from 'node:net'
import { WarpError } from '../../base/errors.ts'
import type { Certificate, Connection, ConnectOptions, Listener, ListenOptions, Transport } from './connection.ts'
import { AcceptQueue, HANDSHAKE_MS } from './accept-queue.ts'
import { anotherCertificate, hostPort, listenError, settleWithin, unreachable } from './attempt.ts'
import {
  CONNECT_ALLOWANCE, LISTEN_ALLOWANCE, SOCKET_BYTES, loadBinding, makeHostKey, remoteOf,
  type Binding, type HostKey, type NativeClient, type NativeConnection, type NativeServer,
} from './quic-binding.ts'
import { QuicConnection } from './quic-connection.ts'
import { Places } from './quic-places.ts'
import { encodeProof, readProof } from './quic-proof.ts'
import { widenUdpBuffers } from './socket-buffer.ts'

/** Handshakes of QUIC itself that may be under way, for each family of addresses: no stream, and so no bytes, is open yet. */
const MAX_HANDSHAKES = 16

/**
 * Strangers that may send: those who show their certificate, and those who wait in `accept`. Each may make a window of
 * LISTEN_ALLOWANCE be held, and an inbox in front of it: 64 MiB and 3 MiB in all for one listener. Others wait, without
 * a stream. Who has taken a connection bounds those that it knows no better yet.
 */
export const MAX_STRANGERS = 8

function bindingOrThrow(): Binding {
  const binding = loadBinding()
  if (binding instanceof Error) {
    throw new WarpError('ERR_WARP_TRANSPORT_UNAVAILABLE', `there is no QUIC here: ${binding.message}`, { hint: 'install it, or use --transport tls' })
  }
  return binding
}

async function unavailable(): Promise<string | null> {
  const binding = loadBinding()
  return binding instanceof Error ? binding.message : null
}

interface Party {
  certificate: Certificate
  ownKey: Uint8Array
  /** Of who connects: the certificate that the listener must show. */
  expected: Uint8Array | null
}

/** Opens the streams of a new connection, and shows the certificates both ways: that of who listens first. */
async function introduce(native: NativeConnection, { certificate, ownKey, expected }: Party, onGone: () => void): Promise<QuicConnection> {
  const isInitiator = expected !== null
  const { host, port, hostKey } = remoteOf(native)
  const own = encodeProof(certificate, { isInitiator, senderKey: ownKey, recipientKey: hostKey })
  const bytes = await (isInitiator ? native.inboundStream() : native.outboundStream())
  if (!isInitiator) await bytes.write(own)
  const remoteFingerprint = await readProof((count) => bytes.read(count), { isInitiator: !isInitiator, senderKey: hostKey, recipientKey: ownKey })
  if (isInitiator) {
    if (!Buffer.from(expected).equals(remoteFingerprint)) throw anotherCertificate(hostPort(host, port))
    await bytes.write(own)
  }
  const ends = await (isInitiator ? native.inboundStream() : native.outboundStream())
  // A peer hears of a stream by what comes on it.
  await (isInitiator ? ends.read(1) : ends.write(Buffer.of(0)))
  const facts = { kind: 'quic', isInitiator, localFingerprint: certificate.fingerprint, remoteFingerprint, remoteAddress: hostPort(host, port) } as const
  return new QuicConnection(facts, native, { bytes, ends }, onGone)
}

async function connect(options: ConnectOptions): Promise<Connection> {
  const { port, certificate, fingerprint, timeoutMs, signal } = options
  const binding = bindingOrThrow()
  const place = hostPort(options.host, port)
  return settleWithin(timeoutMs, place, signal, (resolve, reject) => {
    let client: NativeClient | null = null
    let isDropped = false
    const drop = (): void => {
      isDropped = true
      client?.abort()
    }
    const attempt = async (): Promise<Connection> => {
      const host = isIP(options.host) ? options.host : (await lookup(options.host)).address
      if (isDropped) throw new Error('given up')
      const key = makeHostKey(binding, CONNECT_ALLOWANCE)
      const own = (client = new binding.Client(key.config, isIPv6(host) ? 1 : 0))
      const native = await own.outboundConnection(host, port)
      return introduce(native, { certificate, ownKey: key.publicKey, expected: fingerprint }, () => own.abort())
    }
    attempt().then(resolve, (error: unknown) => reject(unreachable(place, error)))
    return drop
  })
}

/** Servers at one port, for each family of addresses that `host` stands for. */
function openServers(binding: Binding, key: HostKey, host: string, port: number): NativeServer[] {
  if (host !== '' && host !== '::') return [new binding.Server(key.config, host, port)]
  const servers = [new binding.Server(key.config, '0.0.0.0', port)]
  try {
    // The binding opens sockets of IPv6 for IPv6 alone.
    servers.push(new binding.Server(key.config, '::', servers[0]!.port()))
  } catch (error) {
    if (!(error as Error).message.includes('in use')) return servers
    void servers[0]!.abort()
    throw error
  }
  return servers
}

async function openServersOrThrow(binding: Binding, key: HostKey, host: string, port: number): Promise<NativeServer[]> {
  const address = host === '' || isIP(host) ? host : (await lookup(host)).address
  for (let attempt = 0; ; attempt++) {
    try {
      return openServers(binding, key, address, port)
    } catch (error) {
      // The port that the system picked for one family was taken in the other.
      if (port !== 0 || attempt === 10) throw listenError(hostPort(host, port), error)
    }
  }
}

async function listen({ host, port: wanted, certificate, signal }: ListenOptions): Promise<Listener> {
  signal?.throwIfAborted()
  const binding = bindingOrThrow()
  const key = makeHostKey(binding, LISTEN_ALLOWANCE)
  const servers = await openServersOrThrow(binding, key, host, wanted)
  const port = servers[0]!.port()
  widenUdpBuffers(port, SOCKET_BYTES)
  const queue = new AcceptQueue()
  const places = new Places(MAX_STRANGERS)
  /** Gives back the place of a connection that nobody has taken yet. */
  const leave = new WeakMap<Connection, () => void>()
  const open = new Set<NativeConnection>()
  let isClosing = false
  let freed: Promise<unknown> | null = null
  const freeIfIdle = (): void => {
    if (isClosing && open.size === 0) freed ??= Promise.allSettled(servers.map((server) => server.abort()))
  }

  const welcome = async (native: NativeConnection): Promise<void> => {
    open.add(native)
    const timer = setTimeout(() => native.abort(), HANDSHAKE_MS)
    const free = await places.take()
    const gone = (): void => {
      free()
      open.delete(native)
      freeIfIdle()
    }
    try {
      const connection = await introduce(native, { certificate, ownKey: key.publicKey, expected: null }, gone)
      leave.set(connection, free)
      if (isClosing) connection.close()
      else queue.offer(connection)
    } catch {
      native.abort()
      gone()
    } finally {
      clearTimeout(timer)
    }
  }
  const serve = async (server: NativeServer): Promise<void> => {
    while (freed === null) {
      try {
        const native = await server.inboundConnection()
        if (isClosing) native.abort()
        else await welcome(native)
      } catch {
        // A handshake that failed; or all of it is closed, and `freed` says so in a moment.
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
  }
  for (const server of servers) for (let i = 0; i < MAX_HANDSHAKES; i++) void serve(server)

  const accept = async (): Promise<Connection | null> => {
    const connection = await queue.take()
    if (connection) leave.get(connection)?.()
    return connection
  }
  const close = async (): Promise<void> => {
    signal?.removeEventListener('abort', onAbort)
    isClosing = true
    queue.close()
    freeIfIdle()
    await freed
  }
  const onAbort = (): void => void close()
  signal?.addEventListener('abort', onAbort)
  return { address: { host: host === '' ? '::' : host, port }, accept, close }
}

export const quic: Transport = { kind: 'quic', unavailable, connect, listen }
