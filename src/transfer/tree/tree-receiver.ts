/**
 * Receives a tree over one channel into a staging directory: reads each listing as it comes, says which chunks it
 * lacks, restores the frames that follow, and gives everything its place once the root is right.
 */
import { ARCHIVE_ID_BYTES, ID_BYTES } from '../../base/limits.ts'
import { WarpError } from '../../base/errors.ts'
import { EntryAssembler, type Assembled } from '../../archive/assemble.ts'
import { Failure } from '../../archive/failure.ts'
import { RootBuilder } from '../../archive/page-stream.ts'
import { Restorer } from '../../archive/restorer.ts'
import { Sequence } from '../../archive/sequence.ts'
import { SpillingIndex } from '../../archive/spilling-index.ts'
import type { Entry, Problem } from '../../archive/types.ts'
import type { Pool } from '../../engine/pool.ts'
import { RecordOrder, type Page } from '../../format/page.ts'
import type { OwnerOptions } from '../../archive/restore-task.ts'
import type { TargetTree } from '../../archive/os/target-tree.ts'
import type { Channel, Message } from '../channel/channel.ts'
import { ChunkScanner } from './chunk-scanner.ts'
import { Durable } from './durable.ts'
import { Existing, type LocalChunk } from './existing.ts'
import type { Journal, JournalledListing } from './journal.ts'
import { ORIGIN, planListing, readListingContent, type Plan, type ReadListing } from './listing.ts'
import { MAX_EXPECTED_FRAMES, MAX_HAVE, MAX_OPEN_LISTINGS, MESSAGE, broken, readFinish, readListing, readSame, writeHave, writeReport, writeWant, type Finish } from '../messages.ts'
import { OpenListings, type OpenListing } from './open-listings.ts'
import { ReceivedFrames } from './received-frames.ts'
import { ReceivedPaths } from './received-paths.ts'
import { isOwnName, type Staging } from './staging.ts'
import type { Reuse } from './reuse.ts'
import { removeStrays } from './strays.ts'
import { next } from './tree-sender.ts'

/** Messages after which what they brought is made durable, bytes. */
const CHECKPOINT_BYTES = 12 * 2 ** 20
const REPORT_MS = 250
/** Listings that were answered and are not restored yet. */
const MAX_HELD_LISTINGS = 12
/** Without a message of the sender, who may read from a slow disk. */
export const SENDER_SILENCE_MS = 600_000

export interface TreeReceiverOptions {
  channel: Channel
  offerId: Uint8Array
  average: number
  tree: TargetTree
  staging: Staging
  /** Listings of an earlier transfer of the same, none of which is in staging; null: there are none, or staging has its own. */
  known: Journal | null
  /** What else on this side has chunks; null: nothing. */
  reuse: Reuse | null
  overwrite: 'never' | 'always' | 'newer'
  owner: OwnerOptions
  pool: Pool
  indexBytes: number
  tempDir?: string
  report: (problem: Problem) => void
  onProgress: (done: { bytes: number; entries: number; path: Uint8Array }) => void
}

export interface TreeReceived extends Finish {
  reusedBytes: number
}

export class TreeReceiver {
  readonly #options: TreeReceiverOptions
  readonly #failure = new Failure()
  readonly #judging = new Sequence()
  readonly #taking = new Sequence()
  readonly #order = new RecordOrder()
  readonly #root: RootBuilder
  readonly #assembler = new EntryAssembler()
  readonly #index: SpillingIndex
  readonly #frames: ReceivedFrames
  readonly #durable: Durable
  readonly #paths: ReceivedPaths
  readonly #existing: Existing
  readonly #restorer: Restorer
  /** Listings of an earlier run, or an earlier transfer of the same. */
  readonly #before: JournalledListing[]
  readonly #open: OpenListings
  #received = 0
  /** Listings that came and were not answered. */
  #unanswered = 0
  /** The source is not as it was in the run before. */
  #hasChanged = false
  #bytes = 0
  #reusedBytes = 0

