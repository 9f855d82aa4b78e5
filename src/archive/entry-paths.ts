/** Paths of entries by their numbers, read again from the pages that hold them. */
import { WarpError } from '../base/errors.ts'
import { BLOCK_HEADER_BYTES } from '../base/limits.ts'
import { blockBytes, openBlock, readBlockHeaderOf } from '../engine/block.ts'
import { KIND } from '../format/block.ts'
import { readPage } from '../format/page.ts'
import type { ArchiveSource } from './source.ts'
import type { Unlocked } from './unlock.ts'

/** Pages whose paths are kept. */
const CACHED_PAGES = 4

export class EntryPaths {
  readonly #source: ArchiveSource
  readonly #unlocked: Unlocked
  readonly #firstEntries: number[] = []
  readonly #offsets: number[] = []
  readonly #cache = new Map<number, Uint8Array[]>()

  constructor(source: ArchiveSource, unlocked: Unlocked) {
    this.#source = source
    this.#unlocked = unlocked
  }

  /** Takes note of a page that was verified; pages come in archive order. */
  add(firstEntry: number, offset: number): void {
    if (this.#offsets.at(-1) === offset) return
    this.#firstEntries.push(firstEntry)
    this.#offsets.push(offset)
  }

  async pathOf(number: number): Promise<Uint8Array> {
    // The last page that begins at or before the entry; of several, those before hold a part alone.
    let page = 0
    for (let high = this.#firstEntries.length; high - page > 1; ) {
      const middle = (page + high) >>> 1
      if (this.#firstEntries[middle]! <= number) page = middle
      else high = middle
    }
    const path = (await this.#paths(page))[number - this.#firstEntries[page]!]
    if (!path) throw new WarpError('ERR_WARP_HARD_LINK_TARGET', `there is no entry ${number}`)
    return path
  }

  async #paths(page: number): Promise<Uint8Array[]> {
    const cached = this.#cache.get(page)
    if (cached) return cached
    const offset = this.#offsets[page]!
    const { sealing, pageOptions } = this.#unlocked
    const header = readBlockHeaderOf(sealing, await this.#source.read(offset, BLOCK_HEADER_BYTES), offset, { kind: KIND.page })
    const plain = openBlock(sealing, header, await this.#source.read(offset, blockBytes(header)), offset)
    const { records } = readPage(plain, pageOptions)
    const paths = records.filter(({ type }) => type !== 'part').map(({ path }) => path)
    if (this.#cache.size >= CACHED_PAGES) this.#cache.delete(this.#cache.keys().next().value!)
    this.#cache.set(page, paths)
    return paths
  }
}
