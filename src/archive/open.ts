/** An archive file open for random access: everything that is read is verified on the way from the root. */
import { WarpError } from '../base/errors.ts'
import { BLOCK_HEADER_BYTES, FOOTER_BLOCK_BYTES, maxChunkBytes } from '../base/limits.ts'
import { hash, keyedHash } from '../codec/blake3.ts'
import { indexDigest, locationDigest, pageDigest } from '../codec/merkle.ts'
import { blockBytes, openBlock, readBlockHeaderOf } from '../engine/block.ts'
import type { Extent } from '../format/entry.ts'
import { KIND } from '../format/block.ts'
import { readFooter } from '../format/footer.ts'
import { readIndexPage, type IndexChild } from '../format/index-page.ts'
import { readPage } from '../format/page.ts'
import { comparePaths, displayPath } from '../format/path.ts'
import { EntryAssembler, type Assembled } from './assemble.ts'
import { checkFooter, type CheckedFooter } from './footer-check.ts'
import { readFrame } from './frame-reader.ts'
import { gatherInfo } from './info.ts'
import { PageSequence } from './page-sequence.ts'
import { archivePath, isSameOrBeneath, Selection } from './select.ts'
import { FileSource, type ArchiveSource } from './source.ts'
import type { ScannedPage } from './scan.ts'
import type { ArchiveInfo, Entry, Keys, SelectOptions, Watch } from './types.ts'
import { unlock, type Unlocked } from './unlock.ts'

/**
 * Opens an archive file.
 * @throws {WarpError} class malformed, unsupported, key or damaged
 */
export async function open(path: string, keys: Keys = {}): Promise<Archive> {
  const source = new FileSource(path)
  try {
    const unlocked = await unlock(source, keys)
    return new Archive(source, unlocked, await readEnd(source, unlocked))
  } catch (error) {
    source.close()
    throw error
  }
}

/** Reads the footer of a complete archive file. */
export async function readEnd(source: FileSource, unlocked: Unlocked): Promise<CheckedFooter> {
  const offset = source.length - FOOTER_BLOCK_BYTES
  const cutShort = () =>
    new WarpError('ERR_WARP_TRUNCATED', 'the archive does not end with its footer: it was cut short, or something follows it', {
      offset: source.length, hint: 'what it holds so far can be read with: warp recover',
    })
  if (offset < unlocked.firstBlock) throw cutShort()
  const bytes = await source.read(offset, FOOTER_BLOCK_BYTES)
  let header
  try {
    header = readBlockHeaderOf(unlocked.sealing, bytes.subarray(0, BLOCK_HEADER_BYTES), offset, { kind: KIND.footer })
  } catch (error) {
    throw error instanceof WarpError && error.class === 'malformed' ? cutShort() : error
  }
  const footer = readFooter(openBlock(unlocked.sealing, header, bytes, offset))
  if (footer.archiveLength !== source.length) {
    throw new WarpError('ERR_WARP_COUNT_MISMATCH', 'the archive has another length than its footer says', { offset })
  }
  return checkFooter(footer, unlocked.header)
}

/** The nodes to visit: from the last one that begins at or before `from`, while `goOn`. */
interface Range {
  from: { path: Uint8Array; offset: number } | null
  /** Whether a node that begins with this path is still wanted. */
  goOn: (firstPath: Uint8Array) => boolean
}

const EVERYTHING: Range = { from: null, goOn: () => true }

interface Node extends Omit<IndexChild, 'firstPath' | 'firstOffset' | 'entries'> {
  /** Null for the top, which has no parent that says. */
  first: { path: Uint8Array; offset: number } | null
  entries: number
}

/** A piece of a file's content. */
export interface ContentRange {
  /** First byte; default 0. */
  offset?: number
  /** Number of bytes; default to the end. */
  length?: number
}

export class Archive {
  readonly unlocked: Unlocked
  readonly footer: CheckedFooter
  readonly #source: ArchiveSource

