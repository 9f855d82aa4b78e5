/**
 * TLS 1.3 over TCP, for networks that block UDP. Both sides show a certificate, and each is known by its
 * fingerprint alone. TCP holds a writer back by its windows; beside them wait at most INBOX_BYTES here and one
 * write there. Node does not tell the end of TLS from the end of TCP, so the end of a process that was killed
 * looks orderly to `read`; what runs above tells them apart by its own last message. `close` resets the connection.
 */
import net from 'node:net'
import tls from 'node:tls'
import { createHash } from 'node:crypto'
import { WarpError } from '../../base/errors.ts'
import type { Certificate, Connection, ConnectOptions, Listener, ListenOptions, Transport } from '../connection.ts'
import { AcceptQueue, HANDSHAKE_MS, MAX_WAITING } from './accept-queue.ts'
import { anotherCertificate, hostPort, listenError, settleWithin, unreachable } from './attempt.ts'
import { StreamConnection } from './stream-connection.ts'

export const ALPN = 'warp-transfer/1'

function contextOf(certificate: Certificate): tls.SecureContext {
  return tls.createSecureContext({ cert: certificate.certificatePem, key: certificate.privateKeyPem, minVersion: 'TLSv1.3' })
}

/** Of the certificate that the peer has shown; null without one. */
function fingerprintOf(socket: tls.TLSSocket): Uint8Array | null {
  const certificate = socket.getPeerX509Certificate()
  return certificate ? createHash('sha256').update(certificate.raw).digest() : null
}

function connectionOver(socket: tls.TLSSocket, raw: net.Socket, certificate: Certificate, remoteFingerprint: Uint8Array, isInitiator: boolean): Connection {
  const remoteAddress = hostPort(raw.remoteAddress ?? '?', raw.remotePort ?? 0)
  const facts = { kind: 'tls', isInitiator, localFingerprint: certificate.fingerprint, remoteFingerprint, remoteAddress } as const
  const abandon = (hasEnded: boolean): void => {
    // After an orderly end a reset would take back what is still on its way.
    if (!hasEnded && !raw.destroyed) raw.resetAndDestroy()
    socket.destroy()
  }
  return new StreamConnection(facts, { readable: socket, writable: socket, abandon })
}

function connect({ host, port, certificate, fingerprint, timeoutMs, signal }: ConnectOptions): Promise<Connection> {
  const place = hostPort(host, port)
  return settleWithin(timeoutMs, place, signal, (resolve, reject) => {
    const raw = net.connect({ host, port, noDelay: true, allowHalfOpen: true })
    let socket: tls.TLSSocket | null = null
    const drop = (): void => {
      raw.destroy()
      socket?.destroy()
    }
    const fail = (error: unknown): void => reject(unreachable(place, error))
    raw.once('error', fail)
    raw.once('connect', () => {
      raw.off('error', fail)
      socket = tls.connect({ socket: raw, secureContext: contextOf(certificate), ALPNProtocols: [ALPN], rejectUnauthorized: false })
      // The raw socket reports to the one above it, and may not go without a listener.
      raw.on('error', () => {})
      socket.on('error', fail)
      socket.once('close', () => fail('it was closed'))
      socket.once('secureConnect', () => {
        const shown = fingerprintOf(socket!)
        if (!shown || !Buffer.from(fingerprint).equals(shown)) return reject(anotherCertificate(place))
        if (socket!.alpnProtocol !== ALPN) return fail('what listens there does not speak warp')
        resolve(connectionOver(socket!, raw, certificate, shown, true))
        socket!.off('error', fail)
      })
    })
    return drop
  })
}

/** Makes one socket of a stranger a connection; calls `done` once, with null if that fails. */
function welcome(raw: net.Socket, certificate: Certificate, secureContext: tls.SecureContext, done: (connection: Connection | null) => void): void {
  const options = { isServer: true, secureContext, requestCert: true, rejectUnauthorized: false, ALPNProtocols: [ALPN] }
  const socket = new tls.TLSSocket(raw, options)
  let isDone = false
  const give = (connection: Connection | null): void => {
    if (isDone) return
    isDone = true
    clearTimeout(timer)
    if (!connection) {
      raw.destroy()
      socket.destroy()
    }
    done(connection)
  }
  const drop = (): void => give(null)
  const timer = setTimeout(drop, HANDSHAKE_MS)
  raw.on('error', () => {})
  raw.once('close', drop)
  socket.on('error', drop)
  socket.once('close', drop)
  socket.once('secure', () => {
    const shown = fingerprintOf(socket)
    if (shown && socket.alpnProtocol === ALPN) give(connectionOver(socket, raw, certificate, shown, false))
    else drop()
  })
}

async function listen({ host, port, certificate, signal }: ListenOptions): Promise<Listener> {
  signal?.throwIfAborted()
  const secureContext = contextOf(certificate)
  const queue = new AcceptQueue()
  /** Sockets whose handshake is under way. */
  const strangers = new Set<net.Socket>()
  const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (raw) => {
    if (strangers.size >= MAX_WAITING) {
      raw.on('error', () => {})
      raw.resetAndDestroy()
      return
    }
    strangers.add(raw)
    welcome(raw, certificate, secureContext, (connection) => {
      strangers.delete(raw)
      if (connection) queue.offer(connection)
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(hostPort(host, port), error)))
    server.listen({ host: host === '' ? undefined : host, port, exclusive: true }, resolve)
  })
  // Such as too many open files: the connection that met it is gone, the listener goes on.
  server.on('error', () => {})
  let closing: Promise<void> | null = null
  const close = (): Promise<void> => {
    closing ??= new Promise((resolve) => {
      signal?.removeEventListener('abort', onAbort)
      // The port is free at once; the callback waits for every connection.
      server.close()
      for (const raw of strangers) raw.destroy()
      queue.close()
      setImmediate(resolve)
    })
    return closing
  }
  const onAbort = (): void => void close()
  signal?.addEventListener('abort', onAbort)
  const bound = server.address() as net.AddressInfo
  return { address: { host: bound.address, port: bound.port }, accept: () => queue.take(), close }
}

export const tlsTransport: Transport = { kind: 'tls', unavailable: async () => null, connect, listen }
