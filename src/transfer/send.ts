/** `send`: a tree, an archive or a stream to a peer. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { randomBytes } from 'node:crypto'
import { WarpError } from '../base/errors.ts'
import { KEY_BYTES } from '../base/limits.ts'
import { deriveKey } from '../codec/blake3.ts'
import { outputError } from '../archive/sink.ts'
import type { Input, Problem } from '../archive/types.ts'
import { ArchiveSender } from './archive/archive-sender.ts'
import type { Channel } from './channel/channel.ts'
import { stateFolder } from './meetings/listener-record.ts'
import { LiveSender } from './live/live-sender.ts'
import { KIND, MESSAGE, OFFER_ID_BYTES, broken, readAccept, writeOffer, type Accept, type Offer } from './messages.ts'
import type { Met } from './meetings/met.ts'
import { ProgressMeter } from './progress-meter.ts'
import { runSessions } from './sessions.ts'
import { TreeOffer, offerIdOf, rootsOf } from './tree/tree-offer.ts'
import { next } from './tree/tree-sender.ts'
import type { SendOptions, TransferResult } from './types.ts'

const TRANSFER_ID_BYTES = 16
/** §4.1 for a stream, whose length is not known. */
const STREAM_AVERAGE = 64 * 1024

/**
 * Sends to one peer, over as many connections as it takes; with `keep`, to many.
 * @throws {WarpError} class peer: the connection, or what the other side says; class usage, incomplete, …: this side
 */
export async function send(options: SendOptions): Promise<TransferResult> {
  const { what } = options
  let problems = 0
  const report = (problem: Problem): void => {
    if (problem.kind !== 'note') problems++
    options.onProblem?.(problem)
  }
  const subject = subjectOf(options)
  let live: LiveSender | null = null
  const archive = what.kind === 'archive' ? await ArchiveSender.open(what.path, { signal: options.signal, onBytes: (bytes) => meter.at({ bytes }) }) : null
  /** What cannot be read twice was read from. */
  let isSpent = false
  let connections = 0
  const meter = new ProgressMeter(options, 'send')
  const result = (channel: Channel, sent: Pick<TransferResult, 'root' | 'entries' | 'bytes' | 'reusedBytes'>): TransferResult => {
    const { kind, sentBytes, receivedBytes } = channel.stats()
    return { ...sent, sentBytes: meter.earlierSent + sentBytes, receivedBytes: meter.earlierReceived + receivedBytes, transport: kind, problems, connections, durationMs: meter.elapsedMs }
  }

  async function run(channel: Channel, _met: Met, complete: () => Promise<void>): Promise<TransferResult> {
    connections++
    meter.begin(channel)
    try {
      return await offerOver(channel, complete)
    } finally {
      meter.end(channel)
    }
  }

  async function offerOver(channel: Channel, complete: () => Promise<void>): Promise<TransferResult> {
    if (what.kind === 'archive') {
      const { length } = archive!.offer
      meter.totals = () => ({ bytes: length, entries: 1 })
      const accept = await offer(channel, { kind: KIND.archive, offerId: idOf(subject), average: 0, name: nameOf(what.path), totals: meter.totals() })
      if (accept === null) return result(channel, { root: null, entries: 1, bytes: length, reusedBytes: length })
      if (accept.kind !== KIND.archive) throw broken('another kind of transfer than was offered')
      const { bytes, resumedBytes } = await archive!.run(channel)
      await complete()
      return result(channel, { root: null, entries: 1, bytes, reusedBytes: resumedBytes })
    }
    const inputs: Input[] = what.kind === 'tree' ? what.inputs : [{ stream: what.stream, name: what.name }]
    const hasStream = inputs.some((input) => 'stream' in input)
    if (what.kind === 'stream') {
      const accept = await offer(channel, { kind: KIND.stream, offerId: idOf(subject), average: STREAM_AVERAGE, name: Buffer.from(what.name), totals: null })
      if (accept?.kind === KIND.stream) {
        live ??= new LiveSender(what.stream, { signal: options.signal, onBytes: (sent) => meter.at({ bytes: sent }) })
        const { bytes } = await live.run(channel)
        await complete()
        return result(channel, { root: null, entries: 1, bytes, reusedBytes: 0 })
      }
      if (accept === null) return result(channel, { root: null, entries: 1, bytes: 0, reusedBytes: 0 })
      return sendTree(channel, inputs, hasStream, complete, { accept, offerId: idOf(subject) })
    }
    return sendTree(channel, inputs, hasStream, complete, null)
  }

  async function sendTree(channel: Channel, inputs: Input[], hasStream: boolean, complete: () => Promise<void>, accepted: { accept: Accept; offerId: Uint8Array } | null): Promise<TransferResult> {
    if (hasStream && isSpent) {
      throw new WarpError('ERR_WARP_PEER_LOST', 'the connection broke, and standard input cannot be read a second time', { hint: 'run both commands again' })
    }
    const tree = await TreeOffer.open(options, inputs, {
      report, onOffered: (at) => meter.offered(at), onReport: (told) => meter.at(told), onAllOffered: () => meter.finishing(),
    })
    try {
      meter.totals = () => tree.totals
      const accept = accepted?.accept ?? await offer(channel, tree.offer)
      if (accept === null) return result(channel, { root: null, entries: 0, bytes: 0, reusedBytes: 0 })
      if (accept.kind !== KIND.tree) throw broken('another kind of transfer than was offered')
      isSpent = true
      const sent = await tree.send(channel, accept, accepted?.offerId)
      await complete()
      const { unrestored, ...rest } = sent
      if (unrestored > 0) report({ kind: 'unrestored', message: `${unrestored} problems on the other side, which tells them: not everything is there as it was sent` })
      return result(channel, { ...rest, reusedBytes: meter.reusedBytes })
    } finally {
      tree.close()
    }
  }

  try {
    return await runSessions({ role: 'send', options: { ...options, onProblem: report }, transferId: transferIdOf(options, subject), subject, run })
  } finally {
    meter.close()
    ;(live as LiveSender | null)?.close()
    await archive?.close()
  }
}

