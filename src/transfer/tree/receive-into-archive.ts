/**
 * Receives a tree into an archive of the receiver's own: with its key, its ids and its frames as they come, sealed
 * afresh. What is written is an archive up to its last page at any time.
 */
import fs from 'node:fs'
import { WarpError, asWarpError } from '../../base/errors.ts'
import { newArchive, type NewArchive } from '../../archive/sealing.ts'
import { openSink, type Sink } from '../../archive/sink.ts'
import { ArchiveParts } from './archive-parts.ts'
import { ChunkScanner } from './chunk-scanner.ts'
import { KIND, MESSAGE, writeAccept } from '../messages.ts'
import { averageOfReused, openReuse, type Reuse } from './reuse.ts'
import { type TreeReceived } from './tree-receiver.ts'
import { ArchiveFiller, type IntoArchiveJob } from './archive-filler.ts'

/** @throws {WarpError} what was written so far is left, under a temporary name, if it holds a page */
export async function receiveIntoArchive(job: IntoArchiveJob): Promise<TreeReceived> {
  const { channel, offer, into, options } = job
  if (options.overwrite !== 'always' && fs.existsSync(into.path)) {
    throw new WarpError('ERR_WARP_OUTPUT', `${into.path} exists already`, { path: into.path, hint: 'move it away, or replace it with --overwrite always' })
  }
  const keys = options.reuseKeys ?? {}
  const average = (await averageOfReused(options.reuse ?? [], keys)) ?? offer.average
  const isEncrypted = into.passphrase !== undefined || (into.recipients?.length ?? 0) > 0
  const parts = ArchiveParts.open(into.path, offer.offerId, average, isEncrypted)
  let archive: NewArchive
  let sink: Sink
  try {
    archive = newArchive({
      average: parts.average, partial: false, passphrase: into.passphrase, passphraseCost: into.passphraseCost, recipients: into.recipients,
      archiveKey: parts.archiveKey ?? undefined,
    })
    sink = openSink(into.path, parts.next)
  } catch (error) {
    parts.close()
    throw error
  }
  let reuse: Reuse | null = null
  let receiver: ArchiveFiller | null = null
  try {
    const { chunkIdKey } = archive
    const scanner = new ChunkScanner(job.pool, parts.average, chunkIdKey)
    reuse = await openReuse(options.reuse ?? [], keys, { average: parts.average, chunkIdKey, scanner, indexBytes: job.indexBytes / 2, tempDir: options.tempDir, report: job.report })
    for (const part of parts.earlier) {
      // One that was ended before its header was written holds nothing.
      await reuse.addArchive(part, (source) => parts.unlock(source)).catch((error: unknown) => {
        if (!(error instanceof WarpError) || error.class !== 'malformed') throw error
      })
    }
    receiver = new ArchiveFiller(job, archive, sink, parts.average, reuse.isEmpty ? null : reuse)
    await sink.write([archive.header])
    await channel.send(MESSAGE.accept, [writeAccept({ kind: KIND.tree, average: parts.average, chunkIdKey, have: 0 })])
    const received = await receiver.run()
    await sink.commit()
    parts.remove()
    return received
  } catch (thrown) {
    const error = asWarpError(thrown)
    const left = await sink.abandon((receiver?.pages ?? 0) > 0)
    const hint = left === null ? error.hint : `the same command goes on from here; what came so far can also be read with: warp recover ${left} -o NEW.warp`
    throw new WarpError(error.code, error.message, { ...error, hint, cause: error.cause })
  } finally {
    reuse?.close()
    parts.close()
    archive.sealing.sealingKey?.fill(0)
    archive.chunkIdKey?.fill(0)
  }
}
