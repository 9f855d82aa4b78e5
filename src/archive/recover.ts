/**
 * `recover`: what is intact of a damaged or truncated archive, into a new one. The damaged archive is
 * read twice: to find what is lost, and to take over the rest.
 */
import fs from 'node:fs'
import { availableParallelism } from 'node:os'
import { WarpError, asWarpError } from '../base/errors.ts'
import { comparePaths, displayPath } from '../format/path.ts'
import { EntryAssembler, type Assembled } from './assemble.ts'
import type { Provided } from './batch.ts'
import { writeArchive } from './create.ts'
import { FrameJobs, packIds } from './frame-jobs.ts'
import { ContentReader } from './content.ts'
import type { CheckRequest } from './frame-reader.ts'
import { FrameSources } from './frame-sources.ts'
import type { Piece } from './open-file.ts'
import { poolFor } from './pool.ts'
import { findPages, readFoundPage, unlockDamaged, type Findings } from './recover-scan.ts'
import { openSink } from './sink.ts'
import { FileSource } from './source.ts'
import type { Entry, RecoverOptions, RecoverResult } from './types.ts'
import type { Pool } from '../engine/pool.ts'
import type { Unlocked } from './unlock.ts'

/**
 * @throws {WarpError} ERR_WARP_NOT_AN_ARCHIVE; class key; ERR_WARP_TRUNCATED: nothing intact was found; class output
 */
export async function recover(options: RecoverOptions): Promise<RecoverResult> {
  const started = performance.now()
  const source = new FileSource(options.archive)
  let sources = null as FrameSources | null
  const pool = poolFor(source.length, options.threads ?? availableParallelism())
  try {
    demandOther(source, options.output)
    const unlocked = await unlockDamaged(source, options)
    const { newPassphrase, newRecipients = [] } = options
    if (unlocked.header.encrypted && newPassphrase === undefined && newRecipients.length === 0) {
      throw new WarpError('ERR_WARP_USAGE', 'the damaged archive is encrypted: the new one must be too', {
        hint: 'give a passphrase or a recipient for it',
      })
    }
    const findings = await findPages(source, unlocked)
    if (findings.pages.length === 0 && !findings.hasFooter) {
      throw new WarpError('ERR_WARP_TRUNCATED', 'no intact page was found: nothing can be recovered', { path: options.archive })
    }
    const frames = (sources = new FrameSources(source, unlocked, options.archive, options))
    await frames.demandAll()
    const recovery = new Recovery(source, unlocked, frames, findings, pool)
    await recovery.check(options.signal)
    const sink = openSink(options.output)
    const created = await writeArchive({
      options: {
        ...options, passphrase: newPassphrase, recipients: newRecipients, onProblem: undefined, engine: 'cpu',
      },
      average: unlocked.header.average, partial: true, archiveId: undefined, entries: recovery.intact(),
      ready: Promise.resolve(), totals: () => null,
      // What went wrong only now, such as a file system that reads otherwise the second time.
      report: ({ kind, path = '?', message }) => {
        if (kind === 'unreadable') recovery.lost.push({ path, reason: message })
      },
      sink, pool, withHints: false,
    })
    return {
      created: { ...created, problems: recovery.lost.length, kept: { files: 0, bytes: 0 }, durationMs: performance.now() - started },
      lost: recovery.lost, unreadable: findings.unreadable, truncated: !findings.hasFooter,
    }
  } finally {
    await pool.close()
    await sources?.close()
    source.close()
  }
}

/** @throws {WarpError} ERR_WARP_USAGE: `output` is the damaged archive, of which another try may get more */
function demandOther(source: FileSource, output: string): void {
  const [damaged, replaced] = [fs.fstatSync(source.fd, { bigint: true }), fs.statSync(output, { bigint: true, throwIfNoEntry: false })]
  if (damaged.ino !== replaced?.ino || damaged.dev !== replaced.dev) return
  throw new WarpError('ERR_WARP_USAGE', 'the new archive would replace the damaged one', { path: output, hint: 'name another file to write' })
}

/** A record of an intact page, numbered as far as that is known. */
interface Recovered extends Assembled {
  /** Entry number in the damaged archive; null if entries before it are not counted. */
  number: number | null
}

