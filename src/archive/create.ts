/** `create`: a tree, or streams, into a new archive. */
import fs from 'node:fs'
import { availableParallelism } from 'node:os'
import { WarpError, asWarpError } from '../base/errors.ts'
import { ownTimes, timesBetween } from '../base/stages.ts'
import { MAX_AVERAGE_BYTES, MIN_AVERAGE_BYTES } from '../base/limits.ts'
import { CpuEngine } from '../engine/cpu.ts'
import type { GpuEngine } from '../engine/gpu.ts'
import type { Pool } from '../engine/pool.ts'
import { displayPath } from '../format/path.ts'
import { Base } from './base.ts'
import type { SourceEntry } from './batch.ts'
import { Batcher, slabBytesFor } from './batcher.ts'
import { checkGpuMemory, DEFAULT_GPU_MEMORY_BYTES, openEngine, type ChosenEngine } from './engine-choice.ts'
import { Failure } from './failure.ts'
import { resolveInputs } from './inputs.ts'
import { MIN_MEMORY_BYTES, planMemory } from './memory.ts'
import { libc } from './os/libc.ts'
import { openUnnamed } from './os/unnamed-file.ts'
import { DEFAULT_LEVEL, Pace } from './pace.ts'
import { poolFor, SMALL_JOB_BYTES } from './pool.ts'
import { newArchive, type NewArchive } from './sealing.ts'
import { openSink, outputError, type Sink } from './sink.ts'
import { streamMetadata } from './stream-metadata.ts'
import { averageFor, limitOf, SMALL_TOTAL_BYTES, Survey } from './survey.ts'
import type { CreateOptions, CreateResult, Problem, Watch } from './types.ts'
import { Walk, type Found } from './walk.ts'
import { ArchiveWriter } from './writer.ts'

/**
 * Writes an archive of all inputs. Inputs that cannot be read are reported through `onProblem` and
 * counted; the rest goes on.
 * @throws {WarpError} class usage, output, interrupted or internal; nothing stands under the final name then
 */
