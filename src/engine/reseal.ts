/** Moves a block from one archive to another: opened and sealed afresh, its payload stays encoded as it is. */
import { CODEC, type BlockHeader } from '../format/block.ts'
import { blockBytes, openBlock, sealEncoded, type Sealing } from './block.ts'

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
  sealEncoded(to, { ...header, ordinal }, encoded, block)
  return block
}
