/** Turns candidates into extents (§4.3, §4.4), batch after batch: files may go on over many. */
import { ID_BYTES } from '../base/limits.ts'
import { Cutter, lookaheadBytes } from '../codec/chunker.ts'
import type { LoadedSegment, Resident, Segment } from '../engine/engine.ts'
import type { LoadReply } from '../engine/load.ts'
import type { Batch, Item } from './batch.ts'
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
  chunks = new Uint32Array(2048)
  /** 32 bytes for each chunk; those of `unhashed` are not there yet. */
  ids = new Uint8Array(1024 * ID_BYTES)
  /** Numbers of the chunks that came without ids. */
  readonly unhashed: number[] = []
  readonly #extents: number[] = []
  #count = 0
  readonly #ends: number[] = []
  readonly #failures = new Map<number, string>()
  #reply: LoadReply | null = null
  #firstOfReply = 0

  addChunk(slabOffset: number, length: number): void {
    const number = this.#count
    this.#reserve(1)
    this.chunks[2 * number] = slabOffset
    this.chunks[2 * number + 1] = length
    this.unhashed.push(number)
    this.#extents.push(number)
  }

  addHole(length: number): void {
    this.#extents.push(-length)
  }

  /** Adds the extents of a file that came cut and hashed. */
  addFile(reply: LoadReply, index: number): void {
    const { chunks, ids, extents, extentEnds } = reply.files
    if (this.#reply !== reply) {
      // The first file of the reply brings the chunks of all, which follow in the same order.
      this.#reply = reply
      this.#firstOfReply = this.#count
      this.#reserve(chunks.length / 2)
      this.chunks.set(chunks, 2 * this.#firstOfReply)
      this.ids.set(ids, this.#firstOfReply * ID_BYTES)
    }
    for (let i = index > 0 ? extentEnds[index - 1]! : 0; i < extentEnds[index]!; i++) {
      const extent = extents[i]!
      this.#extents.push(extent < 0 ? extent : this.#firstOfReply + extent)
    }
  }

  /** Takes back the chunks that were added one by one since the last item ended. */
  dropItem(): void {
    const dropped = this.#extents.splice(this.#ends.at(-1) ?? 0).filter((extent) => extent >= 0).length
    this.unhashed.length -= dropped
    this.#count -= dropped
  }

  /** Ends the extents of the next item. */
  endItem(failure: string | null): void {
    if (failure !== null) this.#failures.set(this.#ends.length, failure)
    this.#ends.push(this.#extents.length)
  }

  seal(): this {
    this.chunks = this.chunks.subarray(0, 2 * this.#count)
    this.ids = this.ids.subarray(0, this.#count * ID_BYTES)
    return this
  }

  /** The chunks that came without ids, as [slab offset, length] pairs. */
  unhashedChunks(): Uint32Array {
    const pairs = new Uint32Array(2 * this.unhashed.length)
    this.unhashed.forEach((number, i) => {
      pairs[2 * i] = this.chunks[2 * number]!
      pairs[2 * i + 1] = this.chunks[2 * number + 1]!
    })
    return pairs
  }

  /** @param ids of `unhashedChunks` */
  setIds(ids: Uint8Array): void {
    this.unhashed.forEach((number, i) => this.ids.set(ids.subarray(i * ID_BYTES, (i + 1) * ID_BYTES), number * ID_BYTES))
  }

  /** Chunk numbers, or holes as negative lengths. */
  extentsOf(item: number): number[] {
    return this.#extents.slice(item > 0 ? this.#ends[item - 1] : 0, this.#ends[item])
  }

  failureOf(item: number): string | null {
    return this.#failures.get(item) ?? null
  }

  #reserve(count: number): void {
    this.#count += count
    if (2 * this.#count <= this.chunks.length) return
    const [chunks, ids] = [this.chunks, this.ids]
    const room = Math.max(this.#count, chunks.length)
    this.chunks = new Uint32Array(2 * room)
    this.chunks.set(chunks)
    this.ids = new Uint8Array(room * ID_BYTES)
    this.ids.set(ids)
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
        failure = item.file ? this.#cutSegment(cut, this.#progressOf(item), item, segment, loaded) : loaded.failure
        if (!item.file && failure === null) cut.addFile(loaded.reply, loaded.index)
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
