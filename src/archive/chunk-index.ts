/**
 * Where each chunk that was stored lies: a flat open-addressing table of full ids. It stops taking up
 * chunks at its byte limit: deduplication then misses them, nothing else depends on it.
 */
import { ID_BYTES } from '../base/limits.ts'

const ID_WORDS = ID_BYTES / 4
/** Words of a slot: id, frame, offset. */
const SLOT_WORDS = ID_WORDS + 2
const SLOT_BYTES = SLOT_WORDS * 4
const EMPTY = 0xffff_ffff

export class ChunkIndex {
  readonly #maxSlots: number
  #slots: number
  #table: Uint32Array
  #count = 0

  /** @param maxBytes memory that the table may take, bytes */
  constructor(maxBytes: number) {
    // Growing holds the old and the new table.
    this.#maxSlots = 2 ** Math.floor(Math.log2(Math.max(maxBytes / SLOT_BYTES / 1.5, 1024)))
    this.#slots = 1024
    this.#table = ChunkIndex.#emptyTable(this.#slots)
  }

  get size(): number {
    return this.#count
  }

  /** @returns the slot of the id at `ids[at..at+8]` (words), -1 if it is not known */
  find(ids: Uint32Array, at: number): number {
    for (let slot = ids[at]! & (this.#slots - 1); ; slot = (slot + 1) & (this.#slots - 1)) {
      const base = slot * SLOT_WORDS
      if (this.#table[base + ID_WORDS] === EMPTY) return -1
      if (this.#holds(base, ids, at)) return slot
    }
  }

  frameAt(slot: number): number {
    return this.#table[slot * SLOT_WORDS + ID_WORDS]!
  }

  offsetAt(slot: number): number {
    return this.#table[slot * SLOT_WORDS + ID_WORDS + 1]!
  }

  /** Sets where a chunk lies, adding it if there is room. `frame` is below 2³² − 1. */
  set(ids: Uint32Array, at: number, frame: number, offset: number): void {
    let slot = this.find(ids, at)
    if (slot < 0) {
      if (this.#count >= this.#slots * 0.7 && !this.#grow()) return
      slot = this.#insert(this.#table, ids, at)
      this.#count++
    }
    const base = slot * SLOT_WORDS + ID_WORDS
    this.#table[base] = frame
    this.#table[base + 1] = offset
  }

  #holds(base: number, ids: Uint32Array, at: number): boolean {
    for (let i = 0; i < ID_WORDS; i++) if (this.#table[base + i] !== ids[at + i]) return false
    return true
  }

  #insert(table: Uint32Array, ids: Uint32Array, at: number): number {
    let slot = ids[at]! & (this.#slots - 1)
    while (table[slot * SLOT_WORDS + ID_WORDS] !== EMPTY) slot = (slot + 1) & (this.#slots - 1)
    for (let i = 0; i < ID_WORDS; i++) table[slot * SLOT_WORDS + i] = ids[at + i]!
    return slot
  }

  #grow(): boolean {
    if (this.#slots * 2 > this.#maxSlots) return false
    const old = this.#table
    this.#slots *= 2
    this.#table = ChunkIndex.#emptyTable(this.#slots)
    for (let base = 0; base < old.length; base += SLOT_WORDS) {
      if (old[base + ID_WORDS] === EMPTY) continue
      const slot = this.#insert(this.#table, old, base)
      this.#table[slot * SLOT_WORDS + ID_WORDS] = old[base + ID_WORDS]!
      this.#table[slot * SLOT_WORDS + ID_WORDS + 1] = old[base + ID_WORDS + 1]!
    }
    return true
  }

  static #emptyTable(slots: number): Uint32Array {
    return new Uint32Array(slots * SLOT_WORDS).fill(EMPTY)
  }
}
