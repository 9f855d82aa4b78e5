/** A receiver that says what it likes, and a sender of a tree that must not come to harm by it. */
import fs from 'node:fs'
import path from 'node:path'
import type { Test } from 'tap'
import type { WarpError } from '../../../src/base/errors.ts'
import { Channel, type Message } from '../../../src/transfer/channel/channel.ts'
import {
  KIND, MAX_MESSAGE_BYTES, MESSAGE, readFinish, readListing, readOffer, readSame, writeAccept, writeDone, writeReport, writeWant, type Accept, type Offer,
  type WantedFrame,
} from '../../../src/transfer/messages.ts'
import { readListingContent } from '../../../src/transfer/tree/listing.ts'
import { memoryPair } from '../../../src/transfer/transports/memory.ts'
import { lookAtAll, makeDirectory, openDescriptors, plant, type Plan } from '../../archive/support/trees.ts'
import { sendOver } from './transfers.ts'

const MIB = 2 ** 20
const WINDOW_BYTES = 48 * MIB
/** Far above what any of this takes. */
const DEADLINE_MS = 20_000

export class HostileReceiver {
  readonly channel: Channel
  /** As if its network was gone. */
  readonly cut: () => void
  /** Nothing of it reaches the sender any more, pings neither. */
  readonly freeze: () => void
  offer: Offer | null = null

  constructor(channel: Channel, freeze: () => void, cut: () => void) {
    this.channel = channel
    this.freeze = freeze
    this.cut = cut
  }

  async send(type: number, ...pieces: Uint8Array[]): Promise<void> {
    await this.channel.send(type, pieces)
  }

  async next(type: number): Promise<Message> {
    for (;;) {
      const message = await this.channel.receive()
      if (message === null) throw new Error('the sender ended')
      message.release()
      if (message.type === type) return message
    }
  }

  /** Takes the offer. */
  async accept(more: Partial<Accept> = {}): Promise<void> {
    this.offer = readOffer((await this.next(MESSAGE.offer)).payload)
    await this.send(MESSAGE.accept, writeAccept({ kind: KIND.tree, average: this.offer.average, chunkIdKey: null, have: 0, ...more }))
  }

  /** The next listing: its number, and how many chunk references it has. */
  async listing(): Promise<{ number: number; refs: number }> {
    const { number, content } = readListing((await this.next(MESSAGE.listing)).payload)
    return { number, refs: readListingContent(content, this.offer!.average).refs }
  }

  async same(): Promise<number> {
    return readSame((await this.next(MESSAGE.same)).payload)
  }

  async want(number: number, frames: WantedFrame[]): Promise<void> {
    await this.send(MESSAGE.want, writeWant(number, frames))
  }

  async progress(): Promise<void> {
    await this.send(MESSAGE.progress, writeReport({ bytes: 1, entries: 1, reusedBytes: 0 }))
  }

  /** Answers every listing that it wants nothing of it, until all were sent; @returns the sender's root */
  async refuseAll(): Promise<Uint8Array> {
    for (;;) {
      const message = await this.channel.receive()
      if (message === null) throw new Error('the sender ended')
      message.release()
      if (message.type === MESSAGE.listing) await this.want(readListing(message.payload).number, [])
      if (message.type === MESSAGE.finish) return readFinish(message.payload).root
    }
  }

  async done(root: Uint8Array): Promise<void> {
    await this.send(MESSAGE.done, writeDone({ root, problems: 0 }))
  }
}

export interface Sent {
  error: WarpError | null
  thrown: unknown
  inTime: boolean
}

/** Sends `from` to a receiver that does as `script` says; its channel stays open after that, and answers pings. */
export async function sendTo(script: (receiver: HostileReceiver) => Promise<void>, from: string, tempDir: string, silenceMs?: number): Promise<Sent> {
  const [left, right] = memoryPair()
  const write = right.write.bind(right)
  let isFrozen = false
  right.write = async (pieces) => {
    if (!isFrozen) await write(pieces)
  }
  const settings = { windowBytes: WINDOW_BYTES, seal: null, maxMessageBytes: MAX_MESSAGE_BYTES }
  const a = new Channel({ connection: left, leftover: Buffer.alloc(0) }, { ...settings, silenceMs })
  const b = new Channel({ connection: right, leftover: Buffer.alloc(0) }, settings)
  const sent: Sent = { error: null, thrown: null, inTime: true }
  const sending = sendOver(a, [from], { tempDir }).then(() => {}, async (error: unknown) => {
    sent.error = error as WarpError
    await a.close(error as WarpError)
  })
  const receiving = script(new HostileReceiver(b, () => (isFrozen = true), () => right.close())).catch((error: unknown) => {
    sent.thrown = error
  })
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<'late'>((resolve) => (timer = setTimeout(resolve, DEADLINE_MS, 'late')))
  if (await Promise.race([sending, deadline]) === 'late') sent.inTime = false
  clearTimeout(timer)
  await Promise.all([a.close(), b.close()])
  if (sent.inTime) await Promise.all([sending, receiving])
  return sent
}

export interface Demand {
  /** Default: ERR_WARP_PEER_PROTOCOL. null: it comes to its end. */
  code?: string | null
  plan?: Plan
  silenceMs?: number
}

/** Holds that a sender refuses what `script` does, and that nothing of it stays: neither descriptors nor temporary files, nor a trace in the tree. */
export async function demandRefusal(t: Test, name: string, script: (receiver: HostileReceiver) => Promise<void>, demand: Demand = {}): Promise<void> {
  const { code = 'ERR_WARP_PEER_PROTOCOL', plan = { a: 'content of a', d: { b: 'content of b' } }, silenceMs } = demand
  await t.test(name, async (t) => {
    const base = makeDirectory(t)
    const [from, tempDir] = [path.join(base, 'tree'), path.join(base, 'temporary')]
    plant(from, plan)
    fs.mkdirSync(tempDir)
    const [stood, fds] = [lookAtAll(from), openDescriptors()]
    const sent = await sendTo(script, from, tempDir, silenceMs)
    t.ok(sent.inTime, 'it comes to its end by itself')
    const text = `${sent.error?.stack} ${String(sent.thrown)}`
    if (code === null) t.equal(sent.error, null, text)
    else t.match(sent.error, { code, class: 'peer' }, text)
    t.strictSame(openDescriptors(), fds, 'no descriptor is left open')
    t.strictSame(fs.readdirSync(tempDir), [])
    t.strictSame(lookAtAll(from), stood)
  })
}
