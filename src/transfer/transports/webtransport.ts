/** WebTransport, as browsers speak it (see webtransport-binding.ts). Only the listener shows a certificate. */
import { createHash, randomBytes } from 'node:crypto'
import { isIPv6 } from 'node:net'
import tls from 'node:tls'
import { WarpError } from '../../base/errors.ts'
import type { Certificate, Connection, ConnectOptions, Listener, ListenOptions, Transport } from './connection.ts'
import { AcceptQueue, HANDSHAKE_MS } from './accept-queue.ts'
import { anotherCertificate, hostPort, listenError, settleWithin, unreachable } from './attempt.ts'
import { boundConnections, LIMITS, loadBinding, type Binding, type Server, type Session } from './webtransport-binding.ts'
import { WebTransportConnection } from './webtransport-connection.ts'

const PATH = '/warp-transfer/1'
/** Sessions that may be without their stream yet. */
const MAX_STRANGERS = 64
/** Milliseconds to look at what answers where a session could not be opened. */
const PROBE_MS = 3000

async function bindingOrThrow(): Promise<Binding> {
  const binding = await loadBinding()
  if (binding instanceof Error) {
    throw new WarpError('ERR_WARP_TRANSPORT_UNAVAILABLE', `there is no WebTransport here: ${binding.message}`, { hint: 'install it, or use another --transport' })
  }
  return binding
}

async function unavailable(): Promise<string | null> {
  const binding = await loadBinding()
  return binding instanceof Error ? binding.message : null
}

/** Ends what a session goes over, whatever state it is in. */
function destroy(session: Session): void {
  try {
    session.close()
  } catch {
    // It was never opened.
  }
  session.sessionint?.parentobj?.transportInt?.clientInt?.destroy()
}

async function connect(options: ConnectOptions): Promise<Connection> {
  const { host, port, fingerprint, timeoutMs, signal } = options
  signal?.throwIfAborted()
  const { WebTransport, hasHttp3 } = await bindingOrThrow()
  const place = hostPort(host, port)
  return settleWithin(timeoutMs, place, signal, (resolve, reject) => {
    const session = new WebTransport(`https://${place}${PATH}`, {
      serverCertificateHashes: [{ algorithm: 'sha-256', value: Buffer.from(fingerprint) }],
      forceReliable: !hasHttp3,
      quicConnectTimeout: timeoutMs,
      webTransportConnectTimeout: timeoutMs,
      ...LIMITS,
    })
    session.closed.catch(() => {})
    const attempt = async (): Promise<Connection> => {
      await session.ready
      const stream = await session.createBidirectionalStream()
      // Who connects shows no certificate, as in a browser.
      const facts = { kind: 'webtransport', isInitiator: true, localFingerprint: null, remoteFingerprint: fingerprint, remoteAddress: place } as const
      return new WebTransportConnection(facts, session, stream, () => destroy(session))
    }
    attempt().then(resolve, async (error: unknown) => {
      // The binding does not say why.
      reject((await showsAnother(options)) ? anotherCertificate(place) : unreachable(place, error))
    })
    return () => destroy(session)
  })
}

/** Whether what listens there shows another certificate than it should. */
function showsAnother({ host, port, fingerprint }: ConnectOptions): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = tls.connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ['h2'] })
    const settle = (isAnother: boolean): void => {
      socket.destroy()
      resolve(isAnother)
    }
    socket.setTimeout(PROBE_MS, () => settle(false))
    socket.on('error', () => settle(false))
    socket.once('secureConnect', () => {
      const raw = socket.getPeerX509Certificate()?.raw
      settle(raw !== undefined && !createHash('sha256').update(raw).digest().equals(fingerprint))
    })
  })
}

async function open({ HttpServer, hasHttp3 }: Binding, { host, port, certificate }: ListenOptions): Promise<Server> {
  const server = new HttpServer({
    host: host === '' ? '::' : host,
    port,
    secret: randomBytes(16).toString('hex'),
    cert: certificate.certificatePem,
    privKey: certificate.privateKeyPem,
    reliability: hasHttp3 ? 'both' : 'reliableOnly',
    ...LIMITS,
  })
  server.startServer()
  try {
    await server.ready
  } catch (error) {
    throw listenError(hostPort(host, port), error)
  }
  boundConnections(server)
  return server
}

async function listen(options: ListenOptions): Promise<Listener> {
  const { host, certificate, signal } = options
  signal?.throwIfAborted()
  const server = await open(await bindingOrThrow(), options)
  const { port } = server.address()!
  const queue = new AcceptQueue()
  const strangers = new Set<Session>()
  let isClosing = false

  const welcome = async (session: Session): Promise<void> => {
    // Taken along now: the binding forgets it when the session closes.
    const under = session.objint?.stream?.session
    const drop = (): void => {
      session.close()
      under?.destroy()
    }
    session.closed.catch(() => {})
    if (isClosing || strangers.size >= MAX_STRANGERS) return drop()
    strangers.add(session)
    const timer = setTimeout(drop, HANDSHAKE_MS)
    try {
      const reader = session.incomingBidirectionalStreams.getReader()
      const { value: stream } = await reader.read()
      reader.releaseLock()
      if (!stream) return
      queue.offer(new WebTransportConnection(factsOf(session, certificate), session, stream, drop))
    } catch {
      drop()
    } finally {
      clearTimeout(timer)
      strangers.delete(session)
    }
  }
  const sessions = server.sessionStream(PATH).getReader()
  const serve = async (): Promise<void> => {
    for (let { value } = await sessions.read(); value; { value } = await sessions.read()) void welcome(value)
  }
  serve().catch(() => {})

  const close = async (): Promise<void> => {
    signal?.removeEventListener('abort', onAbort)
    if (!isClosing) server.stopServer()
    isClosing = true
    for (const session of strangers) session.close()
    queue.close()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const onAbort = (): void => void close()
  signal?.addEventListener('abort', onAbort)
  return { address: { host: host === '' ? '::' : host, port }, accept: () => queue.take(), close }
}

function factsOf(session: Session, certificate: Certificate) {
  const [, host, port] = /^(.*):(\d+)$/.exec(session.peerAddress ?? '') ?? []
  const remoteAddress = host === undefined ? '?' : hostPort(isIPv6(host) ? host : host.replace(/^\[(.*)\]$/, '$1'), Number(port))
  return { kind: 'webtransport', isInitiator: false, localFingerprint: certificate.fingerprint, remoteFingerprint: null, remoteAddress } as const
}

export const webtransport: Transport = { kind: 'webtransport', unavailable, connect, listen }