class Recovery {
  readonly lost: RecoverResult['lost'] = []
  readonly #source: FileSource
  readonly #unlocked: Unlocked
  readonly #frames: FrameSources
  readonly #findings: Findings
  readonly #pool: Pool
  /** File offsets of the block, and of the entry's record in order, of what is lost. */
  readonly #lostRecords = new Set<number>()
  /** Numbers of entries that hard links name. */
  readonly #linked = new Set<number>()

  constructor(source: FileSource, unlocked: Unlocked, frames: FrameSources, findings: Findings, pool: Pool) {
    this.#source = source
    this.#unlocked = unlocked
    this.#frames = frames
    this.#findings = findings
    this.#pool = pool
  }

  /** Finds out what is lost. */
  async check(signal: AbortSignal | undefined): Promise<void> {
    const { chunkIdKey } = this.#unlocked
    const why = new Map<number, string>()
    const jobs = new FrameJobs<number>(this.#pool.size * 2 + 1, async (job) => {
      const request: CheckRequest = { place: await this.#frames.at(job.offset), chunkIdKey, chunks: Uint32Array.from(job.chunks), ids: packIds(job.ids) }
      try {
        const { wrong } = (await this.#pool.run('check', request)) as { wrong: Uint32Array }
        for (const chunk of wrong) why.set(job.wants[chunk]!, 'a chunk is damaged')
      } catch (error) {
        const reason = asWarpError(this.#frames.explain(job.offset, error))
        if (reason.class !== 'damaged' && reason.class !== 'malformed') throw reason
        for (const record of job.wants) why.set(record, reason.message)
      }
    })
    const lostEntries: { record: number; path: string; reason: string }[] = []
    const paths = new Map<number, string>()
    let record = 0
    let begun = false
    for await (const { path, extents, frames, offsets, entry, isOrphan } of this.#records()) {
      if (signal?.aborted) throw new WarpError('ERR_WARP_INTERRUPTED', 'interrupted')
      if (isOrphan) why.set(record, 'an earlier part of it is missing')
      if (extents.length > 0 || isOrphan) paths.set(record, displayPath(path))
      let chunk = 0
      for (const extent of extents) {
        if (extent.kind === 'hole') continue
        jobs.add(frames[chunk]!, offsets[chunk]!, extent.length, extent.id, record)
        chunk++
      }
      await jobs.settle()
      if (entry?.link !== undefined) this.#linked.add(entry.link)
      begun = entry === null
      if (entry) record++
      // Names are needed until their frames were looked at; all are by the time that so many more came.
      if (paths.size > 100_000) {
        await jobs.drain()
        this.#note(why, paths, lostEntries)
      }
    }
    await jobs.drain()
    if (begun) why.set(record, 'its end is missing')
    this.#note(why, paths, lostEntries)
    lostEntries.sort((a, b) => a.record - b.record)
    this.lost.push(...lostEntries.map(({ path, reason }) => ({ path, reason })))
  }

  #note(why: Map<number, string>, paths: Map<number, string>, lostEntries: { record: number; path: string; reason: string }[]): void {
    for (const [record, reason] of why) {
      if (!this.#lostRecords.has(record)) lostEntries.push({ record, path: paths.get(record) ?? '?', reason })
      this.#lostRecords.add(record)
    }
    why.clear()
    paths.clear()
  }

  /** The entries that are whole, for the writer. */
  async *intact(): AsyncGenerator<Provided[]> {
    let record = 0
    const kept = new Set<number>()
    const records = this.#records()[Symbol.asyncIterator]()
    for (let next = await records.next(); !next.done; next = await records.next()) {
      const first = next.value
      const isLost = this.#lostRecords.has(record++)
      if (isLost || first.entry === null || first.entry.type === 'file') {
        // Parts are taken one after the other, by the writer as it reads the content; here what it left.
        const parts = new PartsOf(first, records)
        if (!isLost) yield [this.#file(parts, kept)]
        await parts.skip()
        continue
      }
      const { entry, number } = first
      const path = Buffer.from(entry.path).toString('latin1')
      const inode = this.#inodeOf(number, kept)
      if (entry.link === undefined) yield [{ kind: 'record', path, inode, record: recordOf(entry) }]
      else if (kept.has(entry.link)) yield [{ kind: 'link', path, inode: `${entry.link}` }]
      else this.lost.push({ path: displayPath(entry.path), reason: 'the file that it is another name of is lost, or cannot be told' })
    }
  }

  #inodeOf(number: number | null, kept: Set<number>): string | null {
    if (number === null || !this.#linked.has(number)) return null
    kept.add(number)
    return `${number}`
  }

  #file(parts: PartsOf, kept: Set<number>): Provided {
    const { path, number } = parts.first
    return {
      kind: 'content', path: Buffer.from(path).toString('latin1'), inode: this.#inodeOf(number, kept),
      metadata: () => parts.entry, content: this.#content(parts),
    }
  }

  async *#content(parts: PartsOf): AsyncGenerator<Piece> {
    const reader = new ContentReader(this.#frames, this.#unlocked.chunkIdKey)
    for await (const part of parts.all()) {
      for await (const { bytes, length } of reader.pieces(part)) {
        yield bytes ?? { zeros: length }
      }
    }
  }

  async *#records(): AsyncGenerator<Recovered & { isOrphan: boolean }> {
    const assembler = new EntryAssembler()
    /** Path of a file whose part was the last record. */
    let openPath = null as Uint8Array | null
    let openSize = 0 as number
    let number: number | null = 0
    for (const { offset, afterGap } of this.#findings.pages) {
      const page = await readFoundPage(this.#source, this.#unlocked, offset)
      const stated = this.#findings.stated.get(offset)
      if (afterGap || number === null) number = stated?.firstEntry ?? null
      const goesOn: boolean = !afterGap && openPath !== null
      const first = page.records[0]!
      const isFile = first.type === 'file' || first.type === 'part'
      // After a gap, a file may have begun before it.
      let isOrphan = !goesOn && isFile && (afterGap ? (stated?.firstOffset ?? 1) > 0 : false)
      if (afterGap && openPath) {
        // What was begun never ends: an empty last part closes it for those who read.
        yield { path: openPath, extents: [], frames: [], offsets: [], fileOffset: openSize, entry: endOf(openPath), hint: null, number: null, isOrphan: true }
      }
      for (const assembled of assembler.page(page, 0, goesOn ? openSize : 0)) {
        yield { ...assembled, number, isOrphan }
        const { entry, path, fileOffset, extents } = assembled
        openPath = entry ? null : path
        openSize = entry ? 0 : fileOffset + extents.reduce((sum, { length }) => sum + length, 0)
        if (entry) {
          isOrphan = false
          if (number !== null) number++
        }
      }
    }
  }
}

/** Stands for the end of a file whose end is missing. */
function endOf(path: Uint8Array): Entry {
  const none = new Uint8Array(0)
  return {
    number: -1, path, type: 'file', size: 0, unstable: true, mode: 0, uid: 0, gid: 0, user: none, group: none,
    mtimeSeconds: 0, mtimeNanoseconds: 0, xattrs: [],
  }
}

/** The records of one file: its parts, and the last, which has the metadata. */
class PartsOf {
  readonly first: Recovered
  #last: Recovered
  readonly #records: AsyncIterator<Recovered>

  constructor(first: Recovered, records: AsyncIterator<Recovered>) {
    this.first = first
    this.#last = first
    this.#records = records
  }

  /** The metadata, once all records were taken. */
  get entry(): Entry {
    if (!this.#last.entry) throw new WarpError('ERR_WARP_INTERNAL', 'a file has no end')
    return this.#last.entry
  }

  /** All records that were not taken yet, but for the first. */
  async skip(): Promise<void> {
    while (!this.#last.entry && (await this.#next()));
  }

  async *all(): AsyncGenerator<Recovered> {
    do yield this.#last
    while (!this.#last.entry && (await this.#next()))
  }

  async #next(): Promise<boolean> {
    const { done, value } = await this.#records.next()
    if (done) return false
    if (comparePaths((value as Recovered).path, this.first.path) !== 0) throw new WarpError('ERR_WARP_INTERNAL', 'a file has no end')
    this.#last = value as Recovered
    return true
  }
}

function recordOf(entry: Entry): Extract<Provided, { kind: 'record' }>['record'] {
  const { path, type, target, major, minor } = entry
  if (type === 'symlink') return { type, path, metadata: entry, target: target! }
  if (type === 'chardev' || type === 'blockdev') return { type, path, metadata: entry, major: major!, minor: minor! }
  if (type === 'directory' || type === 'fifo') return { type, path, metadata: entry }
  throw new WarpError('ERR_WARP_INTERNAL', `${type} is not a record of its own`)
}
