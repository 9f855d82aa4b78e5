/** The sending half of a channel: messages wait for credit and go in order; what the channel itself has to say overtakes them. */
import type { WarpError } from '../../base/errors.ts'
import { TAG_BYTES } from '../../base/limits.ts'
import { CHANNEL_MESSAGE, writeClose, writeCredit } from './channel-messages.ts'
import type { Connection } from '../transports/connection.ts'
import { SendCredit, costOf } from './credit.ts'
import { Fifo } from './fifo.ts'
import { frameHeader } from './frame-parser.ts'
import type { Pulse } from './pulse.ts'
import { MessageSealer } from './sealed-messages.ts'

/** Small messages that wait together are written together, up to so much. */
const BATCH_BYTES = 64 * 1024
/** What is given to a connection at once, so that a slow one is told from one that stands still. */
const WRITE_BYTES = 1024 * 1024

interface Outgoing {
  type: number
  pieces: Uint8Array[]
  lengthBytes: number
  resolve(): void
  reject(error: WarpError): void
}

export class ChannelWriter {
  readonly credit: SendCredit
  readonly #connection: Connection
  readonly #sealer: MessageSealer | null
  readonly #pulse: Pulse
  readonly #queue = new Fifo<Outgoing>()
  /** Being written: their pieces are in use. */
  #inFlight: Outgoing[] = []
  /** What the channel has to say: kept as what is due, never queued, so that no peer can make it grow. */
  readonly #due = { credit: 0, ping: false, pongs: 0, end: false, ended: false, close: undefined as WarpError | null | undefined }
  #failure: WarpError | null = null
  #isLast = false
  #isStopped = false
  #isEndWritten = false
  #wake: (() => void) | null = null
  #creditWaitMs = 0
  #creditWaitSince: number | null = null

  /**
   * @param key seals every message, 32 bytes, copied; null: none is sealed
   * @param maxCost of one message
   */
  constructor(connection: Connection, key: Uint8Array | null, maxCost: number, pulse: Pulse) {
    this.credit = new SendCredit(maxCost)
    this.#connection = connection
    this.#sealer = key === null ? null : new MessageSealer(key)
    this.#pulse = pulse
  }

  /** Milliseconds in which a message waited for credit. */
  get creditWaitMs(): number {
    return this.#creditWaitMs + (this.#creditWaitSince === null ? 0 : performance.now() - this.#creditWaitSince)
  }

  /** Whether END was given to the connection. */
  get isEndWritten(): boolean {
    return this.#isEndWritten
  }

