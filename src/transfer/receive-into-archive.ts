/**
 * Receives a tree into an archive of the receiver's own: with its key, its ids and its frames as they come, sealed
 * afresh. What is written is an archive up to its last page at any time.
 */
import { ID_BYTES } from '../base/limits.ts'
import { WarpError, asWarpError } from '../base/errors.ts'
import { BlockWriter } from '../archive/block-writer.ts'
import { Failure } from '../archive/failure.ts'
import { packIds } from '../archive/frame-jobs.ts'
import { planFrames } from '../archive/frame-plan.ts'
import { DEFAULT_LEVEL } from '../archive/pace.ts'
import { PageStream } from '../archive/page-stream.ts'
import { newArchive, type NewArchive } from '../archive/sealing.ts'
import { Sequence } from '../archive/sequence.ts'
import { openSink, type Sink } from '../archive/sink.ts'
import { SpillingIndex } from '../archive/spilling-index.ts'
import type { TakeRequest } from '../archive/take-task.ts'
import { indexPagesAfter } from '../archive/tree-builder.ts'
import type { Problem } from '../archive/types.ts'
import type { Pool } from '../engine/pool.ts'
import { RecordOrder, type ClosedPage } from '../format/page.ts'
import type { Channel, Message } from './channel.ts'
import { readListingContent, type ReadListing } from './listing.ts'
import { KIND, MESSAGE, broken, readFinish, readListing, writeAccept, writeReport, writeWant, type Finish, type Offer, type WantedFrame } from './messages.ts'
import { ReceivedFrames } from './received-frames.ts'
import { next } from './tree-sender.ts'
import { fromPeer, type TreeReceived } from './tree-receiver.ts'
import type { ReceiveOptions } from './types.ts'

const REPORT_MS = 250

export interface IntoArchiveJob {
  channel: Channel
  offer: Offer
  into: Extract<ReceiveOptions['into'], { kind: 'archive' }>
  options: Pick<ReceiveOptions, 'overwrite' | 'tempDir'>
  pool: Pool
  indexBytes: number
  report: (problem: Problem) => void
  onProgress: (done: { bytes: number; entries: number; path: Uint8Array }) => void
}

/** @throws {WarpError} what was written so far is left, under a temporary name, if it holds a page */
export async function receiveIntoArchive(job: IntoArchiveJob): Promise<TreeReceived> {
  const { channel, offer, into } = job
  const sink = openSink(into.path)
  let archive: NewArchive
  try {
    archive = newArchive({ average: offer.average, partial: false, passphrase: into.passphrase, passphraseCost: into.passphraseCost, recipients: into.recipients })
  } catch (error) {
    await sink.abandon(false)
    throw error
  }
  const receiver = new ArchiveFiller(job, archive, sink)
  try {
    await sink.write([archive.header])
    await channel.send(MESSAGE.accept, [writeAccept({ kind: KIND.tree, average: offer.average, chunkIdKey: archive.chunkIdKey, have: 0 })])
    const received = await receiver.run()
    await sink.commit()
    return received
  } catch (thrown) {
    const error = asWarpError(thrown)
    const left = await sink.abandon(receiver.pages > 0)
    const hint = left === null ? error.hint : `what came so far can be read with: warp recover ${left} -o NEW.warp`
    throw new WarpError(error.code, error.message, { ...error, hint, cause: error.cause })
  } finally {
    archive.sealing.sealingKey?.fill(0)
    archive.chunkIdKey?.fill(0)
  }
}

interface Planned {
  /** Numbers of the frames that are wanted, and what is in each. */
  frames: { frame: number; ordinal: number; chunks: number[]; ids: Uint8Array[] }[]
  pages: { page: ClosedPage; ordinal: number }[]
}

class ArchiveFiller {
  readonly #job: IntoArchiveJob
  readonly #archive: NewArchive
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
  #frameCount = 0
  #frameBytes = 0
  #pageCount = 0
  #logicalBytes = 0
  #chunkRefs = 0
  #doneBytes = 0
  #reusedBytes = 0

