/**
 * What must hold between pages that are read one after the other by a descent from the top (§8.1, §9.2):
 * each was compared with its digest, but whoever wrote a hostile archive wrote the digests too.
 */
import { WarpError, atOffset } from '../base/errors.ts'
import type { Footer } from '../format/footer.ts'
import { RecordOrder } from '../format/page.ts'
import type { ScannedPage } from './scan.ts'

export class PageSequence {
  readonly #order: RecordOrder
  /** Bytes of the next page's first file that the pages so far hold; null before the first page. */
  #nextOffset: number | null
  #isLast = false
  #pages = 0
  #logicalBytes = 0
  #chunkRefs = 0

  /** @param fromStart the first page is that of the archive, so that entry numbers are known */
  constructor(fromStart: boolean) {
    this.#order = new RecordOrder({ midway: !fromStart })
    this.#nextOffset = fromStart ? 0 : null
  }

  /** @throws {WarpError} class malformed */
  next({ page, offset, firstOffset }: ScannedPage): void {
    if (this.#isLast) throw malformed('a page before the last was closed early', offset)
    if (this.#nextOffset !== null && this.#nextOffset !== firstOffset) {
      throw malformed('the index states a wrong place for what a page continues', offset)
    }
    atOffset(offset, () => page.records.forEach((record) => this.#order.next(record)))
    const last = page.records.at(-1)!
    this.#nextOffset = 0
    if (last.type === 'part') {
      const before = page.records.length === 1 ? firstOffset : 0
      this.#nextOffset = last.extents.reduce((sum, { length }) => sum + length, before)
    }
    this.#isLast = page.closedBy === 'end'
    this.#pages++
    this.#logicalBytes += page.logicalBytes
    this.#chunkRefs += page.lengths.length
  }

  /** To be called after the last page of an archive that was read from the first. @throws {WarpError} */
  finish({ pages, logicalBytes, chunkRefs }: Footer): void {
    this.#order.finish()
    if (pages !== this.#pages || logicalBytes !== this.#logicalBytes || chunkRefs !== this.#chunkRefs) {
      throw new WarpError('ERR_WARP_COUNT_MISMATCH', 'the footer counts something else than the pages hold')
    }
  }
}

function malformed(message: string, offset: number): WarpError {
  return new WarpError('ERR_WARP_MALFORMED', message, { offset })
}
