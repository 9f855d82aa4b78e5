/**
 * Decides which frames of the base go on being used: copied if most of their bytes are still needed. What is
 * needed of a frame is known a page ahead, so nothing is kept of the base but two pages' worth.
 */
import { BATCH_BYTES, MAX_FRAMES_BETWEEN_PAGES_BYTES, PAGE_CLOSE_LOGICAL_BYTES, maxChunkBytes } from '../base/limits.ts'
import type { BaseFrame, BaseFrames } from './base-frames.ts'
import type { Section } from './base-merge.ts'
import type { KeptFile, SourceEntry } from './batch.ts'

/** Share of a frame's bytes that must be needed: what is copied without being needed stays in the archive. */
const LEAST_SHARE = 3 / 4
/** Entries that wait for a decision. */
const MAX_WAITING = 24_576

/** What is known to be needed of one frame. */
interface Need {
  bytes: number
  offsets: Set<number>
  /** Number of the last page of the base that refers to it, so far. */
  page: number
  /** Null: it does not go on being used. */
  decision: BaseFrame | null | undefined
}

export interface WindowOptions {
  frames: BaseFrames
  average: number
  /** Bytes of the frame whose block is at `offset` in the base. */
  plainLengthOf: (offset: number) => number
}

export class BaseWindow {
  readonly #options: WindowOptions
  readonly #needs = new Map<number, Need>()
  /** Bytes by which frames run ahead of the entries that need them: what §5.4 bounds between two pages. */
  #ahead = 0
  readonly #maxAhead: number

  constructor(options: WindowOptions) {
    this.#options = options
    // §5.4: a page takes so much at most, of which a batch may bring frames before it is begun.
    this.#maxAhead = MAX_FRAMES_BETWEEN_PAGES_BYTES - PAGE_CLOSE_LOGICAL_BYTES - maxChunkBytes(options.average) - BATCH_BYTES
  }

  async *of(sections: AsyncIterable<Section>): AsyncGenerator<SourceEntry[]> {
    const waiting: Section[] = []
    let count = 0
    for await (const section of sections) {
      this.#account(section)
      waiting.push(section)
      count += section.entries.length
      // A frame lies before the page that needs it first; what more is needed of it, the next page tells.
      while (waiting[0]!.page + 1 < section.page || (count > MAX_WAITING && waiting.length > 1)) {
        const first = waiting.shift()!
        count -= first.entries.length
        yield this.#decide(first)
      }
    }
    for (const section of waiting) yield this.#decide(section)
  }

  #account({ page, entries }: Section): void {
    for (const entry of entries) {
      if (entry.kind !== 'kept') continue
      let chunk = 0
      for (const extent of entry.extents) {
        if (extent.kind === 'hole') continue
        const place = entry.places[chunk]!
        const offset = entry.offsets[chunk++]!
        let need = this.#needs.get(place)
        if (!need) this.#needs.set(place, (need = { bytes: 0, offsets: new Set(), page, decision: undefined }))
        need.page = page
        if (need.offsets.has(offset)) continue
        need.offsets.add(offset)
        need.bytes += extent.length
      }
    }
  }

  #decide({ page, entries }: Section): SourceEntry[] {
    for (const entry of entries) if (entry.kind === 'kept') this.#decideFile(entry)
    for (const [place, need] of this.#needs) if (need.page <= page) this.#needs.delete(place)
    return entries
  }

  #decideFile(entry: KeptFile): void {
    const frames: (BaseFrame | null)[] = []
    for (const extent of entry.extents) {
      if (extent.kind === 'hole') continue
      const place = entry.places[frames.length]!
      const frame = this.#frameFor(place, this.#needs.get(place)!)
      frames.push(frame)
      if (frame) this.#ahead = Math.max(0, this.#ahead - extent.length)
    }
    entry.frames = frames
  }

  #frameFor(place: number, need: Need): BaseFrame | null {
    const { frames, plainLengthOf } = this.#options
    const known = frames.at(place)
    if (known?.isUsed) return known
    if (need.decision !== undefined) return need.decision
    const plainLength = plainLengthOf(place)
    const isWorthwhile = need.bytes >= plainLength * LEAST_SHARE && this.#ahead + plainLength <= this.#maxAhead
    need.decision = isWorthwhile ? frames.add(place, plainLength) : null
    if (need.decision) {
      need.decision.isUsed = true
      this.#ahead += plainLength
    }
    return need.decision
  }
}
