/**
 * Reads an archive forwards, block by block, and checks all that holds between blocks (§5.4, §9, §10).
 * Frames are passed over: their blocks are only measured.
 */
import { WarpError, atOffset } from '../base/errors.ts'
import {
  BLOCK_HEADER_BYTES, FOOTER_BLOCK_BYTES, MAX_FRAME_BYTES, MAX_FRAMES_BETWEEN_PAGES_BYTES,
} from '../base/limits.ts'
import { indexDigest, locationDigest, pageDigest } from '../codec/merkle.ts'
import { blockBytes, openBlock, readBlockHeaderOf } from '../engine/block.ts'
import { KIND, type BlockHeader } from '../format/block.ts'
import { readFooter, type Footer } from '../format/footer.ts'
import { joinParts, writeIndexPage } from '../format/index-page.ts'
import { readPage, RecordOrder, type Page } from '../format/page.ts'
import { FrameTable } from './frame-table.ts'
import type { ArchiveSource } from './source.ts'
import { checkFooter, type CheckedFooter } from './footer-check.ts'
import { TreeBuilder, type CompleteNode } from './tree-builder.ts'
import type { Unlocked } from './unlock.ts'

export interface ScannedPage {
  page: Page
  /** Number of its first entry. */
  firstEntry: number
  /** File offset of its block. */
  offset: number
  /** Bytes of the first record's file that earlier pages hold. */
  firstOffset: number
}

/** What a scan has seen of frames: where each begins, and how long it is. */
export interface ScannedFrame {
  header: BlockHeader
  offset: number
}

export class Scan {
  readonly #source: ArchiveSource
  readonly #unlocked: Unlocked
  readonly #order = new RecordOrder()
  readonly #tree = new TreeBuilder()
  readonly #onFrame: (frame: ScannedFrame) => void
  #position: number
  #ordinal = 0
  #framesSincePage = 0
  #frames = 0
  #frameBytes = 0
  #pages = 0
  #logicalBytes = 0
  #chunkRefs = 0
  #wasFull = true
  readonly #frameTable = new FrameTable()
  /** Bytes of pages, index pages and the footer as stored. */
  metadataBytes = 0
  /** Set when the scan has come to its end. */
  footer: CheckedFooter | null = null

  constructor(source: ArchiveSource, unlocked: Unlocked, onFrame: (frame: ScannedFrame) => void = () => {}) {
    this.#source = source
    this.#unlocked = unlocked
    this.#onFrame = onFrame
    this.#position = unlocked.firstBlock
  }

