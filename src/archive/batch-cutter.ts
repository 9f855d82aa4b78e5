/** Turns candidates into extents (§4.3, §4.4), batch after batch: files may go on over many. */
import { minChunkBytes } from '../base/limits.ts'
import { Cutter, lookaheadBytes } from '../codec/chunker.ts'
import type { LoadedSegment, Resident, Segment } from '../engine/engine.ts'
import type { Batch, Item } from './batches.ts'
import type { LargeFile, StreamFile } from './open-file.ts'

/** A file that is cut in segments. */
interface Progress {
  cutter: Cutter
  /** Bytes of the file up to here are cut or about to be. */
  end: number
  /** The file turned out to end at `end`, or could not be read further. */
  ended: boolean
  /** Where it was seen to end; if it has grown again since, nothing more is taken. */
  seenEnd: number
  failure: string | null
  forgotten: boolean
}

/** The extents of one batch. */
export class CutBatch {
  /** [slab offset, length] pairs of all chunks. */
  chunks = new Uint32Array(0)
  readonly #chunks: number[] = []
  /** Chunk numbers, or holes as negative lengths. */
  readonly #extents: number[] = []
  readonly #ends: number[] = []
  readonly #failures = new Map<number, string>()

  addChunk(slabOffset: number, length: number): void {
    this.#extents.push(this.#chunks.length / 2)
    this.#chunks.push(slabOffset, length)
  }

  addHole(length: number): void {
    this.#extents.push(-length)
  }

  /** Takes back what was added since the last item ended. */
  dropItem(): void {
    const dropped = this.#extents.splice(this.#ends.at(-1) ?? 0)
    this.#chunks.length -= 2 * dropped.filter((extent) => extent >= 0).length
  }

  /** Ends the extents of the next item. */
  endItem(failure: string | null): void {
    if (failure !== null) this.#failures.set(this.#ends.length, failure)
    this.#ends.push(this.#extents.length)
  }

  seal(): this {
    this.chunks = Uint32Array.from(this.#chunks)
    return this
  }

  extentsOf(item: number): number[] {
    return this.#extents.slice(item > 0 ? this.#ends[item - 1] : 0, this.#ends[item])
  }

  failureOf(item: number): string | null {
    return this.#failures.get(item) ?? null
  }
}

export class BatchCutter {
  readonly #average: number
  readonly #open = new WeakMap<LargeFile | StreamFile, Progress>()

  constructor(average: number) {
    this.#average = average
  }

  cut(batch: Batch, resident: Resident | null): CutBatch {
    const cut = new CutBatch()
    let unpacked = 0
    for (const item of batch.items) {
      let failure: string | null = null
      if (item.kept) {
        for (const frame of item.kept.frames ?? []) {
          if (frame !== null) continue
          const { slabOffset, length } = batch.base!.unpack[unpacked++]!
          cut.addChunk(slabOffset, length)
        }
      } else if (item.segment >= 0) {
        const segment = batch.segments[item.segment]!
        const loaded = resident!.segments[item.segment]!
        failure = item.file
          ? this.#cutSegment(cut, this.#progressOf(item), item, segment, loaded)
          : this.#cutWhole(cut, segment, loaded)
      } else if (item.zeros) this.#cutZeros(cut, this.#progressOf(item), item, item.zeros)
      if (failure !== null && item.isFirst) {
        // §5.4: no frame is made of what no page will refer to.
        this.forget(item)
        cut.dropItem()
      }
      cut.endItem(failure)
    }
    return cut.seal()
  }

  /** Nothing more of this file is wanted. */
  forget(item: Item): void {
    if (item.file) this.#progressOf(item).forgotten = true
  }

  isForgotten(item: Item): boolean {
    return item.file !== null && this.#progressOf(item).forgotten
  }

  /** Bytes of a file that were there, once its last segment is cut. */
  endOf(item: Item): number {
    return item.file ? this.#progressOf(item).end : 0
  }

  #progressOf({ file }: Item): Progress {
    let progress = this.#open.get(file!)
    if (!progress) {
      progress = { cutter: new Cutter(this.#average), end: 0, ended: false, seenEnd: Infinity, failure: null, forgotten: false }
      this.#open.set(file!, progress)
    }
    return progress
  }

  #cutWhole(cut: CutBatch, { slabOffset }: Segment, loaded: LoadedSegment): string | null {
    const { bytesRead, failure } = loaded
    if (failure !== null) return failure
    // §4.4: a region of at most min bytes is one chunk.
    if (bytesRead <= minChunkBytes(this.#average) && loaded.zeroRuns.length === 0) {
      if (bytesRead > 0) cut.addChunk(slabOffset, bytesRead)
      return null
    }
    new Cutter(this.#average).push(
      {
        start: 0, end: bytesRead, final: true, seenEnd: bytesRead,
        candidates: loaded.candidates, candidateCount: loaded.candidates.length, zeroRuns: loaded.zeroRuns,
      },
      (kind, offset, length) => (kind === 'chunk' ? cut.addChunk(slabOffset + offset, length) : cut.addHole(length)),
    )
    return null
  }

  #cutSegment(cut: CutBatch, progress: Progress, item: Item, segment: Segment, loaded: LoadedSegment): string | null {
    const { slabOffset, fileOffset, length, lookahead } = segment
    if (!progress.ended && !progress.forgotten) {
      const seenEnd = Math.max(fileOffset, Math.min(fileOffset + loaded.bytesRead, progress.seenEnd))
      const isShort = seenEnd < fileOffset + length + lookahead
      if (isShort) progress.seenEnd = seenEnd
      const zeroRuns = loaded.zeroRuns.at(-1)! > seenEnd ? clipRuns(loaded.zeroRuns, seenEnd) : loaded.zeroRuns
      const end = Math.min(fileOffset + length, seenEnd)
      const final = item.isLast || (isShort && seenEnd <= fileOffset + length)
      progress.failure ??= loaded.failure
      progress.ended = final
      progress.end = end
      const candidates = Float64Array.from(loaded.candidates, (candidate) => candidate + fileOffset)
      progress.cutter.push(
        { start: fileOffset, end, final, seenEnd, candidates, candidateCount: candidates.length, zeroRuns },
        (kind, offset, bytes) => (kind === 'chunk' ? cut.addChunk(slabOffset + offset - fileOffset, bytes) : cut.addHole(bytes)),
      )
    }
    return progress.failure
  }

  #cutZeros(cut: CutBatch, progress: Progress, { isLast }: Item, [start, seenEnd]: [number, number]): void {
    if (progress.ended || progress.forgotten) return
    if (progress.seenEnd < seenEnd) {
      // It was found to end before that meanwhile: what is cut so far is all.
      progress.ended = true
      return
    }
    const end = isLast ? seenEnd : seenEnd - lookaheadBytes(this.#average)
    progress.end = end
    progress.ended = isLast
    progress.cutter.push(
      { start, end, final: isLast, seenEnd, candidates: [], candidateCount: 0, zeroRuns: [start, seenEnd] },
      (kind, _, bytes) => {
        if (kind === 'chunk') throw new RangeError('a run of zeros was cut into chunks')
        cut.addHole(bytes)
      },
    )
  }
}

/** Of [start, end) pairs, what lies before `limit`. */
function clipRuns(runs: number[], limit: number): number[] {
  const clipped: number[] = []
  for (let i = 0; i < runs.length && runs[i]! < limit; i += 2) clipped.push(runs[i]!, Math.min(runs[i + 1]!, limit))
  return clipped
}
