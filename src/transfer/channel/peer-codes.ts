/**
 * What one side may tell the other of a failure: a number and, for failures of the transfer itself, a text. Messages
 * of every other class may name paths of this host and stay here; the number alone says what happened. What a peer
 * tells is not trusted: a code of ours stands for it, its text is bounded and cannot act on a terminal.
 * Source: warp-transfer, close codes.
 */
import { WarpError, type ErrorCode } from '../../base/errors.ts'
import { displayPath } from '../../format/path.ts'

/** Number of a close that is no failure. */
export const CLOSED_WITHOUT_ERROR = 0

/** The longest text that goes with a number, bytes of UTF-8. */
export const MAX_PEER_TEXT_BYTES = 1024

const FAILED = 1

interface PeerCode {
  number: number
  /** What it becomes at the side that is told. */
  received: ErrorCode
  /** Stands for the failure where it is told. */
  text: string
}

/** What can be told. A number is never given a second meaning. */
const TOLD = {
  ERR_WARP_PEER_FAILED: { number: FAILED, received: 'ERR_WARP_PEER_FAILED', text: 'it failed' },
  ERR_WARP_PEER_PROTOCOL: { number: 2, received: 'ERR_WARP_PEER_PROTOCOL', text: 'this side did not keep to the protocol' },
  ERR_WARP_PEER_VERSION: { number: 3, received: 'ERR_WARP_PEER_VERSION', text: 'no version of the protocol is common to both' },
  ERR_WARP_PEER_AUTH: { number: 4, received: 'ERR_WARP_PEER_AUTH', text: 'this side did not authenticate itself' },
  // That the name is known by another key is the other side's knowledge of us, not ours of it.
  ERR_WARP_PEER_UNKNOWN: { number: 5, received: 'ERR_WARP_PEER_REFUSED', text: 'it does not trust the key of this side' },
  ERR_WARP_PEER_REFUSED: { number: 6, received: 'ERR_WARP_PEER_REFUSED', text: 'it refuses' },
  ERR_WARP_PEER_SILENT: { number: 7, received: 'ERR_WARP_PEER_LOST', text: 'it has heard nothing from this side for too long' },
  ERR_WARP_PEER_LOST: { number: 8, received: 'ERR_WARP_PEER_LOST', text: 'it has lost the connection' },
  ERR_WARP_TICKET_USED: { number: 16, received: 'ERR_WARP_TICKET_USED', text: 'the ticket was used' },
  ERR_WARP_TICKET_EXPIRED: { number: 17, received: 'ERR_WARP_TICKET_EXPIRED', text: 'the ticket has expired' },
  ERR_WARP_TICKET_BUSY: { number: 18, received: 'ERR_WARP_TICKET_BUSY', text: 'the ticket is in use' },
  ERR_WARP_CODE_WRONG: { number: 19, received: 'ERR_WARP_CODE_WRONG', text: 'the code is wrong' },
  ERR_WARP_NO_SPACE: { number: 32, received: 'ERR_WARP_PEER_FAILED', text: 'no space left to write' },
  ERR_WARP_OUTPUT: { number: 33, received: 'ERR_WARP_PEER_FAILED', text: 'its output cannot be written' },
  ERR_WARP_PIPE_CLOSED: { number: 34, received: 'ERR_WARP_PEER_FAILED', text: 'the reader of its output has gone' },
  ERR_WARP_INPUT_UNREADABLE: { number: 35, received: 'ERR_WARP_PEER_FAILED', text: 'its input cannot be read' },
  ERR_WARP_INTERRUPTED: { number: 36, received: 'ERR_WARP_PEER_FAILED', text: 'it was interrupted' },
  ERR_WARP_INTERNAL: { number: 37, received: 'ERR_WARP_PEER_FAILED', text: 'an internal fault' },
  ERR_WARP_LIMIT: { number: 38, received: 'ERR_WARP_PEER_FAILED', text: 'what it was sent exceeds a limit' },
  ERR_WARP_CHUNK_DAMAGED: { number: 39, received: 'ERR_WARP_PEER_FAILED', text: 'what it was sent is damaged' },
  ERR_WARP_PATH_UNSAFE: { number: 40, received: 'ERR_WARP_PEER_FAILED', text: 'it was sent a path that it does not write to' },
  ERR_WARP_KEY_WRONG: { number: 41, received: 'ERR_WARP_PEER_FAILED', text: 'its key does not open what is to be read' },
} as const satisfies Partial<Record<ErrorCode, PeerCode>>

const BY_NUMBER = new Map<number, PeerCode>(Object.values(TOLD).map((told) => [told.number, told]))

/**
 * What a peer is told of `error`.
 * @returns the number, u16, and a text of at most MAX_PEER_TEXT_BYTES bytes of UTF-8
 */
export function tellPeer(error: WarpError): { number: number, text: Uint8Array } {
  const told: PeerCode | undefined = (TOLD as Partial<Record<ErrorCode, PeerCode>>)[error.code]
  return { number: told?.number ?? FAILED, text: cut(Buffer.from(error.class === 'peer' ? error.message : '')) }
}

/**
 * The failure that a peer has told of.
 * @param number u16; one that is not known is a failure like any other
 * @param text at most MAX_PEER_TEXT_BYTES bytes, nothing is checked about them
 */
export function toldByPeer(number: number, text: Uint8Array): WarpError {
  if (number === CLOSED_WITHOUT_ERROR) return new WarpError('ERR_WARP_PEER_LOST', 'the other side has closed the connection')
  const { received, text: meaning } = BY_NUMBER.get(number) ?? TOLD.ERR_WARP_PEER_FAILED
  const said = text.length === 0 ? '' : ` (it says: ${displayPath(cut(text))})`
  return new WarpError(received, `the other side: ${meaning}${said}`)
}

/** No more than goes into a message, and no half of a character. */
function cut(text: Uint8Array): Uint8Array {
  if (text.length <= MAX_PEER_TEXT_BYTES) return text
  let end = MAX_PEER_TEXT_BYTES
  while (end > 0 && (text[end] & 0xc0) === 0x80) end--
  return text.subarray(0, end)
}
