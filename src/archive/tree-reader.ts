/**
 * The tree over the pages (§9), read downwards: every node is held against what its parent, or the
 * footer, says of it.
 */
import { WarpError, atOffset } from '../base/errors.ts'
import { BLOCK_HEADER_BYTES } from '../base/limits.ts'
import { indexDigest, locationDigest, pageDigest } from '../codec/merkle.ts'
import { blockBytes, openBlock, readBlockHeaderOf } from '../engine/block.ts'
import { KIND } from '../format/block.ts'
import { readIndexPage, type IndexChild } from '../format/index-page.ts'
import { readPage } from '../format/page.ts'
import { comparePaths } from '../format/path.ts'
import type { CheckedFooter } from './footer-check.ts'
import type { ScannedPage } from './scan.ts'
import { isSameOrBeneath } from './select.ts'
import type { ArchiveSource } from './source.ts'
import type { Unlocked } from './unlock.ts'

/** The nodes to visit: from the last one that begins at or before `from`, while `goOn`. */
export interface Range {
  from: { path: Uint8Array; offset: number } | null
  /** Whether a node that begins with this path is still wanted. */
  goOn: (firstPath: Uint8Array) => boolean
}

export const EVERYTHING: Range = { from: null, goOn: () => true }

interface Node extends Omit<IndexChild, 'firstPath' | 'firstOffset' | 'entries'> {
  /** Null for the top, which has no parent that says. */
  first: { path: Uint8Array; offset: number } | null
  entries: number
}

/** Pages that are kept decoded: hard links lead back to the same few. */
const CACHED_PAGES = 2

export class TreeReader {
  readonly #source: ArchiveSource
  readonly #unlocked: Unlocked
  readonly #footer: CheckedFooter
  readonly #cache = new Map<number, { node: Node; scanned: ScannedPage }>()

  constructor(source: ArchiveSource, unlocked: Unlocked, footer: CheckedFooter) {
    this.#source = source
    this.#unlocked = unlocked
    this.#footer = footer
  }

  /**
   * The pages of a range, in order.
   * @throws {WarpError} ERR_WARP_DIGEST_MISMATCH; class damaged or malformed
   */
  pages(range: Range): AsyncGenerator<ScannedPage> {
    return this.#descend(this.#top(), 0, range)
  }

  /** The page with entry `number`; null if there is none. */
  async pageOf(number: number): Promise<ScannedPage | null> {
    for await (const page of this.#descend(this.#top(), 0, EVERYTHING, number)) return page
    return null
  }

  #top(): Node | null {
    const { topOffset, topDigest, topLocationDigest, pages, entries } = this.#footer
    if (pages === 0) return null
    return { offset: topOffset, digest: topDigest, locationDigest: topLocationDigest, first: null, entries }
  }


  /** @param only if given, only the page with that entry */
  async *#descend(
    node: Node | null, firstEntry: number, range: Range, only?: number, level = this.#footer.topLevel,
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
      yield* this.#descend({ ...child, first }, firstEntry, range, only, level - 1)
    }
  }

  async #readPage(node: Node, firstEntry: number): Promise<ScannedPage> {
    const cached = this.#cache.get(node.offset)
    if (cached && cached.scanned.firstEntry === firstEntry && isSameNode(cached.node, node)) return cached.scanned
    const plain = await this.#readBlock(node.offset, KIND.page)
    const page = atOffset(node.offset, () => readPage(plain, this.#unlocked.pageOptions))
    expect(node, pageDigest(page.content), locationDigest(page.location), page.entries, page.records[0]!.path)
    const scanned: ScannedPage = { page, firstEntry, offset: node.offset, firstOffset: node.first?.offset ?? 0 }
    if (this.#cache.size >= CACHED_PAGES) this.#cache.delete(this.#cache.keys().next().value!)
    this.#cache.set(node.offset, { node, scanned })
    return scanned
  }

  async #readIndex(node: Node, level: number): Promise<IndexChild[]> {
    const plain = await this.#readBlock(node.offset, KIND.indexPage)
    const index = atOffset(node.offset, () => readIndexPage(plain))
    const entries = index.children.reduce((sum, child) => sum + child.entries, 0)
    const [first] = index.children
    if (index.level !== level || (node.first && node.first.offset !== first!.firstOffset)) throw mismatch(node.offset)
    expect(node, indexDigest(index.content), locationDigest(index.location), entries, first!.firstPath)
    return index.children
  }

  async #readBlock(offset: number, kind: number): Promise<Uint8Array> {
    const head = await this.#source.read(offset, BLOCK_HEADER_BYTES)
    if (head.length < BLOCK_HEADER_BYTES) throw new WarpError('ERR_WARP_MALFORMED', 'the index leads out of the archive', { offset })
    const header = readBlockHeaderOf(this.#unlocked.sealing, head, offset, { kind })
    const bytes = await this.#source.read(offset, blockBytes(header))
    if (bytes.length < blockBytes(header)) throw new WarpError('ERR_WARP_TRUNCATED', 'the archive ends inside a block', { offset })
    return openBlock(this.#unlocked.sealing, header, bytes, offset)
  }
}

export function atOrBeneath(path: Uint8Array): Range {
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

/** Whether two parents say the same of a page: then what was held against one holds for the other. */
function isSameNode(a: Node, b: Node): boolean {
  return (
    Buffer.compare(a.digest, b.digest) === 0 && Buffer.compare(a.locationDigest, b.locationDigest) === 0 && a.entries === b.entries &&
    a.first?.offset === b.first?.offset && (!a.first || !b.first || Buffer.compare(a.first.path, b.first.path) === 0)
  )
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

