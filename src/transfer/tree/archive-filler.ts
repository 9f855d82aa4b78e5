/** Fills an archive with what a peer sends: plans frames and pages as they are to lie, and writes them as they come. */
import { ID_BYTES } from '../../base/limits.ts'
import { WarpError } from '../../base/errors.ts'
import { BlockWriter } from '../../archive/block-writer.ts'
import { ID_WORDS } from '../../archive/chunk-index.ts'
import { Failure } from '../../archive/failure.ts'
import { packIds } from '../../archive/frame-jobs.ts'
import { planFrames } from '../../archive/frame-plan.ts'
import { DEFAULT_LEVEL } from '../../archive/pace.ts'
import { PageStream } from '../../archive/page-stream.ts'
import { type NewArchive } from '../../archive/sealing.ts'
import { Sequence } from '../../archive/sequence.ts'
import { type Sink } from '../../archive/sink.ts'
import { SpillingIndex } from '../../archive/spilling-index.ts'
import type { PackRequest, TakeRequest } from '../../archive/take-task.ts'
import { indexPagesAfter } from '../../archive/tree-builder.ts'
import type { Problem } from '../../archive/types.ts'
import type { Pool } from '../../engine/pool.ts'
import { RecordOrder, type ClosedPage } from '../../format/page.ts'
import type { Channel, Message } from '../channel/channel.ts'
import { readListingContent, type ReadListing } from './listing.ts'
import { MAX_EXPECTED_FRAMES, MAX_OPEN_LISTINGS, MESSAGE, broken, readFinish, readListing, writeReport, writeWant, type Finish, type Offer, type WantedFrame } from '../messages.ts'
import { ReceivedFrames } from './received-frames.ts'
import { type Reuse } from './reuse.ts'
import { next } from './tree-sender.ts'
import { SENDER_SILENCE_MS, fromPeer, type TreeReceived } from './tree-receiver.ts'
import type { ReceiveOptions } from '../types.ts'

const REPORT_MS = 250
/** Listings that were answered and are not written yet. */
const MAX_HELD_LISTINGS = 12

export interface IntoArchiveJob {
  channel: Channel
  offer: Offer
  into: Extract<ReceiveOptions['into'], { kind: 'archive' }>
  options: Pick<ReceiveOptions, 'overwrite' | 'tempDir' | 'reuse' | 'reuseKeys'>
  pool: Pool
  indexBytes: number
  report: (problem: Problem) => void
  onProgress: (done: { bytes: number; entries: number; path: Uint8Array }) => void
}

interface Planned {
  /** In order, with what is in each; of one that is not asked for, the pieces that it is made of. */
  frames: { frame: number; ordinal: number; chunks: number[]; ids: Uint8Array[] }[]
  pages: { page: ClosedPage; ordinal: number }[]
}

export class ArchiveFiller {
  readonly #job: IntoArchiveJob
  readonly #archive: NewArchive
  readonly #average: number
  readonly #reuse: Reuse | null
  readonly #blocks: BlockWriter
  readonly #failure = new Failure()
  readonly #judging = new Sequence()
  readonly #writing = new Sequence()
  readonly #order = new RecordOrder()
  readonly #index: SpillingIndex
  readonly #pages = new PageStream((page) => this.#closed(page))
  readonly #frames: ReceivedFrames
  #closedPages: Planned['pages'] = []
  #isInFile = false
  #nextOrdinal = 0
  #received = 0
  /** Listings that came and were not answered; and those that were, and are not written. */
  #unanswered = 0
  readonly #held = new Set<Promise<void>>()
  #frameCount = 0
  #frameBytes = 0
  #pageCount = 0
  #logicalBytes = 0
  #chunkRefs = 0
  #doneBytes = 0
  #reusedBytes = 0

