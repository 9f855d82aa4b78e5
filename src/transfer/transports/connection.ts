/**
 * What a transport gives to all that lies above it: connections, each a reliable, ordered stream of bytes each
 * way. Shaped like a session of W3C WebTransport with one bidirectional stream; multiplexing, flow control and
 * deadlines are made above, the same for all transports.
 */

export type TransportKind = 'quic' | 'webtransport' | 'tls' | 'pipe' | 'memory'

export interface ConnectionStats {
  /** Smoothed round-trip time as the binding knows it, milliseconds; null: it does not tell. */
  rttMs: number | null
  /** Packets that were found lost; null: it does not tell. */
  lostPackets: number | null
  /** Bytes that were given to `write`, and that came out of `read`. */
  sentBytes: number
  receivedBytes: number
  /** Milliseconds that `write` has waited for the binding to take more. */
  writeBusyMs: number
}

export interface Connection {
  readonly kind: TransportKind
  /** True for the side that connected. */
  readonly isInitiator: boolean
  /** SHA-256 of the certificates (DER) of TLS, 32 bytes each; null where that side has none. */
  readonly localFingerprint: Uint8Array | null
  readonly remoteFingerprint: Uint8Array | null
  /** Where the peer is, for display. */
  readonly remoteAddress: string
  /**
   * Writes all of the pieces in order; they are borrowed until it resolves. It resolves when the binding can take
   * more: what it buffers is bounded. Not to be called again before it resolves.
   * @throws {WarpError} ERR_WARP_PEER_LOST
   */
  write(pieces: Uint8Array[]): Promise<void>
  /**
   * The next bytes in order, any number of them, owned by the caller; null at the orderly end of what the peer
   * writes. What is not read is held back from the peer as far as the binding can do so.
   * @throws {WarpError} ERR_WARP_PEER_LOST: the connection broke, or was closed by `close` on either side
   */
  read(): Promise<Uint8Array | null>
  /** No more is written; resolves when all that was is handed to the network, or after the peer's end. */
  end(): Promise<void>
  /** Ends it at once, both ways: reads and writes under way reject. May be called again. */
  close(): void
  stats(): ConnectionStats
}

/** Where a listener can be reached. */
export interface Address {
  /** IP address or name. */
  host: string
  port: number
}

/** A certificate for TLS, with its key. Source: https://www.w3.org/TR/webtransport/#certificate-hashes */
export interface Certificate {
  certificatePem: string
  privateKeyPem: string
  /** SHA-256 of the DER form, 32 bytes. */
  fingerprint: Uint8Array
  /** Milliseconds since 1970. */
  notAfter: number
}

export interface ListenOptions {
  /** Address to bind; '' or '::' is any. */
  host: string
  /** 0: the system picks one. */
  port: number
  certificate: Certificate
  signal?: AbortSignal
}

export interface ConnectOptions extends Address {
  /** Own certificate, shown to the listener where the transport can. */
  certificate: Certificate
  /** The certificate that the listener must show; anything else ends the attempt. */
  fingerprint: Uint8Array
  timeoutMs: number
  signal?: AbortSignal
}

export interface Listener {
  /** As bound: the port is never 0. */
  readonly address: Address
  /** Next connection; null after `close`. Connections that nobody takes are bounded in number and refused beyond. */
  accept(): Promise<Connection | null>
  /** Takes no more; what was accepted goes on. Resolves when the port is free. */
  close(): Promise<void>
}

/** One way of moving bytes between hosts. */
export interface Transport {
  readonly kind: TransportKind
  /** Null if it can be used here; else why not. */
  unavailable(): Promise<string | null>
  /** @throws {WarpError} ERR_WARP_PEER_UNREACHABLE, ERR_WARP_PEER_AUTH (another certificate), ERR_WARP_TRANSPORT_UNAVAILABLE */
  connect(options: ConnectOptions): Promise<Connection>
  /** @throws {WarpError} ERR_WARP_OUTPUT or ERR_WARP_USAGE (address in use, not permitted), ERR_WARP_TRANSPORT_UNAVAILABLE */
  listen(options: ListenOptions): Promise<Listener>
}
