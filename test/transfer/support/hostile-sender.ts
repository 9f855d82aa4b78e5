/** A sender that says what it likes, and a receiver that must not come to harm by it. */
import fs from 'node:fs'
import path from 'node:path'
import type { Test } from 'tap'
import { ARCHIVE_ID_BYTES } from '../../../src/base/limits.ts'
import type { WarpError } from '../../../src/base/errors.ts'
import type { Problem } from '../../../src/archive/types.ts'
import { poolFor } from '../../../src/archive/pool.ts'
import { BLOCK_OVERHEAD_BYTES, sealBlock, type Compression } from '../../../src/engine/block.ts'
import { KIND as BLOCK } from '../../../src/format/block.ts'
import { Channel, type Message } from '../../../src/transfer/channel/channel.ts'
import {
  KIND, MAX_MESSAGE_BYTES, MESSAGE, readAccept, readHave, readOffer, readWant, writeDone, writeFinish, writeListing, writeOffer, writeSame, type Accept, type Finish, type Offer,
  type WantedFrame,
} from '../../../src/transfer/messages.ts'
import { receiveIntoArchive } from '../../../src/transfer/tree/receive-into-archive.ts'
import { receiveTree } from '../../../src/transfer/tree/receive-tree.ts'
import { memoryPair } from '../../../src/transfer/transports/memory.ts'
import type { ReceiveOptions } from '../../../src/transfer/types.ts'
import { makeDirectory, openDescriptors } from '../../archive/support/trees.ts'
import { AVERAGE, directory, file, listing, rootOf, type Listing, type Row } from './hostile-listings.ts'

export const OFFER_ID = Buffer.alloc(16, 0xcd)
export const STAGING = `.warp-receive-${OFFER_ID.toString('hex')}`
const MIB = 2 ** 20
/** Far above what any of this takes. */
const DEADLINE_MS = 15_000

export class HostileSender {
  readonly channel: Channel
  /** As if its network was gone. */
  readonly cut: () => void
  readonly #freeze: () => void
  accept: Accept | null = null
  /** Digests that the receiver told of. */
  have: Uint8Array[] = []
  #ordinal = 0
  #listings: Listing[] = []

  constructor(channel: Channel, freeze: () => void, cut: () => void) {
    this.channel = channel
    this.#freeze = freeze
    this.cut = cut
  }

  /** Nothing of it reaches the receiver any more, pings neither. */
  freeze(): void {
    this.#freeze()
  }

  async send(type: number, ...pieces: Uint8Array[]): Promise<void> {
    await this.channel.send(type, pieces)
  }

  /** Offers a tree, and takes the answer. */
  async offer(more: Partial<Offer> = {}): Promise<Accept> {
    // What is small is restored on this thread, whatever comes.
    const offer: Offer = { kind: KIND.tree, offerId: OFFER_ID, average: AVERAGE, name: Buffer.alloc(0), totals: { bytes: 0, entries: 0 }, ...more }
    await this.send(MESSAGE.offer, writeOffer(offer))
    this.accept = readAccept((await this.next(MESSAGE.accept)).payload)
    while (this.have.length < this.accept.have) this.have.push(...readHave((await this.next(MESSAGE.have)).payload))
    return this.accept
  }

  /** The next message of a type, others are passed over. */
  async next(type: number): Promise<Message> {
    for (;;) {
      const message = await this.channel.receive()
      if (message === null) throw new Error('the receiver ended')
      message.release()
      if (message.type === type) return message
    }
  }

  async list(number: number, what: Listing): Promise<void> {
    this.#listings[number] = what
    await this.channel.send(MESSAGE.listing, writeListing(number, what.content))
  }

  /** Waits for what is wanted of a listing. */
  async wanted(number: number): Promise<WantedFrame[]> {
    const want = readWant((await this.next(MESSAGE.want)).payload, () => 1 << 20)
    if (want.number !== number) throw new Error(`an answer to ${want.number}`)
    return want.frames
  }

  /** The chunks that are wanted in one frame. */
  plain(number: number, runs: WantedFrame): Buffer {
    const { chunks } = this.#listings[number]!
    return Buffer.concat(runs.flatMap(([first, count]) => chunks.slice(first, first + count)))
  }