export async function create(options: CreateOptions): Promise<CreateResult> {
  const started = performance.now()
  const timesBefore = ownTimes()
  checkOptions(options)
  const { exclude = [], oneFileSystem = false, followSymlinks = false, reproducible = false, threads = availableParallelism() } = options
  let problems = 0
  const report = quietly((problem: Problem) => {
    if (problem.kind !== 'note') problems++
    options.onProblem?.(problem)
  })
  const roots = resolveInputs(options.inputs, report)
  if (libc() === null) report({ kind: 'note', message: 'without the package koffi, extended attributes and ACLs are not stored' })
  if (options.tempDir !== undefined) checkTempDir(options.tempDir)
  const base = await Base.open(options)
  let sink: Sink
  try {
    sink = openSink(options.output)
  } catch (error) {
    await base?.close()
    throw error
  }
  const ending = new AbortController()
  let pool: Pool | null = null
  let isSinkOurs = true
  try {
    const walk = new Walk({ exclude, oneFileSystem, followSymlinks, skip: new Set(sink.identities), report })
    const survey = new Survey(walk, roots, { identify: reproducible, signal: AbortSignal.any([ending.signal, ...(options.signal ? [options.signal] : [])]) })
    await survey.reach(SMALL_JOB_BYTES)
    pool = poolFor(survey.isDone && !survey.hasStream ? survey.bytes : Infinity, threads)
    // Reading begins while the walk goes on, in the hope that it does not change the chunk size. A stream
    // cannot be read twice, and a reproducible archive has its id from the walk.
    if (survey.hasStream || reproducible) await survey.done
    const write = (average: number, ready: Promise<void>) =>
      writeArchive({
        options, average, partial: false, ready,
        archiveId: reproducible ? survey.archiveId : undefined,
        entries: base ? base.merge(provide(survey.found(), reproducible)) : provide(survey.found(), reproducible),
        base,
        totals: () => (survey.isDone && !survey.hasStream ? survey : null),
        report, sink, pool: pool!, withHints: !reproducible,
      })
    await survey.reach(SMALL_TOTAL_BYTES, EARLY_START_MS)
    const hoped = base?.average ?? options.chunkSize ?? averageFor(survey.isDone ? survey.total : Math.max(survey.total, SMALL_TOTAL_BYTES))
    const judge = async () => {
      if (options.chunkSize === undefined && !base) {
        await survey.reach(limitOf(hoped))
        if (averageFor(survey.total) !== hoped) throw new OtherAverage()
      } else await survey.done
      if (survey.entries === 0 && problems > 0) {
        throw new WarpError('ERR_WARP_INPUT_UNREADABLE', 'none of the inputs could be read', { hint: 'no archive was written' })
      }
    }
    const ready = judge()
    ready.catch(() => {})
    isSinkOurs = false
    const result = await write(hoped, ready).catch(async (error: unknown) => {
      if (!(error instanceof OtherAverage)) throw error
      isSinkOurs = true
      await survey.done
      if (sink.canRestart) sink = await sink.restart()
      isSinkOurs = false
      return write(averageFor(survey.total), Promise.resolve())
    })
    const stages = { caller: timesBetween(timesBefore, ownTimes()), threads: pool.stageTimes() }
    return { ...result, problems, kept: base?.kept ?? { files: 0, bytes: 0 }, durationMs: performance.now() - started, stages }
  } catch (error) {
    if (isSinkOurs) await sink.abandon(false)
    throw interruptedOr(error, options.signal)
  } finally {
    ending.abort()
    await (pool as Pool | null)?.close()
    await base?.close()
  }

  /** Problems would be reported again if the walk is repeated, or the writing begun anew. */
  function quietly(tell: (problem: Problem) => void): (problem: Problem) => void {
    const told = new Set<string>()
    return (problem) => {
      const key = `${problem.path}\0${problem.message}`
      if (told.has(key)) return
      if (told.size < 10_000) told.add(key)
      tell(problem)
    }
  }
}

/** The walk of a tree that takes longer is not waited for before reading begins. */
const EARLY_START_MS = 50

/** The inputs turned out to want larger chunks. */
class OtherAverage extends Error {}

export interface WriteJob {
  options: Pick<CreateOptions, keyof Watch | 'compress' | 'level' | 'reproducible' | 'memory' | 'tempDir' | 'passphrase' | 'passphraseCost' | 'recipients' | 'signWith' | 'archiveKey' | 'engine' | 'gpuMemory' | 'gpuClient'>
  average: number
  partial: boolean
  archiveId: Uint8Array | undefined
  entries: AsyncIterable<SourceEntry[]>
  /** Rejects if it turns out that no archive is to be made of this, or another. Before it resolves nothing is written to what cannot restart. */
  ready: Promise<void>
  /** How much there is, once that is known. */
  totals: () => { bytes: number; entries: number } | null
  report: (problem: Problem) => void
  sink: Sink
  pool: Pool
  withHints: boolean
  /** What is unchanged since is taken over from it. */
  base?: Base | null
  /** For tests: memory of the index of chunks, instead of its share. */
  indexBytes?: number
}