  constructor(source: ArchiveSource, unlocked: Unlocked, footer: CheckedFooter) {
    this.#source = source
    this.unlocked = unlocked
    this.footer = footer
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
    const selection = new Selection(select)
    for await (const { entry } of this.assembled(selection)) if (entry) yield entry
    selection.demandAll()
  }

  /** The entry at `path`; null if there is none. */
  async find(path: string | Uint8Array): Promise<Entry | null> {
    const wanted = archivePath(path)
    for await (const { entry } of this.#between(atOrBeneath(wanted))) {
      if (!entry) continue
      const order = comparePaths(entry.path, wanted)
      if (order === 0) return entry
      if (order > 0) return null
    }
    return null
  }

  /** Entry number `number`. */
  async entryAt(number: number): Promise<Entry> {
    for await (const { page, firstEntry, firstOffset } of this.#pages(this.#top(), 0, EVERYTHING, number)) {
      for (const { entry } of new EntryAssembler().page(page, firstEntry, firstOffset)) if (entry?.number === number) return entry
      break
    }
    throw new WarpError('ERR_WARP_MALFORMED', `there is no entry ${number}`)
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
      if (order > 0 || assembled.fileOffset >= end) return
      if (order === 0) yield* this.#extents(assembled, offset, end)
    }
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
   * Records of entries that `selection` takes, parts of files one by one.
   * @param onPage called for each page before its records
   */
  async *assembled(selection: Selection, onPage?: (page: ScannedPage) => void): AsyncGenerator<Assembled> {
    const ranges = selection.paths?.map(atOrBeneath) ?? [EVERYTHING]
    for (const [i, range] of ranges.entries()) {
      for await (const assembled of this.#between(range, onPage)) {
        const path = selection.paths?.[i]
        if (path && !isSameOrBeneath(assembled.path, path)) continue
        if (selection.takes(assembled.path, assembled.entry?.type === 'directory')) yield assembled
      }
    }
  }

