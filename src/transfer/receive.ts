/** `receive`: what a peer sends, into a directory, an archive or a stream. */
import path from 'node:path'
import { availableParallelism } from 'node:os'
import { WarpError } from '../base/errors.ts'
import { deriveKey } from '../codec/blake3.ts'
import { threadsWithin, planMemory } from '../archive/memory.ts'
import { poolFor } from '../archive/pool.ts'
import type { Problem } from '../archive/types.ts'
import type { Pool } from '../engine/pool.ts'
import { ArchiveReceiver } from './archive/archive-receiver.ts'
import type { Channel } from './channel/channel.ts'
import { stateFolder } from './meetings/listener-record.ts'
import { LiveReceiver } from './live/live-receiver.ts'
import { KIND, MESSAGE, OFFER_ID_BYTES, broken, readOffer, writeAccept, writeDone, type Offer } from './messages.ts'
import type { Met } from './meetings/met.ts'
import { ProgressMeter } from './progress-meter.ts'
import { receiveTree } from './tree/receive-tree.ts'
import { receiveIntoArchive } from './tree/receive-into-archive.ts'
import { runSessions } from './sessions.ts'
import { transferIdOf } from './send.ts'
import { next } from './tree/tree-sender.ts'
import type { ReceiveOptions, TransferResult } from './types.ts'

const SLAB_BYTES = 32 * 2 ** 20

/** What one peer sends, over as many connections as it takes. */
interface Peer {
  live: LiveReceiver | null
  archive: ArchiveReceiver | null
  /** What it sent is complete: all that is left is that it hears of it. */
  done: { offerId: Uint8Array; result: TransferResult } | null
  connections: number
  started: number
  problems: number
  /** Bytes over connections that are no more. */
  earlier: { sent: number; received: number }
}

/**
 * Receives from one peer; with `keep`, from many at once.
 * @throws {WarpError} class peer: the connection, or what the other side says or does; class output, …: this side
 */
