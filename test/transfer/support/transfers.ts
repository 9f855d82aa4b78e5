/** A sender and a receiver of trees in one process, over a pair of channels. */
import type { Problem } from '../../../src/archive/types.ts'
import { planMemory } from '../../../src/archive/memory.ts'
import { poolFor } from '../../../src/archive/pool.ts'
import { Channel } from '../../../src/transfer/channel/channel.ts'
import { MAX_MESSAGE_BYTES, MESSAGE, readAccept, readOffer, writeDone, writeOffer } from '../../../src/transfer/messages.ts'
import { receiveIntoArchive } from '../../../src/transfer/tree/receive-into-archive.ts'
import { receiveTree } from '../../../src/transfer/tree/receive-tree.ts'
import { next } from '../../../src/transfer/tree/tree-sender.ts'
import type { TreeReceived } from '../../../src/transfer/tree/tree-receiver.ts'
import { TreeOffer } from '../../../src/transfer/tree/tree-offer.ts'
import { memoryPair } from '../../../src/transfer/transports/memory.ts'
import type { ReceiveOptions, SendOptions } from '../../../src/transfer/types.ts'

export const MIB = 2 ** 20

export function channelPair(windowBytes = 48 * MIB): [Channel, Channel] {
  const [a, b] = memoryPair()
  const options = { windowBytes, seal: null, maxMessageBytes: MAX_MESSAGE_BYTES }
  return [new Channel({ connection: a, leftover: Buffer.alloc(0) }, options), new Channel({ connection: b, leftover: Buffer.alloc(0) }, options)]
}

export interface Outcome {
  root: Uint8Array
  received: TreeReceived
  sentProblems: Problem[]
  receivedProblems: Problem[]
  wireBytes: number
}

const MEET = { way: 'ticket', ticket: '' } as const

/** Sends one side of `channels` what stands at `paths`. */
export async function sendOver(channel: Channel, paths: string[], more: Partial<SendOptions> = {}, problems: Problem[] = []): Promise<Uint8Array> {
  const inputs = paths.map((path) => ({ path }))
  const options: SendOptions = { meet: MEET, what: { kind: 'tree', inputs }, engine: 'cpu', threads: 1, ...more }
  const offer = await TreeOffer.open(options, inputs, { report: (problem) => problems.push(problem), onOffered: () => {}, onReport: () => {}, onAllOffered: () => {} })
  try {
    await channel.send(MESSAGE.offer, [writeOffer(offer.offer)])
    const message = await next(channel)
    const accept = readAccept(message.payload)
    message.release()
    const { root } = await offer.send(channel, accept)
    return root
  } finally {
    offer.close()
  }
}

export async function receiveOver(
  channel: Channel, directory: string, more: Partial<ReceiveOptions> = {}, problems: Problem[] = [],
): Promise<TreeReceived> {
  const message = await next(channel)
  const offer = readOffer(message.payload)
  message.release()
  const pool = poolFor(offer.totals?.bytes ?? Infinity, 1)
  try {
    const common = { channel, offer, options: more, pool, indexBytes: planMemory(undefined, 32 * MIB, 1).indexBytes, report: (problem: Problem) => problems.push(problem), onProgress: () => {} }
    if (more.into?.kind === 'archive') {
      const received = await receiveIntoArchive({ ...common, into: more.into })
      await channel.send(MESSAGE.done, [writeDone({ root: received.root, problems: 0 })])
      return received
    }
    const received = await receiveTree({
      channel, offer, directory, options: more, pool, stateDir: more.stateDir ?? null, indexBytes: planMemory(undefined, 32 * MIB, 1).indexBytes,
      report: (problem) => problems.push(problem), onProgress: () => {}, onReceiver: () => {}, complete: async () => {},
    })
    await channel.send(MESSAGE.done, [writeDone({ root: received.root, problems: 0 })])
    return received
  } finally {
    await pool.close()
  }
}

/** A transfer that is cut off when `bytes` were sent; both sides fail by that. */
export async function cutTransfer(
  paths: string[], directory: string, bytes: number, receive: Partial<ReceiveOptions> = {}, windowBytes?: number,
): Promise<{ sentBytes: number; errors: unknown[] }> {
  const [a, b] = channelPair(windowBytes)
  const cut = setInterval(() => {
    if (a.stats().sentBytes < bytes) return
    clearInterval(cut)
    void a.close()
    void b.close()
  }, 1)
  const errors: unknown[] = []
  const ended = async (side: Promise<unknown>): Promise<void> => {
    await side.then(() => errors.push(null), (error: unknown) => errors.push(error))
    // One that fails by itself does not leave the other waiting.
    await Promise.all([a.close(), b.close()])
  }
  await Promise.all([ended(sendOver(a, paths)), ended(receiveOver(b, directory, receive))])
  clearInterval(cut)
  return { sentBytes: a.stats().sentBytes, errors }
}

/** One whole transfer. */
export async function transfer(paths: string[], directory: string, send: Partial<SendOptions> = {}, receive: Partial<ReceiveOptions> = {}): Promise<Outcome> {
  const [a, b] = channelPair()
  const sentProblems: Problem[] = []
  const receivedProblems: Problem[] = []
  const fail = (channel: Channel) => async (error: unknown) => {
    await channel.close(error as never)
    throw error
  }
  const [root, received] = await Promise.all([
    sendOver(a, paths, send, sentProblems).catch(fail(a)), receiveOver(b, directory, receive, receivedProblems).catch(fail(b)),
  ])
  const wireBytes = a.stats().sentBytes
  await Promise.all([a.end(), b.end()])
  await Promise.all([a.close(), b.close()])
  return { root, received, sentProblems, receivedProblems, wireBytes }
}
