/**
 * What a sender offers of a tree: it is walked, read, cut and hashed by the engine as for an archive, batch by
 * batch. The records of a batch make listings; its bytes stay in their slab until the receiver has said what it
 * lacks of them, and those chunks are sealed into frames.
 */
import { MAX_FRAME_BYTES } from '../../base/limits.ts'
import { pageDigest } from '../../codec/merkle.ts'
import type { Batch, SourceEntry } from '../../archive/batch.ts'
import { Batcher } from '../../archive/batcher.ts'
import { BatchCutter, type CutBatch } from '../../archive/batch-cutter.ts'
import { PageStream, RootBuilder, type RecordSink } from '../../archive/page-stream.ts'
import { RecordPlanner } from '../../archive/record-planner.ts'
import { Sequence } from '../../archive/sequence.ts'
import type { Engine, Resident } from '../../engine/engine.ts'
import type { ClosedPage } from '../../format/page.ts'
import type { Hint, Metadata, SimpleRecord } from '../../format/entry.ts'
import { broken, type WantedFrame } from '../messages.ts'

/** Records of a tree, in the encoding of a page's content, and where the chunks that they refer to lie. */
export interface Listing {
  content: Uint8Array
  /** 32 bytes. */
  digest: Uint8Array
  /** Chunk references. */
  refs: number
  /** Of each reference: number of its chunk in the batch. */
  chunks: Uint32Array
}

/** A batch that was read, cut and hashed. */
export interface OfferedBatch {
  listings: Listing[]
  /**
   * To be called once, with what is wanted of each listing.
   * @param firstOrdinal of the frames, which are numbered on
   * @returns blocks in the order of the listings and frames, valid until `release`
   */
  seal(wanted: WantedFrame[][], firstOrdinal: number): Promise<Uint8Array[]>
  release(): void
}

export interface TreeSourceOptions {
  average: number
  engine: Engine
  acquire: () => Promise<SharedArrayBuffer>
  onProblem: (kind: 'unreadable' | 'unstable' | 'note', path: Uint8Array, message: string) => void
  /** A batch's entries were offered. */
  onOffered: (path: Uint8Array) => void
  tempDir?: string
}

/** Hands every record on to each of several. */
class Both implements RecordSink {
  readonly #sinks: RecordSink[]

  constructor(...sinks: RecordSink[]) {
    this.#sinks = sinks
  }

  beginFile(path: Uint8Array): void {
    for (const sink of this.#sinks) sink.beginFile(path)
  }

  chunk(length: number, id: Uint8Array, frame: number, offset: number): void {
    for (const sink of this.#sinks) sink.chunk(length, id, frame, offset)
  }

  hole(length: number): void {
    for (const sink of this.#sinks) sink.hole(length)
  }

  endFile(metadata: Metadata, hint: Hint | null): void {
    for (const sink of this.#sinks) sink.endFile(metadata, hint)
  }

  add(record: SimpleRecord): void {
    for (const sink of this.#sinks) sink.add(record)
  }
}

export class TreeSource {
  readonly #options: TreeSourceOptions
  readonly #batcher: Batcher
  readonly #cuts: BatchCutter
  readonly #root: RootBuilder
  readonly #pages: PageStream
  readonly #records: RecordPlanner
  #closed: ClosedPage[] = []
  readonly #cutting = new Sequence()
  readonly #planning = new Sequence()

  constructor(options: TreeSourceOptions) {
    this.#options = options
    const { average, tempDir, acquire, onProblem } = options
    this.#batcher = new Batcher({ average, inodes: { tempDir }, acquire, note: (path, reason) => onProblem('note', path, reason) })
    this.#cuts = new BatchCutter(average)
    this.#root = new RootBuilder(average)
    this.#pages = new PageStream((page) => this.#closed.push(page))
    this.#records = new RecordPlanner({ sink: new Both(this.#pages, this.#root), cuts: this.#cuts, withHints: false, onProblem, tempDir })
  }

  /** Every batch in order, as soon as it is begun; what becomes of it is to be released. */
  async *batches(entries: AsyncIterable<SourceEntry[]>): AsyncGenerator<{ offered: Promise<OfferedBatch> }> {
    for await (const batch of this.#batcher.of(entries)) {
      const offered = this.#add(batch)
      offered.catch(() => {})
      yield { offered }
    }
  }

  /** To be called when all batches were made. */
  end(): { root: Uint8Array; entries: number; bytes: number } {
    const root = this.#root.root()
    return { root, entries: this.#root.entries, bytes: this.#root.logicalBytes }
  }

  /** Closes what is open; to be called also after a failure. */
  close(): void {
    this.#batcher.close()
    this.#records.close()
  }

  #add(batch: Batch): Promise<OfferedBatch> {
    const { engine } = this.#options
    const loaded: Promise<Resident | null> = batch.slab ? engine.load(batch.slab, batch.segments) : Promise.resolve(null)
    loaded.catch(() => {})
    const hashed = this.#cutting.run(async () => {
      const resident = await loaded
      const cut = this.#cuts.cut(batch, resident)
      const hashing = cut.unhashed.length > 0 ? resident!.hashes(cut.unhashedChunks()).then((ids) => cut.setIds(ids)) : Promise.resolve()
      hashing.catch(() => {})
      return { resident, cut, hashing }
    })
    return this.#planning.run(async () => {
      const { resident, cut, hashing } = await hashed
      await hashing
      const finding = this.#records.prepare(batch)
      if (finding) await finding
      return this.#plan(batch, cut, resident)
    })
  }

  #plan(batch: Batch, cut: CutBatch, resident: Resident | null): OfferedBatch {
    batch.items.forEach((item, i) => {
      this.#records.add(item, cut, i, resident, () => 0, (chunk) => chunk)
    })
    // A listing never refers to two batches: its chunks would keep both.
    this.#pages.close({ midway: true })
    const listings = this.#closed.splice(0).map(({ content, refOffsets }): Listing => ({
      content, digest: pageDigest(content), refs: refOffsets.length, chunks: refOffsets,
    }))
    this.#options.onOffered(batch.items.at(-1)?.path ?? new Uint8Array(0))
    return {
      listings,
      seal: (wanted, firstOrdinal) => this.#seal(cut, resident, listings, wanted, firstOrdinal),
      release: () => {
        resident?.release()
        // Not before: an engine may have to read once more.
        for (const { isLast, file } of batch.items) if (isLast) file?.close()
      },
    }
  }

  async #seal(cut: CutBatch, resident: Resident | null, listings: Listing[], wanted: WantedFrame[][], firstOrdinal: number): Promise<Uint8Array[]> {
    let ordinal = firstOrdinal
    const plans = wanted.flatMap((frames, l) => frames.map((runs) => {
      const pieces: number[] = []
      let plainLength = 0
      for (const [first, count] of runs) {
        for (let ref = first; ref < first + count; ref++) {
          const chunk = listings[l]!.chunks[ref]!
          const length = cut.chunks[2 * chunk + 1]!
          pieces.push(cut.chunks[2 * chunk]!, length)
          plainLength += length
        }
      }
      if (plainLength > MAX_FRAME_BYTES) throw broken('a wish for a frame that is too long')
      return { ordinal: ordinal++, pieces: Uint32Array.from(pieces), plainLength }
    }))
    return plans.length > 0 ? resident!.seal(plans) : []
  }
}

