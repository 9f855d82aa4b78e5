/**
 * Finds the intact pages of a damaged archive: block after block, and past what makes no sense to the
 * next block header that does (§5.3).
 */
import { WarpError } from '../base/errors.ts'
import { BLOCK_HEADER_BYTES, HEADER_BYTES, KEY_BYTES, KIB, MAX_AVERAGE_BYTES, MIB, maxChunkBytes } from '../base/limits.ts'
import { hash } from '../codec/blake3.ts'
import { blockBytes, openBlock, readBlockHeaderOf } from '../engine/block.ts'
import { findBlockMagic, KIND, readBlockHeader, type BlockHeader } from '../format/block.ts'
import { readFooter } from '../format/footer.ts'
import { readIndexPage } from '../format/index-page.ts'
import { readPage, type Page } from '../format/page.ts'
import type { FileSource } from './source.ts'
import type { Keys } from './types.ts'
import { unlock, type Unlocked } from './unlock.ts'

/** An intact page, by what recovery must know before it reads it again. */
export interface FoundPage {
  offset: number
  /** A block before it, which could have been a page, is missing. */
  afterGap: boolean
}

/** What an index page says of a page. */
export interface StatedPage {
  firstOffset: number
  /** Number of its first entry; null if pages before it are not all accounted for. */
  firstEntry: number | null
}

export interface Findings {
  pages: FoundPage[]
  /** By file offset of the page. */
  stated: Map<number, StatedPage>
  unreadable: { from: number; to: number }[]
  hasFooter: boolean
}

/** A block mostly follows directly; past what makes no sense, more and more is read at a time. */
const FIRST_SEARCH_BYTES = 4 * KIB
const MAX_SEARCH_BYTES = 1 * MIB

/** As `unlock`, but of a plain archive whose header is damaged the blocks tell enough. */
export async function unlockDamaged(source: FileSource, keys: Keys): Promise<Unlocked> {
  try {
    return await unlock(source, keys)
  } catch (error) {
    if (!(error instanceof WarpError) || error.class !== 'malformed') throw error
    const first = await findBlock(source, HEADER_BYTES, null)
    if (!first) throw error
    const { archiveId } = first.header
    const none = new Uint8Array(KEY_BYTES)
    return {
      header: {
        archiveId, average: MAX_AVERAGE_BYTES, encrypted: false, partial: true, segmentSalt: none, commitment: none, mac: none,
        // Whether it is thin stood in the header: the pages of a thin archive will make no sense.
        thin: false, inheritance: null, slots: [],
      },
      firstBlock: HEADER_BYTES,
      sealing: { archiveId, sealingKey: null },
      chunkIdKey: null,
      base: null,
      pageOptions: { maxChunk: maxChunkBytes(MAX_AVERAGE_BYTES), thin: false },
    }
  }
}

/** The first intact block header at or after `from`; of any archive if `archiveId` is null. */
async function findBlock(source: FileSource, from: number, archiveId: Uint8Array | null): Promise<{ header: BlockHeader; offset: number } | null> {
  let size = FIRST_SEARCH_BYTES
  for (let at = from; at + BLOCK_HEADER_BYTES <= source.length; ) {
    const bytes = await source.read(at, size)
    for (let found = findBlockMagic(bytes, 0); found >= 0; found = findBlockMagic(bytes, found + 1)) {
      const header = looksLikeHeader(bytes, found) ? headerAt(bytes.subarray(found, found + BLOCK_HEADER_BYTES)) : null
      if (header && (!archiveId || Buffer.compare(header.archiveId, archiveId) === 0)) return { header, offset: at + found }
    }
    // A header may begin in the last bytes of what was read.
    at += Math.max(1, bytes.length - BLOCK_HEADER_BYTES + 1)
    size = Math.min(2 * size, MAX_SEARCH_BYTES)
  }
  return null
}

/** Tells most of what only begins like a header, at less than the cost of a checksum. */
function looksLikeHeader(bytes: Uint8Array, at: number): boolean {
  const kind = bytes[at + 32]!
  return kind >= KIND.frame && kind <= KIND.footer && bytes[at + 34] === 0 && bytes[at + 35] === 0
}

function headerAt(bytes: Uint8Array): BlockHeader | null {
  try {
    return readBlockHeader(bytes, hash)
  } catch {
    return null
  }
}

