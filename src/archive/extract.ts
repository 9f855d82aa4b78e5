/** `extract`: entries of an archive into a directory. The archive is taken to be hostile (§11). */
import fs from 'node:fs'
import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { WarpError } from '../base/errors.ts'
import type { Pool } from '../engine/pool.ts'
import { displayPath } from '../format/path.ts'
import { EntryAssembler, type Assembled } from './assemble.ts'
import { interruptedOr } from './create.ts'
import { FrameSources } from './frame-sources.ts'
import { EntryPaths } from './entry-paths.ts'
import { Archive } from './open.ts'
import { applyMetadata, defaultSameOwner } from './os/metadata.ts'
import { TargetTree } from './os/target-tree.ts'
import { threadsWithin } from './memory.ts'
import { poolForSource } from './pool.ts'
import { readEnd } from './read-end.ts'
import { Restorer } from './restorer.ts'
import type { Place } from './target-directories.ts'
import { writeFully } from './restore-task.ts'
import { Scan } from './scan.ts'
import { Selection } from './select.ts'
import { outputError } from './sink.ts'
import { FileSource, openSource } from './source.ts'
import type { ExtractOptions, ExtractResult, Problem, Source } from './types.ts'
import { unlock, type Unlocked } from './unlock.ts'

/**
 * Restores the selected entries. Entries that cannot be restored are reported through `onProblem` and
 * counted; the rest goes on.
 * @throws {WarpError} ERR_WARP_CHUNK_DAMAGED after all else was restored, if content was damaged; what is
 *   wrong with the archive, the target or the key. What was complete by then stays restored.
 */
export async function extract(source: Source, options: ExtractOptions): Promise<ExtractResult> {
  const started = performance.now()
  const { overwrite = 'never', stripComponents = 0, signal, onProgress, onProblem } = options
  const threads = threadsWithin(options.memory, options.threads ?? availableParallelism())
  if (!Number.isInteger(stripComponents) || stripComponents < 0) throw new WarpError('ERR_WARP_USAGE', 'strip-components is a number from 0')
  const selection = new Selection(options)
  const from = openSource(source, options.tempDir)
  let problems = 0
  const report = (problem: Problem) => {
    if (problem.kind !== 'note') problems++
    onProblem?.(problem)
  }
  let bytes = 0
  let entries = 0
  const owner = { sameOwner: options.sameOwner ?? defaultSameOwner(), numericOwner: options.numericOwner ?? false }
  let restorer: Restorer | null = null
  let tree: TargetTree | null = null
  let pool: Pool | null = null
  let frames = null as FrameSources | null
  try {
    const unlocked = await unlock(from, options)
    pool = await poolForSource(from, threads)
    frames = new FrameSources(from, unlocked, typeof source === 'string' ? source : null, options)
    await frames.demandAll()
    const reading = from instanceof FileSource ? await openForReading(from, unlocked, frames) : { scan: new Scan(from, unlocked) }
    tree = openTarget(options.target)
    const paths = new EntryPaths(from, unlocked)
    const root = tree.openDirectory([])
    const staging = tree.isEmpty(root) ? Buffer.from(`.warp-extract-${randomBytes(4).toString('hex')}`) : null
    if (staging) tree.mkdirAt(root, staging, 0o700)
    root.release()
    restorer = new Restorer({
      tree, staging: staging && [staging], overwrite, stripComponents, owner, pool, frames, chunkIdKey: unlocked.chunkIdKey, report,
      onBytes: (more, path) => {
        bytes += more
        entries++
        onProgress?.({ bytes, totalBytes: reading.archive?.footer.logicalBytes ?? null, entries, totalEntries: reading.archive?.size ?? null, path: displayPath(path) })
      },
      pathOf: (number) => paths.pathOf(number),
      // Of a stream, what lies where is known at its end.
      adopt: reading.archive ? (number, place) => restoreContent(reading.archive, number, place, restorer!, owner) : null,
    })
    for await (const page of assembledPages(reading, selection, paths)) {
      for (const assembled of page) {
        if (signal?.aborted) throw new WarpError('ERR_WARP_INTERRUPTED', 'interrupted')
        await restorer.take(assembled)
      }
    }
    await restorer.finish()
    const archive = reading.archive ?? new Archive(from, unlocked, reading.scan.footer!, frames)
    await restorer.links.adopt((number, place) => restoreContent(archive, number, place, restorer!, owner))
    const rootDigest = archive.root
    await restorer.close()
    for (const path of selection.missing) report({ kind: 'unrestored', message: 'not in the archive', path: displayPath(path) })
    if (restorer.damaged > 0) {
      throw new WarpError('ERR_WARP_CHUNK_DAMAGED', `${restorer.damaged} files are damaged in the archive and were not restored`, {
        hint: 'the other entries are restored; see what is damaged with: warp verify',
      })
    }
    return { root: rootDigest, entries, bytes, problems, durationMs: performance.now() - started }
  } catch (error) {
    const failure = interruptedOr(error, signal)
    if (restorer && failure.code !== 'ERR_WARP_CHUNK_DAMAGED') {
      await restorer.close()
      const hint = `${entries} entries were restored completely and stay in ${options.target}`
      throw new WarpError(failure.code, failure.message, { ...failure, hint: failure.hint ? `${failure.hint}; ${hint}` : hint, cause: failure.cause })
    }
    throw failure
  } finally {
    tree?.close()
    await pool?.close()
    await frames?.close()
    from.close()
  }
}

