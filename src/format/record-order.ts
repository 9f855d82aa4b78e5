/** The rules of §8.1 that hold between records: order, what lies beneath what, parts, holes, hard links. */
import { WarpError } from '../base/errors.ts'
import { HOLE_ALIGN_BYTES, HOLE_MIN_BYTES } from '../base/limits.ts'
import { equalBytes } from './cursor.ts'
import type { Extent, Record } from './entry.ts'
import { comparePaths, displayPath, isBeneath } from './path.ts'

/** Checks that paths ascend, and that none lies beneath an entry that is not a directory. */
export class PathOrder {
  #last: Uint8Array | null = null
  #lastIsDirectory = true

  /** @throws {WarpError} ERR_WARP_ENTRY_ORDER, ERR_WARP_NOT_A_DIRECTORY */
  next(path: Uint8Array, isDirectory: boolean): void {
    const last = this.#last
    if (last !== null) {
      const order = comparePaths(last, path)
      if (order >= 0) {
        const what = order === 0 ? 'a path stands twice' : 'paths are not in order'
        throw new WarpError('ERR_WARP_ENTRY_ORDER', what, { path: displayPath(path) })
      }
      // What lies beneath an entry follows directly after it: the last entry is the only one to look at.
      if (!this.#lastIsDirectory && isBeneath(path, last)) {
        throw new WarpError('ERR_WARP_NOT_A_DIRECTORY', 'an entry lies beneath one that is not a directory', {
          path: displayPath(path),
        })
      }
    }
    this.#last = path
    this.#lastIsDirectory = isDirectory
  }
}

/**
 * Takes the records of an archive one after the other, over all pages, and checks what holds between
 * them. One bit of memory for each entry.
 *
 * Started midway, it takes those of one page alone: then what depends on earlier pages passes.
 */
export class RecordOrder {
  readonly #paths = new PathOrder()
  readonly #midway: boolean
  #entries = 0
  #isFirst = true
  /** Bit n: entry n can be the target of a hard link. */
  #linkable = new Uint8Array(64)
  /** Path of the file whose last part was taken, null if no file is open. */
  #openPath: Uint8Array | null = null
  /** Size of the open file so far; NaN if it began on an earlier page and that page was not taken. */
  #size = 0
  /** Length of the hole that the open file ends in so far, 0 if it ends in a chunk or has no extent. */
  #lastHoleBytes = 0

  constructor({ midway = false } = {}) {
    this.#midway = midway
  }

  /** Entries taken. */
  get entries(): number {
    return this.#entries
  }

  /** Offset in its file at which the extents of the next record start: 0 unless it continues a part. */
  get nextOffset(): number {
    return this.#openPath === null ? 0 : this.#size
  }

  /**
   * @param record its path is kept until the next one is taken
   * @throws {WarpError} ERR_WARP_ENTRY_ORDER, ERR_WARP_NOT_A_DIRECTORY, ERR_WARP_HARD_LINK_TARGET,
   *   ERR_WARP_MALFORMED (parts, holes), ERR_WARP_LIMIT (size)
   */
  next(record: Record): void {
    const { path, type } = record
    const hasExtents = type === 'part' || type === 'file'
    if (this.#openPath !== null) {
      if (!hasExtents || !equalBytes(path, this.#openPath)) {
        throw malformed('a part is not continued', this.#openPath)
      }
    } else {
      this.#paths.next(path, type === 'directory')
      this.#size = this.#isFirst && this.#midway ? Number.NaN : 0
      this.#lastHoleBytes = 0
    }
    this.#isFirst = false
    if (hasExtents) this.#takeExtents(record.extents, path)
    this.#openPath = type === 'part' ? path : null
    if (type === 'part') return
    if (type === 'hardlink' && !this.#midway) this.#checkTarget(record.targetEntry, path)
    this.#number(type !== 'directory' && type !== 'hardlink')
  }

  /** To be called after the last record. @throws {WarpError} ERR_WARP_MALFORMED: a file is not complete */
  finish(): void {
    if (this.#openPath !== null) throw malformed('a part is not continued', this.#openPath)
  }

  #takeExtents(extents: readonly Extent[], path: Uint8Array): void {
    let size = this.#size
    let lastHoleBytes = this.#lastHoleBytes
    for (const { kind, length } of extents) {
      if (lastHoleBytes % HOLE_ALIGN_BYTES > 0) throw malformed('a hole does not end at a block', path)
      if (kind === 'hole') {
        if (lastHoleBytes > 0) throw malformed('a hole follows a hole', path)
        if (length < HOLE_MIN_BYTES) throw malformed('a hole is too short', path)
        if (size % HOLE_ALIGN_BYTES > 0) throw malformed('a hole does not start at a block', path)
      }
      lastHoleBytes = kind === 'hole' ? length : 0
      size += length
      if (size > Number.MAX_SAFE_INTEGER) {
        throw new WarpError('ERR_WARP_LIMIT', 'a file is too large', { path: displayPath(path) })
      }
    }
    this.#size = size
    this.#lastHoleBytes = lastHoleBytes
  }

  #checkTarget(target: number, path: Uint8Array): void {
    if (target < this.#entries && (this.#linkable[Math.floor(target / 8)] & (1 << target % 8)) !== 0) return
    const message = 'a hard link names an entry that it cannot be another name of'
    throw new WarpError('ERR_WARP_HARD_LINK_TARGET', message, { path: displayPath(path) })
  }

  #number(isLinkable: boolean): void {
    const number = this.#entries++
    const at = Math.floor(number / 8)
    if (at >= this.#linkable.length) {
      const linkable = new Uint8Array(2 * this.#linkable.length)
      linkable.set(this.#linkable)
      this.#linkable = linkable
    }
    if (isLinkable) this.#linkable[at] |= 1 << number % 8
  }
}

function malformed(message: string, path: Uint8Array): WarpError {
  return new WarpError('ERR_WARP_MALFORMED', message, { path: displayPath(path) })
}