/** Writes `entries`, which are in path order, as an archive to `sink`, and commits or abandons it. */
export async function writeArchive(job: WriteJob): Promise<Omit<CreateResult, 'problems' | 'kept' | 'durationMs' | 'stages'>> {
  const { options, average, sink, pool, report, totals, base = null } = job
  const { compress = 'auto', signal } = options
  let archive: NewArchive
  try {
    archive = newArchive({ ...options, average, partial: job.partial, archiveId: job.archiveId, inheritance: base?.inheritance })
  } catch (error) {
    await sink.abandon(false)
    throw error
  }
  const slabBytes = slabBytesFor(average)
  const memory = planMemory(options.memory, slabBytes, pool.size, compress === 'lz4')
  const engineOptions = { average, chunkIdKey: archive.chunkIdKey, sealing: archive.sealing, compression: compress, level: levelOf(job) }
  const cpu = new CpuEngine(pool, slabBytes, memory.slabs, engineOptions)
  let chosen: ChosenEngine
  try {
    chosen = await openEngine(cpu, pool, {
      ...engineOptions, wish: options.engine ?? 'auto', gpuMemory: options.gpuMemory ?? DEFAULT_GPU_MEMORY_BYTES, maxSlots: memory.slabs,
      hasLevel: options.level !== undefined, reproducible: options.reproducible ?? false, client: options.gpuClient, note: (message) => report({ kind: 'note', message }),
    })
  } catch (error) {
    await sink.abandon(false)
    throw error
  }
  const { engine } = chosen
  let doneBytes = 0
  let doneEntries = 0
  const writer = new ArchiveWriter({
    sink, engine, sealing: archive.sealing, average, commitment: archive.commitment, level: DEFAULT_LEVEL,
    ready: (sink.canRestart ? Promise.resolve() : job.ready).then(() => sink.write([archive.header])), withHints: job.withHints, signWith: options.signWith ?? null,
    index: {
      maxBytes: job.indexBytes ?? memory.indexBytes, tempDir: options.tempDir,
      onDegraded: (reason) => report({ kind: 'note', message: `${reason}: the index of chunks does not fit, and some duplicates are stored again` }),
    },
    takenOver: base?.takenOver(pool, archive.sealing) ?? null, thin: (base?.inheritance?.base ?? null) !== null,
    onProblem: (kind, path, message) => report({ kind, message, path: displayPath(path) }),
    onDone: (entries, bytes, path) => {
      doneEntries += entries
      doneBytes += bytes
      options.onProgress?.({
        bytes: doneBytes, totalBytes: totals()?.bytes ?? null, entries: doneEntries, totalEntries: totals()?.entries ?? null, path: displayPath(path),
      })
    },
  })
  const stop = abortion(signal)
  const failure = new Failure()
  const batcher = new Batcher({
    average, inodes: { tempDir: options.tempDir },
    acquire: () => failure.until(engine.acquire()),
    note: (path, message) => report({ kind: 'note', message, path: displayPath(path) }),
  })
  // A stream may give nothing for long: once all is lost anyway, it is not waited for.
  for (const failing of [writer.failed, stop.promise, job.ready]) {
    failing.catch((error: unknown) => {
      failure.fail(error)
      batcher.close()
    })
  }
  // Slabs bound the batches that read something; of others, too, only so many wait to be written.
  const underWay: Promise<void>[] = []
  try {
    for await (const batch of batcher.of(job.entries)) {
      if (failure.error) throw failure.error.error
      underWay.push(writer.add(batch))
      if (underWay.length > memory.slabs + 2) await failure.until(underWay.shift()!)
    }
    const result = await failure.until(writer.finish())
    await failure.until(job.ready)
    await sink.commit()
    return { ...result, archiveId: archive.archiveId, gpu: usedGpu(chosen.gpu()) }
  } catch (thrown) {
    const error = failure.error?.error ?? thrown
    if (error instanceof OtherAverage) throw error
    const reason = interruptedOr(error, signal)
    const keep = reason.class === 'interrupted' && writer.pagesWritten > 0
    const left = await sink.abandon(keep)
    const hint = left === null ? reason.hint : `what was written so far can be read with: warp recover ${left} -o NEW.warp`
    throw new WarpError(reason.code, reason.message, { ...reason, hint, cause: reason.cause })
  } finally {
    stop.dispose()
    batcher.close()
    writer.close()
    await chosen.close()
    archive.sealing.sealingKey?.fill(0)
    archive.chunkIdKey?.fill(0)
  }
}

function usedGpu(gpu: GpuEngine | null): CreateResult['gpu'] {
  return gpu && { adapter: gpu.facts.description || gpu.facts.device, ...gpu.counts }
}

