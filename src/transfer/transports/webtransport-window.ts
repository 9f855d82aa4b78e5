/**
 * The window of HTTP/2 below WebTransport: with the 64 KiB that it starts with, no more than those go a round trip.
 * Node reads nothing from a session while it writes. So if both sides could have more under way than the buffers of
 * their sockets hold, both could wait for the other to read: only one of them gets a larger window.
 */
import type { Http2Session } from 'node:http2'

/** RFC 9113, §6.5.2. */
const DEFAULT_BYTES = 65_535
/** Never what holds a peer back: the package takes at once all that comes, and counts it by windows of its own. */
const WIDE_BYTES = 16 * 1024 * 1024

/** Received before there is a reason: more than a stranger gets read. */
const REASON_BYTES = 4 * DEFAULT_BYTES
/** What was received, as a multiple of what was sent, where the bulk of the bytes is said to come this way. */
const BULK = 8

/**
 * Widens the window of a session that most bytes come by, unless the peer has widened its own. Both cannot do so at the
 * same time: who widens has sent an eighth of what has come, and for its peer to find the opposite it would have to send
 * 64 times that within a round trip, through a window that is not wide.
 * @returns whether there is nothing more to do
 */
export function widenIfBulk(http2: Http2Session, receivedBytes: number, sentBytes: number): boolean {
  if (http2.destroyed) return true
  if (receivedBytes < REASON_BYTES || sentBytes * BULK > receivedBytes) return false
  if ((http2.remoteSettings.initialWindowSize ?? DEFAULT_BYTES) > DEFAULT_BYTES) return true
  // Of the streams that are open already too: RFC 9113, §6.9.2.
  http2.settings({ initialWindowSize: WIDE_BYTES })
  http2.setLocalWindowSize(WIDE_BYTES)
  return true
}
