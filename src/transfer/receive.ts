/** `receive`: what a peer sends, into a directory, an archive or a stream. */
import path from 'node:path'
import { availableParallelism } from 'node:os'
import { WarpError } from '../base/errors.ts'
import { threadsWithin, planMemory } from '../archive/memory.ts'
import { poolFor } from '../archive/pool.ts'
import type { Problem } from '../archive/types.ts'
import type { Pool } from '../engine/pool.ts'
import { ArchiveReceiver } from './archive-receiver.ts'
import type { Channel } from './channel.ts'
import { stateFolder } from './listener-record.ts'
import { LiveReceiver } from './live-receiver.ts'
import { KIND, MESSAGE, broken, readOffer, writeAccept, type Offer } from './messages.ts'
import type { Met } from './meetings/met.ts'
import { ProgressMeter } from './progress-meter.ts'
import { receiveTree } from './receive-tree.ts'
import { receiveIntoArchive } from './receive-into-archive.ts'
import { runSessions } from './sessions.ts'
import { transferIdOf } from './send.ts'
import { next } from './tree-sender.ts'
import type { ReceiveOptions, TransferResult } from './types.ts'

const SLAB_BYTES = 32 * 2 ** 20

/** What one peer sends, over as many connections as it takes. */
interface Peer {
  live: LiveReceiver | null
  archive: ArchiveReceiver | null
  /** What it sent is complete: all that is left is that it hears of it. */
  done: { offerId: Uint8Array; result: TransferResult } | null
  connections: number
}

/**
 * Receives from one peer; with `keep`, from many at once.
 * @throws {WarpError} class peer: the connection, or what the other side says or does; class output, …: this side
 */
export async function receive(options: ReceiveOptions): Promise<TransferResult> {
  const started = performance.now()
  const { into } = options
  const subject = into.kind === 'stream' ? 'stream' : `${into.kind} ${path.resolve(into.path)}`
  const threads = threadsWithin(options.memory, options.threads ?? availableParallelism())
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
    const peer = peers.get(key) ?? { live: null, archive: null, done: null, connections: 0 }
    peers.set(key, peer)
    peer.connections++
    meter.begin(channel)
    try {
      const message = await next(channel)
      if (message.type !== MESSAGE.offer) throw broken('something else than an offer')
      const offer = readOffer(message.payload)
      message.release()
      if (peer.done && Buffer.from(peer.done.offerId).equals(offer.offerId)) {
        await channel.send(MESSAGE.done, [peer.done.result.root ?? new Uint8Array(32)])
        return peer.done.result
      }
      meter.totals = () => offer.totals
      const result = await take(channel, offer, peer, complete)
      if (options.meet.way !== 'listen' || !options.meet.keep) return result
      peers.delete(key)
      return result
    } finally {
      meter.end(channel)
    }
  }

  async function take(channel: Channel, offer: Offer, peer: Peer, complete: () => Promise<void>): Promise<TransferResult> {
    const resultOf = (received: Pick<TransferResult, 'root' | 'entries' | 'bytes' | 'reusedBytes'>): TransferResult => {
      const { kind, sentBytes, receivedBytes } = channel.stats()
      return {
        ...received, sentBytes: meter.earlierSent + sentBytes, receivedBytes: meter.earlierReceived + receivedBytes, transport: kind, problems,
        connections: peer.connections, durationMs: performance.now() - started,
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
    const pool = poolFor(offer.totals?.bytes ?? Infinity, threads)
    pools.add(pool)
    try {
      const { indexBytes } = planMemory(options.memory, SLAB_BYTES, threads)
      const job = {
        channel, offer, options, pool, indexBytes, report,
        onProgress: (done: { bytes: number; entries: number; path: Uint8Array }) => {
          meter.offered(0, 0, done.path)
          meter.at(done)
        },
      }
      const received = into.kind === 'directory'
        ? await receiveTree({
            ...job, directory: into.path, complete, stateDir: stateFolder(options.stateDir),
            onReceiver: (receiver) => {
              meter.diskBusyMs = () => receiver.diskBusyMs
            },
          })
        : await receiveIntoArchive({ ...job, into })
      const result = resultOf(received)
      peer.done = { offerId: offer.offerId, result }
      if (into.kind === 'archive') await complete()
      await channel.send(MESSAGE.done, [received.root])
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
