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
        archiveId, average: MAX_AVERAGE_BYTES, encrypted: false, partial: true, segmentSalt: none, commitment: none, mac: none, slots: [],
      },
      firstBlock: HEADER_BYTES,
      sealing: { archiveId, sealingKey: null },
      chunkIdKey: null,
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
  const index: { offset: number; firstOffset: number; entries: number }[] = []
  let position = unlocked.firstBlock
  let nextOrdinal = 0
  let gap = false
  while (position < source.length) {
    const block = await findBlock(source, position, archiveId)
    if (!block || block.offset > position) findings.unreadable.push({ from: position, to: block?.offset ?? source.length })
    if (!block) break
    const { header, offset } = block
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
        readPage(plain, { maxChunk: maxChunkBytes(unlocked.header.average) })
        findings.pages.push({ offset, afterGap: gap })
        gap = false
      } else if (header.kind === KIND.indexPage) {
        const { level, children } = readIndexPage(plain)
        if (level === 1) index.push(...children)
      } else {
        const { topLevel, topOffset } = readFooter(plain)
        // §9.1: an archive with one page has no index page that would say where it begins.
        if (topLevel === 0) findings.stated.set(topOffset, { firstOffset: 0, firstEntry: 0 })
      }
    } catch (error) {
      if (!(error instanceof WarpError)) throw error
      findings.unreadable.push({ from: offset, to: position })
      if (header.kind === KIND.page) gap = true
    }
  }
  state(findings, index)
  return findings
}

/** Numbers the entries of the pages that the index names, as far as it names all before them. */
function state(findings: Findings, index: { offset: number; firstOffset: number; entries: number }[]): void {
  const known = new Set(index.map(({ offset }) => offset))
  let firstEntry: number | null = 0
  const [firstPage] = findings.pages
  // Index pages cover 128 pages each: one that is missing leaves the numbers after it unknown.
  index.forEach(({ offset, firstOffset, entries }, i) => {
    if (i > 0 && findings.pages.some((page) => page.offset > index[i - 1]!.offset && page.offset < offset && !known.has(page.offset))) firstEntry = null
    if (i === 0 && firstPage && firstPage.offset < offset) firstEntry = null
    findings.stated.set(offset, { firstOffset, firstEntry })
    if (firstEntry !== null) firstEntry += entries
  })
}

/** Reads a page again that was found intact. */
export async function readFoundPage(source: FileSource, unlocked: Unlocked, offset: number): Promise<Page> {
  const head = await source.read(offset, BLOCK_HEADER_BYTES)
  const header = readBlockHeaderOf(unlocked.sealing, head, offset, { kind: KIND.page })
  const plain = openBlock(unlocked.sealing, header, await source.read(offset, blockBytes(header)), offset)
  return readPage(plain, { maxChunk: maxChunkBytes(unlocked.header.average) })
}