type Reading = { archive: Archive; scan?: undefined } | { archive?: undefined; scan: Scan }

async function openForReading(source: FileSource, unlocked: Unlocked, frames: FrameSources): Promise<Reading> {
  return { archive: new Archive(source, unlocked, await readEnd(source, unlocked), frames) }
}

async function* assembledPages({ archive, scan }: Reading, selection: Selection, paths: EntryPaths): AsyncGenerator<Assembled[]> {
  if (archive) {
    yield* archive.assembledPages(selection, (page) => paths.add(page.firstEntry, page.offset))
    return
  }
  const assembler = new EntryAssembler()
  for await (const { page, firstEntry, firstOffset, offset } of scan.pages()) {
    paths.add(firstEntry, offset)
    yield [...assembler.page(page, firstEntry, firstOffset)].filter(({ path, entry }) => selection.takes(path, entry?.type === 'directory'))
  }
}

function openTarget(target: string): TargetTree {
  try {
    return new TargetTree(target)
  } catch (error) {
    throw outputError(error, target)
  }
}

/** Restores entry `number` as a file of its own, for a hard link whose other name was not selected. */
async function restoreContent(
  archive: Archive, number: number, place: Place, restorer: Restorer, owner: { sameOwner: boolean; numericOwner: boolean },
): Promise<boolean> {
  const entry = await archive.entryAt(number)
  const { tree } = restorer.options
  if (entry.type !== 'file') {
    restorer.fail(place.path, 'unrestored', 'it is another name of something that was not selected')
    return false
  }
  const temporary = Buffer.from(`.warp-${randomBytes(6).toString('hex')}`)
  const { handle } = place.directory
  let fd: number
  try {
    fd = tree.createExclusive(handle, temporary, 0o600)
  } catch (error) {
    restorer.refuse(place.path, error)
    return false
  }
  try {
    for await (const { position, bytes } of archive.dataOf(entry)) writeFully(fd, bytes, position)
    fs.ftruncateSync(fd, entry.size)
    restorer.reportMetadata(place.path, applyMetadata({ fd }, entry, { ...owner, xattrs: true, isSymlink: false }))
  } catch (error) {
    tree.removeAt(handle, temporary)
    if (error instanceof WarpError && error.class !== 'damaged') throw error
    if (error instanceof WarpError) restorer.fail(place.path, 'damaged', error.message)
    else restorer.refuse(place.path, error)
    return false
  } finally {
    fs.closeSync(fd)
  }
  return restorer.put(place, (name) => {
    try {
      tree.renameAt(handle, temporary, handle, name, { replace: false })
    } catch (error) {
      tree.removeAt(handle, temporary)
      throw error
    }
  })
}