  /** A block that is right, but for what is said otherwise; ordinals go on by themselves. */
  block(plain: Uint8Array, more: { ordinal?: number; kind?: number; archiveId?: Uint8Array; compression?: Compression } = {}): Buffer {
    const { ordinal = this.#ordinal++, kind = BLOCK.frame, archiveId = OFFER_ID.subarray(0, ARCHIVE_ID_BYTES), compression = 'none' } = more
    const out = Buffer.alloc(plain.length + BLOCK_OVERHEAD_BYTES)
    return out.subarray(0, sealBlock({ archiveId, sealingKey: null }, { kind, ordinal, compression, level: 3 }, plain, out))
  }

  /** Sends a listing and what is wanted of it, as it should be. */
  async give(number: number, what: Listing): Promise<void> {
    await this.list(number, what)
    for (const runs of await this.wanted(number)) await this.send(MESSAGE.frame, this.block(this.plain(number, runs)))
  }

  /** As `give`, of a listing that the receiver may have. */
  async giveOrSame(number: number, what: Listing, isSame: boolean): Promise<void> {
    if (!isSame) return this.give(number, what)
    this.#listings[number] = what
    await this.send(MESSAGE.same, writeSame(number))
    for (const runs of await this.wanted(number)) await this.send(MESSAGE.frame, this.block(this.plain(number, runs)))
  }

  /** Says that all was sent: what was, but for what is said otherwise. */
  async finish(more: Partial<Finish> = {}): Promise<void> {
    const right = 'root' in more ? { root: more.root!, entries: 0, bytes: 0 } : rootOf(this.#listings)
    await this.send(MESSAGE.finish, writeFinish({ ...right, listings: this.#listings.length, problems: 0, ...more }))
  }

  /** A whole transfer as it should be. */
  async sendTree(listings: Listing[]): Promise<void> {
    await this.offer()
    for (const [number, what] of listings.entries()) await this.give(number, what)
    await this.finish()
    await this.next(MESSAGE.done)
  }
}

export interface Ended {
  error: WarpError | null
  problems: Problem[]
  /** Why the sender's script ended before its time. */
  thrown: unknown
  /** Whether the receiver came to an end by itself. */
  inTime: boolean
}

export type Into = 'directory' | 'archive'

export interface Job {
  /** The directory, or the directory that the archive is made in. */
  target: string
  into?: Into
  options?: Partial<ReceiveOptions>
  silenceMs?: number
  windowBytes?: number
}

/** Receives what `script` sends; the script's channel stays open after its end, and answers pings. */
export async function receiveFrom(script: (sender: HostileSender) => Promise<void>, job: Job): Promise<Ended> {
  const { target, into = 'directory', options = {}, silenceMs, windowBytes = 48 * MIB } = job
  const [left, right] = memoryPair()
  const write = left.write.bind(left)
  let isFrozen = false
  left.write = async (pieces) => {
    if (!isFrozen) await write(pieces)
  }
  const settings = { windowBytes, seal: null, maxMessageBytes: MAX_MESSAGE_BYTES }
  const a = new Channel({ connection: left, leftover: Buffer.alloc(0) }, settings)
  const b = new Channel({ connection: right, leftover: Buffer.alloc(0) }, { ...settings, silenceMs })
  const ended: Ended = { error: null, problems: [], thrown: null, inTime: true }
  const receiving = receive(b, target, into, options, ended.problems).catch(async (error: unknown) => {
    ended.error = error as WarpError
    await b.close(error as WarpError)
  })
  const sending = script(new HostileSender(a, () => (isFrozen = true), () => left.close())).catch((error: unknown) => {
    ended.thrown = error
  })
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<'late'>((resolve) => (timer = setTimeout(resolve, DEADLINE_MS, 'late')))
  if (await Promise.race([receiving, deadline]) === 'late') ended.inTime = false
  clearTimeout(timer)
  await Promise.all([a.close(), b.close()])
  if (ended.inTime) await Promise.all([sending, receiving])
  return ended
}

async function receive(channel: Channel, target: string, into: Into, options: Partial<ReceiveOptions>, problems: Problem[]): Promise<void> {
  const message = await channel.receive()
  const offer = readOffer(message!.payload)
  message!.release()
  const pool = poolFor(offer.totals?.bytes ?? Infinity, 1)
  const job = {
    channel, offer, pool, options, stateDir: null, indexBytes: MIB, report: (problem: Problem) => void problems.push(problem),
    onProgress: () => {}, onReceiver: () => {}, complete: async () => {},
  }
  try {
    const { root } = into === 'directory'
      ? await receiveTree({ ...job, directory: target })
      : await receiveIntoArchive({ ...job, into: { kind: 'archive', path: path.join(target, 'out.warp') } })
    await channel.send(MESSAGE.done, [writeDone({ root, problems: 0 })])
  } finally {
    await pool.close()
  }
}

/** A directory to receive into, and things around it that must stay as they are. */
export interface Ground {
  target: string
  outside: string
}

export function makeGround(t: Test): Ground {
  const base = makeDirectory(t)
  const ground = { target: path.join(base, 'target'), outside: path.join(base, 'outside') }
  fs.mkdirSync(ground.target)
  fs.mkdirSync(path.join(ground.outside, 'directory'), { recursive: true })
  fs.writeFileSync(path.join(ground.outside, 'file'), 'untouched')
  return ground
}

/** Names and contents below `directory`. */
export function contentsOf(directory: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const at = path.join(directory, entry.name)
    if (entry.isDirectory()) {
      found[`${entry.name}/`] = ''
      for (const [name, what] of Object.entries(contentsOf(at))) found[`${entry.name}/${name}`] = what
    } else if (entry.isSymbolicLink()) found[entry.name] = `-> ${fs.readlinkSync(at)}`
    else found[entry.name] = entry.isFile() ? fs.readFileSync(at, 'latin1') : 'special'
  }
  return found
}

export interface Demand {
  /** Default: ERR_WARP_PEER_PROTOCOL. */
  code?: string
  ways?: Into[]
  /** Puts something into the target before. */
  before?: (target: string) => void
  options?: Partial<ReceiveOptions>
  silenceMs?: number
  windowBytes?: number
  /** Looks at the target, with what is in staging, once the hostile sender was refused. */
  after?: (t: Test, ground: Ground, ended: Ended) => void
}

/**
 * Holds that a receiver refuses what `script` sends, that nothing comes of it but in its own staging directory, and that
 * an honest sender of the same offer is received rightly after it.
 */
export async function demandRefusal(t: Test, name: string, script: (sender: HostileSender) => Promise<void>, demand: Demand = {}): Promise<void> {
  const { code = 'ERR_WARP_PEER_PROTOCOL', ways = ['directory', 'archive'], before, after, ...job } = demand
  for (const into of ways) {
    await t.test(`${name}, into ${into === 'archive' ? 'an archive' : 'a directory'}`, async (t) => {
      const ground = makeGround(t)
      before?.(ground.target)
      const [outside, stood, fds] = [contentsOf(ground.outside), contentsOf(ground.target), openDescriptors()]
      const ended = await receiveFrom(script, { ...job, target: ground.target, into })
      t.ok(ended.inTime, 'it comes to its end by itself')
      t.match(ended.error, { code, class: 'peer' }, `${ended.error?.stack} ${String(ended.thrown)}`)
      t.strictSame(openDescriptors(), fds, 'no descriptor is left open')
      t.strictSame(contentsOf(ground.outside), outside)
      const left = contentsOf(ground.target)
      t.strictSame(Object.fromEntries(Object.entries(left).filter(([at]) => !isOwn(at))), stood, 'nothing has a final name')
      after?.(t, ground, ended)
      if (into === 'directory') await demandHonest(t, ground, stood)
    })
  }
}

/** Whether a name in the target is that of the receiver's own things. */
function isOwn(at: string): boolean {
  return at.startsWith(`${STAGING}/`) || /^\.?out\.warp\.(partial|receiving)-/.test(at)
}

const HONEST = [
  listing([directory('d'), ...['d/a', 'd/f', 'd/h'].map(honest)]),
  listing(['f', 'g'].map(honest)),
]

function honest(name: string): Row {
  return file(name, [Buffer.from(`content of ${name}`)])
}

/** An honest sender of the offer comes after; what it sends is right. */
async function demandHonest(t: Test, { target, outside }: Ground, stood: Record<string, string>): Promise<void> {
  const untouched = contentsOf(outside)
  const ended = await receiveFrom((sender) => sender.sendTree(HONEST), { target, options: { overwrite: 'always' } })
  t.equal(ended.error, null, `${ended.error?.stack} ${String(ended.thrown)}`)
  t.strictSame(ended.problems.filter(({ kind }) => kind !== 'note'), [])
  const expected = { ...stood, 'd/': '', ...Object.fromEntries(['d/a', 'd/f', 'd/h', 'f', 'g'].map((name) => [name, `content of ${name}`])) }
  t.strictSame(sorted(contentsOf(target)), sorted(expected), 'an honest sender after it')
  t.strictSame(contentsOf(outside), untouched)
}

function sorted(contents: Record<string, string>): [string, string][] {
  return Object.entries(contents).sort(([a], [b]) => (a < b ? -1 : 1))
}
