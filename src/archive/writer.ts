/**
 * Writes an archive: takes batches from the engine, cuts, deduplicates, plans frames and pages in input
 * order, and hands blocks on in file order. Steps of different batches overlap; each kind of
 * step runs in order.
 */
import { ID_BYTES } from '../base/limits.ts'
import { STAGE, enter } from '../base/stages.ts'
import type { Engine, FramePlan, Resident } from '../engine/engine.ts'
import { PageBuilder, type ClosedPage } from '../format/page.ts'
import type { Batch, Item, Kept } from './batches.ts'
import { BatchCutter, type CutBatch } from './batch-cutter.ts'
import { BlockWriter, type BlockWriterOptions } from './block-writer.ts'
import { planFrames } from './frame-plan.ts'
import { fileRecordOf } from './file-record.ts'
import { InodeIndex } from './inode-index.ts'
import { Sequence } from './sequence.ts'
import { SpillingIndex, type SpillOptions } from './spilling-index.ts'
import type { TakenOver } from './taken-over.ts'
import { indexPagesAfter } from './tree-builder.ts'
import type { Totals } from './types.ts'

export interface WriterOptions extends BlockWriterOptions {
  /** Resolves when the header is written. */
  ready: Promise<void>
  engine: Engine
  withHints: boolean
  /** What is taken over from a base; null if there is none. */
  takenOver: TakenOver | null
  /** Of the index of chunks. */
  index: SpillOptions
  /** An entry could not be stored as it is. */
  onProblem: (kind: 'unreadable' | 'unstable' | 'note', path: Uint8Array, message: string) => void
  /** A batch's entries were planned. */
  onDone: (entries: number, bytes: number, path: Uint8Array) => void
}

interface PlannedBatch {
  resident: Resident | null
  /** Frames of the base, which come first. */
  copies: Promise<Uint8Array>[]
  blocks: Promise<Uint8Array[]>
  pages: { page: ClosedPage; ordinal: number }[]
}

export class ArchiveWriter {
  readonly #options: WriterOptions
  readonly #cuts: BatchCutter
  readonly #index: SpillingIndex
  readonly #builder = new PageBuilder()
  readonly #blocks: BlockWriter
  readonly #cutting = new Sequence()
  readonly #planning = new Sequence()
  readonly #writing = new Sequence()
  /** Entry number by `inode` of what has several names. */
  readonly #entryOf: InodeIndex
  #nextOrdinal = 0
  #entries = 0
  #logicalBytes = 0
  #chunkRefs = 0
  #frames = 0
  #frameBytes = 0
  #pages = 0

