/** Where things of earlier listings are, read again from the journal: paths of entries, and places of chunks. */
import { WarpError } from '../../base/errors.ts'
import { maxChunkBytes } from '../../base/limits.ts'
import { readPageContent } from '../../format/page.ts'
import type { Journal } from './journal.ts'

/** Listings that are kept as they were read. */
const CACHED = 8

interface Known {
  paths: Uint8Array[]
  /** Of each chunk reference: index of its record's path among `files`, and its offset in that file. */
  files: Uint8Array[]
  fileOf: Uint32Array
  offsetOf: Float64Array
}

export class ReceivedPaths {
  readonly #journal: Journal
  readonly #average: number
  readonly #firstEntries: number[] = []
  readonly #firstOffsets: number[] = []
  readonly #cache = new Map<number, Known>()

  constructor(journal: Journal, average: number) {
    this.#journal = journal
    this.#average = average
  }

  /** Takes note of listing `number`, which stands in the journal. */
  add(number: number, firstEntry: number, firstOffset: number): void {
    this.#firstEntries[number] = firstEntry
    this.#firstOffsets[number] = firstOffset
  }

  /** @throws {WarpError} ERR_WARP_HARD_LINK_TARGET: there is none of that number */
  pathOf(entry: number): Uint8Array {
    let number = 0
    for (let high = this.#firstEntries.length; high - number > 1; ) {
      const middle = (number + high) >>> 1
      if (this.#firstEntries[middle]! <= entry) number = middle
      else high = middle
    }
    const path = this.#known(number).paths[entry - this.#firstEntries[number]!]
    if (!path) throw new WarpError('ERR_WARP_HARD_LINK_TARGET', `there is no entry ${entry}`)
    return path
  }

  /** The file that chunk reference `ref` of listing `number` belongs to, and where in it the chunk stands. */
  placeOf(number: number, ref: number): { path: Uint8Array; offset: number } {
    const { files, fileOf, offsetOf } = this.#known(number)
    return { path: files[fileOf[ref]!]!, offset: offsetOf[ref]! }
  }

  #known(number: number): Known {
    const cached = this.#cache.get(number)
    if (cached) return cached
    const { records, lengths } = readPageContent(this.#journal.contentOf(number), { maxChunk: maxChunkBytes(this.#average), midway: true })
    const known: Known = { paths: [], files: [], fileOf: new Uint32Array(lengths.length), offsetOf: new Float64Array(lengths.length) }
    let ref = 0
    let offset = this.#firstOffsets[number]!
    for (const record of records) {
      if (record.type !== 'part') known.paths.push(record.path)
      if (record.type !== 'file' && record.type !== 'part') continue
      known.files.push(record.path)
      for (const { kind, length } of record.extents) {
        if (kind === 'chunk') {
          known.fileOf[ref] = known.files.length - 1
          known.offsetOf[ref++] = offset
        }
        offset += length
      }
      if (record.type === 'file') offset = 0
    }
    if (this.#cache.size >= CACHED) this.#cache.delete(this.#cache.keys().next().value!)
    this.#cache.set(number, known)
    return known
  }
}
