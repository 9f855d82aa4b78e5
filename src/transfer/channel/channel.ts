/**
 * Messages over an authenticated connection, the same above every transport: framing, credit in bytes, pings and
 * deadlines, codes for why it was closed, and a seal where TLS does not end at the peer. A loop always reads, so that
 * credit and pings pass while nobody takes the messages; what it holds is bounded by the credit that it gave.
 * Source: warp-transfer, channel. Model: format-spec/models/credit.pml.
 */
import { WarpError, asWarpError } from '../../base/errors.ts'
import { TAG_BYTES } from '../../base/limits.ts'
import { CHANNEL_MESSAGE, FIRST_PROTOCOL_TYPE, checkChannelMessage, readCredit } from './channel-messages.ts'
import { ChannelWriter } from './channel-writer.ts'
import type { Connection, ConnectionStats, TransportKind } from '../transports/connection.ts'
import { ReceiveCredit, brokenProtocol, costOf } from './credit.ts'
import { Fifo } from './fifo.ts'
import { FrameParser } from './frame-parser.ts'
import { toldByPeer } from './peer-codes.ts'
import { Pulse } from './pulse.ts'
import { MessageOpener } from './sealed-messages.ts'

const DEFAULT_SILENCE_MS = 30_000
/** How long a channel that ends waits for the peer to take its last words. */
const LINGER_MS = 2000

export interface Message {
  /** 16–255. */
  type: number
  payload: Buffer
  /** Gives its bytes back to the peer's credit; what is not the first call does nothing. */
  release(): void
}

export interface ChannelOptions {
  /**
   * What the peer may have under way towards us or held here, bytes: payloads as they are on the wire, and
   * MESSAGE_OVERHEAD_BYTES a message. At least one message of the largest size.
   */
  windowBytes: number
  /** Seals every message with ChaCha20-Poly1305; keys of 32 bytes each, copied. */
  seal: { send: Uint8Array; receive: Uint8Array } | null
  /** Without a byte from the peer for so long it is given up; default 30 s. */
  silenceMs?: number
  /** Of a payload, both ways; the same on both sides. */
  maxMessageBytes: number
}

export interface ChannelStats extends ConnectionStats {
  kind: TransportKind
  /** Milliseconds in which a message waited for the peer's credit. */
  creditWaitMs: number
}

interface Waiter {
  resolve(message: Message | null): void
  reject(error: WarpError): void
}

export class Channel {
  readonly #connection: Connection
  readonly #maxMessageBytes: number
  readonly #tagBytes: number
  readonly #opener: MessageOpener | null
  readonly #pulse: Pulse
  readonly #writer: ChannelWriter
  readonly #receiveCredit: ReceiveCredit
  readonly #parser: FrameParser
  /** Messages that nobody took, or receivers that wait for one; never both. */
  readonly #held = new Fifo<Message>()
  readonly #waiters = new Fifo<Waiter>()
  readonly #done: Promise<unknown>
  #memoryFor: ((type: number, lengthBytes: number) => Buffer) | null = null
  #failure: WarpError | null = null
  /** What was held was thrown away. */
  #isDropped = false
  #linger: NodeJS.Timeout | undefined
  #ending: { promise: Promise<void>; resolve(): void; reject(error: WarpError): void } | null = null
  /** The peer has all of ours; we have all of the peer's. */
  #isEnded = false
  #isPeerEnded = false

