/** Tasks on frames of a base: taking one over as it is, and taking chunks out of one. Run in worker threads. */
import { WarpError } from '../base/errors.ts'
import type { Sealing } from '../engine/block.ts'
import { resealBlock } from '../engine/reseal.ts'
import type { ArchiveFrame } from './frame-sources.ts'
import { readFrame, readFrameBlock, wrongChunks, type CheckRequest } from './frame-reader.ts'

export interface CopyRequest {
  fd: number
  offset: number
  from: Sealing
  to: Sealing
  ordinal: number
}

/** Task: the frame's block, sealed for another archive; its tag is checked, its payload neither decoded nor encoded. */
export function copy({ fd, offset, from, to, ordinal }: CopyRequest): { block: Uint8Array } {
  const { header, bytes } = readFrameBlock(fd, offset, from)
  return { block: resealBlock(from, to, ordinal, header, bytes, offset) }
}

export interface UnpackRequest extends Omit<CheckRequest, 'place'>, ArchiveFrame {
  slab: SharedArrayBuffer
  slabOffsets: Uint32Array
}

/** Task: puts chunks of a frame, each held against its id, into a slab. */
export function unpack({ fd, offset, sealing, chunkIdKey, chunks, ids, slab, slabOffsets }: UnpackRequest): null {
  const frame = readFrame(fd, offset, sealing)
  if (wrongChunks(frame, chunks, ids, chunkIdKey).length > 0) {
    throw new WarpError('ERR_WARP_CHUNK_DAMAGED', 'a chunk is not what its id says', { offset })
  }
  const into = new Uint8Array(slab)
  slabOffsets.forEach((at, i) => into.set(frame.subarray(chunks[2 * i], chunks[2 * i]! + chunks[2 * i + 1]!), at))
  return null
}
