/**
 * TLS 1.3 over TCP, for networks that block UDP. Both sides show a certificate, and each is known by its
 * fingerprint alone. TCP holds a writer back by its windows; beside them wait at most INBOX_BYTES here and one
 * write there.
 */
import net from 'node:net'
import tls from 'node:tls'
import { createHash } from 'node:crypto'
import type { Certificate, Connection, ConnectOptions, Listener, ListenOptions, Transport } from './connection.ts'
import { AcceptQueue, HANDSHAKE_MS } from './accept-queue.ts'
import { anotherCertificate, hostPort, listenError, settleWithin, unreachable } from './attempt.ts'
import { StreamConnection } from './stream-connection.ts'
import { MAX_HANDSHAKES, Strangers } from './strangers.ts'

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
  return new StreamConnection(facts, { readable: socket, writable: socket })
}

function connect({ host, port, certificate, fingerprint, timeoutMs, signal }: ConnectOptions): Promise<Connection> {
  const place = hostPort(host, port)
  return settleWithin(timeoutMs, place, signal, (resolve, reject) => {
    const raw = net.connect({ host, port, noDelay: true, allowHalfOpen: true })
    let socket: tls.TLSSocket | null = null
    // Only the upper one: ending the lower one under its hands crashes Node 20.
    const drop = (): unknown => (socket ?? raw).destroy()
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

/** Makes the socket of a stranger a connection; null if that fails. */
function welcome(raw: net.Socket, certificate: Certificate, secureContext: tls.SecureContext): Promise<Connection | null> {
  return new Promise((resolve) => {
    const options = { isServer: true, secureContext, requestCert: true, rejectUnauthorized: false, ALPNProtocols: [ALPN] }
    const socket = new tls.TLSSocket(raw, options)
    const drop = (): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(null)
    }
    const timer = setTimeout(drop, HANDSHAKE_MS)
    raw.once('close', drop)
    socket.once('end', drop)
    socket.on('error', drop)
    socket.once('secure', () => {
      const shown = fingerprintOf(socket)
      if (!shown || socket.alpnProtocol !== ALPN) return drop()
      clearTimeout(timer)
      raw.off('close', drop)
      socket.off('end', drop)
      socket.off('error', drop)
      resolve(connectionOver(socket, raw, certificate, shown, false))
    })
  })
}

async function listen({ host, port, certificate, signal }: ListenOptions): Promise<Listener> {
  signal?.throwIfAborted()
  const secureContext = contextOf(certificate)
  const queue = new AcceptQueue()
  const strangers = new Strangers()
  // Paused: nothing of a stranger is read before its turn has come.
  const server = net.createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, (raw) => strangers.add(raw))
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(hostPort(host, port), error)))
    server.listen({ host: host === '' ? undefined : host, port, exclusive: true }, resolve)
  })
  // Such as too many open files: the connection that met it is gone, the listener goes on.
  server.on('error', () => {})

  const serve = async (): Promise<void> => {
    for (;;) {
      await queue.room(MAX_HANDSHAKES)
      const raw = await strangers.next()
      if (!raw) return
      const connection = await welcome(raw, certificate, secureContext)
      if (connection) queue.offer(connection)
    }
  }
  for (let i = 0; i < MAX_HANDSHAKES; i++) void serve()

  const close = async (): Promise<void> => {
    signal?.removeEventListener('abort', onAbort)
    // The port is free at once; its callback would wait for every connection.
    server.close()
    strangers.close()
    queue.close()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const onAbort = (): void => void close()
  signal?.addEventListener('abort', onAbort)
  const bound = server.address() as net.AddressInfo
  return { address: { host: bound.address, port: bound.port }, accept: () => queue.take(), close }
}

export const tlsTransport: Transport = { kind: 'tls', unavailable: async () => null, connect, listen }
