/**
 * Seals and opens whole blocks: block header, codec, encryption, tag.
 * Source: format-spec/warp-archive.md §5.3, §7.
 */
import { WarpError, atOffset } from '../base/errors.ts'
import { BLOCK_HEADER_BYTES, TAG_BYTES } from '../base/limits.ts'
import { STAGE, enter } from '../base/stages.ts'
import { nonceOf, openInto, sealInto } from '../codec/aead.ts'
import { hash } from '../codec/blake3.ts'
import { looksIncompressible } from '../codec/entropy.ts'
import * as lz4 from '../codec/lz4.ts'
import * as zstd from '../codec/zstd.ts'
import { CODEC, readBlockHeader, writeBlockHeader, type BlockHeader } from '../format/block.ts'

export type Compression = 'auto' | 'zstd' | 'lz4' | 'none'

/** What the blocks of one archive have in common. Safe to send to a worker. */
export interface Sealing {
  archiveId: Uint8Array
  /** null: not encrypted */
  sealingKey: Uint8Array | null
}

/** Bytes that a block adds to its payload. */
export const BLOCK_OVERHEAD_BYTES = BLOCK_HEADER_BYTES + TAG_BYTES

/**
 * @param out receives the encoded bytes, fewer than `plain` has
 * @returns the codec that was used and the length written; `store` and 0 where nothing is gained
 */
function encode(plain: Uint8Array, compression: Compression, level: number, out: Uint8Array): [codec: number, length: number] {
  if (compression === 'none' || plain.length < 2) return [CODEC.store, 0]
  if (compression === 'auto' && looksIncompressible(plain)) return [CODEC.store, 0]
  const room = out.subarray(0, plain.length - 1)
  const codec = compression === 'lz4' ? CODEC.lz4 : CODEC.zstd
  const length = codec === CODEC.lz4 ? lz4.encodeInto(plain, room) : zstd.compressInto(plain, level, room)
  return length > 0 ? [codec, length] : [CODEC.store, 0]
}

/**
 * Writes one block to `out`.
 * @param out at least plain.length + BLOCK_OVERHEAD_BYTES bytes; must not overlap `plain`
 * @returns bytes written
 */
export function sealBlock(
  sealing: Sealing,
  block: { kind: number; ordinal: number; compression: Compression; level: number },
  plain: Uint8Array,
  out: Uint8Array,
): number {
  const before = enter(STAGE.compress)
  const [codec, encodedLength] = encode(plain, block.compression, block.level, out.subarray(BLOCK_HEADER_BYTES))
  enter(STAGE.seal)
  const encoded = codec === CODEC.store ? plain : out.subarray(BLOCK_HEADER_BYTES, BLOCK_HEADER_BYTES + encodedLength)
  const length = sealEncoded(sealing, { kind: block.kind, ordinal: block.ordinal, codec, plainLength: plain.length }, encoded, out)
  enter(before)
  return length
}

/**
 * Writes a block whose payload is encoded already: header, payload, tag.
 * @param encoded may lie in `out` where the payload goes
 * @param out at least encoded.length + BLOCK_OVERHEAD_BYTES bytes
 * @returns bytes written
 */
export function sealEncoded(
  { archiveId, sealingKey }: Sealing,
  block: Pick<BlockHeader, 'kind' | 'ordinal' | 'codec' | 'plainLength'>,
  encoded: Uint8Array,
  out: Uint8Array,
): number {
  const header = out.subarray(0, BLOCK_HEADER_BYTES)
  writeBlockHeader(header, { ...block, archiveId, storedLength: encoded.length }, hash)
  const end = BLOCK_HEADER_BYTES + encoded.length
  const payload = out.subarray(BLOCK_HEADER_BYTES, end)
  const tag = out.subarray(end, end + TAG_BYTES)
  if (sealingKey) {
    sealInto(sealingKey, nonceOf(block.ordinal), header, encoded, payload, tag)
  } else {
    if (encoded.buffer !== payload.buffer || encoded.byteOffset !== payload.byteOffset) payload.set(encoded)
    tag.set(hash(out.subarray(0, end)).subarray(0, TAG_BYTES))
  }
  return end + TAG_BYTES
}

/** Reads a block header and holds it against the archive that it must belong to. */
export function readBlockHeaderOf(
  sealing: Sealing,
  bytes: Uint8Array,
  offset: number,
  expected: { kind?: number; ordinal?: number } = {},
): BlockHeader {
  const header = atOffset(offset, () => readBlockHeader(bytes, hash))
  if (Buffer.compare(header.archiveId, sealing.archiveId) !== 0) {
    throw new WarpError('ERR_WARP_MALFORMED', 'a block belongs to another archive', { offset })
  }
  if (expected.kind !== undefined && header.kind !== expected.kind) {
    throw new WarpError('ERR_WARP_MALFORMED', 'a block is of another kind than its place demands', { offset })
  }
  if (expected.ordinal !== undefined && header.ordinal !== expected.ordinal) {
    throw new WarpError('ERR_WARP_MALFORMED', 'a block is out of order', { offset })
  }
  return header
}

/**
 * Checks the tag of a block and gives its plaintext.
 * @param bytes the whole block; decrypted in place
 * @param offset of the block in the archive, for messages
 * @param room where the plaintext may be decoded to, at least plainLength bytes; default: memory of its own
 * @returns a part of `room`, or of `bytes` if the payload is stored as it is
 * @throws {WarpError} ERR_WARP_BLOCK_DAMAGED: tag wrong or payload not decodable
 */
export function openBlock(sealing: Sealing, header: BlockHeader, bytes: Uint8Array, offset: number, room?: Uint8Array): Uint8Array {
  const end = BLOCK_HEADER_BYTES + header.storedLength
  const payload = bytes.subarray(BLOCK_HEADER_BYTES, end)
  const tag = bytes.subarray(end, end + TAG_BYTES)
  if (sealing.sealingKey) {
    const aad = bytes.subarray(0, BLOCK_HEADER_BYTES)
    if (!openInto(sealing.sealingKey, nonceOf(header.ordinal), aad, payload, tag, payload)) {
      throw new WarpError('ERR_WARP_BLOCK_DAMAGED', 'a block was altered', { offset })
    }
  } else if (Buffer.compare(hash(bytes.subarray(0, end)).subarray(0, TAG_BYTES), tag) !== 0) {
    throw new WarpError('ERR_WARP_BLOCK_DAMAGED', 'a block is damaged', { offset })
  }
  if (header.codec === CODEC.store) return payload
  const { codec, plainLength } = header
  const plain = room?.subarray(0, plainLength) ?? Buffer.allocUnsafeSlow(plainLength)
  atOffset(offset, () => (codec === CODEC.lz4 ? lz4.decodeInto(payload, plain) : zstd.decompressInto(payload, plain)))
  return plain
}

/** Bytes of the whole block that `header` opens. */
export function blockBytes(header: BlockHeader): number {
  return header.storedLength + BLOCK_OVERHEAD_BYTES
}
