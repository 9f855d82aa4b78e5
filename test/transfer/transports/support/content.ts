/** Bytes to send and to recognise. */
import { createHash } from 'node:crypto'
import type { Connection } from '../../../../src/transfer/transports/connection.ts'

/** Bytes that differ from place to place and from seed to seed. */
export function content(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let state = (seed * 0x9e3779b1 + 1) >>> 0
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

export function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Reads exactly `length` bytes. */
export async function readExactly(connection: Connection, length: number): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let left = length
  while (left > 0) {
    const piece = await connection.read()
    if (piece === null) throw new Error(`ended ${left} bytes early`)
    if (piece.length > left) throw new Error(`${piece.length - left} bytes too many`)
    pieces.push(piece)
    left -= piece.length
  }
  return Buffer.concat(pieces)
}

/** Reads to the orderly end. */
export async function readAll(connection: Connection): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for (let piece = await connection.read(); piece; piece = await connection.read()) pieces.push(piece)
  return Buffer.concat(pieces)
}
