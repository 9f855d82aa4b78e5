/** Receives a tree into a directory: staging, the transfer itself, and the final names. */
import { WarpError } from '../../base/errors.ts'
import { defaultSameOwner } from '../../archive/os/metadata.ts'
import { displayPath } from '../../format/path.ts'
import { TargetTree } from '../../archive/os/target-tree.ts'
import { outputError } from '../../archive/sink.ts'
import type { Problem } from '../../archive/types.ts'
import type { Entry } from '../../archive/types.ts'
import type { Pool } from '../../engine/pool.ts'
import type { Channel } from '../channel/channel.ts'
import type { Journal } from './journal.ts'
import { ChunkScanner } from './chunk-scanner.ts'
import { keepKnownListings, openKnownListings } from './known-listings.ts'
import { KIND, MESSAGE, writeAccept, type Offer } from '../messages.ts'
import { averageOfReused, openReuse, type Reuse } from './reuse.ts'
import { publish } from './publish.ts'
import { Staging } from './staging.ts'
import { TreeReceiver, type TreeReceived } from './tree-receiver.ts'
import type { ReceiveOptions } from '../types.ts'

export interface ReceiveTreeJob {
  channel: Channel
  offer: Offer
  directory: string
  /** 16 bytes: under which a later run finds what this one has left; default: the id of the offer. */
  stagingId?: Uint8Array
  options: Pick<ReceiveOptions, 'overwrite' | 'sameOwner' | 'numericOwner' | 'tempDir' | 'reuse' | 'reuseKeys'>
  pool: Pool
  /** Where listings are kept for the next time; null: nowhere. */
  stateDir: string | null
  indexBytes: number
  report: (problem: Problem) => void
  onProgress: (done: { bytes: number; entries: number; path: Uint8Array }) => void
  /** All stands in its place: to be noted before staging is removed. */
  complete: () => Promise<void>
  /** The session has begun: what it knows, for the progress. */
  onReceiver: (receiver: TreeReceiver, isResumed: boolean) => void
}

/**
 * Answers an offer of a tree and receives it. When it resolves, all of it stands in the directory; the peer
 * is not told yet.
 * @throws {WarpError} the staging directory stays, and the same offer goes on from there
 */
export async function receiveTree(job: ReceiveTreeJob): Promise<TreeReceived> {
  const { channel, offer, directory, options, pool, report, stagingId = offer.offerId } = job
  let tree: TargetTree
  try {
    tree = new TargetTree(directory)
  } catch (error) {
    throw outputError(error, directory)
  }
  const overwrite = options.overwrite ?? 'never'
  const owner = { sameOwner: options.sameOwner ?? defaultSameOwner(), numericOwner: options.numericOwner ?? false }
  let staging: Staging | null = null
  let known: Journal | null = null
  let reuse: Reuse | null = null
  try {
    const reused = options.reuse ?? []
    const keys = options.reuseKeys ?? {}
    const wished = (await averageOfReused(reused, keys)) ?? offer.average
    staging = Staging.open(tree, stagingId, wished)
    let isStuck = false
    const tell = (path: Uint8Array, message: string) => report({ kind: 'unrestored', message, path: displayPath(path) })
    const give = (from: Staging) => {
      isStuck = !publish({ tree, from: from.components, overwrite, owner, report: tell })
    }
    if (staging.journal.isPublishing) {
      // The run before was ended in the midst of it: what it had received is in place now, and found there.
      give(staging)
      if (isStuck) throw stuck(directory)
      staging.remove()
      staging = Staging.open(tree, stagingId, wished)
    }
    const { journal } = staging
    known = staging.isResumed ? null : openKnownListings(job.stateDir, directory, { ...offer, average: wished })
    const { average } = journal.start
    if (reused.length > 0) reuse = await openReuse(reused, keys, { average, chunkIdKey: null, scanner: new ChunkScanner(pool, average, null), indexBytes: job.indexBytes / 2, tempDir: options.tempDir, report })
    await channel.send(MESSAGE.accept, [writeAccept({ kind: KIND.tree, average, chunkIdKey: null, have: (known ?? journal).listings.length })])
    const receiver = new TreeReceiver({
      channel, offerId: offer.offerId, average, tree, staging, known, reuse, overwrite, owner, pool, indexBytes: job.indexBytes, tempDir: options.tempDir, report,
      onProgress: job.onProgress,
    })
    job.onReceiver(receiver, staging.isResumed)
    const received = await receiver.run()
    journal.setPublishing()
    await journal.sync()
    give(staging)
    if (receiver.rootEntry && overwrite !== 'never') applyRoot(tree, receiver.rootEntry, owner, tell)
    if (isStuck) throw stuck(directory)
    // Before the journal is gone, it is known elsewhere that there is nothing to go on with.
    await job.complete()
    keepKnownListings(job.stateDir, directory, offer, journal)
    const removed = staging
    staging = null
    removed.remove()
    return received
  } finally {
    staging?.close()
    known?.close()
    reuse?.close()
    tree.close()
  }
}

function stuck(directory: string): WarpError {
  return new WarpError('ERR_WARP_OUTPUT', `not all that was received can get its name in ${directory}`, {
    path: directory, hint: 'what is told above is in the way: run the same command again without it, nothing is sent twice',
  })
}

/** The root directory of what was sent is the target itself. */
function applyRoot(tree: TargetTree, entry: Entry, owner: { sameOwner: boolean; numericOwner: boolean }, tell: (path: Uint8Array, message: string) => void): void {
  const root = tree.openDirectory([])
  try {
    for (const { what, code } of tree.setDirectoryMetadata(root, entry, { ...owner, xattrs: true })) tell(entry.path, `${what} not restored: ${code}`)
  } finally {
    root.release()
  }
}
