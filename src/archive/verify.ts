/** `verify`: reads an archive from its first byte to its last and checks all that can be checked. */
import { availableParallelism } from 'node:os'
import { WarpError, asWarpError } from '../base/errors.ts'
import { MIB } from '../base/limits.ts'
import type { Pool } from '../engine/pool.ts'
import { EntryAssembler } from './assemble.ts'
import { CheckedChunks } from './checked-chunks.ts'
import { chunkKey, Damage } from './damage.ts'
import { FrameJobs, packIds } from './frame-jobs.ts'
import type { CheckRequest } from './frame-reader.ts'
import { FrameSources } from './frame-sources.ts'
import { threadsWithin } from './memory.ts'
import { poolFor, poolForSource } from './pool.ts'
import { Scan } from './scan.ts'
import { openSource, PassingSource } from './source.ts'
import type { Source, VerifyOptions, VerifyResult } from './types.ts'
import { unlock } from './unlock.ts'
import { interruptedOr } from './create.ts'

/** Memory for remembering which chunks were checked, bytes. */
const INDEX_BYTES = 128 * MIB

/**
 * @throws {WarpError} what is wrong with the archive's structure, header, metadata, counts or signature;
 *   damaged frames are collected in the result
 */
export async function verify(source: Source, options: VerifyOptions = {}): Promise<VerifyResult> {
  const started = performance.now()
  const { quick = false, signedBy, signal, onProgress } = options
  const threads = threadsWithin(options.memory, options.threads ?? availableParallelism())
  const from = quick && typeof source !== 'string' ? new PassingSource(source.stream) : openSource(source, options.tempDir)
  let running = null as Pool | null
  let sources = null as FrameSources | null
  const damage = new Damage()
  try {
    const unlocked = await unlock(from, options)
    const { chunkIdKey, header } = unlocked
    const frames = (sources = new FrameSources(from, unlocked, typeof source === 'string' ? source : null, options))
    if (!quick) await frames.demandAll()
    const pool = (running = quick ? poolFor(0, threads) : await poolForSource(from, threads))
    const jobs = new FrameJobs<string>(threads * 2 + 1, async (job) => {
      const request: CheckRequest = { place: await frames.at(job.offset), chunkIdKey, chunks: Uint32Array.from(job.chunks), ids: packIds(job.ids) }
      try {
        const { wrong } = (await pool.run('check', request)) as { wrong: Uint32Array }
        if (wrong.length > 0) {
          const error = new WarpError('ERR_WARP_CHUNK_DAMAGED', `${job.offset < 0 ? 'the base: ' : ''}chunks of a frame are not what their ids say: ${wrong.length} of ${job.wants.length}`, { offset: Math.abs(job.offset) })
          damage.add(job.offset, error, Array.from(wrong, (i) => job.wants[i]!))
        }
      } catch (error) {
        const reason = asWarpError(frames.explain(job.offset, error))
        if (reason.class !== 'damaged' && reason.class !== 'malformed') throw reason
        damage.add(job.offset, reason, null)
      }
    })
    const checked = new CheckedChunks(INDEX_BYTES)
    const scan = new Scan(from, unlocked)
    const assembler = new EntryAssembler()
    let unstable = 0
    let bytes = 0
    for await (const { page, firstEntry, firstOffset } of scan.pages()) {
      signal?.throwIfAborted()
      for (const { entry, extents, frames, offsets } of assembler.page(page, firstEntry, firstOffset)) {
        if (entry?.unstable) unstable++
        let chunk = 0
        for (const extent of extents) {
          bytes += extent.length
          if (extent.kind === 'hole') continue
          const [frame, offset] = [frames[chunk]!, offsets[chunk++]!]
          if (!quick && checked.isNew(extent.id, frame, offset, extent.length)) jobs.add(frame, offset, extent.length, extent.id, chunkKey(offset, extent.length, extent.id))
        }
      }
      await jobs.settle()
      onProgress?.({ bytes, totalBytes: null, entries: firstEntry + page.entries, totalEntries: null })
    }
    await jobs.drain()
    const footer = scan.footer!
    if (signedBy && (!footer.signer || Buffer.compare(footer.signer, signedBy) !== 0)) {
      throw new WarpError('ERR_WARP_SIGNATURE', footer.signer ? 'the archive is signed by another key' : 'the archive is not signed')
    }
    if (!damage.isEmpty) await nameAll(damage, new Scan(from, unlocked))
    return {
      root: footer.root, archiveId: header.archiveId, encrypted: header.encrypted, partial: header.partial, signer: footer.signer,
      baseId: unlocked.base?.archiveId ?? null,
      entries: footer.entries, logicalBytes: footer.logicalBytes, chunkRefs: footer.chunkRefs, frameBytes: footer.frameBytes,
      frames: footer.frames, pages: footer.pages, archiveBytes: footer.archiveLength,
      damage: damage.list(), unstable, durationMs: performance.now() - started,
    }
  } catch (error) {
    throw interruptedOr(error, signal)
  } finally {
    await running?.close()
    await sources?.close()
    from.close()
  }
}

/** A chunk is checked for the first file that refers to it: who else does is looked for once it is known to be damaged. */
async function nameAll(damage: Damage, scan: Scan): Promise<void> {
  const assembler = new EntryAssembler()
  for await (const { page, firstEntry, firstOffset } of scan.pages()) {
    for (const assembled of assembler.page(page, firstEntry, firstOffset)) damage.name(assembled.path, assembled)
  }
}
