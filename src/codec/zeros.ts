/** Finds runs of zero blocks, of which holes are made. Source: format-spec §4.3. */
import { HOLE_ALIGN_BYTES, HOLE_MIN_BYTES } from '../base/limits.ts'

const ZEROS = Buffer.alloc(HOLE_ALIGN_BYTES)

/**
 * Maximal runs of zero blocks inside one piece of a file. Reported are runs that are long enough for a
 * hole, and those that touch the first or the last whole block of the piece and so may be parts of one.
 * @param bytes a piece of the file; what lies before its first block boundary is ignored
 * @param fileOffset where `bytes` starts in the file
 * @param isEnd `bytes` ends the file, so that its last, shorter block counts
 * @param out receives [start, end) pairs, absolute, ascending
 */
export function findZeroRuns(bytes: Uint8Array, fileOffset: number, isEnd: boolean, out: number[]): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const lead = (HOLE_ALIGN_BYTES - fileOffset % HOLE_ALIGN_BYTES) % HOLE_ALIGN_BYTES
  const whole = bytes.length - lead - Math.max(0, bytes.length - lead) % HOLE_ALIGN_BYTES
  const end = isEnd ? bytes.length : lead + whole
  let start = -1
  for (let at = lead; at < end; at += HOLE_ALIGN_BYTES) {
    const next = Math.min(at + HOLE_ALIGN_BYTES, end)
    if (isZero(buffer, at, next)) {
      if (start < 0) start = at
      if (next === end) out.push(fileOffset + start, fileOffset + end)
    } else if (start >= 0) {
      if (start === lead || at - start >= HOLE_MIN_BYTES) out.push(fileOffset + start, fileOffset + at)
      start = -1
    }
  }
}

function isZero(buffer: Buffer, at: number, end: number): boolean {
  // Two looks tell most blocks of data apart without a call.
  if (buffer[at] !== 0 || buffer[at + (end - at >>> 1)] !== 0) return false
  return buffer.compare(ZEROS, 0, end - at, at, end) === 0
}
