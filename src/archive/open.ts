/** An archive file open for random access: everything that is read is verified on the way from the root. */
import { WarpError } from '../base/errors.ts'
import type { Extent } from '../format/entry.ts'
import { comparePaths, displayPath } from '../format/path.ts'
import { EntryAssembler, type Assembled } from './assemble.ts'
import type { CheckedFooter } from './footer-check.ts'
import { ContentReader } from './content.ts'
import { FrameSources } from './frame-sources.ts'
import { gatherInfo } from './info.ts'
import { PageSequence } from './page-sequence.ts'
import { readEnd } from './read-end.ts'
import { archivePath, isSameOrBeneath, Selection } from './select.ts'
import { atOrBeneath, EVERYTHING, TreeReader, type Range } from './tree-reader.ts'
import { FileSource, type ArchiveSource } from './source.ts'
import type { ScannedPage } from './scan.ts'
import type { ArchiveInfo, BaseOptions, Entry, Keys, SelectOptions, Watch } from './types.ts'
import { unlock, type Unlocked } from './unlock.ts'

/**
 * Opens an archive file. The base of a thin one is opened when content is first read.
 * @throws {WarpError} class malformed, unsupported, key or damaged
 */
export async function open(path: string, options: Keys & BaseOptions = {}): Promise<Archive> {
  const source = new FileSource(path)
  try {
    const unlocked = await unlock(source, options)
    return new Archive(source, unlocked, await readEnd(source, unlocked), new FrameSources(source, unlocked, path, options))
  } catch (error) {
    source.close()
    throw error
  }
}

/** A piece of a file's content. */
export interface ContentRange {
  /** First byte; default 0. */
  offset?: number
  /** Number of bytes; default to the end. */
  length?: number
}

/** Pages whose entries are kept; those of a full one take some 4 MiB. */
const KEPT_RUNS = 8

export class Archive {
  readonly unlocked: Unlocked
  readonly footer: CheckedFooter
  readonly #source: ArchiveSource
  readonly #tree: TreeReader
  readonly #frames: FrameSources
  readonly #content: ContentReader
  /** Entries of the pages that hard links led back to, the most recent last: mostly they are the same few. */
  readonly #runs: Entry[][] = []

  constructor(source: ArchiveSource, unlocked: Unlocked, footer: CheckedFooter, frames: FrameSources) {
    this.#source = source
    this.#frames = frames
    this.#content = new ContentReader(frames, unlocked.chunkIdKey)
    this.unlocked = unlocked
    this.footer = footer
    this.#tree = new TreeReader(source, unlocked, footer)
  }

  /** 32 bytes: the digest that names the logical tree. */
  get root(): Uint8Array {
    return this.footer.root
  }

  get archiveId(): Uint8Array {
    return this.unlocked.header.archiveId
  }

  get encrypted(): boolean {
    return this.unlocked.header.encrypted
  }

  /** True if the archive was made by recovery and may lack entries. */
  get partial(): boolean {
    return this.unlocked.header.partial
  }

  /** Id of the archive that a thin one refers to; null if this one is complete by itself. */
  get baseId(): Uint8Array | null {
    return this.unlocked.base?.archiveId ?? null
  }

  /** Number of entries. */
  get size(): number {
    return this.footer.entries
  }

  /** Ed25519 public key that signed it, verified; null if none. */
  get signer(): Uint8Array | null {
    return this.footer.signer
  }

  /** Descriptor to read frames from. */
  get fd(): number {
    return this.#source.fd
  }

  async close(): Promise<void> {
    await this.#frames.close()
    this.#source.close()
    this.unlocked.sealing.sealingKey?.fill(0)
    this.unlocked.chunkIdKey?.fill(0)
  }