  /** @throws {RangeError} the largest message and its overhead are more than the window */
  constructor({ connection, leftover }: { connection: Connection; leftover: Uint8Array }, options: ChannelOptions) {
    const { windowBytes, seal, silenceMs = DEFAULT_SILENCE_MS, maxMessageBytes } = options
    this.#connection = connection
    this.#maxMessageBytes = maxMessageBytes
    this.#tagBytes = seal === null ? 0 : TAG_BYTES
    const maxCost = costOf(maxMessageBytes + this.#tagBytes)
    this.#receiveCredit = new ReceiveCredit(windowBytes, maxCost)
    this.#opener = seal === null ? null : new MessageOpener(seal.receive)
    this.#parser = new FrameParser({
      admit: (type, length) => this.#admit(type, length),
      deliver: (type, payload, header) => this.#deliver(type, payload, header),
    })
    const onSilent = (error: WarpError): void => this.#fail(error, error)
    this.#pulse = new Pulse({ silenceMs, onTick: () => this.#writer.ping(), onSilent })
    this.#writer = new ChannelWriter(connection, seal?.send ?? null, maxCost, this.#pulse)
    this.#grant()
    this.#writer.ping()
    this.#done = Promise.all([this.#write(), this.#read(leftover)]).then(() => {
      clearTimeout(this.#linger)
      this.#connection.close()
    })
  }

  /** Smoothed round-trip time, milliseconds: as the binding knows it, else of pings; null: not known yet. */
  get rttMs(): number | null {
    return this.#connection.stats().rttMs ?? this.#pulse.rttMs
  }

  /**
   * Sends one message: waits for credit, then for the connection. Messages go in the order of the calls.
   * @param type 16–255
   * @param pieces of the payload in order, maxMessageBytes in all; borrowed until it resolves or rejects
   * @throws {WarpError} why the channel ended
   * @throws {RangeError} type or length is out of range
   * @throws {TypeError} after `end`
   */
  async send(type: number, pieces: Uint8Array[]): Promise<void> {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (!(type >= FIRST_PROTOCOL_TYPE && type <= 255)) throw new RangeError('no type of a message')
    if (length > this.#maxMessageBytes) throw new RangeError('the message is too long')
    if (this.#failure) throw this.#failure
    if (this.#ending) throw new TypeError('a message is sent after the end')
    await this.#writer.send(type, pieces, length)
  }

  /**
   * Puts payloads of messages that have not begun yet into memory of the caller's.
   * @param memoryFor gives `lengthBytes` bytes for a message of the protocol above, whose credit bounds them; the caller's again
   *   once the message is released, or the channel has failed
   */
  receiveInto(memoryFor: (type: number, lengthBytes: number) => Buffer): void {
    this.#memoryFor = memoryFor
  }

  /**
   * The next message in order, null after the peer's end. What came before a connection broke is given first.
   * @throws {WarpError} why the channel ended
   */
  async receive(): Promise<Message | null> {
    const message = this.#held.shift()
    if (message) return message
    if (this.#isPeerEnded && !this.#isDropped) return null
    if (this.#failure) throw this.#failure
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }))
  }

  /**
   * Sends no more messages; resolves when the peer has all of them. Messages of the peer still come.
   * @throws {WarpError} why the channel ended before
   */
  async end(): Promise<void> {
    if (this.#failure && !this.#isEnded) throw this.#failure
    if (!this.#ending) {
      let settle!: Waiter
      const promise = new Promise<void>((resolve, reject) => (settle = { resolve: () => resolve(), reject }))
      promise.catch(() => {})
      this.#ending = { promise, resolve: () => settle.resolve(null), reject: settle.reject }
      this.#writer.end()
    }
    await this.#ending.promise
  }

  /**
   * Ends the channel: at once, all calls under way reject; or, after `end` on both sides, when the peer knows.
   * The peer is told why, as far as it listens for two more seconds. May be called again.
   * @param error what the calls reject with and the peer is told of; without one, that it was closed
   */
  async close(error?: WarpError): Promise<void> {
    if (!this.#isComplete) {
      this.#fail(error ?? new WarpError('ERR_WARP_PEER_LOST', 'the connection was closed'), error ?? null)
      this.#drop()
    }
    await this.#done
  }

  stats(): ChannelStats {
    const { kind } = this.#connection
    return { ...this.#connection.stats(), kind, rttMs: this.rttMs, creditWaitMs: this.#writer.creditWaitMs }
  }

  get #isComplete(): boolean {
    return this.#isEnded && this.#isPeerEnded
  }

  async #write(): Promise<void> {
    try {
      await this.#writer.run()
    } catch {
      // Why it broke may be among what came before: the reader finds it, or comes to the same end.
      this.#stop()
    }
  }

  /** Reads until the connection ends; what comes after a failure is dropped. Never rejects. */
  async #read(leftover: Uint8Array): Promise<void> {
    try {
      for (let bytes: Uint8Array | null = leftover; bytes !== null; bytes = await this.#connection.read()) {
        if (bytes.length > 0) this.#pulse.heard()
        if (!this.#failure) this.#parse(bytes)
      }
      const where = this.#parser.isBetween ? '' : ' within a message'
      this.#fail(new WarpError('ERR_WARP_PEER_LOST', `the other side has ended the connection${where}`), undefined)
    } catch (error) {
      this.#fail(asWarpError(error), undefined)
      this.#connection.close()
    } finally {
      this.#opener?.wipe()
    }
  }

  #parse(bytes: Uint8Array): void {
    try {
      this.#parser.push(bytes)
    } catch (error) {
      const failure = asWarpError(error)
      // Nothing that came from one that lies is used any more.
      this.#fail(failure, failure)
      this.#drop()
    }
  }

  #admit(type: number, lengthBytes: number): Buffer | undefined {
    const plainBytes = lengthBytes - this.#tagBytes
    if (plainBytes < 0) throw brokenProtocol('a message without a tag')
    if (type < FIRST_PROTOCOL_TYPE) {
      checkChannelMessage(type, plainBytes)
      return undefined
    }
    if (this.#isPeerEnded) throw brokenProtocol('a message after the end')
    if (plainBytes > this.#maxMessageBytes) throw brokenProtocol('a message that is too long')
    this.#receiveCredit.admit(costOf(lengthBytes))
    return this.#memoryFor?.(type, lengthBytes)
  }

  #deliver(type: number, sealed: Buffer, header: Uint8Array): void {
    // The peer's CLOSE was the last; what follows in the same bytes is not looked at.
    if (this.#failure) return
    const payload = this.#opener ? this.#opener.open(header, sealed) : sealed
    if (type < FIRST_PROTOCOL_TYPE) return this.#run(type, payload)
    let cost = costOf(sealed.length)
    const release = (): void => {
      this.#receiveCredit.release(cost)
      cost = 0
      this.#grant()
    }
    const message = { type, payload, release }
    const waiter = this.#waiters.shift()
    if (waiter) waiter.resolve(message)
    else this.#held.push(message)
  }

  /** A message of the channel itself. */
  #run(type: number, payload: Buffer): void {
    switch (type) {
      case CHANNEL_MESSAGE.credit:
        this.#writer.credit.grant(readCredit(payload))
        return this.#writer.wake()
      case CHANNEL_MESSAGE.ping:
        this.#pulse.pinged()
        return this.#writer.pong()
      case CHANNEL_MESSAGE.pong:
        return this.#pulse.ponged()
      case CHANNEL_MESSAGE.close:
        this.#fail(toldByPeer(payload.readUInt16LE(), payload.subarray(2)), undefined)
        return this.#connection.close()
      case CHANNEL_MESSAGE.end:
        if (this.#isPeerEnded) throw brokenProtocol('a second end')
        this.#isPeerEnded = true
        for (const { resolve } of this.#waiters.drain()) resolve(null)
        this.#writer.ended()
        return this.#finishIfComplete()
      case CHANNEL_MESSAGE.ended:
        if (!this.#writer.isEndWritten || this.#isEnded) throw brokenProtocol('an answer to an end that was not sent')
        this.#isEnded = true
        this.#ending?.resolve()
        return this.#finishIfComplete()
    }
  }

  #grant(): void {
    if (this.#failure || this.#isPeerEnded) return
    const total = this.#receiveCredit.nextGrant()
    if (total !== null) this.#writer.grant(total)
  }

  /** Both have ended: what is due goes out, then the connection ends on both sides. */
  #finishIfComplete(): void {
    if (!this.#isComplete) return
    this.#stop()
    this.#writer.finish()
  }

  /** @param told what the peer is told: null that there is no failure, undefined nothing */
  #fail(error: WarpError, told: WarpError | null | undefined): void {
    if (this.#failure || this.#isComplete) return
    this.#failure = error
    this.#stop()
    if (told !== undefined) this.#writer.tell(told)
    this.#writer.fail(error)
    for (const { reject } of this.#waiters.drain()) reject(error)
    if (!this.#isEnded) this.#ending?.reject(error)
  }

  #drop(): void {
    this.#isDropped = true
    this.#held.drain()
  }

  /** From here on there is a last moment. */
  #stop(): void {
    this.#pulse.stop()
    this.#linger ??= setTimeout(() => this.#connection.close(), LINGER_MS)
  }
}