  constructor(job: IntoArchiveJob, archive: NewArchive, sink: Sink, average: number, reuse: Reuse | null) {
    this.#job = job
    this.#archive = archive
    this.#average = average
    this.#reuse = reuse
    this.#blocks = new BlockWriter({
      sink, sealing: archive.sealing, level: DEFAULT_LEVEL, thin: false, average, commitment: archive.commitment, signWith: job.into.signWith ?? null,
    })
    this.#index = new SpillingIndex({
      maxBytes: job.indexBytes, tempDir: job.options.tempDir,
      onDegraded: (reason) => job.report({ kind: 'note', message: `${reason}: the index of chunks does not fit, and some duplicates are stored again` }),
    })
    this.#frames = new ReceivedFrames({ archiveId: job.offer.offerId, sealingKey: null }, (_, message) => message?.release())
    for (const sequence of [this.#judging, this.#writing]) sequence.failed.catch((error: unknown) => this.#failure.fail(error))
  }

  get pages(): number {
    return this.#blocks.pages
  }

  async run(): Promise<TreeReceived> {
    const reports = setInterval(() => void this.#report().catch(() => {}), REPORT_MS)
    try {
      const finish = await this.#failure.until(this.#read())
      await this.#failure.until(this.#judging.idle())
      if (this.#frames.expected > 0) throw broken('an end before the last frame')
      await this.#failure.until(this.#writing.idle())
      fromPeer(() => this.#order.finish())
      this.#pages.close()
      for (const { page, ordinal } of this.#closedPages.splice(0)) await this.#blocks.page(page, ordinal)
      const { root } = await this.#blocks.end({
        entries: this.#order.entries, logicalBytes: this.#logicalBytes, chunkRefs: this.#chunkRefs,
        frameBytes: this.#frameBytes, frames: this.#frameCount, pages: this.#pageCount,
      }, () => this.#nextOrdinal++)
      if (finish.listings !== this.#received || !Buffer.from(root).equals(finish.root)) throw broken('another tree than its root says')
      return { ...finish, entries: this.#order.entries, bytes: this.#logicalBytes, reusedBytes: this.#reusedBytes }
    } catch (thrown) {
      const error = this.#failure.error?.error ?? thrown
      this.#failure.fail(error)
      this.#frames.fail(error)
      // What is being written is waited for: the file is given up after that.
      await this.#writing.idle().catch(() => {})
      throw error
    } finally {
      clearInterval(reports)
      this.#index.close()
    }
  }

  async #read(): Promise<Finish> {
    for (;;) {
      const message = await next(this.#job.channel, SENDER_SILENCE_MS)
      const { type, payload } = message
      if (type === MESSAGE.frame) this.#frames.arrive(message)
      else if (type === MESSAGE.listing) this.#begin(message)
      else if (type === MESSAGE.finish) {
        const finish = readFinish(payload)
        message.release()
        return finish
      } else throw broken('a message that has no place here')
    }
  }

  #begin(message: Message): void {
    const { number, content } = readListing(message.payload)
    if (number !== this.#received++) throw broken('a listing out of order')
    if (++this.#unanswered > MAX_OPEN_LISTINGS || this.#frames.expected > MAX_EXPECTED_FRAMES) throw broken('more listings than it may')
    const judged = this.#judging.run(async () => {
      // While frames are expected it goes on: a sender sends none before all listings of a batch are answered.
      while (this.#held.size >= MAX_HELD_LISTINGS && this.#frames.expected === 0) await this.#failure.until(Promise.race(this.#held))
      const planned = await this.#judge(number, content)
      message.release()
      return planned
    })
    const written = this.#writing.run(async () => this.#write(await judged)).catch(() => {}).finally(() => this.#held.delete(written))
    void judged.then(() => this.#held.add(written), () => {})
  }

  async #judge(number: number, content: Uint8Array): Promise<Planned> {
    const read = fromPeer(() => readListingContent(content, this.#average))
    fromPeer(() => {
      for (const record of read.records) this.#order.next(record)
    })
    const preparing = this.#index.prepare(read.words)
    if (preparing) await preparing
    await this.#reuse?.prepare(read.words)
    const frameOf = new Float64Array(read.refs)
    const offsetOf = new Uint32Array(read.refs)
    const planned: Planned = { frames: [], pages: [] }
    const wanted: WantedFrame[] = []
    const isHere = Uint8Array.from({ length: read.refs }, (_, ref) => (this.#reuse?.has(read.words, ref) ? 1 : 0))
    // What is asked for lies in frames of its own: they are sealed afresh as they come.
    this.#planRefs(read, (ref) => !isHere[ref], frameOf, offsetOf, (frame, refs, plainLength) => {
      this.#frames.addWanted(plainLength)
      wanted.push(runsOfRefs(refs))
      planned.frames.push(frame)
    })
    this.#planRefs(read, (ref) => isHere[ref] === 1, frameOf, offsetOf, (frame, refs) => {
      this.#frames.addLocal(refs.map((ref) => this.#reuse!.piece(read.words, ref, read.lengths[ref]!)))
      for (const ref of refs) this.#reusedBytes += read.lengths[ref]!
      planned.frames.push(frame)
    })
    // Before it is sent: the next listing may come while that is waited for.
    this.#unanswered--
    await this.#job.channel.send(MESSAGE.want, [writeWant(number, wanted)])
    this.#addRecords(read, frameOf, offsetOf)
    planned.pages = this.#closedPages.splice(0)
    return planned
  }

  /** Puts the chunks of those references that `takes` accepts, and that are not in the archive yet, into frames. */
  #planRefs(
    read: ReadListing, takes: (ref: number) => boolean, frameOf: Float64Array, offsetOf: Uint32Array,
    onFrame: (frame: Planned['frames'][number], refs: number[], plainLength: number) => void,
  ): void {
    const refs: number[] = []
    for (let ref = 0; ref < read.refs; ref++) if (takes(ref)) refs.push(ref)
    const words = new Uint32Array(refs.length * ID_WORDS)
    const chunks = new Uint32Array(2 * refs.length)
    refs.forEach((ref, i) => {
      words.set(read.words.subarray(ref * ID_WORDS, (ref + 1) * ID_WORDS), i * ID_WORDS)
      chunks[2 * i + 1] = read.lengths[ref]!
    })
    const first = this.#frameCount
    const plan = planFrames(this.#index.table, words, chunks, first)
    const frames = plan.frames.map((): { chunks: number[]; ids: Uint8Array[]; refs: number[] } => ({ chunks: [], ids: [], refs: [] }))
    const ends = new Float64Array(frames.length)
    refs.forEach((ref, i) => {
      frameOf[ref] = plan.frameOf[i]!
      offsetOf[ref] = plan.offsetOf[i]!
      const at = plan.frameOf[i]! - first
      // A chunk that occurred before lies further up.
      if (at < 0 || plan.offsetOf[i] !== ends[at]) {
        this.#reusedBytes += read.lengths[ref]!
        return
      }
      ends[at]! += read.lengths[ref]!
      frames[at]!.chunks.push(plan.offsetOf[i]!, read.lengths[ref]!)
      frames[at]!.ids.push(new Uint8Array(read.words.buffer, ref * ID_BYTES, ID_BYTES))
      frames[at]!.refs.push(ref)
    })
    plan.frames.forEach(({ plainLength }, at) => {
      const { chunks: inFrame, ids, refs: own } = frames[at]!
      this.#frameBytes += plainLength
      onFrame({ frame: this.#frameCount++, ordinal: this.#nextOrdinal++, chunks: inFrame, ids }, own, plainLength)
    })
  }

  #addRecords(read: ReadListing, frameOf: Float64Array, offsetOf: Uint32Array): void {
    let ref = 0
    for (const record of read.records) {
      if (record.type !== 'file' && record.type !== 'part') {
        this.#pages.add(record)
        continue
      }
      if (!this.#isInFile) this.#pages.beginFile(record.path)
      this.#isInFile = record.type === 'part'
      for (const extent of record.extents) {
        this.#logicalBytes += extent.length
        if (!Number.isSafeInteger(this.#logicalBytes)) throw broken('more bytes than a tree can have')
        if (extent.kind === 'hole') this.#pages.hole(extent.length)
        else {
          this.#pages.chunk(extent.length, extent.id, frameOf[ref]!, offsetOf[ref]!)
          ref++
        }
      }
      if (record.type === 'file') this.#pages.endFile(record.metadata, null)
    }
    this.#chunkRefs += read.refs
  }

  #closed(page: ClosedPage): void {
    const ordinal = this.#nextOrdinal++
    this.#pageCount++
    // Index pages that follow directly take their ordinals now, before the frames of the next listing.
    this.#nextOrdinal += indexPagesAfter(this.#pageCount)
    this.#closedPages.push({ page, ordinal })
  }

  async #write({ frames, pages }: Planned): Promise<void> {
    const { pool, onProgress } = this.#job
    const taken = frames.map(async ({ frame, ordinal, chunks, ids }) => {
      const common = { chunkIdKey: this.#archive.chunkIdKey, chunks: Uint32Array.from(chunks), ids: packIds(ids), to: this.#archive.sealing, ordinal }
      if (!this.#frames.isLocal(frame)) {
        this.#frames.seal([frame])
        const place = (await this.#frames.at(frame)) as TakeRequest['place']
        const request: TakeRequest = { ...common, place }
        const { block } = (await pool.run('take', request, [place.block.buffer as ArrayBuffer]).catch((error: unknown) => {
          throw error instanceof WarpError && error.class !== 'internal' && error.class !== 'interrupted' ? broken(`a frame that is none: ${error.message}`) : error
        })) as { block: Uint8Array }
        return block
      }
      const plain = await this.#frames.plainOf(frame)
      const request: PackRequest = { ...common, plain, level: DEFAULT_LEVEL }
      const { block } = (await pool.run('pack', request, [plain.buffer as ArrayBuffer])) as { block: Uint8Array }
      return block
    })
    for (const one of taken) one.catch(() => {})
    for (const [i, one] of taken.entries()) {
      const block = await one
      await this.#blocks.frames([block])
      const { frame } = frames[i]!
      if (!this.#frames.isLocal(frame)) this.#frames.done(frame)
      this.#frames.begun([frame])
      for (let k = 1; k < frames[i]!.chunks.length; k += 2) this.#doneBytes += frames[i]!.chunks[k]!
      onProgress({ bytes: this.#doneBytes, entries: this.#order.entries, path: new Uint8Array(0) })
    }
    for (const { page, ordinal } of pages) await this.#blocks.page(page, ordinal)
  }

  async #report(): Promise<void> {
    await this.#job.channel.send(MESSAGE.progress, [
      writeReport({ bytes: this.#doneBytes, entries: this.#order.entries, reusedBytes: this.#reusedBytes }),
    ])
  }
}

function runsOfRefs(refs: number[]): WantedFrame {
  const runs: WantedFrame = []
  for (const ref of refs) {
    const last = runs.at(-1)
    if (last && last[0] + last[1] === ref) last[1]++
    else runs.push([ref, 1])
  }
  return runs
}