  constructor(options: TreeReceiverOptions) {
    this.#options = options
    const { staging, tree, pool, owner, average, offerId, overwrite, report } = options
    this.#before = [...(options.known ?? staging.journal).listings]
    this.#root = new RootBuilder(average)
    this.#index = new SpillingIndex({
      maxBytes: options.indexBytes, tempDir: options.tempDir,
      onDegraded: (reason) => report({ kind: 'note', message: `${reason}: some of what is there already is sent again` }),
    })
    this.#frames = new ReceivedFrames({ archiveId: offerId.slice(0, ARCHIVE_ID_BYTES), sealingKey: null }, (frame, message, bytes) => this.#frameDone(frame, message, bytes))
    this.#durable = new Durable(staging, CHECKPOINT_BYTES, (error) => this.#failure.fail(error))
    this.#paths = new ReceivedPaths(staging.journal, average)
    this.#existing = new Existing({ tree, staged: staging.components, overwrite, owner, report, pathOf: (number) => this.#paths.pathOf(number), scanner: new ChunkScanner(pool, average, null) })
    this.#open = new OpenListings({ frames: this.#frames, paths: this.#paths, existing: this.#existing, reuse: options.reuse, failure: this.#failure })
    this.#restorer = new Restorer({
      tree, staging: staging.components, keepsStaging: true, overwrite: 'always', stripComponents: 0, owner, pool,
      frames: this.#frames, chunkIdKey: null, report, pathOf: async (number) => this.#paths.pathOf(number), adopt: null,
      onFailure: (error) => this.#failure.fail(error),
      onBytes: (_, path) => {
        options.onProgress({ bytes: this.#bytes, entries: this.#restorer.restored, path })
      },
    })
    for (const sequence of [this.#judging, this.#taking]) sequence.failed.catch((error: unknown) => this.#failure.fail(error))
  }

  /** The root directory of the tree, which is the target itself; null if it was not sent. */
  get rootEntry(): Entry | null {
    return this.#restorer.rootEntry
  }

  get diskBusyMs(): number {
    return this.#durable.busyMs
  }

  get reusedBytes(): number {
    return this.#reusedBytes
  }

  /**
   * Receives all of it into the staging directory; what has come is durable when it resolves.
   * @throws {WarpError} what is wrong with the peer, the connection or the target; the staging directory can be gone on with
   */
  async run(): Promise<TreeReceived> {
    const { channel } = this.#options
    const reports = setInterval(() => void this.#report().catch(() => {}), REPORT_MS)
    try {
      await this.#tellHave()
      const finish = await this.#failure.until(this.#read())
      await this.#failure.until(this.#judging.idle())
      if (this.#frames.expected > 0) throw broken('an end before the last frame')
      await this.#failure.until(this.#taking.idle())
      fromPeer(() => this.#order.finish())
      await this.#failure.until(this.#restorer.finish())
      const root = this.#root.root()
      if (finish.listings !== this.#received || !Buffer.from(root).equals(finish.root)) throw broken('another tree than its root says')
      await this.#failure.until(this.#durable.flush())
      if (this.#hasChanged) removeStrays(this.#options.tree, this.#options.staging.components, this.#options.staging.journal, this.#received)
      this.#restorer.complete()
      await this.#report()
      return { ...finish, entries: this.#root.entries, bytes: this.#root.logicalBytes, reusedBytes: this.#reusedBytes }
    } catch (thrown) {
      const error = this.#failure.error?.error ?? thrown
      this.#failure.fail(error)
      this.#frames.fail(error)
      if (error instanceof WarpError && error.class === 'peer') await channel.close(error.code === 'ERR_WARP_PEER_PROTOCOL' ? error : undefined)
      await this.#restorer.close().catch(() => {})
      await this.#durable.flush().catch(() => {})
      throw error
    } finally {
      clearInterval(reports)
      this.#frames.close()
      this.#index.close()
    }
  }

  /** Tells the digests of the listings that are known. */
  async #tellHave(): Promise<void> {
    for (let from = 0; from < this.#before.length; from += MAX_HAVE) {
      await this.#options.channel.send(MESSAGE.have, [writeHave(this.#before.slice(from, from + MAX_HAVE).map(({ digest }) => digest))])
    }
  }

  async #read(): Promise<Finish> {
    const { channel, staging, report } = this.#options
    const had = this.#before.length
    for (;;) {
      const message = await next(channel, SENDER_SILENCE_MS)
      const { type, payload } = message
      if (type === MESSAGE.frame) {
        this.#frames.arrive(message)
        continue
      }
      if (type === MESSAGE.listing) {
        const { number, content } = readListing(payload)
        if (number < had && staging.isResumed && !this.#hasChanged) {
          this.#hasChanged = true
          report({ kind: 'note', message: 'the source has changed since the last run: what differs is sent again' })
        }
        this.#begin(number, content, message)
      } else if (type === MESSAGE.same) {
        const number = readSame(payload)
        if (number >= had) throw broken('a listing that is not there as the same')
        this.#begin(number, null, message)
      } else if (type === MESSAGE.finish) {
        const finish = readFinish(payload)
        message.release()
        if (this.#received < had && staging.isResumed) this.#hasChanged = true
        return finish
      } else throw broken('a message that has no place here')
    }
  }

  #begin(number: number, content: Uint8Array | null, message: Message): void {
    if (number !== this.#received++) throw broken('a listing out of order')
    if (++this.#unanswered > MAX_OPEN_LISTINGS || this.#frames.expected > MAX_EXPECTED_FRAMES) throw broken('more listings than it may')
    const judged = this.#judging.run(async () => {
      // What was answered and is not restored is held: so much of it, and no more.
      // While frames are expected it goes on: a sender sends none before all listings of a batch are answered.
      while (this.#open.size >= MAX_HELD_LISTINGS && this.#frames.expected === 0) await this.#failure.until(this.#open.next())
      const listing = await this.#judge(number, content)
      message.release()
      return listing
    })
    void this.#taking.run(async () => {
      const { listing, records } = await judged
      for (const [assembled, isThere] of records) {
        if (this.#failure.error) throw this.#failure.error.error
        if (isThere) this.#restorer.present(assembled)
        else await this.#restorer.take(assembled)
      }
      this.#frames.seal(listing.frames)
      await this.#restorer.flush()
      listing.isTaken = true
      this.#frames.begun(listing.frames)
      this.#settle(listing)
    }).catch(() => {})
  }

  async #judge(number: number, given: Uint8Array | null): Promise<{ listing: OpenListing; records: [Assembled, boolean][] }> {
    const { average, staging, channel } = this.#options
    const { journal } = staging
    const journalled = given === null && staging.isResumed ? this.#before[number]! : null
    const content = given ?? (this.#options.known ?? journal).read(this.#before[number]!)
    const read = fromPeer(() => readListingContent(content, average))
    const firstEntry = this.#order.entries
    const firstOffset = this.#order.nextOffset
    fromPeer(() => {
      for (const record of read.records) {
        if (isOwnName(record.path)) throw broken('an entry with a name that is kept for transfers under way')
        this.#order.next(record)
      }
      this.#addToRoot(read)
    })
    // After one that has changed, those that follow are written anew.
    if (journal.listings[number] === undefined || given !== null) journal.addListing(number, content)
    this.#paths.add(number, firstEntry, firstOffset)
    const done = new Uint8Array(read.refs)
    if (journalled) for (const [first, count] of journalled.done ?? [[0, read.refs]]) done.fill(1, first, first + count)
    const preparing = this.#index.prepare(read.words)
    if (preparing) await preparing
    const page = { ...read, content, location: content, frames: [], refFrames: new Uint32Array(read.refs), refOffsets: new Uint32Array(read.refs), hints: null } as Page
    const assembled = [...this.#assembler.page(page, firstEntry, firstOffset)]
    const fate = await this.#existing.judge(assembled, done, journalled !== null, journalled?.done === null)
    const localOf = (ref: number): LocalChunk | undefined => fate.local.get(idOf(read, ref))
    const { reuse } = this.#options
    await reuse?.prepare(read.words)
    const isLocal = (ref: number) => (fate.local.size > 0 && localOf(ref) !== undefined) || (reuse?.has(read.words, ref) ?? false)
    const plan = planListing(this.#index.table, read, number, fate.isInPlace, isLocal)
    // The frames are expected before they are asked for.
    const { listing, frameOf } = this.#open.add(number, done, plan, read, localOf)
    this.#count(read, plan)
    // Before it is sent: the next listing may come while that is waited for.
    this.#unanswered--
    await channel.send(MESSAGE.want, [writeWant(number, plan.frames)])
    let ref = 0
    const records = assembled.flatMap((one, i): [Assembled, boolean][] => {
      const frames = one.frames.map((_, k) => frameOf[ref + k]!)
      const offsets = one.frames.map((_, k) => plan.offsetOf[ref + k]!)
      ref += one.frames.length
      const what = fate.fates[i]!
      if (what === 'skip') return []
      return [[{ ...one, frames, offsets, isBegun: what === 'begun' }, what === 'there']]
    })
    return { listing, records }
  }

  /** What is in place, and what need not be sent. */
  #count({ lengths, logicalBytes }: ReadListing, { origins }: Plan): void {
    this.#bytes += logicalBytes
    origins.forEach((origin, ref) => {
      if (origin !== ORIGIN.inPlace) this.#bytes -= lengths[ref]!
      if (origin !== ORIGIN.wanted) this.#reusedBytes += lengths[ref]!
    })
  }

  #addToRoot(read: ReadListing): void {
    for (const record of read.records) {
      if (record.type !== 'file' && record.type !== 'part') {
        this.#root.add(record)
        continue
      }
      this.#root.goOn(record.path)
      for (const extent of record.extents) {
        if (extent.kind === 'hole') this.#root.hole(extent.length)
        else this.#root.chunk(extent.length, extent.id)
      }
      if (record.type === 'file') this.#root.endFile(record.metadata)
    }
  }

  #frameDone(frame: number, message: Message | null, bytes: number): void {
    const { listing, restoredBytes } = this.#open.frameDone(frame)
    this.#bytes += restoredBytes
    this.#durable.add(listing, message, bytes)
    this.#settle(listing)
  }

  #settle(listing: OpenListing): void {
    if (!this.#open.close(listing)) return
    this.#durable.add(listing, null, 0)
    listing.apply()
  }

  async #report(): Promise<void> {
    await this.#options.channel.send(MESSAGE.progress, [
      writeReport({ bytes: this.#bytes, entries: this.#restorer.restored, reusedBytes: this.#reusedBytes }),
    ])
  }
}

function idOf({ words }: ReadListing, ref: number): string {
  return Buffer.from(words.buffer, ref * ID_BYTES, ID_BYTES).toString('latin1')
}

/** What is wrong with a listing is the peer's doing. */
export function fromPeer<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw error instanceof WarpError ? broken(`a listing that is none: ${error.message}`) : error
  }
}
