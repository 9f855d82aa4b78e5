/** The two parts that the plaintext of a page or index page consists of: content and location (§8, §9.2). */
import { WarpError } from '../base/errors.ts'
import { ByteReader, ByteWriter } from './cursor.ts'

export interface Parts {
  content: Uint8Array
  location: Uint8Array
}

export function joinParts(content: Uint8Array, location: Uint8Array): Uint8Array {
  const writer = new ByteWriter(4 + content.length + location.length)
  return writer.u32(content.length).put(content).put(location).take()
}

/** @throws {WarpError} ERR_WARP_MALFORMED */
export function splitParts(plaintext: Uint8Array): Parts {
  const reader = new ByteReader(plaintext)
  const contentLength = reader.u32()
  if (contentLength > reader.remaining) {
    throw new WarpError('ERR_WARP_MALFORMED', 'the content of a page is longer than the page')
  }
  return { content: reader.take(contentLength), location: reader.take(reader.remaining) }
}
