/** The location part of a page (§8.2): where the chunks of its content lie, and change hints. */
import { WarpError } from '../base/errors.ts'
import { MAX_FRAME_BYTES } from '../base/limits.ts'
import { ByteReader, ByteWriter } from './cursor.ts'
import type { Hint } from './entry.ts'

export interface Location {
  /** Of each frame referred to, in order of first reference: the file offset of its block, negative in the base. */
  frames: number[]
  /** For each chunk extent, in content order: index into `frames`. */
  refFrames: Uint32Array
  /** For each chunk extent: offset in the plaintext of its frame, bytes. */
  refOffsets: Uint32Array
  /** One for each record of type file, in content order; null if the page has none. */
  hints: Hint[] | null
}

const FLAG_HINTS = 1
/** Of a frame in a thin archive: in the archive itself, or in its base. */
const ORIGIN = { own: 0, base: 1 } as const

/**
 * Writes a location part. Source: §8.2.
 * @param thin the archive is thin: frames may lie in the base
 * @param lengths length of each chunk extent, bytes, in content order
 * @throws {RangeError} the frames are not in order of first reference
 */
export function writeLocation(location: Location & { lengths: Uint32Array }, thin = false): Uint8Array {
  const { frames, refFrames, refOffsets, lengths, hints } = location
  const hasHints = hints !== null && hints.length > 0
  const writer = new ByteWriter(16 + 9 * frames.length + 5 * refFrames.length)
  writer.u8(hasHints ? FLAG_HINTS : 0).varint(frames.length)
  for (const offset of frames) {
    if (thin) writer.u8(offset < 0 ? ORIGIN.base : ORIGIN.own).varint(Math.abs(offset))
    else writer.varint(offset)
  }
  let seen = 0
  let frame = -1
  let end = 0
  for (let i = 0; i < refFrames.length; i++) {
    if (refFrames[i] > seen) throw new RangeError('frames are not in order of first reference')
    if (refFrames[i] === seen) seen++
    if (refFrames[i] === frame && refOffsets[i] === end) writer.u8(0)
    else writer.varint(refFrames[i] + 1).varint(refOffsets[i])
    frame = refFrames[i]
    end = refOffsets[i] + lengths[i]
  }
  if (seen !== frames.length) throw new RangeError('a frame is listed and not referred to')
  if (hasHints) {
    for (const { ctimeSeconds, ctimeNanoseconds, inode, device } of hints) {
      writer.zigzag(ctimeSeconds).varint(ctimeNanoseconds).rawU64(inode).rawU64(device)
    }
  }
  return writer.take()
}

/**
 * Reads a location part. That each chunk lies inside its frame is for the caller to check, who knows the
 * lengths of frames.
 * @param lengths length of each chunk extent of the content, bytes, in order
 * @param fileCount records of type file in the content
 * @param thin the archive is thin: frames may lie in the base
 * @throws {WarpError} ERR_WARP_MALFORMED
 */
export function readLocation(bytes: Uint8Array, lengths: Uint32Array, fileCount: number, thin = false): Location {
  const reader = new ByteReader(bytes)
  const flags = reader.u8()
  if (flags > FLAG_HINTS) throw malformed('reserved flags of a page are set')
  const frameCount = reader.varint()
  if (frameCount > lengths.length) throw malformed('a page lists more frames than it has chunks')
  const frames: number[] = []
  for (let i = 0; i < frameCount; i++) {
    const origin = thin ? reader.u8() : ORIGIN.own
    if (origin > ORIGIN.base) throw malformed('a page refers to a frame of unknown origin')
    const offset = reader.varint()
    // No block lies where the header does; 0 has no negative to tell the base by.
    if (origin === ORIGIN.base && offset === 0) throw malformed('a page refers to a frame where the header of the base is')
    frames.push(origin === ORIGIN.base ? -offset : offset)
  }
  if (new Set(frames).size !== frameCount) throw malformed('a page lists a frame twice')
  const refFrames = new Uint32Array(lengths.length)
  const refOffsets = new Uint32Array(lengths.length)
  let seen = 0
  let frame = -1
  let end = 0
  for (let i = 0; i < lengths.length; i++) {
    const code = reader.varint()
    if (code === 0) {
      if (frame === -1) throw malformed('the first reference of a page has no predecessor')
      refOffsets[i] = end
    } else {
      const offset = reader.varint()
      const next = code - 1
      if (next > seen || next >= frameCount) throw malformed('frames are not in order of first reference')
      if (next === frame && offset === end) throw malformed('a reference is not in its shortest form')
      if (offset > MAX_FRAME_BYTES) throw malformed('a chunk lies outside its frame')
      if (next === seen) seen++
      frame = next
      refOffsets[i] = offset
    }
    refFrames[i] = frame
    end = refOffsets[i] + lengths[i]
    if (end > MAX_FRAME_BYTES) throw malformed('a chunk lies outside its frame')
  }
  if (seen !== frameCount) throw malformed('a page lists a frame that it does not refer to')
  let hints: Hint[] | null = null
  if (flags === FLAG_HINTS) {
    // §3.2: without a file, the flag would be a second encoding of the same value.
    if (fileCount === 0) throw malformed('a page without files has change hints')
    hints = []
    for (let i = 0; i < fileCount; i++) hints.push(readHint(reader))
  }
  reader.done()
  return { frames, refFrames, refOffsets, hints }
}

function readHint(reader: ByteReader): Hint {
  const ctimeSeconds = reader.zigzag()
  const ctimeNanoseconds = reader.varint()
  if (ctimeNanoseconds > 999_999_999) throw malformed('nanoseconds are out of range')
  return { ctimeSeconds, ctimeNanoseconds, inode: reader.rawU64(), device: reader.rawU64() }
}

function malformed(message: string): WarpError {
  return new WarpError('ERR_WARP_MALFORMED', message)
}
