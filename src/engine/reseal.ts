/** Moves a block from one archive to another: opened and sealed afresh, its payload stays encoded as it is. */
import { BLOCK_HEADER_BYTES, TAG_BYTES } from '../base/limits.ts'
import { nonceOf, sealInto } from '../codec/aead.ts'
import { hash } from '../codec/blake3.ts'
import { CODEC, writeBlockHeader, type BlockHeader } from '../format/block.ts'
import { blockBytes, openBlock, type Sealing } from './block.ts'

/**
 * @param bytes the whole block of the archive that `from` opens; decrypted in place
 * @param offset of the block in that archive, for messages
 * @returns the whole block of the archive that `to` seals
 * @throws {WarpError} ERR_WARP_BLOCK_DAMAGED: the tag is wrong
 */
export function resealBlock(from: Sealing, to: Sealing, ordinal: number, header: BlockHeader, bytes: Uint8Array, offset: number): Uint8Array<ArrayBuffer> {
  // As a stored one, it is opened and not decoded.
  const encoded = openBlock(from, { ...header, codec: CODEC.store }, bytes, offset)
  const block = new Uint8Array(blockBytes(header))
  const end = block.length - TAG_BYTES
  const newHeader = block.subarray(0, BLOCK_HEADER_BYTES)
  const payload = block.subarray(BLOCK_HEADER_BYTES, end)
  const tag = block.subarray(end)
  writeBlockHeader(newHeader, { ...header, archiveId: to.archiveId, ordinal }, hash)
  if (to.sealingKey) sealInto(to.sealingKey, nonceOf(ordinal), newHeader, encoded, payload, tag)
  else {
    payload.set(encoded)
    tag.set(hash(block.subarray(0, end)).subarray(0, TAG_BYTES))
  }
  return block
}
