/** Makes the records of a batch: what stands in an archive, or is offered to a peer, of each of its items. */
import { ID_BYTES } from '../base/limits.ts'
import type { Resident } from '../engine/engine.ts'
import type { BatchCutter, CutBatch } from './batch-cutter.ts'
import type { Batch, Item } from './batch.ts'
import { fileRecordOf } from './file-record.ts'
import { InodeIndex } from './inode-index.ts'
import type { RecordSink } from './page-stream.ts'

export interface RecordPlannerOptions {
  sink: RecordSink
  cuts: BatchCutter
  withHints: boolean
  /** An entry could not be stored as it is. */
  onProblem: (kind: 'unreadable' | 'unstable' | 'note', path: Uint8Array, message: string) => void
  tempDir?: string
}

export class RecordPlanner {
  readonly #options: RecordPlannerOptions
  /** Entry number by `inode` of what has several names. */
  readonly #entryOf: InodeIndex
  entries = 0
  logicalBytes = 0
  chunkRefs = 0

  constructor(options: RecordPlannerOptions) {
    this.#options = options
    this.#entryOf = new InodeIndex({ tempDir: options.tempDir })
  }

  /** To be awaited before the items of `batch` are added. @returns null if there is nothing to wait for */
  prepare(batch: Batch): Promise<void> | null {
    return this.#entryOf.prepare(batch.items.flatMap(({ inode, isLink }) => (isLink ? inode! : [])))
  }

  close(): void {
    this.#entryOf.close()
  }

  /**
   * Adds item `i` of a batch, which is not taken over from a base.
   * @param frameOf, offsetOf where a chunk of the batch lies, by its number
   * @returns bytes of file content
   */
  add(
    item: Item, cut: CutBatch, i: number, resident: Resident | null, frameOf: (chunk: number) => number, offsetOf: (chunk: number) => number,
  ): number {
    const { onProblem, withHints, sink, cuts } = this.#options
    if (item.isLink) {
      const target = this.#entryOf.get(item.inode!)
      if (target === undefined) onProblem('unreadable', item.path, 'another name of a file that could not be stored')
      else this.addEntry(item, () => sink.add({ type: 'hardlink', path: item.path, targetEntry: target }))
      if (item.isLastName) this.#entryOf.delete(item.inode!)
      return 0
    }
    if (item.record) {
      const { record } = item
      this.addEntry(item, () => sink.add(record))
      return 0
    }
    const failure = item.failure ?? cut.failureOf(i)
    if (failure !== null && item.isFirst) {
      onProblem('unreadable', item.path, failure)
      cuts.forget(item)
      return 0
    }
    if (cuts.isForgotten(item)) return 0
    if (item.isFirst) sink.beginFile(item.path)
    let bytes = 0
    for (const extent of cut.extentsOf(i)) {
      if (extent < 0) {
        bytes += -extent
        sink.hole(-extent)
      } else {
        const length = cut.chunks[2 * extent + 1]!
        bytes += length
        this.chunkRefs++
        sink.chunk(length, cut.ids.subarray(extent * ID_BYTES, (extent + 1) * ID_BYTES), frameOf(extent), offsetOf(extent))
      }
    }
    this.logicalBytes += bytes
    if (item.isLast) {
      const note = (reason: string) => onProblem('note', item.path, reason)
      const { metadata, hint } = fileRecordOf(item, resident, cuts.endOf(item), failure !== null, note)
      if (metadata.unstable) onProblem('unstable', item.path, failure ?? 'it changed while it was read: stored as read, marked unstable')
      this.addEntry(item, () => sink.endFile(metadata, withHints ? hint : null))
    }
    return bytes
  }

  /** Counts an entry, so that other names of it find its number, and adds it. */
  addEntry(item: Item, add: () => void): void {
    if (item.inode !== null && !item.isLink) this.#entryOf.set(item.inode, this.entries)
    this.entries++
    add()
  }
}