  /** Resolves when it is written. */
  send(type: number, pieces: Uint8Array[], lengthBytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ type, pieces, lengthBytes, resolve, reject })
      this.wake()
    })
  }

  /** The peer is to be told of this total. */
  grant(total: number): void {
    this.#due.credit = total
    this.wake()
  }

  ping(): void {
    this.#due.ping = true
    this.wake()
  }

  pong(): void {
    this.#due.pongs++
    this.wake()
  }

  /** After all messages, END. */
  end(): void {
    this.#due.end = true
    this.wake()
  }

  /** The peer's END is to be answered. */
  ended(): void {
    this.#due.ended = true
    this.wake()
  }

  /** All that waits fails; what is being written goes on to its end and fails then. Nothing follows but what `tell` said. */
  fail(error: WarpError): void {
    if (this.#failure) return
    this.#failure = error
    this.#waitForCredit(false)
    for (const { reject } of this.#queue.drain()) reject(error)
    if (this.#isStopped) this.#settle()
    this.finish()
  }

  /** Tells the peer why it ends, as the last message. To be called before `fail`. */
  tell(error: WarpError | null): void {
    this.#due.close = error
  }

  /** Ends once nothing is due. */
  finish(): void {
    this.#isLast = true
    this.wake()
  }

  wake(): void {
    this.#wake?.()
    this.#wake = null
  }

  /**
   * Writes until `finish` or `fail`, then ends what is written.
   * @throws {WarpError} ERR_WARP_PEER_LOST; what waits, or was being written, is left to `fail`
   */
  async run(): Promise<void> {
    try {
      for (;;) {
        this.#sealer?.reuse()
        const pieces = this.#fill()
        if (pieces.length > 0) await this.#write(pieces)
        else if (this.#isLast) break
        else await new Promise<void>((resolve) => (this.#wake = resolve))
      }
      await this.#connection.end()
    } finally {
      this.#isStopped = true
      if (this.#failure) this.#settle()
      this.#sealer?.wipe()
    }
  }

  async #write(pieces: Uint8Array[]): Promise<void> {
    try {
      for (const slice of slices(pieces)) {
        this.#pulse.writes(true)
        await this.#connection.write(slice)
      }
    } finally {
      this.#pulse.writes(false)
    }
    this.#settle()
  }

  /** What was being written is no longer in use. */
  #settle(): void {
    for (const { resolve, reject } of this.#inFlight) {
      if (this.#failure) reject(this.#failure)
      else resolve()
    }
    this.#inFlight = []
  }

  /** The next bytes to write. */
  #fill(): Uint8Array[] {
    const into: Uint8Array[] = []
    const due = this.#due
    if (this.#failure) {
      if (due.close !== undefined) this.#push(into, CHANNEL_MESSAGE.close, [writeClose(due.close)])
      due.close = undefined
      return into
    }
    if (due.credit > 0) this.#push(into, CHANNEL_MESSAGE.credit, [writeCredit(due.credit)])
    due.credit = 0
    for (; due.pongs > 0; due.pongs--) this.#push(into, CHANNEL_MESSAGE.pong, [])
    if (due.ping && this.#pulse.ping()) this.#push(into, CHANNEL_MESSAGE.ping, [])
    due.ping = false
    if (due.ended) this.#push(into, CHANNEL_MESSAGE.ended, [])
    due.ended = false
    this.#fillMessages(into)
    if (due.end && this.#queue.length === 0) {
      this.#push(into, CHANNEL_MESSAGE.end, [])
      due.end = false
      this.#isEndWritten = true
    }
    return into
  }

  #fillMessages(into: Uint8Array[]): void {
    let bytes = 0
    for (let next = this.#queue.first; next !== undefined && bytes < BATCH_BYTES; next = this.#queue.first) {
      const isAffordable = this.credit.take(costOf(this.#wireLength(next.lengthBytes)))
      this.#waitForCredit(!isAffordable)
      if (!isAffordable) return
      this.#queue.shift()
      this.#push(into, next.type, next.pieces, next.lengthBytes)
      this.#inFlight.push(next)
      bytes += next.lengthBytes
    }
  }

  #waitForCredit(isWaiting: boolean): void {
    if (isWaiting === (this.#creditWaitSince !== null)) return
    this.#creditWaitMs = this.creditWaitMs
    this.#creditWaitSince = isWaiting ? performance.now() : null
  }

  #wireLength(lengthBytes: number): number {
    return lengthBytes + (this.#sealer === null ? 0 : TAG_BYTES)
  }

  #push(into: Uint8Array[], type: number, pieces: Uint8Array[], lengthBytes = pieces.reduce((sum, { length }) => sum + length, 0)): void {
    const header = frameHeader(type, this.#wireLength(lengthBytes))
    into.push(header)
    if (this.#sealer) into.push(this.#sealer.seal(header, pieces, lengthBytes))
    else into.push(...pieces)
  }
}

/** The same bytes, cut so that none of the lists has more than WRITE_BYTES. */
function* slices(pieces: Uint8Array[]): Generator<Uint8Array[]> {
  let slice: Uint8Array[] = []
  let room = WRITE_BYTES
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const end = Math.min(piece.length, at + room)
      slice.push(piece.subarray(at, end))
      room -= end - at
      at = end
      if (room > 0) continue
      yield slice
      slice = []
      room = WRITE_BYTES
    }
  }
  if (slice.length > 0) yield slice
}