export async function receive(options: ReceiveOptions): Promise<TransferResult> {
  const { into } = options
  const subject = into.kind === 'stream' ? 'stream' : `${into.kind} ${path.resolve(into.path)}`
  const threads = threadsWithin(options.memory, options.threads ?? availableParallelism())
  const isKept = options.meet.way === 'listen' && options.meet.keep === true
  const peers = new Map<string, Peer>()
  const pools = new Set<Pool>()
  const meter = new ProgressMeter(options, 'receive')
  let problems = 0
  const report = (problem: Problem): void => {
    if (problem.kind !== 'note') problems++
    options.onProblem?.(problem)
  }

  async function run(channel: Channel, met: Met, complete: () => Promise<void>): Promise<TransferResult> {
    const id = Buffer.from(met.authenticated.peerTransferId).toString('hex')
    // Of one that dials there is one peer only, whatever it calls itself.
    const key = options.meet.way === 'listen' ? id : ''
    const peer = peers.get(key) ?? { live: null, archive: null, done: null, connections: 0, started: performance.now(), problems: 0, earlier: { sent: 0, received: 0 } }
    peers.set(key, peer)
    peer.connections++
    meter.begin(channel)
    try {
      const message = await next(channel)
      if (message.type !== MESSAGE.offer) throw broken('something else than an offer')
      const offer = readOffer(message.payload)
      message.release()
      if (peer.done && Buffer.from(peer.done.offerId).equals(offer.offerId)) {
        await channel.send(MESSAGE.done, [writeDone({ root: peer.done.result.root ?? new Uint8Array(32), problems: peer.problems })])
        return peer.done.result
      }
      meter.totals = () => offer.totals
      return await take(channel, offer, peer, complete, met.authenticated.peerTransferId)
    } finally {
      const { sentBytes, receivedBytes } = channel.stats()
      peer.earlier.sent += sentBytes
      peer.earlier.received += receivedBytes
      meter.end(channel)
    }
  }

  async function take(channel: Channel, offer: Offer, peer: Peer, complete: () => Promise<void>, peerId: Uint8Array): Promise<TransferResult> {
    const resultOf = (received: Pick<TransferResult, 'root' | 'entries' | 'bytes' | 'reusedBytes'>): TransferResult => {
      const { kind, sentBytes, receivedBytes } = channel.stats()
      return {
        ...received, sentBytes: peer.earlier.sent + sentBytes, receivedBytes: peer.earlier.received + receivedBytes, transport: kind, problems: peer.problems,
        connections: peer.connections, durationMs: performance.now() - peer.started,
      }
    }
    if (into.kind === 'stream') {
      if (offer.kind !== KIND.stream) throw refused('what is sent is no stream', 'receive it into a directory: warp receive -C DIR')
      await accept(channel, KIND.stream, offer)
      peer.live ??= new LiveReceiver(into.stream, { signal: options.signal, onBytes: (bytes) => meter.at({ bytes }) })
      const { bytes } = await peer.live.run(channel)
      await complete()
      return resultOf({ root: null, entries: 1, bytes, reusedBytes: 0 })
    }
    if (offer.kind === KIND.archive) {
      await accept(channel, KIND.archive, offer)
      const overwrite = options.overwrite === 'always' ? 'always' : 'never'
      peer.archive ??= new ArchiveReceiver({
        into: { kind: into.kind === 'archive' ? 'file' : 'directory', path: into.path, overwrite }, transferId: offer.offerId, signal: options.signal,
        onBytes: (bytes) => meter.at({ bytes }), onProblem: report,
      })
      const { bytes, resumedBytes } = await peer.archive.run(channel)
      await complete()
      return resultOf({ root: null, entries: 1, bytes, reusedBytes: resumedBytes })
    }
    // With many senders, none gets at what another has sent so far.
    const stagingId = isKept ? deriveKey('warp-transfer 1 staging', Buffer.concat([offer.offerId, peerId])).subarray(0, OFFER_ID_BYTES) : offer.offerId
    const pool = poolFor(offer.totals?.bytes ?? Infinity, threads)
    pools.add(pool)
    try {
      const { indexBytes } = planMemory(options.memory, SLAB_BYTES, threads)
      const ofPeer = (problem: Problem): void => {
        if (problem.kind !== 'note') peer.problems++
        report(problem)
      }
      const job = {
        channel, offer, options, pool, indexBytes, report: ofPeer,
        onProgress: (done: { bytes: number; entries: number; path: Uint8Array }) => {
          meter.offered(done.path)
          meter.at(done)
        },
      }
      const received = into.kind === 'directory'
        ? await receiveTree({
            ...job, directory: into.path, complete, stagingId, stateDir: stateFolder(options.stateDir),
            onReceiver: (receiver) => {
              meter.diskBusyMs = () => receiver.diskBusyMs
            },
          })
        : await receiveIntoArchive({ ...job, into })
      if (received.problems > 0) ofPeer({ kind: 'unreadable', message: `${received.problems} problems on the other side, which tells them: not everything could be read as it is` })
      const result = resultOf(received)
      peer.done = { offerId: offer.offerId, result }
      if (into.kind === 'archive') await complete()
      await channel.send(MESSAGE.done, [writeDone({ root: received.root, problems: peer.problems })])
      return result
    } finally {
      pools.delete(pool)
      await pool.close()
    }
  }

  let isComplete = false
  try {
    const result = await runSessions({ role: 'receive', options: { ...options, onProblem: report }, transferId: transferIdOf(options, subject), subject, run })
    isComplete = true
    return { ...result, problems }
  } finally {
    meter.close()
    for (const peer of peers.values()) {
      await peer.archive?.close(!isComplete)
      if (!isComplete) await peer.live?.close(new WarpError('ERR_WARP_PEER_LOST', 'the transfer did not come to its end'))
    }
  }
}

/** Says how an offer is taken, of what has no listings. */
async function accept(channel: Channel, kind: typeof KIND.stream | typeof KIND.archive, { average }: Offer): Promise<void> {
  await channel.send(MESSAGE.accept, [writeAccept({ kind, average, chunkIdKey: null, have: 0 })])
}

export function refused(message: string, hint: string): WarpError {
  return new WarpError('ERR_WARP_PEER_REFUSED', message, { hint })
}