/** The level of the next frame: as wished, or what a pipe leaves time for. */
function levelOf({ options: { compress = 'auto', level, reproducible }, sink, pool }: WriteJob): () => number {
  if (level !== undefined || compress !== 'auto' || reproducible || !sink.isPipe) return () => level ?? DEFAULT_LEVEL
  const pace = new Pace({ sinkBusyMs: () => sink.busyMs, stageTimes: () => pool.stageTimes() })
  return () => pace.level()
}

/** A promise that rejects when `signal` aborts. */
function abortion(signal: AbortSignal | undefined): { promise: Promise<never>; dispose: () => void } {
  let onAbort = () => {}
  const promise = new Promise<never>((_, reject) => {
    onAbort = () => reject(new WarpError('ERR_WARP_INTERRUPTED', 'interrupted'))
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort)
  })
  promise.catch(() => {})
  return { promise, dispose: () => signal?.removeEventListener('abort', onAbort) }
}

export function interruptedOr(error: unknown, signal: AbortSignal | undefined): WarpError {
  if (signal?.aborted && !(error instanceof WarpError)) return new WarpError('ERR_WARP_INTERRUPTED', 'interrupted', { cause: error })
  return asWarpError(error)
}

function checkOptions(options: CreateOptions): void {
  const { inputs, level = DEFAULT_LEVEL, chunkSize, threads = 1, memory, reproducible, passphrase, recipients = [], base, thin } = options
  if (inputs.length === 0) throw new WarpError('ERR_WARP_USAGE', 'there is nothing to archive', { hint: 'name files or directories' })
  if (!Number.isInteger(level) || level < 1 || level > 19) throw new WarpError('ERR_WARP_USAGE', 'the level is a number from 1 to 19')
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024) throw new WarpError('ERR_WARP_USAGE', 'threads is a number from 1 to 1024')
  if (memory !== undefined && !(memory >= MIN_MEMORY_BYTES)) throw new WarpError('ERR_WARP_USAGE', 'memory is at least 384 MiB')
  if (chunkSize !== undefined && !(chunkSize >= MIN_AVERAGE_BYTES && chunkSize <= MAX_AVERAGE_BYTES && Number.isInteger(Math.log2(chunkSize)))) {
    throw new WarpError('ERR_WARP_USAGE', 'the chunk size is a power of two from 4 KiB to 4 MiB')
  }
  if (options.gpuMemory !== undefined) checkGpuMemory(options.gpuMemory)
  if (thin && base === undefined) throw new WarpError('ERR_WARP_USAGE', 'a thin archive needs a base', { hint: 'name the archive that it is to refer to, or leave out thin' })
  if (base !== undefined && chunkSize !== undefined) throw new WarpError('ERR_WARP_USAGE', 'the chunk size is that of the base', { hint: 'leave it out, or the base' })
  if (base !== undefined && reproducible) {
    throw new WarpError('ERR_WARP_USAGE', 'an archive on a base cannot be reproducible', { hint: 'its bytes depend on the base too: leave out one of the two' })
  }
  if (reproducible && (passphrase !== undefined || recipients.length > 0)) {
    throw new WarpError('ERR_WARP_USAGE', 'a reproducible archive cannot be encrypted', { hint: 'encryption draws fresh keys each time: leave out one of the two' })
  }
}

/** Whether it can be written to would else be known only after much work. */
function checkTempDir(directory: string): void {
  try {
    fs.closeSync(openUnnamed(directory))
  } catch (error) {
    throw outputError(error, directory)
  }
}

/** Streams get the metadata of a new file of the caller's. */
async function* provide(groups: AsyncIterable<Found[]>, reproducible: boolean): AsyncGenerator<SourceEntry[]> {
  for await (const group of groups) {
    yield group.map((entry) =>
      entry.stream ? { kind: 'content', path: entry.path, inode: null, metadata: streamMetadata(reproducible), content: entry.stream } : entry)
  }
}
