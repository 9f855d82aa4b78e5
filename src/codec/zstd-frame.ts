/** Header and block structure of zstd frames, without their content. Source: RFC 8878 §3.1.1. */
import { WarpError } from '../base/errors.ts'
import { MAX_FRAME_BYTES } from '../base/limits.ts'

const MAGIC = 0xfd2f_b528
const MAX_BLOCK_BYTES = 128 * 1024
const CHECKSUM_BYTES = 4
const BLOCK_HEADER_BYTES = 3

/** Makes and reads single frames. */
export interface Zstd {
  /** @returns bytes written to `out`, 0 if it has too little room: some bytes more than are written may be needed */
  compressInto(bytes: Uint8Array, level: number, out: Uint8Array): number
  /** Fills `out`, or throws. */
  decompressInto(frame: Uint8Array, out: Uint8Array): void
}

interface FrameHeader {
  /** Bytes of the header, magic included. */
  length: number
  hasChecksum: boolean
  windowBytes: number
  /** Frame_Content_Size, undefined where there is none. */
  contentSize?: number
}

/**
 * Proves that the bytes are one frame as §7 wants it: nothing before or after it, no dictionary,
 * content size `plainLength`, window at most MAX_FRAME_BYTES, every block within its bounds.
 * @throws {WarpError} ERR_WARP_MALFORMED
 */
export function readZstdFrame(bytes: Uint8Array, plainLength: number): void {
  const header = readHeader(bytes)
  if (header.contentSize !== plainLength) throw malformed('content size is not the length of the block')
  if (header.windowBytes > MAX_FRAME_BYTES) throw malformed('window too large')
  const maxBlockBytes = Math.min(header.windowBytes, MAX_BLOCK_BYTES)
  let at = header.length
  let known = 0
  for (let last = false; !last;) {
    if (at + BLOCK_HEADER_BYTES > bytes.length) throw malformed('frame cut short')
    const word = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16
    last = (word & 1) === 1
    const type = word >>> 1 & 3
    const size = word >>> 3
    if (type === 3) throw malformed('reserved type of block')
    if (size > maxBlockBytes) throw malformed('block too large')
    // Blocks of type 0 and 1 (raw, RLE) tell what they decode to, type 2 has no such field.
    if (type !== 2) known += size
    if (known > plainLength) throw malformed('blocks hold more than the content size')
    at += BLOCK_HEADER_BYTES + (type === 1 ? 1 : size)
  }
  if (header.hasChecksum) at += CHECKSUM_BYTES
  if (at !== bytes.length) throw malformed(at > bytes.length ? 'frame cut short' : 'bytes after the frame')
}

/** @throws {WarpError} ERR_WARP_MALFORMED */
function readHeader(bytes: Uint8Array): FrameHeader {
  if (bytes.length < 6) throw malformed('no frame')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0, true) !== MAGIC) throw malformed('no frame')
  const descriptor = bytes[4]
  if ((descriptor & 0x08) !== 0) throw malformed('reserved bit set')
  if ((descriptor & 0x03) !== 0) throw malformed('frame names a dictionary')
  const isSingleSegment = (descriptor & 0x20) !== 0
  const sizeFlag = descriptor >>> 6
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][sizeFlag]
  const sizeAt = isSingleSegment ? 5 : 6
  const length = sizeAt + sizeBytes
  if (length > bytes.length) throw malformed('frame cut short')
  let contentSize: number | undefined
  if (sizeBytes === 1) contentSize = bytes[sizeAt]
  else if (sizeBytes === 2) contentSize = view.getUint16(sizeAt, true) + 256
  else if (sizeBytes === 4) contentSize = view.getUint32(sizeAt, true)
  else if (sizeBytes === 8) contentSize = Number(view.getBigUint64(sizeAt, true))
  const windowBytes = isSingleSegment ? contentSize! : readWindow(bytes[5])
  return { length, hasChecksum: (descriptor & 0x04) !== 0, windowBytes, contentSize }
}

/** Window_Descriptor. */
function readWindow(byte: number): number {
  const base = 2 ** (10 + (byte >>> 3))
  return base + base / 8 * (byte & 7)
}

/**
 * The frame with a header that says what §7 demands: its content size, and that content as its window.
 * Streaming compressors leave the first out, and give a window that has nothing to do with the input.
 * No match reaches back further than the start of the content, so the smaller window is still true.
 */
export function rewriteZstdHeader(frame: Uint8Array, contentSize: number): Uint8Array {
  const { length, hasChecksum } = readHeader(frame)
  const sizeFlag = contentSize < 256 ? 0 : contentSize < 65_536 + 256 ? 1 : 2
  const head = Buffer.alloc(5 + [1, 2, 4][sizeFlag])
  head.writeUInt32LE(MAGIC, 0)
  head[4] = sizeFlag << 6 | 0x20 | (hasChecksum ? 0x04 : 0)
  if (sizeFlag === 0) head[5] = contentSize
  else if (sizeFlag === 1) head.writeUInt16LE(contentSize - 256, 5)
  else head.writeUInt32LE(contentSize, 5)
  return Buffer.concat([head, frame.subarray(length)])
}

function malformed(what: string): WarpError {
  return new WarpError('ERR_WARP_MALFORMED', `zstd: ${what}`)
}