  /**
   * Every page in order; then `footer` is set.
   * @throws {WarpError} the first thing that is wrong; ERR_WARP_TRUNCATED: it ends before its footer
   */
  async *pages(): AsyncGenerator<ScannedPage> {
    for (;;) {
      const offset = this.#position
      const header = await this.#nextHeader()
      if (header.kind === KIND.frame) await this.#passFrame(header, offset)
      else if (header.kind === KIND.page) {
        const firstEntry = this.#order.entries
        const firstOffset = this.#order.nextOffset
        const page = this.#checkPage(await this.#openNext(header, offset), offset)
        yield { page, firstEntry, offset, firstOffset }
        await this.#readCompletedNodes(this.#tree.add(0, {
          digest: pageDigest(page.content), firstPath: page.records[0]!.path, firstOffset,
          entries: page.entries, offset, locationDigest: locationDigest(page.location),
        }))
      } else {
        await this.#readEnd(header, offset)
        return
      }
    }
  }

  async #nextHeader(kind?: number): Promise<BlockHeader> {
    const bytes = await this.#source.read(this.#position, BLOCK_HEADER_BYTES)
    if (bytes.length < BLOCK_HEADER_BYTES) throw truncated(this.#position + bytes.length)
    return readBlockHeaderOf(this.#unlocked.sealing, bytes, this.#position, { kind, ordinal: this.#ordinal++ })
  }

  async #passFrame(header: BlockHeader, offset: number): Promise<void> {
    this.#framesSincePage += header.plainLength
    if (this.#framesSincePage > MAX_FRAMES_BETWEEN_PAGES_BYTES) throw malformed('there is no page where one must be', offset)
    this.#position = offset + blockBytes(header)
    if (!(await this.#source.reach(this.#position))) throw truncated(this.#source.length ?? this.#position)
    this.#frames++
    this.#frameBytes += header.plainLength
    this.#frameTable.add(offset, header.plainLength)
    this.#onFrame({ header, offset })
  }

  async #openNext(header: BlockHeader, offset: number): Promise<Uint8Array> {
    const length = blockBytes(header)
    const bytes = await this.#source.read(offset, length)
    if (bytes.length < length) throw truncated(offset + bytes.length)
    this.#position = offset + length
    this.metadataBytes += length
    return openBlock(this.#unlocked.sealing, header, bytes, offset)
  }

  #checkPage(plain: Uint8Array, offset: number): Page {
    const page = atOffset(offset, () => readPage(plain, this.#unlocked.pageOptions))
    if (!this.#wasFull) throw malformed('a page before the last was closed early', offset)
    this.#wasFull = page.closedBy === 'limit'
    atOffset(offset, () => page.records.forEach((record) => this.#order.next(record)))
    // Frames of the base are looked at when their chunks are.
    const plainLengths = page.frames.map((frame) => (frame < 0 ? MAX_FRAME_BYTES : this.#frameTable.refer(frame)))
    if (plainLengths.includes(undefined)) throw malformed('a page refers to a frame that is not there', offset)
    page.lengths.forEach((length, i) => {
      if (page.refOffsets[i]! + length > plainLengths[page.refFrames[i]!]!) throw malformed('a chunk lies outside its frame', offset)
    })
    this.#framesSincePage = 0
    this.#pages++
    this.#logicalBytes += page.logicalBytes
    this.#chunkRefs += page.lengths.length
    return page
  }

  async #readCompletedNodes(node: CompleteNode | null): Promise<void> {
    while (node) {
      const offset = this.#position
      const header = await this.#nextHeader(KIND.indexPage)
      node = await this.#checkNode(node, header, offset)
    }
  }

  /** Reads an index page, which can hold but one thing; @returns the node above that it completes */
  async #checkNode(node: CompleteNode, header: BlockHeader, offset: number): Promise<CompleteNode | null> {
    const plain = await this.#openNext(header, offset)
    const { content, location } = writeIndexPage(node)
    if (Buffer.compare(plain, joinParts(content, location)) !== 0) {
      throw new WarpError('ERR_WARP_DIGEST_MISMATCH', 'an index page does not match the pages under it', { offset })
    }
    const [first] = node.children
    return this.#tree.add(node.level, {
      digest: indexDigest(content), firstPath: first!.firstPath, firstOffset: first!.firstOffset,
      entries: node.children.reduce((sum, child) => sum + child.entries, 0), offset, locationDigest: locationDigest(location),
    })
  }

  /** The index pages that are left over, and the footer. */
  async #readEnd(header: BlockHeader, offset: number): Promise<void> {
    this.#order.finish()
    if (this.#framesSincePage > 0) throw malformed('frames follow the last page', offset)
    for (let node = this.#tree.nextUnfinished(); node; node = this.#tree.nextUnfinished()) {
      if (header.kind !== KIND.indexPage) throw malformed('an index page is missing', offset)
      await this.#checkNode(node, header, offset)
      offset = this.#position
      header = await this.#nextHeader()
    }
    if (header.kind !== KIND.footer) throw malformed('an index page has no place in the tree', offset)
    const body = await this.#openNext(header, offset)
    const footer = atOffset(offset, () => readFooter(body))
    if (this.#position !== offset + FOOTER_BLOCK_BYTES) throw malformed('the footer has a wrong length', offset)
    if (await this.#source.reach(this.#position + 1)) {
      throw new WarpError('ERR_WARP_TRAILING_BYTES', 'bytes follow the archive', { offset: this.#position })
    }
    const { unreferred } = this.#frameTable
    if (unreferred !== null) throw malformed('a frame is there that nothing refers to', unreferred)
    this.#checkCounts(footer, offset)
    this.footer = checkFooter(footer, this.#unlocked.header)
  }

  #checkCounts(footer: Footer, offset: number): void {
    const top = this.#tree.top()
    const zero = new Uint8Array(32)
    const seen: [keyof Footer, number][] = [
      ['entries', this.#order.entries], ['logicalBytes', this.#logicalBytes], ['chunkRefs', this.#chunkRefs],
      ['frameBytes', this.#frameBytes], ['frames', this.#frames], ['pages', this.#pages],
      ['archiveLength', this.#position], ['topOffset', top?.child.offset ?? 0], ['topLevel', top?.level ?? 0],
    ]
    for (const [name, value] of seen) {
      if (footer[name] !== value) throw new WarpError('ERR_WARP_COUNT_MISMATCH', `the footer's ${name} is wrong`, { offset })
    }
    if (
      Buffer.compare(footer.topDigest, top?.child.digest ?? zero) !== 0 ||
      Buffer.compare(footer.topLocationDigest, top?.child.locationDigest ?? zero) !== 0
    ) {
      throw new WarpError('ERR_WARP_DIGEST_MISMATCH', 'the footer does not match the index', { offset })
    }
  }
}

function truncated(offset: number): WarpError {
  return new WarpError('ERR_WARP_TRUNCATED', 'the archive ends before its footer', {
    offset, hint: 'what it holds so far can be read with: warp recover',
  })
}

function malformed(message: string, offset: number): WarpError {
  return new WarpError('ERR_WARP_MALFORMED', message, { offset })
}
