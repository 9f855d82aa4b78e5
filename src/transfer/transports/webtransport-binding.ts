/**
 * The optional package `@fails-components/webtransport`, and what of it is used. It speaks HTTP/3 where its native
 * part `@fails-components/webtransport-transport-http3-quiche` is installed too, and HTTP/2 else.
 */
import type { ClientHttp2Session, Http2Session } from 'node:http2'
import { createRequire } from 'node:module'

export interface WebStream {
  readable: ReadableStream<Uint8Array>
  writable: WritableStream<Uint8Array>
}

/** Where a stream comes from. To read from it starts it again. */
interface Source {
  stopReading?(): void
}

export interface Session {
  ready: Promise<void>
  closed: Promise<unknown>
  incomingBidirectionalStreams: ReadableStream<WebStream>
  createBidirectionalStream(): Promise<WebStream>
  close(): void
  /** `ADDRESS:PORT`, of a session that a server has accepted. */
  peerAddress?: string
  /** Internals, of a server: what the session goes over, and its streams. */
  objint?: { stream?: { session?: Http2Session } }
  streamObjs?: Set<{ objint?: Source }>
  /** The same of a client. */
  sessionint?: { streamObjs?: Set<{ objint?: Source }>; parentobj?: { transportInt?: { clientInt?: ClientHttp2Session } } }
}

export interface Server {
  ready: Promise<void>
  startServer(): void
  stopServer(): void
  address(): { port: number; host: string } | null
  sessionStream(path: string): ReadableStream<Session>
  /** Internal: the server of HTTP/2. */
  transportInt?: { serverInt?: { maxConnections: number } }
}

interface Package {
  WebTransport: new (url: string, options: object) => Session
  HttpServer: new (options: object) => Server
  quicheLoaded: Promise<unknown>
}

export interface Binding extends Package {
  hasHttp3: boolean
}

/**
 * Bytes that a peer may send on a new stream: what a stranger may make be held. The package doubles it while the bytes
 * are read, and asked for within two round trips, up to what a session may have under way; of that half goes a round
 * trip, 84 MB/s over 100 ms.
 */
const FIRST_WINDOW_BYTES = 512 * 1024
const WINDOW_BYTES = 16 * 1024 * 1024
/** Connections of TCP that a server takes. */
const MAX_CONNECTIONS = 256

/** What a session may hold. Node 20 cannot tell a peer of these by the settings of HTTP/2, so they are part of the protocol. */
export const LIMITS = {
  initialStreamFlowControlWindow: FIRST_WINDOW_BYTES,
  streamFlowControlWindowSizeLimit: WINDOW_BYTES,
  // Equal, since a listener takes the second for the first.
  initialSessionFlowControlWindow: WINDOW_BYTES,
  sessionFlowControlWindowSizeLimit: WINDOW_BYTES,
  // The one that carries the bytes; as few as can be said of the others. A client has other names for them.
  initialBidirectionalStreams: 1,
  initialUnidirectionalStreams: 1,
  initialBidirectionalSendStreams: 1,
  initialUnidirectionalSendStreams: 1,
}

const PACKAGE = '@fails-components/webtransport'

let loading: Promise<Binding | Error> | null = null

/** The package, or why it cannot be used. */
export function loadBinding(): Promise<Binding | Error> {
  loading ??= load()
  return loading
}

async function load(): Promise<Binding | Error> {
  try {
    const hasHttp3 = isInstalled(`${PACKAGE}-transport-http3-quiche`)
    const loaded = await (hasHttp3 ? open() : quietly(open))
    return { WebTransport: loaded.WebTransport, HttpServer: loaded.HttpServer, quicheLoaded: loaded.quicheLoaded, hasHttp3 }
  } catch {
    return new Error(`the optional package ${PACKAGE} is not installed`)
  }
}

async function open(): Promise<Package> {
  const loaded = (await import(PACKAGE)) as Package
  await loaded.quicheLoaded
  return loaded
}

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(`${name}/package.json`)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_PACKAGE_PATH_NOT_EXPORTED'
  }
}

/** Strangers are bounded in number before they have a session. */
export function boundConnections({ transportInt }: Server): void {
  if (transportInt?.serverInt) transportInt.serverInt.maxConnections = MAX_CONNECTIONS
}

/** What a session goes over; undefined over HTTP/3, and when it is forgotten. */
export function http2Of({ objint, sessionint }: Session): Http2Session | undefined {
  return objint?.stream?.session ?? sessionint?.parentobj?.transportInt?.clientInt
}

/** Makes the package's pings harmless: its timer outlives a session that was destroyed, and the error would end the process. */
export function quietPings(http2: Http2Session): void {
  const { ping } = http2
  Object.assign(http2, { ping: (...args: Parameters<typeof ping>) => !http2.destroyed && ping.apply(http2, args) })
}

/** Makes a session push no more than its windows hold: left alone it queues all that comes. */
export function holdBack(session: Session): void {
  for (const { objint } of session.streamObjs ?? session.sessionint?.streamObjs ?? []) objint?.stopReading?.()
}

/** The package prints that its native part is missing, on standard output, which may be somebody's data. */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { log, error } = console
  const silent = (): void => {}
  Object.assign(console, { log: silent, error: silent })
  try {
    return await work()
  } finally {
    Object.assign(console, { log, error })
  }
}
