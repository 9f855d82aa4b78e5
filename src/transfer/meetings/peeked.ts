/** A connection whose first bytes were looked at to see what it is about. */
import { WarpError } from '../../base/errors.ts'
import type { Connection, ConnectionStats, TransportKind } from '../transports/connection.ts'

export class PeekedConnection implements Connection {
  readonly kind: TransportKind
  readonly isInitiator: boolean
  readonly localFingerprint: Uint8Array | null
  readonly remoteFingerprint: Uint8Array | null
  readonly remoteAddress: string
  readonly #below: Connection
  #first: Uint8Array | null

  private constructor(below: Connection, first: Uint8Array) {
    this.kind = below.kind
    this.isInitiator = below.isInitiator
    this.localFingerprint = below.localFingerprint
    this.remoteFingerprint = below.remoteFingerprint
    this.remoteAddress = below.remoteAddress
    this.#below = below
    this.#first = first
  }

  /**
   * Waits for the first byte, which is still read by who reads `connection`.
   * @throws {WarpError} ERR_WARP_PEER_LOST: none came in time; the connection is closed
   */
  static async peek(below: Connection, deadlineMs: number): Promise<{ firstByte: number; connection: Connection }> {
    const timer = setTimeout(() => below.close(), deadlineMs)
    try {
      const first = await below.read()
      if (first === null) throw new WarpError('ERR_WARP_PEER_LOST', 'the peer ended the connection before it said anything')
      return { firstByte: first[0], connection: new PeekedConnection(below, first) }
    } catch (error) {
      below.close()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async read(): Promise<Uint8Array | null> {
    const first = this.#first
    if (first === null) return await this.#below.read()
    this.#first = null
    return first
  }

  async write(pieces: Uint8Array[]): Promise<void> {
    await this.#below.write(pieces)
  }

  async end(): Promise<void> {
    await this.#below.end()
  }

  close(): void {
    this.#first = null
    this.#below.close()
  }

  stats(): ConnectionStats {
    return this.#below.stats()
  }
}
