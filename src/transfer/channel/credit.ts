/**
 * Flow control of a channel, counted in bytes: each side grants a total that only grows, and the other may have sent
 * messages that cost as much in all. No binding's buffering is relied on to stay bounded.
 * Source: warp-transfer, flow control. Model: format-spec/models/credit.pml.
 */
import { WarpError } from '../../base/errors.ts'

/** What a message costs beyond its payload as it is on the wire: what its receiver needs to hold even an empty one. */
export const MESSAGE_OVERHEAD_BYTES = 256

/** @param lengthBytes as the header of the message states it */
export function costOf(lengthBytes: number): number {
  return MESSAGE_OVERHEAD_BYTES + lengthBytes
}

/** What this side may send. */
export class SendCredit {
  #granted = 0
  #used = 0
  #messages = 0
  #grants = 0
  readonly #maxCost: number

  /** @param maxCost of one message */
  constructor(maxCost: number) {
    this.#maxCost = maxCost
  }

  /**
   * The peer has granted `total` bytes since the beginning.
   * @throws {WarpError} ERR_WARP_PEER_PROTOCOL: no more than before, not enough for the largest message, or granted
   *   more often than messages can have been released
   */
  grant(total: number): void {
    if (total <= this.#granted) throw brokenProtocol('credit was granted that is not more than before')
    if (total < this.#maxCost) throw brokenProtocol('the window is smaller than a message')
    if (this.#grants > this.#messages) throw brokenProtocol('credit was granted more often than there were messages')
    this.#grants++
    this.#granted = total
  }

  /** @returns whether it may be sent now; if so, it is counted as sent */
  take(cost: number): boolean {
    if (cost > this.#granted - this.#used) return false
    this.#used += cost
    this.#messages++
    return true
  }
}

/** What the peer may send. */
export class ReceiveCredit {
  readonly #windowBytes: number
  /** A grant is worth a message when at least so much was released. */
  readonly #quantumBytes: number
  #received = 0
  #released = 0
  #granted = 0

  /**
   * @param windowBytes of messages that the peer may have under way or held here
   * @param maxCost of one message
   * @throws {RangeError} the largest message does not fit into the window
   */
  constructor(windowBytes: number, maxCost: number) {
    if (!Number.isSafeInteger(windowBytes) || !(maxCost <= windowBytes)) throw new RangeError('the window is smaller than a message')
    this.#windowBytes = windowBytes
    // A peer without a message under way has more than window − quantum: room for the largest.
    this.#quantumBytes = Math.max(1, Math.min(Math.floor(windowBytes / 4), windowBytes - maxCost + 1))
  }

  /**
   * A message of the peer has begun.
   * @throws {WarpError} ERR_WARP_PEER_PROTOCOL: it has no credit for it
   */
  admit(cost: number): void {
    if (cost > this.#granted - this.#received) throw brokenProtocol('more was sent than credit was granted for')
    this.#received += cost
  }

  /** A message is no longer held. */
  release(cost: number): void {
    this.#released += cost
  }

  /** The total to grant now; null while it is not worth a message. */
  nextGrant(): number | null {
    const total = this.#windowBytes + this.#released
    if (total - this.#granted < this.#quantumBytes) return null
    this.#granted = total
    return total
  }
}

export function brokenProtocol(what: string): WarpError {
  const hint = 'the other side may be another version of warp, or not warp at all'
  return new WarpError('ERR_WARP_PEER_PROTOCOL', `the other side does not keep to the protocol: ${what}`, { hint })
}
