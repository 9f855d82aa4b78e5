/**
 * A number for each object that has several names, until all of them were met. Those that are kept for long,
 * since their other names lie outside of what is archived, go to a table that spills to disk.
 */
import { WarpError } from '../base/errors.ts'
import { ID_BYTES, MIB } from '../base/limits.ts'
import { hash } from '../codec/blake3.ts'
import { ID_WORDS } from './chunk-index.ts'
import { SpillingIndex } from './spilling-index.ts'

/** Objects that are held as they are, some 100 bytes each. */
const MAX_RECENT = 50_000
/** Memory for the others, bytes. */
const TABLE_BYTES = 8 * MIB

export interface InodeIndexOptions {
  tempDir?: string
  /** Objects that are held as they are. */
  maxRecent?: number
  /** Memory for the others, bytes. */
  tableBytes?: number
  /** What the others give, instead of what was set. */
  olderValue?: number
}

export class InodeIndex {
  readonly #recent = new Map<string, number>()
  readonly #older: SpillingIndex
  readonly #maxRecent: number
  #failure: string | null = null
  #hasOlder = false
  readonly #olderValue: number | undefined
  /** What `prepare` brought of the others. */
  readonly #brought = new Map<string, number>()

  constructor({ tempDir, maxRecent = MAX_RECENT, tableBytes = TABLE_BYTES, olderValue }: InodeIndexOptions) {
    this.#maxRecent = maxRecent
    this.#olderValue = olderValue
    this.#older = new SpillingIndex({
      maxBytes: tableBytes, tempDir,
      onDegraded: (reason) => {
        this.#failure = reason
      },
    })
  }

  /**
   * Makes ready to `get` these.
   * @returns null if there is nothing to wait for
   * @throws {WarpError} ERR_WARP_NO_SPACE: there is no room to remember more
   */
  prepare(inodes: string[]): Promise<void> | null {
    if (!this.#hasOlder && this.#recent.size <= this.#maxRecent) return null
    return this.#prepare(inodes)
  }

  get(inode: string): number | undefined {
    return this.#recent.get(inode) ?? this.#brought.get(inode)
  }

  /** @param value 0 … 2³² − 2 */
  set(inode: string, value: number): void {
    this.#recent.set(inode, value)
  }

  delete(inode: string): void {
    this.#recent.delete(inode)
  }

  close(): void {
    this.#older.close()
  }

  async #prepare(inodes: string[]): Promise<void> {
    if (this.#recent.size > this.#maxRecent) {
      const moved = [...this.#recent]
      const ids = idsOf(moved.map(([inode]) => inode))
      await this.#ready(ids)
      moved.forEach(([inode, value], i) => {
        this.#older.table.set(ids, i * ID_WORDS, this.#olderValue ?? value, 0)
        this.#recent.delete(inode)
      })
      this.#hasOlder = true
    }
    const unknown = inodes.filter((inode) => !this.#recent.has(inode))
    const ids = idsOf(unknown)
    await this.#ready(ids)
    this.#brought.clear()
    unknown.forEach((inode, i) => {
      const slot = this.#older.table.find(ids, i * ID_WORDS)
      if (slot >= 0) this.#brought.set(inode, this.#older.table.frameAt(slot))
    })
  }

  async #ready(ids: Uint32Array): Promise<void> {
    await this.#older.prepare(ids)
    // A name that is forgotten would make a copy of a link, or lose it.
    if (this.#failure !== null) throw new WarpError('ERR_WARP_NO_SPACE', `hard links cannot be told from files any more: ${this.#failure}`)
  }
}

function idsOf(inodes: string[]): Uint32Array {
  const ids = new Uint32Array(inodes.length * ID_WORDS)
  const bytes = new Uint8Array(ids.buffer)
  inodes.forEach((inode, i) => bytes.set(hash(Buffer.from(inode)), i * ID_BYTES))
  return ids
}
