/**
 * The native part of QUIC: quinn, as `@chainsafe/libp2p-quic` binds it. Only its addon is taken, which is a package
 * of its own for each platform; its classes are no public interface, so the version is pinned.
 */
import { generateKeyPairSync } from 'node:crypto'
import { createRequire } from 'node:module'
import { base58 } from '@scure/base'

export interface NativeStream {
  /** At most `bytes` bytes; null at the end. */
  read(bytes: number): Promise<Uint8Array | null>
  /** Resolves when the send buffer, of some 10 MB, has taken all. */
  write(bytes: Uint8Array): Promise<void>
  finishWrite(): Promise<void>
}

export interface NativeConnection {
  inboundStream(): Promise<NativeStream>
  outboundStream(): Promise<NativeStream>
  /** Ends it at once. */
  abort(): void
  /** Resolves when it has ended, on whichever side. */
  closed(): Promise<void>
  /** Milliseconds. */
  rtt(): number
  /** `/ip4/ADDRESS/udp/PORT/quic-v1/p2p/HOST_KEY` */
  remoteMultiaddr(): string
  stats(): { pathLostPackets: bigint | number }
}

export interface NativeServer {
  /** Next connection whose handshake has succeeded; rejects when one fails, and once the server is closed. */
  inboundConnection(): Promise<NativeConnection>
  port(): number
  /** Ends all of its connections, and frees the port. */
  abort(): Promise<void>
}

export interface NativeClient {
  outboundConnection(ip: string, port: number): Promise<NativeConnection>
  /** Ends its connections and attempts. */
  abort(): void
}

type Config = object

export interface Binding {
  QuinnConfig: new (options: Record<string, number | Uint8Array>) => Config
  Server: new (config: Config, ip: string, port: number) => NativeServer
  /** @param family 0 for IPv4, 1 for IPv6 */
  Client: new (config: Config, family: 0 | 1) => NativeClient
}

/** What a side lets its peers do. */
export interface Allowance {
  /** Bytes that a peer may send beyond what was read, and that wait in the binding: this much a round trip. */
  windowBytes: number
  /** Streams that a peer may open. Who may open none can send no bytes before it is given a stream. */
  streams: number
}

/** Who listens gives a stream to each whose turn it is; see MAX_STRANGERS. 84 MB/s over a round trip of 100 ms. */
export const LISTEN_ALLOWANCE: Allowance = { windowBytes: 8 * 1024 * 1024, streams: 0 }

/** Who connects knows the one peer that it has. One stream for the bytes, one for the ends. 168 MB/s over 100 ms. */
export const CONNECT_ALLOWANCE: Allowance = { windowBytes: 16 * 1024 * 1024, streams: 2 }

/** Buffer of a socket each way, as far as the system grants it: what comes while all threads are busy elsewhere. */
export const SOCKET_BYTES = 4 * 1024 * 1024

const TIMES_MS = { handshakeTimeout: 10_000, shutdownTimeout: 1000, maxIdleTimeout: 15_000, keepAliveInterval: 4000 }

let loaded: Binding | Error | null = null

/** The binding for this system, or why there is none. */
export function loadBinding(): Binding | Error {
  loaded ??= open()
  return loaded
}

function open(): Binding | Error {
  const require = createRequire(import.meta.url)
  const { platform, arch } = process
  const systems = { linux: ['-gnu', '-musl'], win32: ['-msvc'] }[platform as string] ?? ['']
  for (const system of systems) {
    try {
      return require(`@chainsafe/libp2p-quic-${platform}-${arch}${system}`) as Binding
    } catch {
      // Not installed, or made for another C library.
    }
  }
  return new Error(`the optional package @chainsafe/libp2p-quic-${platform}-${arch}${systems[0]} is not installed`)
}

/** The key that names this end of a QUIC connection, and the settings that go with it. */
export interface HostKey {
  /** Raw Ed25519 public key, 32 bytes. */
  publicKey: Uint8Array
  config: Config
}

/** A new key: the binding makes a certificate of its own for it, and proves in the handshake to hold it. */
export function makeHostKey(binding: Binding, { windowBytes, streams }: Allowance): HostKey {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  const publicKey = Buffer.from(jwk.x!, 'base64url')
  // Protobuf {1: Ed25519, 2: 64 bytes}. Source: libp2p specs, peer-ids.
  const privateKeyProto = Buffer.concat([Buffer.of(0x08, 0x01, 0x12, 0x40), Buffer.from(jwk.d!, 'base64url'), publicKey])
  const config = new binding.QuinnConfig({
    privateKeyProto,
    ...TIMES_MS,
    maxConcurrentStreamLimit: streams,
    maxStreamData: windowBytes,
    maxConnectionData: windowBytes,
    // Of the sockets of clients: for those of servers see socket-buffer.ts.
    receiveBufferSize: SOCKET_BYTES,
    sendBufferSize: SOCKET_BYTES,
  })
  return { publicKey, config }
}

/** Multihash "identity" of 36 bytes, then protobuf {1: Ed25519, 2: 32 bytes}. Source: libp2p specs, peer-ids. */
const ED25519_ID = Buffer.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

/** Where the peer is, and the key that it has proved to hold. @throws {Error} a key of another kind */
export function remoteOf(connection: NativeConnection): { host: string; port: number; hostKey: Uint8Array } {
  const [, , host, , port, , , id] = connection.remoteMultiaddr().split('/')
  const bytes = base58.decode(id ?? '')
  if (bytes.length !== 38 || !ED25519_ID.equals(bytes.subarray(0, 6))) throw new Error('its key is not of Ed25519')
  return { host: host!, port: Number(port), hostKey: bytes.subarray(6) }
}
