/**
 * Where each chunk that was stored lies: a flat open-addressing table of full ids, in the order of their
 * first word but for collisions. It takes up nothing more at its byte limit.
 */
import { ID_BYTES } from '../base/limits.ts'

export const ID_WORDS = ID_BYTES / 4
/** Words of a record: id, frame, offset. */
export const RECORD_WORDS = ID_WORDS + 2
const RECORD_BYTES = RECORD_WORDS * 4
const EMPTY = 0xffff_ffff
const LEAST_SLOTS = 1024
const MAX_FILL = 0.7
/** Marks in the offset what can also be found elsewhere. Offsets in frames are far below. */
const COPY = 0x8000_0000
/** Slots that are looked at: ids of a hostile archive can be made to collide, those of an honest one lie far closer. */
const MAX_PROBES = 1024

export class ChunkIndex {
  readonly #maxSlots: number
  #slots: number
  #table: Uint32Array
  #count = 0
  #copies = 0

  /** @param maxBytes memory that the table may take, bytes */
  constructor(maxBytes: number) {
    // Growing holds the old and the new table.
    this.#maxSlots = 2 ** Math.floor(Math.log2(Math.max(maxBytes / RECORD_BYTES / 1.5, LEAST_SLOTS)))
    this.#slots = LEAST_SLOTS
    this.#table = ChunkIndex.#emptyTable(this.#slots)
  }

  get size(): number {
    return this.#count
  }

  /** How many of them are copies of what can be found elsewhere. */
  get copies(): number {
    return this.#copies
  }

  /** Bytes that the table takes when it has grown to its limit. */
  get maxBytes(): number {
    return this.#maxSlots * RECORD_BYTES
  }

  /** @returns the slot of the id at `ids[at..at+8]` (words), -1 if it is not known */
  find(ids: Uint32Array, at: number): number {
    const home = this.#home(ids[at]!)
    for (let i = 0; i < MAX_PROBES; i++) {
      const slot = (home + i) & (this.#slots - 1)
      const base = slot * RECORD_WORDS
      if (this.#table[base + ID_WORDS] === EMPTY) return -1
      if (this.#holds(base, ids, at)) return slot
    }
    return -1
  }

  frameAt(slot: number): number {
    return this.#table[slot * RECORD_WORDS + ID_WORDS]!
  }

  offsetAt(slot: number): number {
    return (this.#table[slot * RECORD_WORDS + ID_WORDS + 1]! & ~COPY) >>> 0
  }

  /**
   * Sets where a chunk lies, adding it if there is room. `frame` is below 2³² − 1, `offset` below 2³¹.
   * @param isCopy it can be found elsewhere too
   */
  set(ids: Uint32Array, at: number, frame: number, offset: number, isCopy = false): void {
    let slot = this.find(ids, at)
    if (slot < 0) {
      if (!this.makeRoom(1)) return
      slot = this.#insert(ids, at)
      if (slot < 0) return
      this.#count++
      if (isCopy) this.#copies++
    }
    const base = slot * RECORD_WORDS + ID_WORDS
    this.#table[base] = frame
    this.#table[base + 1] = isCopy ? (offset | COPY) >>> 0 : offset
  }

  /**
   * Grows until `count` more fit.
   * @param force beyond the byte limit
   * @returns whether they do
   */
  makeRoom(count: number, force = false): boolean {
    let slots = this.#slots
    while (this.#count + count > slots * MAX_FILL) slots *= 2
    if (slots === this.#slots) return true
    if (slots > this.#maxSlots && !force) return false
    this.#rebuild(slots, this.#table)
    return true
  }

  /** All but copies, RECORD_WORDS words each, ascending by the first word of the id; valid until the next call. */
  *records(): Generator<Uint32Array> {
    const table = this.#table
    const order: number[] = []
    // Collisions apart, the table is in order: little moves.
    const insert = (base: number) => {
      let i = order.push(base) - 1
      for (; i > 0 && table[order[i - 1]!]! > table[base]!; i--) order[i] = order[i - 1]!
      order[i] = base
    }
    // What wrapped around at the end of the table comes first in it and belongs last.
    const wrapped: number[] = []
    for (let slot = 0, base = 0; slot < this.#slots; slot++, base += RECORD_WORDS) {
      if (table[base + ID_WORDS] === EMPTY || table[base + ID_WORDS + 1]! >= COPY) continue
      if (this.#home(table[base]!) > slot) wrapped.push(base)
      else insert(base)
    }
    wrapped.forEach(insert)
    for (const base of order) yield table.subarray(base, base + RECORD_WORDS)
  }

  /** Forgets everything, or what can be found elsewhere too. */
  clear(what: 'all' | 'copies'): void {
    const kept: Uint32Array = what === 'all' ? new Uint32Array(0) : this.#withoutCopies()
    this.#count = kept.length / RECORD_WORDS
    this.#copies = 0
    this.#table.fill(EMPTY)
    for (let base = 0; base < kept.length; base += RECORD_WORDS) this.#insertRecord(kept, base)
  }

  #withoutCopies(): Uint32Array {
    const kept = new Uint32Array((this.#count - this.#copies) * RECORD_WORDS)
    let length = 0
    for (const record of this.records()) {
      kept.set(record, length)
      length += RECORD_WORDS
    }
    return kept
  }

  #home(firstWord: number): number {
    return firstWord >>> (Math.clz32(this.#slots) + 1)
  }

  #holds(base: number, ids: Uint32Array, at: number): boolean {
    for (let i = 0; i < ID_WORDS; i++) if (this.#table[base + i] !== ids[at + i]) return false
    return true
  }

  /** @returns the slot that now has the id; -1 if there is none near enough */
  #insert(ids: Uint32Array, at: number): number {
    const home = this.#home(ids[at]!)
    for (let i = 0; i < MAX_PROBES; i++) {
      const slot = (home + i) & (this.#slots - 1)
      const base = slot * RECORD_WORDS
      if (this.#table[base + ID_WORDS] !== EMPTY) continue
      for (let word = 0; word < ID_WORDS; word++) this.#table[base + word] = ids[at + word]!
      return slot
    }
    return -1
  }

  #insertRecord(records: Uint32Array, at: number): void {
    const slot = this.#insert(records, at)
    const [frame, offset] = [records[at + ID_WORDS]!, records[at + ID_WORDS + 1]!]
    if (slot < 0) {
      this.#count--
      if (offset >= COPY) this.#copies--
      return
    }
    const base = slot * RECORD_WORDS + ID_WORDS
    this.#table[base] = frame
    this.#table[base + 1] = offset
  }

  #rebuild(slots: number, old: Uint32Array): void {
    this.#slots = slots
    this.#table = ChunkIndex.#emptyTable(slots)
    for (let base = 0; base < old.length; base += RECORD_WORDS) {
      if (old[base + ID_WORDS] !== EMPTY) this.#insertRecord(old, base)
    }
  }

  static #emptyTable(slots: number): Uint32Array {
    return new Uint32Array(slots * RECORD_WORDS).fill(EMPTY)
  }
}
