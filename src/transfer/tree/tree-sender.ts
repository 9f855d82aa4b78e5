/**
 * Sends a tree over one channel: listings go ahead, the receiver answers each with the frames that it lacks, and
 * these follow in order. Nothing is kept beyond the session: after a break all is read again, and what the
 * receiver has is passed over.
 */
import { WarpError } from '../../base/errors.ts'
import { Failure } from '../../archive/failure.ts'
import { Sequence } from '../../archive/sequence.ts'
import type { SourceEntry } from '../../archive/batch.ts'
import type { Channel, Message } from '../channel/channel.ts'
import {
  MAX_OPEN_LISTINGS, MESSAGE, broken, readDone, readHave, readReport, readWant, writeFinish, writeListing, writeSame, type Done, type Report, type WantedFrame,
} from '../messages.ts'
import { TreeSource, type OfferedBatch, type TreeSourceOptions } from './tree-source.ts'

/** A receiver tells how far it is several times a second, also while its disk keeps it waiting. */
const RECEIVER_SILENCE_MS = 120_000
/** For a message that nothing needs to be done for. */
const ANSWER_MS = 60_000
/** Of a tree: their digests are kept. */
const MAX_LISTINGS = 1 << 20

export interface TreeSenderOptions extends Omit<TreeSourceOptions, 'acquire'> {
  channel: Channel
  entries: AsyncIterable<SourceEntry[]>
  /** Listings whose digests the receiver is about to tell. */
  have: number
  /** Slabs of the engine: batches that are under way. */
  slabs: number
  problems: () => number
  onReport: (report: Report) => void
  /** All was sent: the receiver's end is waited for. */
  onAllOffered: () => void
}

export interface TreeSent {
  root: Uint8Array
  entries: number
  bytes: number
  /** Entries that the receiver could not restore, or only in part. */
  unrestored: number
}

interface OpenListing {
  refs: number
  answer: (frames: WantedFrame[]) => void
}

export class TreeSender {
  readonly #options: TreeSenderOptions
  readonly #source: TreeSource
  readonly #failure = new Failure()
  readonly #asking = new Sequence()
  readonly #sending = new Sequence()
  readonly #open = new Map<number, OpenListing>()
  /** A listing was answered. */
  #wake = (): void => {}
  #isFinished = false
  #listings = 0
  #frames = 0
  /** Digests of the listings that the receiver has, in order. */
  #have: Uint8Array[] = []

  constructor(options: TreeSenderOptions) {
    this.#options = options
    this.#source = new TreeSource({ ...options, acquire: () => this.#failure.until(options.engine.acquire()) })
    for (const sequence of [this.#asking, this.#sending]) sequence.failed.catch((error: unknown) => this.#failure.fail(error))
  }

  /** @throws {WarpError} why it did not come to its end */
  async run(): Promise<TreeSent> {
    const { channel, entries, slabs, problems, onAllOffered } = this.#options
    try {
      await this.#readHave()
      const done = this.#answers()
      done.catch((error: unknown) => this.#failure.fail(error))
      const underWay: Promise<void>[] = []
      for await (const { offered } of this.#source.batches(entries)) {
        if (this.#failure.error) break
        underWay.push(this.#add(offered))
        if (underWay.length > slabs + 2) await this.#failure.until(underWay.shift()!)
      }
      await this.#failure.until(Promise.all(underWay))
      onAllOffered()
      const sent = this.#source.end()
      this.#isFinished = true
      await channel.send(MESSAGE.finish, [writeFinish({ ...sent, listings: this.#listings, problems: problems() })])
      const answer = await this.#failure.until(done)
      if (!Buffer.from(answer.root).equals(sent.root)) throw broken('another root than that of the tree that was sent')
      return { ...sent, unrestored: answer.problems }
    } catch (thrown) {
      const error = this.#failure.error?.error ?? thrown
      this.#failure.fail(error)
      throw error
    } finally {
      this.#source.close()
    }
  }

  async #readHave(): Promise<void> {
    const { have, channel } = this.#options
    if (have > MAX_LISTINGS) throw broken('more listings than there can be')
    while (this.#have.length < have) {
      const message = await next(channel)
      if (message.type !== MESSAGE.have) throw broken('something else than the digests that it announced')
      this.#have.push(...readHave(message.payload))
      message.release()
    }
    if (this.#have.length !== have) throw broken('more digests than it announced')
  }

  /** What comes from the receiver, until it is done. */
  async #answers(): Promise<Done> {
    for (;;) {
      const message = await next(this.#options.channel, RECEIVER_SILENCE_MS)
      const { type, payload } = message
      if (type === MESSAGE.want) {
        const { number, frames } = readWant(payload, (n) => {
          const open = this.#open.get(n)
          if (!open) throw broken('an answer that nobody waits for')
          return open.refs
        })
        const { answer } = this.#open.get(number)!
        this.#open.delete(number)
        this.#wake()
        answer(frames)
      } else if (type === MESSAGE.progress) this.#options.onReport(readReport(payload))
      else if (type === MESSAGE.done && this.#isFinished) {
        const done = readDone(payload)
        message.release()
        return done
      }
      else throw broken('a message that has no place here')
      message.release()
    }
  }

  #add(offered: Promise<OfferedBatch>): Promise<void> {
    const asked = this.#asking.run(async () => {
      const batch = await offered
      return { batch, wanted: await this.#ask(batch) }
    })
    const sent = this.#sending.run(async () => {
      const { batch, wanted } = await asked
      try {
        const answers = await this.#failure.until(Promise.all(wanted))
        const first = this.#frames
        this.#frames += answers.reduce((sum, frames) => sum + frames.length, 0)
        for (const block of await batch.seal(answers, first)) await this.#options.channel.send(MESSAGE.frame, [block])
      } finally {
        batch.release()
      }
    })
    return sent.catch(() => {})
  }

  /** Offers the listings of a batch. @returns for each the promise of its answer */
  async #ask({ listings }: OfferedBatch): Promise<Promise<WantedFrame[]>[]> {
    const { channel } = this.#options
    const answers: Promise<WantedFrame[]>[] = []
    for (const { content, digest, refs } of listings) {
      const number = this.#listings++
      while (this.#open.size >= MAX_OPEN_LISTINGS) await this.#failure.until(new Promise<void>((resolve) => (this.#wake = resolve)))
      const answer = new Promise<WantedFrame[]>((resolve) => this.#open.set(number, { refs, answer: resolve }))
      answers.push(answer)
      const known = this.#have[number]
      if (known && Buffer.from(known).equals(digest)) await channel.send(MESSAGE.same, [writeSame(number)])
      else await channel.send(MESSAGE.listing, writeListing(number, content))
    }
    return answers
  }
}

/** @throws {WarpError} ERR_WARP_PEER_LOST: the peer ended before its time; ERR_WARP_PEER_SILENT */
export async function next(channel: Channel, withinMs = ANSWER_MS): Promise<Message> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new WarpError('ERR_WARP_PEER_SILENT', 'the other side is there, and says nothing')), withinMs)
  })
  const message = await Promise.race([channel.receive(), late]).finally(() => clearTimeout(timer))
  if (message === null) throw new WarpError('ERR_WARP_PEER_LOST', 'the other side ended before all was done')
  return message
}