  constructor(options: WriterOptions) {
    this.#options = options
    this.#blocks = new BlockWriter(options)
    this.#index = new SpillingIndex(options.index)
    this.#entryOf = new InodeIndex({ tempDir: options.index.tempDir })
    this.#cuts = new BatchCutter(options.average)
    this.failed = Promise.race([this.#cutting.failed, this.#planning.failed, this.#writing.failed])
    void this.#writing.run(() => options.ready).catch(() => {})
  }

  /** Pages that stand in the sink: what recovery could take over. */
  get pagesWritten(): number {
    return this.#blocks.pages
  }

  /** Rejects as soon as any step of any batch has failed. */
  readonly failed: Promise<never>

  /** Takes a batch; its steps go on after this returns. @returns resolves when all of it stands in the sink; never rejects */
  add(batch: Batch): Promise<void> {
    const loaded = this.#load(batch)
    loaded.catch(() => {})
    const hashed = this.#cutting.run(async () => {
      const resident = await loaded
      const before = enter(STAGE.plan)
      const cut = this.#cuts.cut(batch, resident)
      enter(before)
      const hashing = cut.unhashed.length > 0 ? resident!.hashes(cut.unhashedChunks()).then((ids) => cut.setIds(ids)) : Promise.resolve()
      hashing.catch(() => {})
      return { resident, cut, hashing }
    })
    const planned = this.#planning.run(async () => {
      const { resident, cut, hashing } = await hashed
      await hashing
      const words = new Uint32Array(cut.ids.buffer, cut.ids.byteOffset, cut.ids.length / 4)
      const preparing = this.#index.prepare(this.#options.takenOver?.idsOf(batch, words) ?? words)
      if (preparing) await preparing
      const finding = this.#entryOf.prepare(batch.items.flatMap(({ inode, isLink }) => (isLink ? inode! : [])))
      if (finding) await finding
      const before = enter(STAGE.plan)
      const plan = this.#plan(batch, cut, resident, words)
      enter(before)
      return plan
    })
    const written = this.#writing.run(async () => {
      const { resident, copies, blocks, pages } = await planned
      for (const copy of copies) {
        const block = await copy
        await this.#blocks.frames([block])
        this.#options.takenOver!.written(block)
      }
      await this.#blocks.frames(await blocks)
      resident?.release()
      // Not before: an engine may have to read once more.
      for (const { isLast, file } of batch.items) if (isLast) file?.close()
      for (const { page, ordinal } of pages) await this.#blocks.page(page, ordinal)
    })
    return written.catch(() => {})
  }

  /** To be called at the end, also after a failure. */
  close(): void {
    this.#index.close()
    this.#entryOf.close()
  }

  async #load(batch: Batch): Promise<Resident | null> {
    if (!batch.slab) return null
    const { slab, base } = batch
    if (!base || base.unpack.length === 0) return this.#options.engine.load(slab, batch.segments)
    const end = Math.max(...base.unpack.map(({ slabOffset, length }) => slabOffset + length))
    const done = this.#options.takenOver!.unpack(slab, base.unpack)
    done.catch(() => {})
    return this.#options.engine.load(slab, batch.segments, { end, done })
  }

  /** Writes what is left: the last page, the index, the footer. */
  async finish(): Promise<Totals & { root: Uint8Array }> {
    await this.#writing.idle()
    if (!this.#builder.isEmpty) {
      const { page, ordinal } = this.#closePage()
      await this.#blocks.page(page, ordinal)
    }
    return this.#blocks.end({
      entries: this.#entries, logicalBytes: this.#logicalBytes, chunkRefs: this.#chunkRefs,
      frameBytes: this.#frameBytes, frames: this.#frames, pages: this.#pages,
    }, () => this.#nextOrdinal++)
  }

  #plan(batch: Batch, cut: CutBatch, resident: Resident | null, words: Uint32Array): PlannedBatch {
    const copies = this.#options.takenOver?.prepare(batch, words, cut.chunks, this.#index.table, (plainLength) => {
      this.#frameBytes += plainLength
      return { number: this.#frames++, ordinal: this.#nextOrdinal++ }
    }) ?? []
    const { frames, frameOf, offsetOf } = planFrames(this.#index.table, words, cut.chunks, this.#frames)
    const plans = frames.map((frame): FramePlan => {
      this.#frames++
      this.#frameBytes += frame.plainLength
      return { ...frame, ordinal: this.#nextOrdinal++ }
    })
    const blocks = resident ? resident.seal(plans) : Promise.resolve([])
    blocks.catch(() => {})
    const pages: PlannedBatch['pages'] = []
    const closeIf = (full: boolean) => {
      if (full) pages.push(this.#closePage())
    }
    let bytes = 0
    batch.items.forEach((item, i) => {
      const size = this.#addItem(item, cut, i, resident, frameOf, offsetOf, closeIf)
      bytes += size
    })
    this.#options.onDone(batch.items.length, bytes, batch.items.at(-1)?.path ?? new Uint8Array(0))
    return { resident, copies, blocks, pages }
  }

  /** @returns bytes of file content */
  #addItem(
    item: Item, cut: CutBatch, i: number, resident: Resident | null,
    frameOf: Float64Array, offsetOf: Uint32Array, closeIf: (full: boolean) => void,
  ): number {
    const { onProblem, withHints } = this.#options
    if (item.isLink) {
      const target = this.#entryOf.get(item.inode!)
      if (target === undefined) onProblem('unreadable', item.path, 'another name of a file that could not be stored')
      else this.#addEntry(item, () => closeIf(this.#builder.add({ type: 'hardlink', path: item.path, targetEntry: target })))
      if (item.isLastName) this.#entryOf.delete(item.inode!)
      return 0
    }
    if (item.record) {
      const { record } = item
      this.#addEntry(item, () => closeIf(this.#builder.add(record)))
      return 0
    }
    if (item.kept) return this.#addKept(item, item.kept, cut.extentsOf(i), frameOf, offsetOf, closeIf)
    const failure = item.failure ?? cut.failureOf(i)
    if (failure !== null && item.isFirst) {
      onProblem('unreadable', item.path, failure)
      this.#cuts.forget(item)
      return 0
    }
    if (this.#cuts.isForgotten(item)) return 0
    if (item.isFirst) this.#builder.beginFile(item.path)
    let bytes = 0
    for (const extent of cut.extentsOf(i)) {
      if (extent < 0) {
        bytes += -extent
        closeIf(this.#builder.hole(-extent))
      } else {
        const length = cut.chunks[2 * extent + 1]!
        bytes += length
        this.#chunkRefs++
        closeIf(this.#builder.chunk(length, cut.ids.subarray(extent * ID_BYTES, (extent + 1) * ID_BYTES), this.#nameOf(frameOf[extent]!), offsetOf[extent]!))
      }
    }
    this.#logicalBytes += bytes
    if (item.isLast) {
      const note = (reason: string) => onProblem('note', item.path, reason)
      const { metadata, hint } = fileRecordOf(item, resident, this.#cuts.endOf(item), failure !== null, note)
      if (metadata.unstable) onProblem('unstable', item.path, failure ?? 'it changed while it was read: stored as read, marked unstable')
      this.#addEntry(item, () => closeIf(this.#builder.endFile(metadata, withHints ? hint : null)))
    }
    return bytes
  }

  /** @param unpacked numbers of the chunks that were unpacked into the slab, in order */
  #addKept(
    item: Item, kept: Kept, unpacked: number[], frameOf: Float64Array, offsetOf: Uint32Array, closeIf: (full: boolean) => void,
  ): number {
    if (item.isFirst) this.#builder.beginFile(item.path)
    let bytes = 0
    let chunk = 0
    let next = 0
    for (const extent of kept.extents) {
      bytes += extent.length
      if (extent.kind === 'hole') {
        closeIf(this.#builder.hole(extent.length))
        continue
      }
      this.#chunkRefs++
      const name = this.#options.takenOver!.nameOfKept(kept, chunk)
      const at = name === null ? unpacked[next++]! : -1
      const offset = name === null ? offsetOf[at]! : kept.offsets[chunk]!
      chunk++
      closeIf(this.#builder.chunk(extent.length, extent.id, name ?? this.#nameOf(frameOf[at]!), offset))
    }
    this.#logicalBytes += bytes
    if (item.isLast) this.#addEntry(item, () => closeIf(this.#builder.endFile(kept.metadata, this.#options.withHints ? kept.hint : null)))
    return bytes
  }

  #nameOf(frame: number): number {
    return this.#options.takenOver?.nameOf(frame) ?? frame
  }

  #addEntry(item: Item, add: () => void): void {
    if (item.inode !== null && !item.isLink) this.#entryOf.set(item.inode, this.#entries)
    this.#entries++
    add()
  }

  #closePage(): { page: ClosedPage; ordinal: number } {
    const page = this.#builder.close()
    const ordinal = this.#nextOrdinal++
    this.#pages++
    // Index pages that follow directly take their ordinals now, before the frames of the next batch.
    this.#nextOrdinal += indexPagesAfter(this.#pages)
    return { page, ordinal }
  }
}
