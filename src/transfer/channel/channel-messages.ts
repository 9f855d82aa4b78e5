/** The messages by which two channels run each other: types 0–15, small, outside of the credit. Source: warp-transfer, framing. */
import type { WarpError } from '../../base/errors.ts'
import { brokenProtocol } from './credit.ts'
import { MAX_PEER_TEXT_BYTES, CLOSED_WITHOUT_ERROR, tellPeer } from './peer-codes.ts'

export const CHANNEL_MESSAGE = {
  /** u64: bytes granted since the beginning. */
  credit: 0,
  ping: 1,
  /** Answers the oldest ping that has no answer. */
  pong: 2,
  /** u16 number, text: the sender of it is gone. */
  close: 3,
  /** No message of the protocol above follows. */
  end: 4,
  /** All before the peer's end has arrived. */
  ended: 5,
} as const

/** The lowest type of a message of the protocol above. */
export const FIRST_PROTOCOL_TYPE = 16

const SIZES = new Map<number, { min: number, max: number }>([
  [CHANNEL_MESSAGE.credit, { min: 8, max: 8 }],
  [CHANNEL_MESSAGE.ping, { min: 0, max: 0 }],
  [CHANNEL_MESSAGE.pong, { min: 0, max: 0 }],
  [CHANNEL_MESSAGE.close, { min: 2, max: 2 + MAX_PEER_TEXT_BYTES }],
  [CHANNEL_MESSAGE.end, { min: 0, max: 0 }],
  [CHANNEL_MESSAGE.ended, { min: 0, max: 0 }],
])

/**
 * @param lengthBytes of the payload, unsealed
 * @throws {WarpError} ERR_WARP_PEER_PROTOCOL: no such type, or not of this length
 */
export function checkChannelMessage(type: number, lengthBytes: number): void {
  const size = SIZES.get(type)
  if (size === undefined) throw brokenProtocol('a message of an unknown type')
  if (lengthBytes < size.min || lengthBytes > size.max) throw brokenProtocol('a message of a wrong length')
}

export function writeCredit(total: number): Buffer {
  const payload = Buffer.allocUnsafe(8)
  payload.writeBigUInt64LE(BigInt(total))
  return payload
}

/** @throws {WarpError} ERR_WARP_PEER_PROTOCOL: more than 2⁵³−1 */
export function readCredit(payload: Buffer): number {
  const total = payload.readBigUInt64LE()
  if (total > BigInt(Number.MAX_SAFE_INTEGER)) throw brokenProtocol('more credit than anyone can use')
  return Number(total)
}

/** @param error null: no failure */
export function writeClose(error: WarpError | null): Buffer {
  const { number, text } = error === null ? { number: CLOSED_WITHOUT_ERROR, text: new Uint8Array() } : tellPeer(error)
  const payload = Buffer.allocUnsafe(2 + text.length)
  payload.writeUInt16LE(number)
  payload.set(text, 2)
  return payload
}
