/** The header of a block (§5.3): what kind it is, how long, and a checksum that lets a scan find it. */
import { WarpError } from '../base/errors.ts'
import {
  ARCHIVE_ID_BYTES, BLOCK_HEADER_BYTES, CHECKSUM_BYTES, FOOTER_BODY_BYTES, MAX_FRAME_BYTES, MAX_PAGE_BYTES,
} from '../base/limits.ts'
import { ByteReader, ByteWriter, equalBytes } from './cursor.ts'
import type { Hash } from './header.ts'

export const KIND = { frame: 1, page: 2, indexPage: 3, footer: 4 } as const
export const CODEC = { store: 0, lz4: 1, zstd: 2 } as const

export interface BlockHeader {
  /** u8[16], as in the archive's header */
  archiveId: Uint8Array
  ordinal: number
  /** One of KIND. */
  kind: number
  /** One of CODEC. */
  codec: number
  /** Bytes before compression. */
  plainLength: number
  /** Bytes of the payload. */
  storedLength: number
}

const MAGIC = Uint8Array.of(0xc7, 0x77, 0x72, 0x70, 0x62, 0x6c, 0x6b, 0x0a)
const CHECKSUM_INPUT_BYTES = BLOCK_HEADER_BYTES - CHECKSUM_BYTES

/**
 * Writes the header of a block. Source: §5.3.
 * @param out u8[64]
 * @throws {WarpError} ERR_WARP_LIMIT, ERR_WARP_MALFORMED: lengths, kind and codec that no reader accepts
 */
export function writeBlockHeader(out: Uint8Array, header: BlockHeader, hash: Hash): void {
  if (out.length !== BLOCK_HEADER_BYTES) throw new RangeError('a block header has 64 bytes')
  if (header.archiveId.length !== ARCHIVE_ID_BYTES) throw new RangeError('an archive id has 16 bytes')
  checkLengths(header)
  const writer = new ByteWriter(BLOCK_HEADER_BYTES)
    .put(MAGIC).put(header.archiveId).u64(header.ordinal).u8(header.kind).u8(header.codec).zeros(2)
    .u32(header.plainLength).u32(header.storedLength).zeros(4)
  writer.put(hash(writer.peek()).subarray(0, CHECKSUM_BYTES))
  out.set(writer.peek())
}

/**
 * Reads the header of a block and makes all checks of §5.3 that need nothing else; that the archive id
 * and the ordinal are the expected ones is for the caller to check.
 * @param bytes u8[64]; borrowed by the archive id returned
 * @throws {WarpError} ERR_WARP_TRUNCATED (fewer bytes), ERR_WARP_MALFORMED (no magic, wrong checksum or
 *   field), ERR_WARP_LIMIT
 */
export function readBlockHeader(bytes: Uint8Array, hash: Hash): BlockHeader {
  if (bytes.length < BLOCK_HEADER_BYTES) {
    throw new WarpError('ERR_WARP_TRUNCATED', 'the archive ends inside a block header')
  }
  const magic = bytes.subarray(0, MAGIC.length)
  if (!equalBytes(magic, MAGIC)) throw malformed('there is no block where one must be')
  const checksum = hash(bytes.subarray(0, CHECKSUM_INPUT_BYTES)).subarray(0, CHECKSUM_BYTES)
  const reader = new ByteReader(bytes, MAGIC.length)
  const archiveId = reader.take(ARCHIVE_ID_BYTES)
  if (!equalBytes(checksum, bytes.subarray(CHECKSUM_INPUT_BYTES, BLOCK_HEADER_BYTES))) {
    throw malformed('the checksum of a block header is wrong')
  }
  const ordinal = reader.u64()
  const kind = reader.u8()
  const codec = reader.u8()
  reader.zeros(2)
  const plainLength = reader.u32()
  const storedLength = reader.u32()
  reader.zeros(4)
  reader.take(CHECKSUM_BYTES)
  reader.done()
  const header = { archiveId, ordinal, kind, codec, plainLength, storedLength }
  checkLengths(header)
  return header
}

/** Offset of the next place at or after `from` where a block may begin, or −1. For recovery (§11). */
export function findBlockMagic(bytes: Uint8Array, from: number): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(MAGIC, from)
}

function checkLengths({ kind, codec, plainLength, storedLength }: BlockHeader): void {
  if (kind < KIND.frame || kind > KIND.footer) throw malformed(`a block has the unknown kind ${kind}`)
  if (codec > CODEC.zstd) throw malformed(`a block has the unknown codec ${codec}`)
  if (codec === CODEC.lz4 && kind !== KIND.frame) throw malformed('a block of metadata has the codec LZ4')
  if (kind === KIND.footer) {
    const fits = codec === CODEC.store && plainLength === FOOTER_BODY_BYTES
    if (!fits) throw malformed('a footer has the wrong size')
  } else {
    const max = kind === KIND.frame ? MAX_FRAME_BYTES : MAX_PAGE_BYTES
    if (plainLength < 1 || plainLength > max) {
      throw new WarpError('ERR_WARP_LIMIT', `a block states a length of ${plainLength} bytes`)
    }
  }
  if (codec === CODEC.store ? storedLength !== plainLength : storedLength >= plainLength) {
    throw malformed('the stored length of a block does not fit its length')
  }
}

function malformed(message: string): WarpError {
  return new WarpError('ERR_WARP_MALFORMED', message)
}
