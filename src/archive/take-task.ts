/** The task that takes over a frame that came from elsewhere: every chunk is held against its id, then it is sealed for this archive. */
import { WarpError } from '../base/errors.ts'
import { BLOCK_HEADER_BYTES } from '../base/limits.ts'
import { BLOCK_OVERHEAD_BYTES, readBlockHeaderOf, sealBlock, type Sealing } from '../engine/block.ts'
import { KIND } from '../format/block.ts'
import { resealBlock } from '../engine/reseal.ts'
import { plaintextOf, wrongChunks, type CheckRequest, type FramePlace } from './frame-reader.ts'

export interface TakeRequest extends CheckRequest {
  place: Extract<FramePlace, { block: Uint8Array }>
  to: Sealing
  /** In this archive. */
  ordinal: number
}

/** A frame of chunks that were taken from elsewhere on this side. */
export interface PackRequest extends Omit<CheckRequest, 'place'> {
  plain: Uint8Array
  to: Sealing
  ordinal: number
  level: number
}

/** @throws {WarpError} ERR_WARP_CHUNK_DAMAGED */
export function pack({ plain, chunkIdKey, chunks, ids, to, ordinal, level }: PackRequest): { block: Uint8Array } {
  if (wrongChunks(plain, chunks, ids, chunkIdKey).length > 0) throw new WarpError('ERR_WARP_CHUNK_DAMAGED', 'a chunk is not what its id says')
  const block = new Uint8Array(plain.length + BLOCK_OVERHEAD_BYTES)
  const length = sealBlock(to, { kind: KIND.frame, ordinal, compression: 'auto', level }, plain, block)
  return { block: block.slice(0, length) }
}

/** @throws {WarpError} ERR_WARP_CHUNK_DAMAGED, ERR_WARP_BLOCK_DAMAGED, … */
export function take({ place, chunkIdKey, chunks, ids, to, ordinal }: TakeRequest): { block: Uint8Array } {
  const plain = plaintextOf(place)
  if (wrongChunks(plain, chunks, ids, chunkIdKey).length > 0) throw new WarpError('ERR_WARP_CHUNK_DAMAGED', 'a chunk is not what its id says')
  const header = readBlockHeaderOf(place.sealing, place.block.subarray(0, BLOCK_HEADER_BYTES), 0)
  return { block: resealBlock(place.sealing, to, ordinal, header, place.block, 0) }
}
