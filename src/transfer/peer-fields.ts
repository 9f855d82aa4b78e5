/** Reading of what a peer states: whatever is malformed there is a breach of the protocol. */
import { WarpError } from '../base/errors.ts'
import { ByteReader } from '../format/cursor.ts'
import { brokenProtocol } from './channel/credit.ts'

/**
 * What `read` makes of all bytes of `payload`.
 * @throws {WarpError} ERR_WARP_PEER_PROTOCOL: cut short, bytes left over, or a field not in its one valid encoding
 */
export function fromPeer<T>(payload: Uint8Array, read: (reader: ByteReader) => T): T {
  try {
    const reader = new ByteReader(payload)
    const value = read(reader)
    reader.done()
    return value
  } catch (error) {
    if (error instanceof WarpError && error.class === 'malformed') throw brokenProtocol(error.message)
    throw error
  }
}
