/**
 * Writes an archive: takes batches from the engine, cuts, deduplicates, plans frames and pages in input
 * order, and hands blocks on in file order. Steps of different batches overlap; each kind of
 * step runs in order.
 */
import { STAGE, enter } from '../base/stages.ts'
import type { Engine, FramePlan, Resident } from '../engine/engine.ts'
import type { ClosedPage } from '../format/page.ts'
import type { Batch, Item, Kept } from './batch.ts'
import { BatchCutter, type CutBatch } from './batch-cutter.ts'
import { BlockWriter, type BlockWriterOptions } from './block-writer.ts'
import { planFrames } from './frame-plan.ts'
import { PageStream } from './page-stream.ts'
import { RecordPlanner } from './record-planner.ts'
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
  readonly #pages = new PageStream((page) => this.#closed(page))
  readonly #closedPages: PlannedBatch['pages'] = []
  readonly #records: RecordPlanner
  readonly #blocks: BlockWriter
  readonly #cutting = new Sequence()
  readonly #planning = new Sequence()
  readonly #writing = new Sequence()
  #nextOrdinal = 0
  #frames = 0
  #frameBytes = 0
  #pageCount = 0

  constructor(options: WriterOptions) {
    this.#options = options
    this.#blocks = new BlockWriter(options)
    this.#index = new SpillingIndex(options.index)
    this.#cuts = new BatchCutter(options.average)
    this.#records = new RecordPlanner({ ...options, sink: this.#pages, cuts: this.#cuts, tempDir: options.index.tempDir })
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
      const finding = this.#records.prepare(batch)
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
    this.#records.close()
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
    this.#pages.close()
    for (const { page, ordinal } of this.#closedPages.splice(0)) await this.#blocks.page(page, ordinal)
    const { entries, logicalBytes, chunkRefs } = this.#records
    return this.#blocks.end(
      { entries, logicalBytes, chunkRefs, frameBytes: this.#frameBytes, frames: this.#frames, pages: this.#pageCount }, () => this.#nextOrdinal++,
    )
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
    let bytes = 0
    batch.items.forEach((item, i) => {
      bytes += item.kept
        ? this.#addKept(item, item.kept, cut.extentsOf(i), frameOf, offsetOf)
        : this.#records.add(item, cut, i, resident, (chunk) => this.#nameOf(frameOf[chunk]!), (chunk) => offsetOf[chunk]!)
    })
    this.#options.onDone(batch.items.length, bytes, batch.items.at(-1)?.path ?? new Uint8Array(0))
    return { resident, copies, blocks, pages: this.#closedPages.splice(0) }
  }

  /**
   * @param unpacked numbers of the chunks that were unpacked into the slab, in order
   * @returns bytes of file content
   */
  #addKept(item: Item, kept: Kept, unpacked: number[], frameOf: Float64Array, offsetOf: Uint32Array): number {
    if (item.isFirst) this.#pages.beginFile(item.path)
    let bytes = 0
    let chunk = 0
    let next = 0
    for (const extent of kept.extents) {
      bytes += extent.length
      if (extent.kind === 'hole') {
        this.#pages.hole(extent.length)
        continue
      }
      this.#records.chunkRefs++
      const name = this.#options.takenOver!.nameOfKept(kept, chunk)
      const at = name === null ? unpacked[next++]! : -1
      const offset = name === null ? offsetOf[at]! : kept.offsets[chunk]!
      chunk++
      this.#pages.chunk(extent.length, extent.id, name ?? this.#nameOf(frameOf[at]!), offset)
    }
    this.#records.logicalBytes += bytes
    if (item.isLast) this.#records.addEntry(item, () => this.#pages.endFile(kept.metadata, this.#options.withHints ? kept.hint : null))
    return bytes
  }

  #nameOf(frame: number): number {
    return this.#options.takenOver?.nameOf(frame) ?? frame
  }

  #closed(page: ClosedPage): void {
    const ordinal = this.#nextOrdinal++
    this.#pageCount++
    // Index pages that follow directly take their ordinals now, before the frames of the next batch.
    this.#nextOrdinal += indexPagesAfter(this.#pageCount)
    this.#closedPages.push({ page, ordinal })
  }
}
