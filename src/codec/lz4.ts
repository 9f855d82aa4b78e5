/** Codec 1 of §7: parts of the plaintext, each an LZ4 block or stored. */
import { WarpError } from '../base/errors.ts'
import { LZ4_PART_BYTES, MAX_FRAME_BYTES } from '../base/limits.ts'
import { compressBlock, decompressBlock } from './lz4-block.ts'
import { choose } from './native.ts'

export { compressBlock, decompressBlock }

const WORD_BYTES = 4
const STORED = 0x8000_0000

/** Block codec: both take sources of up to a part. */
export interface Lz4 {
  /** @returns the length written to `dst`, 0 if the block does not fit there */
  compressBlock(src: Uint8Array, dst: Uint8Array): number
  /** Fills `dst` exactly or throws. */
  decompressBlock(src: Uint8Array, dst: Uint8Array): void
}

interface NativePackage {
  compressSync(bytes: Buffer): Buffer
  uncompressSync(bytes: Buffer): Buffer
}

function openNative(module: unknown): Lz4 {
  const { compressSync, uncompressSync } = module as NativePackage
  // The package puts the plain length before a block, and wants it there.
  const prefixed = Buffer.alloc(WORD_BYTES + LZ4_PART_BYTES)
  return {
    compressBlock: (src, dst) => {
      const block = compressSync(asBuffer(src)).subarray(WORD_BYTES)
      if (block.length > dst.length) return 0
      dst.set(block)
      return block.length
    },
    decompressBlock: (src, dst) => {
      prefixed.writeUInt32LE(dst.length, 0)
      prefixed.set(src, WORD_BYTES)
      const plain = uncompressSync(prefixed.subarray(0, WORD_BYTES + src.length))
      if (plain.length !== dst.length) throw new Error('block too short')
      dst.set(plain)
    },
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export const { native, portable, chosen } =
  choose<Lz4>('lz4', openNative, () => ({ compressBlock, decompressBlock }))

/**
 * Writes the payload of codec 1.
 * @param bytes 1 … MAX_FRAME_BYTES
 * @param out must not overlap `bytes`
 * @returns bytes written, 0 if `out` has too little room
 * @throws {RangeError} length out of range
 */
export function encodeInto(bytes: Uint8Array, out: Uint8Array, lz4: Lz4 = chosen()): number {
  const count = countParts(bytes.length)
  let at = count * WORD_BYTES
  if (at > out.length) return 0
  const words = new DataView(out.buffer, out.byteOffset, at)
  for (let i = 0; i < count; i++) {
    const part = bytes.subarray(i * LZ4_PART_BYTES, (i + 1) * LZ4_PART_BYTES)
    const length = lz4.compressBlock(part, out.subarray(at, at + part.length - 1))
    if (length === 0) {
      if (part.length > out.length - at) return 0
      out.set(part, at)
    }
    words.setUint32(i * WORD_BYTES, length === 0 ? STORED + part.length : length, true)
    at += length === 0 ? part.length : length
  }
  return at
}

/**
 * Decodes a payload of codec 1.
 * @param plain receives the plaintext, 1 … MAX_FRAME_BYTES: as many bytes as it must have
 * @throws {WarpError} ERR_WARP_MALFORMED
 * @throws {RangeError} length of `plain` out of range
 */
export function decodeInto(payload: Uint8Array, plain: Uint8Array, lz4: Lz4 = chosen()): void {
  const count = countParts(plain.length)
  let at = count * WORD_BYTES
  if (payload.length < at) throw malformed('no room for the lengths')
  const words = new DataView(payload.buffer, payload.byteOffset, at)
  for (let i = 0; i < count; i++) {
    const word = words.getUint32(i * WORD_BYTES, true)
    const part = plain.subarray(i * LZ4_PART_BYTES, (i + 1) * LZ4_PART_BYTES)
    const isStored = word >= STORED
    const length = isStored ? word - STORED : word
    if (isStored ? length !== part.length : length >= part.length) throw malformed('wrong length of a part')
    if (length > payload.length - at) throw malformed('payload cut short')
    const body = payload.subarray(at, at + length)
    if (isStored) part.set(body)
    else decodePart(body, part, lz4)
    at += length
  }
  if (at !== payload.length) throw malformed('bytes after the last part')
}

function decodePart(body: Uint8Array, part: Uint8Array, lz4: Lz4): void {
  try {
    lz4.decompressBlock(body, part)
  } catch (cause) {
    throw malformed('a part cannot be decoded', cause)
  }
}

function countParts(plainLength: number): number {
  if (plainLength < 1 || plainLength > MAX_FRAME_BYTES) throw new RangeError('not the length of a block')
  return Math.ceil(plainLength / LZ4_PART_BYTES)
}

function malformed(what: string, cause?: unknown): WarpError {
  return new WarpError('ERR_WARP_MALFORMED', `LZ4: ${what}`, { cause })
}
