/** Reads frames and checks chunks: on the calling thread, or in tasks of worker threads. */
import { WarpError } from '../base/errors.ts'
import { BLOCK_HEADER_BYTES, ID_BYTES, MAX_FRAME_BYTES } from '../base/limits.ts'
import { hashChunks } from '../codec/blake3.ts'
import { BLOCK_OVERHEAD_BYTES, blockBytes, openBlock, readBlockHeaderOf, type Sealing } from '../engine/block.ts'
import { KIND, type BlockHeader } from '../format/block.ts'
import { readFully } from './os/file-reader.ts'

// Of the largest size at once: fresh memory costs a page fault every 4 KiB, what is not touched nothing.
let buffer = Buffer.alloc(0)
let room = Buffer.alloc(0)

/** Header of the frame whose block is at `offset`. @throws {WarpError} as `readFrame` */
export function readFrameHeader(fd: number, offset: number, sealing: Sealing): BlockHeader {
  const head = Buffer.allocUnsafe(BLOCK_HEADER_BYTES)
  if (readFully(fd, head, offset) < BLOCK_HEADER_BYTES) throw truncated(offset)
  return readBlockHeaderOf(sealing, head, offset, { kind: KIND.frame })
}

/**
 * The plaintext of the frame whose block is at `offset`.
 * @returns valid until the next call in this thread
 * @throws {WarpError} ERR_WARP_BLOCK_DAMAGED, ERR_WARP_TRUNCATED, ERR_WARP_MALFORMED, …
 */
export function readFrame(fd: number, offset: number, sealing: Sealing): Uint8Array {
  const { header, bytes } = readFrameBlock(fd, offset, sealing)
  if (room.length < header.plainLength) room = Buffer.allocUnsafeSlow(MAX_FRAME_BYTES)
  return openBlock(sealing, header, bytes, offset, room)
}

/** As `readFrame`, to be kept. */
export function readOwnFrame(fd: number, offset: number, sealing: Sealing): Uint8Array {
  const { header, bytes } = readFrameBlock(fd, offset, sealing)
  const frame = openBlock(sealing, header, bytes, offset)
  return frame.buffer === bytes.buffer ? Uint8Array.from(frame) : frame
}

/** The whole block of a frame; valid until the next call in this thread. @throws {WarpError} as `readFrame` */
export function readFrameBlock(fd: number, offset: number, sealing: Sealing): { header: BlockHeader; bytes: Uint8Array } {
  if (buffer.length === 0) buffer = Buffer.allocUnsafeSlow(MAX_FRAME_BYTES + BLOCK_OVERHEAD_BYTES)
  const head = buffer.subarray(0, BLOCK_HEADER_BYTES)
  if (readFully(fd, head, offset) < BLOCK_HEADER_BYTES) throw truncated(offset)
  const header = readBlockHeaderOf(sealing, head, offset, { kind: KIND.frame })
  const length = blockBytes(header)
  const rest = buffer.subarray(BLOCK_HEADER_BYTES, length)
  if (readFully(fd, rest, offset + BLOCK_HEADER_BYTES) < rest.length) throw truncated(offset)
  return { header, bytes: buffer.subarray(0, length) }
}

function truncated(offset: number): WarpError {
  return new WarpError('ERR_WARP_TRUNCATED', 'the archive ends inside a frame', { offset })
}

/**
 * Holds chunks of a frame against their ids.
 * @param chunks [offset, length] pairs
 * @param ids 32 bytes for each
 * @returns numbers of the chunks that are not what they should be
 */
export function wrongChunks(frame: Uint8Array, chunks: Uint32Array, ids: Uint8Array, chunkIdKey: Uint8Array | null): number[] {
  const wrong: number[] = []
  for (let i = 0; i < chunks.length; i += 2) {
    if (chunks[i]! + chunks[i + 1]! > frame.length) wrong.push(i / 2)
  }
  if (wrong.length > 0) return wrong
  const found = Buffer.allocUnsafe(ids.length)
  hashChunks(frame, chunks, chunkIdKey, found)
  if (found.equals(ids)) return wrong
  for (let at = 0; at < ids.length; at += ID_BYTES) {
    if (found.compare(ids, at, at + ID_BYTES, at, at + ID_BYTES) !== 0) wrong.push(at / ID_BYTES)
  }
  return wrong
}

/** Where a task finds a frame. */
export type FramePlace =
  /** Its block in an open archive. */
  | { fd: number; offset: number; sealing: Sealing }
  /** Its whole block; it is altered. */
  | { block: Uint8Array; ordinal: number; sealing: Sealing }
  /** Its plaintext, in pieces of open files: [descriptor, offset, length] triples. */
  | { pieces: Float64Array }
  /** Its plaintext. */
  | { plain: Uint8Array }

/** The plaintext of a frame. @returns valid until the next call in this thread @throws {WarpError} as `readFrame`; the system's error */
export function plaintextOf(place: FramePlace): Uint8Array {
  if ('fd' in place) return readFrame(place.fd, place.offset, place.sealing)
  if ('pieces' in place) return readPieces(place.pieces)
  if ('plain' in place) return place.plain
  const { block, ordinal, sealing } = place
  if (block.length < BLOCK_HEADER_BYTES) throw truncated(0)
  const header = readBlockHeaderOf(sealing, block.subarray(0, BLOCK_HEADER_BYTES), 0, { kind: KIND.frame, ordinal })
  if (blockBytes(header) !== block.length) throw new WarpError('ERR_WARP_MALFORMED', 'a frame is longer or shorter than it says')
  if (room.length < header.plainLength) room = Buffer.allocUnsafeSlow(MAX_FRAME_BYTES)
  return openBlock(sealing, header, block, 0, room)
}

function readPieces(pieces: Float64Array): Uint8Array {
  if (room.length === 0) room = Buffer.allocUnsafeSlow(MAX_FRAME_BYTES)
  let end = 0
  for (let i = 0; i < pieces.length; i += 3) {
    const piece = room.subarray(end, end + pieces[i + 2]!)
    // What is short is found by its id.
    readFully(pieces[i]!, piece, pieces[i + 1]!)
    end += piece.length
  }
  return room.subarray(0, end)
}

/** A frame, and chunks of it that are to be held against their ids. */
export interface CheckRequest {
  place: FramePlace
  chunkIdKey: Uint8Array | null
  /** [offset, length] pairs in the frame. */
  chunks: Uint32Array
  /** 32 bytes for each chunk. */
  ids: Uint8Array
}

/** Task: checks a frame and chunks of it; @returns numbers of the wrong ones */
export function check({ place, chunkIdKey, chunks, ids }: CheckRequest): { wrong: Uint32Array } {
  const frame = plaintextOf(place)
  return { wrong: Uint32Array.from(wrongChunks(frame, chunks, ids, chunkIdKey)) }
}
