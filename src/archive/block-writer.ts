/** Writes the blocks of an archive in file order: frames as they come sealed; pages, the index over them and the footer are sealed here. */
import { WarpError } from '../base/errors.ts'
import { FOOTER_BLOCK_BYTES } from '../base/limits.ts'
import { STAGE, enter } from '../base/stages.ts'
import { indexDigest, locationDigest, pageDigest, rootDigest } from '../codec/merkle.ts'
import { sign, signedMessage } from '../codec/signature.ts'
import { BLOCK_OVERHEAD_BYTES, sealBlock, type Sealing } from '../engine/block.ts'
import { KIND } from '../format/block.ts'
import { writeFooter } from '../format/footer.ts'
import { writeIndexPage } from '../format/index-page.ts'
import { writeLocation } from '../format/location.ts'
import type { ClosedPage } from '../format/page.ts'
import { joinParts } from '../format/parts.ts'
import type { Sink } from './sink.ts'
import { TreeBuilder, type CompleteNode } from './tree-builder.ts'
import type { Identity, Totals } from './types.ts'

export interface BlockWriterOptions {
  sink: Sink
  sealing: Sealing
  /** Level for metadata. */
  level: number
  /** Frames may lie in the base. */
  thin: boolean
  average: number
  commitment: Uint8Array
  signWith: Identity | null
}

const ZERO_DIGEST = new Uint8Array(32)

export class BlockWriter {
  readonly #options: BlockWriterOptions
  readonly #tree = new TreeBuilder()
  /** File offset of each frame's block. */
  #frameOffsets = new Float64Array(1024)
  #frames = 0
  #pages = 0

  constructor(options: BlockWriterOptions) {
    this.#options = options
  }

  /** Pages that stand in the sink: what recovery could take over. */
  get pages(): number {
    return this.#pages
  }

  async frames(blocks: Uint8Array[]): Promise<void> {
    let offset = this.#options.sink.length
    for (const block of blocks) {
      if (this.#frames === this.#frameOffsets.length) {
        const more = new Float64Array(this.#frameOffsets.length * 2)
        more.set(this.#frameOffsets)
        this.#frameOffsets = more
      }
      this.#frameOffsets[this.#frames++] = offset
      offset += block.length
    }
    if (blocks.length > 0) await this.#options.sink.write(blocks)
  }

  /** Writes a page whose frames stand in the sink, and the index pages that it completes, with the ordinals that follow. */
  async page(page: ClosedPage, ordinal: number): Promise<void> {
    const before = enter(STAGE.pages)
    const frames = page.frames.map((frame) => (frame < 0 ? frame : this.#frameOffsets[frame]!))
    const location = writeLocation({ ...page, frames }, this.#options.thin)
    const parts = joinParts(page.content, location)
    enter(before)
    const offset = await this.#block(KIND.page, ordinal, parts)
    this.#pages++
    const { firstPath, firstOffset, entries } = page
    let node = this.#tree.add(0, {
      digest: pageDigest(page.content), firstPath, firstOffset, entries, offset, locationDigest: locationDigest(location),
    })
    for (let next = ordinal + 1; node; next++) node = await this.#indexPage(node, next)
  }

  /** Writes the index pages that are left and the footer. @param ordinal gives the next one */
  async end(totals: Omit<Totals, 'archiveBytes'>, ordinal: () => number): Promise<Totals & { root: Uint8Array }> {
    for (let node = this.#tree.nextUnfinished(); node; node = this.#tree.nextUnfinished()) await this.#indexPage(node, ordinal())
    const { sink, average, signWith, sealing, commitment } = this.#options
    const top = this.#tree.top()
    const topDigest = top?.child.digest ?? ZERO_DIGEST
    const topLocationDigest = top?.child.locationDigest ?? ZERO_DIGEST
    const topLevel = top?.level ?? 0
    const root = rootDigest({ ...totals, average, topLevel, topDigest })
    const message = signedMessage({ archiveId: sealing.archiveId, commitment, root, topLocationDigest })
    const archiveBytes = sink.length + FOOTER_BLOCK_BYTES
    const body = writeFooter({
      ...totals, topOffset: top?.child.offset ?? 0, topLevel, topDigest, topLocationDigest, archiveLength: archiveBytes,
      signer: signWith?.signer ?? null, signature: signWith ? sign(signWith.signerSeed, message) : null,
    })
    await this.#block(KIND.footer, ordinal(), body)
    if (sink.length !== archiveBytes) throw new WarpError('ERR_WARP_INTERNAL', 'the archive is longer than it says')
    return { ...totals, archiveBytes, root }
  }

  async #indexPage(node: CompleteNode, ordinal: number): Promise<CompleteNode | null> {
    const { content, location } = writeIndexPage(node)
    const offset = await this.#block(KIND.indexPage, ordinal, joinParts(content, location))
    const [first] = node.children
    return this.#tree.add(node.level, {
      digest: indexDigest(content), firstPath: first!.firstPath, firstOffset: first!.firstOffset,
      entries: node.children.reduce((sum, child) => sum + child.entries, 0), offset, locationDigest: locationDigest(location),
    })
  }

  /** @returns the file offset of the block */
  async #block(kind: number, ordinal: number, plain: Uint8Array): Promise<number> {
    const { sink, sealing, level } = this.#options
    const out = new Uint8Array(plain.length + BLOCK_OVERHEAD_BYTES)
    const compression = kind === KIND.footer ? 'none' : 'zstd'
    const length = sealBlock(sealing, { kind, ordinal, compression, level }, plain, out)
    const offset = sink.length
    await sink.write([out.subarray(0, length)])
    return offset
  }
}