  async *#between(range: Range, onPage?: (page: ScannedPage) => void): AsyncGenerator<Assembled> {
    const assembler = new EntryAssembler()
    const sequence = new PageSequence(range === EVERYTHING)
    for await (const scanned of this.#pages(this.#top(), 0, range)) {
      sequence.next(scanned)
      onPage?.(scanned)
      yield* assembler.page(scanned.page, scanned.firstEntry, scanned.firstOffset)
    }
    if (range === EVERYTHING) sequence.finish(this.footer)
  }

  async *#extents({ extents, frames, offsets, fileOffset }: Assembled, from: number, end: number): AsyncGenerator<Uint8Array> {
    const { sealing, chunkIdKey } = this.unlocked
    let position = fileOffset
    let chunk = -1
    let open = null as { offset: number; bytes: Uint8Array } | null
    for (const extent of extents) {
      const start = position
      position += extent.length
      if (extent.kind === 'chunk') chunk++
      const first = Math.max(from, start)
      const last = Math.min(end, position)
      if (first >= last) continue
      if (extent.kind === 'hole') {
        yield* zeros(last - first)
        continue
      }
      const frame = frames[chunk]!
      // A frame serves many chunks, but its bytes are lent by a buffer that others may use between yields.
      if (open?.offset !== frame) open = { offset: frame, bytes: Buffer.from(readFrame(this.fd, frame, sealing)) }
      const bytes = open.bytes.subarray(offsets[chunk]!, offsets[chunk]! + extent.length)
      const id = chunkIdKey ? keyedHash(chunkIdKey, bytes) : hash(bytes)
      if (bytes.length < extent.length || Buffer.compare(id, extent.id) !== 0) {
        throw new WarpError('ERR_WARP_CHUNK_DAMAGED', 'a chunk is not what its id says', { offset: frame })
      }
      yield bytes.subarray(first - start, last - start)
    }
  }

  #top(): Node | null {
    const { topOffset, topDigest, topLocationDigest, pages, entries } = this.footer
    if (pages === 0) return null
    return { offset: topOffset, digest: topDigest, locationDigest: topLocationDigest, first: null, entries }
  }

  /** @param only if given, only the page with that entry */
  async *#pages(
    node: Node | null, firstEntry: number, range: Range, only?: number, level = this.footer.topLevel,
  ): AsyncGenerator<ScannedPage> {
    if (!node) return
    if (level === 0) {
      yield await this.#readPage(node, firstEntry)
      return
    }
    const children = await this.#readIndex(node, level)
    const start = range.from ? lastAtOrBefore(children, range.from) : 0
    for (let i = 0; i < children.length; firstEntry += children[i++]!.entries) {
      const child = children[i]!
      if (i < start) continue
      if (i > start && !range.goOn(child.firstPath)) return
      if (only !== undefined && (only < firstEntry || only >= firstEntry + child.entries)) continue
      const first = { path: child.firstPath, offset: child.firstOffset }
      yield* this.#pages({ ...child, first }, firstEntry, range, only, level - 1)
    }
  }

  async #readPage(node: Node, firstEntry: number): Promise<ScannedPage> {
    const plain = await this.#readBlock(node.offset, KIND.page)
    const page = readPage(plain, { maxChunk: maxChunkBytes(this.unlocked.header.average) })
    expect(node, pageDigest(page.content), locationDigest(page.location), page.entries, page.records[0]!.path)
    return { page, firstEntry, offset: node.offset, firstOffset: node.first?.offset ?? 0 }
  }

  async #readIndex(node: Node, level: number): Promise<IndexChild[]> {
    const index = readIndexPage(await this.#readBlock(node.offset, KIND.indexPage))
    const entries = index.children.reduce((sum, child) => sum + child.entries, 0)
    const [first] = index.children
    if (index.level !== level || (node.first && node.first.offset !== first!.firstOffset)) throw mismatch(node.offset)
    expect(node, indexDigest(index.content), locationDigest(index.location), entries, first!.firstPath)
    return index.children
  }

  async #readBlock(offset: number, kind: number): Promise<Uint8Array> {
    const head = await this.#source.read(offset, BLOCK_HEADER_BYTES)
    if (head.length < BLOCK_HEADER_BYTES) throw new WarpError('ERR_WARP_MALFORMED', 'the index leads out of the archive', { offset })
    const header = readBlockHeaderOf(this.unlocked.sealing, head, offset, { kind })
    const bytes = await this.#source.read(offset, blockBytes(header))
    if (bytes.length < blockBytes(header)) throw new WarpError('ERR_WARP_TRUNCATED', 'the archive ends inside a block', { offset })
    return openBlock(this.unlocked.sealing, header, bytes, offset)
  }
}

function atOrBeneath(path: Uint8Array): Range {
  return { from: { path, offset: 0 }, goOn: (firstPath) => isSameOrBeneath(firstPath, path) || comparePaths(firstPath, path) < 0 }
}

/** Number of the last child that begins at or before a place; 0 if all begin after it. */
function lastAtOrBefore(children: IndexChild[], { path, offset }: { path: Uint8Array; offset: number }): number {
  let found = 0
  children.forEach((child, i) => {
    const order = comparePaths(child.firstPath, path)
    if (order < 0 || (order === 0 && child.firstOffset <= offset)) found = i
  })
  return found
}

function expect(node: Node, digest: Uint8Array, location: Uint8Array, entries: number, firstPath: Uint8Array): void {
  const matches =
    Buffer.compare(digest, node.digest) === 0 &&
    Buffer.compare(location, node.locationDigest) === 0 &&
    entries === node.entries &&
    (!node.first || comparePaths(firstPath, node.first.path) === 0)
  if (!matches) throw mismatch(node.offset)
}

function mismatch(offset: number): WarpError {
  return new WarpError('ERR_WARP_DIGEST_MISMATCH', 'a page is not the one that the index names', { offset })
}

const ZEROS = new Uint8Array(256 * 1024)

export function* zeros(count: number): Generator<Uint8Array> {
  for (let left = count; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, Math.min(left, ZEROS.length))
}