  /** Reads all metadata, and the headers of all blocks. */
  info(watch: Watch = {}): Promise<ArchiveInfo> {
    return gatherInfo(this.#source, this.unlocked, watch)
  }

  /** @throws {WarpError} ERR_WARP_NOT_FOUND: a path in `select.paths` leads to nothing */
  async *entries(select: SelectOptions = {}): AsyncGenerator<Entry> {
    for await (const entries of this.entryPages(select)) yield* entries
  }

  /** As `entries`, some thousand at a time: what is printed or counted spares an `await` for each. */
  async *entryPages(select: SelectOptions = {}): AsyncGenerator<Entry[]> {
    const selection = new Selection(select)
    for await (const page of this.assembledPages(selection)) {
      const entries: Entry[] = []
      for (const { entry } of page) {
        if (entry) entries.push(entry.link === undefined ? entry : this.#linked(entry, await this.entryAt(entry.link)))
      }
      yield entries
    }
    selection.demandAll()
  }

  /** A hard link with the metadata that it shares with `target`. */
  #linked(entry: Entry, target: Entry): Entry {
    const { number, path, type, link } = entry
    return { ...target, number, path, type, link, size: 0, linkPath: target.path }
  }

  /** The entry at `path`; null if there is none. */
  async find(path: string | Uint8Array): Promise<Entry | null> {
    const wanted = archivePath(path)
    for await (const { entry } of this.#between(atOrBeneath(wanted))) {
      if (!entry) continue
      const order = comparePaths(entry.path, wanted)
      if (order === 0) return entry.link === undefined ? entry : this.#linked(entry, await this.entryAt(entry.link))
      if (order > 0) return null
    }
    return null
  }

  /** Entry number `number`. */
  async entryAt(number: number): Promise<Entry> {
    const at = this.#runs.findIndex((run) => number >= run[0]!.number && number < run[0]!.number + run.length)
    const run = at < 0 ? await this.#readRun(number) : this.#runs.splice(at, 1)[0]!
    this.#runs.push(run)
    if (this.#runs.length > KEPT_RUNS) this.#runs.shift()
    return run[number - run[0]!.number]!
  }

  /** All entries of the page with entry `number`. */
  async #readRun(number: number): Promise<Entry[]> {
    const found = await this.#tree.pageOf(number)
    const run: Entry[] = []
    if (found) {
      for (const { entry } of new EntryAssembler().page(found.page, found.firstEntry, found.firstOffset)) if (entry) run.push(entry)
    }
    // The only page of a small archive is found for any number.
    if (!run.some((entry) => entry.number === number)) throw new WarpError('ERR_WARP_MALFORMED', `there is no entry ${number}`)
    return run
  }

  /** For a hard link, the entry that it is another name of; else the entry itself. */
  async resolve(entry: Entry): Promise<Entry> {
    if (entry.link === undefined) return entry
    const target = await this.entryAt(entry.link)
    if (target.link !== undefined) throw new WarpError('ERR_WARP_HARD_LINK_TARGET', 'a hard link leads to a hard link', { path: displayPath(entry.path) })
    return target
  }

  /**
   * Bytes of a regular file, each chunk verified before it is released.
   * @throws {WarpError} class damaged; ERR_WARP_USAGE: not a regular file
   */
  async *content(entry: Entry, { offset = 0, length = Infinity }: ContentRange = {}): AsyncGenerator<Uint8Array> {
    const file = await this.resolve(entry)
    if (file.type !== 'file') {
      throw new WarpError('ERR_WARP_USAGE', `${displayPath(entry.path)} is not a regular file`, { path: displayPath(entry.path) })
    }
    const end = Math.min(file.size, offset + length)
    for await (const assembled of this.#between({ ...atOrBeneath(file.path), from: { path: file.path, offset } })) {
      const order = comparePaths(assembled.path, file.path)
      if (order > 0 || (order === 0 && assembled.fileOffset >= end)) return
      if (order === 0) yield* this.bytesOf(assembled, offset, end)
    }
  }

  /** Every page, in order. @throws {WarpError} as `entries` */
  async *pages(): AsyncGenerator<ScannedPage> {
    const sequence = new PageSequence(true)
    for await (const page of this.#tree.pages(EVERYTHING)) {
      sequence.next(page)
      yield page
    }
    sequence.finish(this.footer)
  }

  /** The last record of the regular file at `path`, if the file has `size` bytes; else null. */
  async lastRecordOf(path: Uint8Array, size: number): Promise<Assembled | null> {
    for await (const assembled of this.#between({ from: { path, offset: size }, goOn: () => false })) {
      if (comparePaths(assembled.path, path) === 0 && assembled.entry?.size === size) return assembled
    }
    return null
  }

  /** The extents of a regular file, in order. */
  async *extentsOf(entry: Entry): AsyncGenerator<Extent> {
    for await (const { path, extents } of this.#between(atOrBeneath(entry.path))) {
      const order = comparePaths(path, entry.path)
      if (order > 0) return
      if (order === 0) yield* extents
    }
  }

  /**
   * Records of entries that `selection` takes, those of a page at a time; parts of files one by one.
   * @param onPage called for each page before its records
   */
  async *assembledPages(selection: Selection, onPage?: (page: ScannedPage) => void): AsyncGenerator<Assembled[]> {
    const ranges = selection.paths?.map(atOrBeneath) ?? [EVERYTHING]
    for (const [i, range] of ranges.entries()) {
      const path = selection.paths?.[i]
      for await (const page of this.#pagesBetween(range, onPage)) {
        const taken: Assembled[] = []
        for (const assembled of page) {
          if (path && !isSameOrBeneath(assembled.path, path)) continue
          if (selection.takes(assembled.path, assembled.entry?.type === 'directory')) taken.push(assembled)
        }
        yield taken
      }
    }
  }

  async *#pagesBetween(range: Range, onPage?: (page: ScannedPage) => void): AsyncGenerator<Iterable<Assembled>> {
    const assembler = new EntryAssembler()
    const sequence = new PageSequence(range === EVERYTHING)
    for await (const scanned of this.#tree.pages(range)) {
      sequence.next(scanned)
      onPage?.(scanned)
      yield assembler.page(scanned.page, scanned.firstEntry, scanned.firstOffset)
    }
    if (range === EVERYTHING) sequence.finish(this.footer)
  }

  async *#between(range: Range): AsyncGenerator<Assembled> {
    for await (const page of this.#pagesBetween(range)) yield* page
  }

  /** Bytes from `from` up to `end`, positions in the file, of a run of extents; each chunk is verified. */
  async *bytesOf(assembled: Assembled, from = 0, end = Infinity): AsyncGenerator<Uint8Array> {
    for await (const { bytes, length } of this.#content.pieces(assembled, from, end)) {
      if (bytes) yield bytes
      else yield* zeros(length)
    }
  }

  /** What of a regular file is not holes, in order, each chunk verified. @throws {WarpError} as `content` */
  async *dataOf(file: Entry): AsyncGenerator<{ position: number; bytes: Uint8Array }> {
    for await (const assembled of this.#between(atOrBeneath(file.path))) {
      const order = comparePaths(assembled.path, file.path)
      if (order > 0) return
      if (order < 0) continue
      for await (const { position, bytes } of this.#content.pieces(assembled)) if (bytes) yield { position, bytes }
    }
  }
}

const ZEROS = new Uint8Array(256 * 1024)

export function* zeros(count: number): Generator<Uint8Array> {
  for (let left = count; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, Math.min(left, ZEROS.length))
}