export async function findPages(source: FileSource, unlocked: Unlocked): Promise<Findings> {
  const { archiveId } = unlocked.header
  const findings: Findings = { pages: [], stated: new Map(), unreadable: [], hasFooter: false }
  const index: FoundIndex[] = []
  const gaps: Gap[] = []
  let top: number | null = null
  let position = unlocked.firstBlock
  let nextOrdinal = 0
  let gap = false
  while (position < source.length) {
    const block = await findBlock(source, position, archiveId)
    if (!block || block.offset > position) findings.unreadable.push({ from: position, to: block?.offset ?? source.length })
    if (!block) break
    const { header, offset } = block
    if (header.ordinal !== nextOrdinal) gaps.push({ from: position, to: offset })
    position = offset + blockBytes(header)
    if (position > source.length) {
      findings.unreadable.push({ from: offset, to: source.length })
      break
    }
    if (header.ordinal !== nextOrdinal) gap = true
    nextOrdinal = header.ordinal + 1
    if (header.kind === KIND.footer) findings.hasFooter = true
    if (header.kind === KIND.frame) continue
    try {
      const plain = openBlock(unlocked.sealing, header, await source.read(offset, blockBytes(header)), offset)
      if (header.kind === KIND.page) {
        readPage(plain, unlocked.pageOptions)
        findings.pages.push({ offset, afterGap: gap })
        gap = false
      } else if (header.kind === KIND.indexPage) {
        index.push({ offset, ...readIndexPage(plain) })
      } else {
        const { topLevel, topOffset } = readFooter(plain)
        top = topOffset
        // §9.1: an archive with one page has no index page that would say where it begins.
        if (topLevel === 0) findings.stated.set(topOffset, { firstOffset: 0, firstEntry: 0 })
      }
    } catch (error) {
      if (!(error instanceof WarpError)) throw error
      findings.unreadable.push({ from: offset, to: position })
      gaps.push({ from: offset, to: position })
      if (header.kind === KIND.page) gap = true
    }
  }
  for (const [offset, page] of numberPages(index, gaps, top)) findings.stated.set(offset, page)
  return findings
}

/** An intact index page. */
export interface FoundIndex {
  offset: number
  level: number
  children: { offset: number; firstOffset: number; entries: number }[]
}

/** Blocks are missing or unreadable between these file offsets; both are the same where bytes were taken out. */
export interface Gap {
  from: number
  to: number
}

/**
 * What is known of the pages that intact index pages name. An index page whose place in the tree cannot be
 * told leaves its entries without numbers: a wrong one would give a hard link another file's content.
 * @param index in file order
 * @param gaps in file order
 * @param top file offset of the top's block if the footer is intact
 * @returns by file offset of the page
 */
export function numberPages(index: FoundIndex[], gaps: Gap[], top: number | null): Map<number, StatedPage> {
  const firstEntries = new Map<number, number>()
  if (top !== null) firstEntries.set(top, 0)
  for (const { offset, children } of [...index].sort((a, b) => b.level - a.level)) {
    let next = firstEntries.get(offset)
    for (const child of next === undefined ? [] : children) {
      firstEntries.set(child.offset, next!)
      next! += child.entries
    }
  }
  const stated = new Map<number, StatedPage>()
  let before = { offset: 0, end: 0 as number | null }
  let gap = 0
  for (const { offset, level, children } of index) {
    if (level !== 1) continue
    const [first] = children
    while (gap < gaps.length && gaps[gap]!.to <= before.offset) gap++
    // The page that a gap begins with follows directly all the same.
    const isNext = gap === gaps.length || gaps[gap]!.from > first!.offset || (gaps[gap]!.from === first!.offset && gaps[gap]!.to > first!.offset)
    let next: number | null = firstEntries.get(offset) ?? (isNext ? before.end : null)
    for (const child of children) {
      stated.set(child.offset, { firstOffset: child.firstOffset, firstEntry: next })
      if (next !== null) next += child.entries
    }
    before = { offset, end: next }
  }
  return stated
}

/** Reads a page again that was found intact. */
export async function readFoundPage(source: FileSource, unlocked: Unlocked, offset: number): Promise<Page> {
  const head = await source.read(offset, BLOCK_HEADER_BYTES)
  const header = readBlockHeaderOf(unlocked.sealing, head, offset, { kind: KIND.page })
  const plain = openBlock(unlocked.sealing, header, await source.read(offset, blockBytes(header)), offset)
  return readPage(plain, unlocked.pageOptions)
}

