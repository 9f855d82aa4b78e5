/**
 * Cuts a file into chunks and holes from its candidates and zero runs: `Cutter` for a file that comes
 * in segments, `cutAll` for one that lies in memory. Source: format-spec §4.3, §4.4.
 */
import { HOLE_ALIGN_BYTES, HOLE_MIN_BYTES, candidateMask, maxChunkBytes, minChunkBytes } from '../base/limits.ts'
import { digestAt, isAverage } from './buzhash.ts'

export type ExtentKind = 'chunk' | 'hole'

export interface Extent {
  kind: ExtentKind
  /** Bytes from the start of the file. */
  offset: number
  length: number
}

/** What is known of a file when its extents that start in [start, end) are to be found. */
export interface Segment {
  start: number
  end: number
  /** `seenEnd` is the end of the file. */
  final: boolean
  /** Candidates of §4.2, ascending offsets in the file; complete from `start + WINDOW` to `seenEnd`. */
  candidates: ArrayLike<number>
  candidateCount: number
  /** [start, end) pairs as of `findZeroRuns`, over the bytes from `start` or earlier to `seenEnd`. */
  zeroRuns: ArrayLike<number>
  /** End of the bytes looked at: at least `end + lookaheadBytes(average)`, or the end of the file. */
  seenEnd: number
}

export type Emit = (kind: ExtentKind, offset: number, length: number) => void

/** Bytes after the end of a segment that the extents that start in it can depend on. */
export function lookaheadBytes(average: number): number {
  return maxChunkBytes(average) + HOLE_MIN_BYTES
}

/** Cuts one file, segment by segment; the extents do not depend on where it was divided. */
export class Cutter {
  readonly #min: number
  readonly #max: number
  readonly #lookahead: number
  /** Start of the next extent. */
  #position = 0
  #end = 0
  /** Once a segment has shown it. */
  #fileEnd = Infinity
  /** Runs of zeros that reach beyond `#position`, pairs; the last may go on in the next segment. */
  #runs: number[] = []

  /** @param average A of §4.1 */
  constructor(average: number) {
    if (!isAverage(average)) throw new RangeError('average is not a power of two within its limits')
    this.#min = minChunkBytes(average)
    this.#max = maxChunkBytes(average)
    this.#lookahead = lookaheadBytes(average)
  }

  /**
   * Emits, in order, every extent that starts in the segment; a hole whose end was not seen comes with
   * the segment that shows it.
   * @throws {RangeError} the segment does not follow the last one, or too little was looked at
   */
  push(segment: Segment, emit: Emit): void {
    const { end, final, seenEnd } = segment
    if (segment.start !== this.#end || end < segment.start || seenEnd < end) {
      throw new RangeError('segment does not follow the last one')
    }
    if (final && seenEnd !== end || seenEnd > this.#fileEnd) throw new RangeError('too little was looked at')
    if (seenEnd < end + this.#lookahead) this.#fileEnd = seenEnd
    this.#end = end
    this.#runs = joinRuns(this.#runs, segment.zeroRuns)
    this.#cut(segment, emit)
    let gone = 0
    while (gone < this.#runs.length && this.#runs[gone + 1] <= this.#position) gone += 2
    this.#runs.splice(0, gone)
  }

  #cut(segment: Segment, emit: Emit): void {
    const { end, final, seenEnd, candidates, candidateCount } = segment
    const runs = this.#runs
    let s = this.#position
    let run = 0
    let next = 0
    while (s < end) {
      while (run < runs.length && (runs[run + 1] <= s || runs[run + 1] - runs[run] < HOLE_MIN_BYTES)) run += 2
      const hole = run < runs.length ? runs[run] : Infinity
      if (hole === s) {
        const holeEnd = runs[run + 1]
        if (!final && holeEnd + HOLE_ALIGN_BYTES > seenEnd) break
        emit('hole', s, holeEnd - s)
        s = holeEnd
        continue
      }
      const b = Math.min(hole, this.#fileEnd)
      let cut = Math.min(s + this.#max, b)
      if (b - s > this.#min) {
        while (next < candidateCount && candidates[next] < s + this.#min) next++
        if (next < candidateCount && candidates[next] < cut) cut = candidates[next]
      }
      emit('chunk', s, cut - s)
      s = cut
    }
    this.#position = s
  }
}

/** The union of two ascending lists of [start, end) pairs, those that overlap or touch made one. */
function joinRuns(a: ArrayLike<number>, b: ArrayLike<number>): number[] {
  const joined: number[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    const takeA = j >= b.length || i < a.length && a[i] <= b[j]
    const start = takeA ? a[i] : b[j]
    const end = takeA ? a[i + 1] : b[j + 1]
    if (takeA) i += 2
    else j += 2
    const last = joined.length - 1
    if (last > 0 && start <= joined[last]) joined[last] = Math.max(joined[last], end)
    else joined.push(start, end)
  }
  return joined
}

/**
 * The extents of a file that lies in memory: §4.3 and §4.4 word for word, slow, the oracle for `Cutter`.
 * @param average A of §4.1
 */
export function cutAll(bytes: Uint8Array, average: number): Extent[] {
  const extents: Extent[] = []
  let regionStart = 0
  for (const { start, end } of findHoles(bytes)) {
    cutRegion(bytes, regionStart, start, average, extents)
    extents.push({ kind: 'hole', offset: start, length: end - start })
    regionStart = end
  }
  cutRegion(bytes, regionStart, bytes.length, average, extents)
  return extents
}

function findHoles(bytes: Uint8Array): { start: number, end: number }[] {
  const runs: { start: number, end: number }[] = []
  for (let start = 0; start < bytes.length; start += HOLE_ALIGN_BYTES) {
    const end = Math.min(start + HOLE_ALIGN_BYTES, bytes.length)
    if (bytes.subarray(start, end).some((byte) => byte !== 0)) continue
    const last = runs.at(-1)
    if (last?.end === start) last.end = end
    else runs.push({ start, end })
  }
  return runs.filter(({ start, end }) => end - start >= HOLE_MIN_BYTES)
}

function cutRegion(bytes: Uint8Array, a: number, b: number, average: number, extents: Extent[]): void {
  const min = minChunkBytes(average)
  const max = maxChunkBytes(average)
  let s = a
  while (s < b) {
    let c = b
    if (b - s > min) {
      c = s + min
      while (c < b && c < s + max && (digestAt(bytes, c) & candidateMask(average)) !== 0) c++
    }
    extents.push({ kind: 'chunk', offset: s, length: c - s })
    s = c
  }
}
