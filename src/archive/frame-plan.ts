/** Deduplicates the chunks of a batch and divides the new ones into frames. */
import { FRAME_TARGET_BYTES, ID_BYTES, MAX_FRAME_BYTES } from '../base/limits.ts'
import type { FramePlan } from '../engine/engine.ts'
import type { ChunkIndex } from './chunk-index.ts'

const ID_WORDS = ID_BYTES / 4
/** Marks a chunk of this batch whose frame is not decided yet; its offset is its number among the new ones. */
const PENDING = 0xffff_fffe

export interface FrameAssignment {
  frames: Omit<FramePlan, 'ordinal'>[]
  /** For each chunk: number of its frame, counted over the archive. */
  frameOf: Float64Array
  /** For each chunk: offset in the plaintext of its frame. */
  offsetOf: Uint32Array
}

/**
 * @param ids 8 words for each chunk
 * @param chunks [slab offset, length] pairs
 * @param firstFrame number of the first frame made here
 */
export function planFrames(index: ChunkIndex, ids: Uint32Array, chunks: Uint32Array, firstFrame: number): FrameAssignment {
  const count = chunks.length / 2
  const frameOf = new Float64Array(count)
  const offsetOf = new Uint32Array(count)
  const fresh: number[] = []
  let freshBytes = 0
  for (let i = 0; i < count; i++) {
    const slot = index.find(ids, i * ID_WORDS)
    if (slot >= 0) {
      frameOf[i] = index.frameAt(slot)
      offsetOf[i] = index.offsetAt(slot)
      continue
    }
    frameOf[i] = PENDING
    offsetOf[i] = fresh.length
    index.set(ids, i * ID_WORDS, PENDING, fresh.length)
    fresh.push(i)
    freshBytes += chunks[2 * i + 1]!
  }
  const { frames, freshFrame, freshOffset } = divide(chunks, fresh, freshBytes, firstFrame)
  fresh.forEach((chunk, n) => index.set(ids, chunk * ID_WORDS, freshFrame[n]!, freshOffset[n]!))
  for (let i = 0; i < count; i++) {
    if (frameOf[i] !== PENDING) continue
    const n = offsetOf[i]!
    frameOf[i] = freshFrame[n]!
    offsetOf[i] = freshOffset[n]!
  }
  return { frames, frameOf, offsetOf }
}

/**
 * Frames of about equal size near the target, so that no batch ends in a small one.
 * @param chunks [slab offset, length] pairs
 * @param fresh numbers of those that are to be put into frames
 */
export function divide(chunks: Uint32Array, fresh: number[], freshBytes: number, firstFrame: number) {
  const frameCount = Math.max(1, Math.round(freshBytes / FRAME_TARGET_BYTES))
  const frames: Omit<FramePlan, 'ordinal'>[] = []
  const freshFrame = new Float64Array(fresh.length)
  const freshOffset = new Uint32Array(fresh.length)
  let pieces: number[] = []
  let plainLength = 0
  let done = 0
  const close = () => {
    if (pieces.length > 0) frames.push({ pieces: Uint32Array.from(pieces), plainLength })
    pieces = []
    plainLength = 0
  }
  fresh.forEach((chunk, n) => {
    const length = chunks[2 * chunk + 1]!
    if (plainLength + length > MAX_FRAME_BYTES) close()
    freshFrame[n] = firstFrame + frames.length
    freshOffset[n] = plainLength
    pieces.push(chunks[2 * chunk]!, length)
    plainLength += length
    done += length
    if (done >= ((frames.length + 1) * freshBytes) / frameCount) close()
  })
  close()
  return { frames, freshFrame, freshOffset }
}
