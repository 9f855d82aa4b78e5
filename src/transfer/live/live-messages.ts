/**
 * Messages of a live stream. Source: warp-transfer, live streams. No digest of the stream is sent: the connection is
 * authenticated and ordered, so that a total is enough to tell the end from a break. A failure is told by closing
 * the channel, after all that was sent before it.
 */
import { MIB } from '../../base/limits.ts'
import { ByteWriter } from '../../format/cursor.ts'
import { fromPeer } from '../peer-fields.ts'

export const LIVE_MESSAGE = {
  /** 1 to LIVE_DATA_BYTES bytes of the stream: those that follow the last. */
  data: 64,
  /** u64: bytes of the whole stream. */
  end: 65,
  /** u64: as `end`; all of them are written. */
  done: 66,
  /** u64: where the sender goes on; the receiver's first message on each connection. */
  position: 67,
  /** u64: bytes that are written, and will not be asked for again. */
  ack: 68,
} as const

/** The most that a message of data holds, bytes: what waits is flushed when there is so much. */
export const LIVE_DATA_BYTES = 64 * 1024

/** The receiver acknowledges at least every so many bytes. */
export const LIVE_ACK_BYTES = 1 * MIB

/** What a sender keeps to be sent again if the connection breaks, bytes. More than LIVE_ACK_BYTES, or it would wait forever. */
export const LIVE_WINDOW_BYTES = 8 * MIB

/** The payload of all messages but `data`. */
export function writeCount(bytes: number): Uint8Array {
  return new ByteWriter(8).u64(bytes).take()
}

/** @throws {WarpError} ERR_WARP_PEER_PROTOCOL */
export function readCount(payload: Uint8Array): number {
  return fromPeer(payload, (reader) => reader.u64())
}