/** @returns null: it is complete already, and the receiver had only to say so once more */
async function offer(channel: Channel, what: Offer): Promise<Accept | null> {
  await channel.send(MESSAGE.offer, [writeOffer(what)])
  const message = await next(channel)
  const { type, payload } = message
  message.release()
  if (type === MESSAGE.done) return null
  if (type !== MESSAGE.accept) throw broken('something else than an answer to the offer')
  return readAccept(payload)
}

function subjectOf({ what, exclude, oneFileSystem, followSymlinks }: SendOptions): string {
  if (what.kind === 'archive') return `archive ${path.resolve(what.path)}`
  if (what.kind === 'stream') return `stream ${what.name}`
  return `tree ${Buffer.from(offerIdOf(rootsOf(what.inputs), { exclude, oneFileSystem, followSymlinks })).toString('hex')}`
}

function idOf(subject: string): Uint8Array {
  return deriveKey('warp-transfer 1 offer', Buffer.from(JSON.stringify([os.hostname(), process.getuid?.() ?? 0, subject]))).subarray(0, OFFER_ID_BYTES)
}

/** The same when the same user runs the same command again with the same ticket or code: then it resumes. */
export function transferIdOf({ meet, stateDir }: Pick<SendOptions, 'meet' | 'stateDir'>, subject: string): Uint8Array {
  const secret = meet.way === 'ticket' ? meet.ticket : meet.way === 'code' ? meet.code : null
  if (secret === null) return randomBytes(TRANSFER_ID_BYTES)
  const own = ownSecret(stateFolder(stateDir))
  return deriveKey('warp-transfer 1 transfer id', Buffer.concat([own, Buffer.from(JSON.stringify([secret, subject]))])).subarray(0, TRANSFER_ID_BYTES)
}

/** What nobody else knows, so that nobody else can claim a transfer to be theirs. */
function ownSecret(folder: string): Uint8Array {
  const file = path.join(folder, 'secret')
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
    fs.writeFileSync(file, randomBytes(KEY_BYTES), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw outputError(error, file)
  }
  const secret = fs.readFileSync(file)
  // Of another that is just being written.
  return secret.length === KEY_BYTES ? secret : randomBytes(KEY_BYTES)
}

function nameOf(file: string): Uint8Array {
  return Buffer.from(path.basename(file))
}