  constructor(job: IntoArchiveJob, archive: NewArchive, sink: Sink) {
    this.#job = job
    this.#archive = archive
    this.#blocks = new BlockWriter({
      sink, sealing: archive.sealing, level: DEFAULT_LEVEL, thin: false, average: job.offer.average, commitment: archive.commitment, signWith: job.into.signWith ?? null,
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
      const message = await next(this.#job.channel)
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
    const judged = this.#judging.run(async () => {
      const planned = await this.#judge(number, content)
      message.release()
      return planned
    })
    void this.#writing.run(async () => this.#write(await judged)).catch(() => {})
  }

  async #judge(number: number, content: Uint8Array): Promise<Planned> {
    const { average } = this.#job.offer
    const read = fromPeer(() => readListingContent(content, average))
    fromPeer(() => {
      for (const record of read.records) this.#order.next(record)
    })
    const preparing = this.#index.prepare(read.words)
    if (preparing) await preparing
    const chunks = new Uint32Array(2 * read.refs)
    read.lengths.forEach((length, ref) => (chunks[2 * ref + 1] = length))
    const { frames, frameOf, offsetOf } = planFrames(this.#index.table, read.words, chunks, this.#frameCount)
    const wanted: WantedFrame[] = frames.map(() => [])
    const planned: Planned = { frames: [], pages: [] }
    frames.forEach(({ plainLength }) => {
      this.#frames.addWanted(plainLength)
      planned.frames.push({ frame: this.#frameCount++, ordinal: this.#nextOrdinal++, chunks: [], ids: [] })
      this.#frameBytes += plainLength
    })
    const first = this.#frameCount - frames.length
    const ends = new Float64Array(frames.length)
    for (let ref = 0; ref < read.refs; ref++) {
      const at = frameOf[ref]! - first
      // A chunk that occurred before lies further up.
      if (at < 0 || offsetOf[ref] !== ends[at]) {
        this.#reusedBytes += read.lengths[ref]!
        continue
      }
      ends[at]! += read.lengths[ref]!
      planned.frames[at]!.chunks.push(offsetOf[ref]!, read.lengths[ref]!)
      planned.frames[at]!.ids.push(new Uint8Array(read.words.buffer, ref * ID_BYTES, ID_BYTES))
      const runs = wanted[at]!
      const last = runs.at(-1)
      if (last && last[0] + last[1] === ref) last[1]++
      else runs.push([ref, 1])
    }
    await this.#job.channel.send(MESSAGE.want, [writeWant(number, wanted)])
    this.#addRecords(read, frameOf, offsetOf)
    planned.pages = this.#closedPages.splice(0)
    return planned
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
      const place = (await this.#frames.at(frame)) as TakeRequest['place']
      const request: TakeRequest = {
        place, chunkIdKey: this.#archive.chunkIdKey, chunks: Uint32Array.from(chunks), ids: packIds(ids), to: this.#archive.sealing, ordinal,
      }
      const { block } = (await pool.run('take', request, [place.block.buffer as ArrayBuffer]).catch((error: unknown) => {
        throw error instanceof WarpError && error.class !== 'internal' && error.class !== 'interrupted' ? broken(`a frame that is none: ${error.message}`) : error
      })) as { block: Uint8Array }
      return block
    })
    for (const one of taken) one.catch(() => {})
    for (const [i, one] of taken.entries()) {
      const block = await one
      await this.#blocks.frames([block])
      this.#frames.done(frames[i]!.frame)
      for (let k = 1; k < frames[i]!.chunks.length; k += 2) this.#doneBytes += frames[i]!.chunks[k]!
      onProgress({ bytes: this.#doneBytes + this.#reusedBytes, entries: this.#order.entries, path: new Uint8Array(0) })
    }
    for (const { page, ordinal } of pages) await this.#blocks.page(page, ordinal)
  }

  async #report(): Promise<void> {
    await this.#job.channel.send(MESSAGE.progress, [
      writeReport({ bytes: this.#doneBytes + this.#reusedBytes, entries: this.#order.entries, reusedBytes: this.#reusedBytes, diskPercent: 0, cpuPercent: 0 }),
    ])
  }
}
