// What the records of all pages must keep to together (§8.1): order of paths, parts, holes, targets of
// hard links, and where pages close.
import {malformed} from './errors.mjs'
import {DIRECTORY, FILE, HARD_LINK, PART} from './pages.mjs'

const CLOSING_ENCODED_BYTES = 1024 * 1024
const CLOSING_CHUNK_BYTES = 64 * 1024 * 1024
const CLOSING_RECORDS = 8192
const HOLE_ALIGNMENT = 4096
const MIN_HOLE_BYTES = 65_536
const SLASH = 0x2f

/** §8.1, Order: as bytes, with `/` below every other byte. */
export function comparePaths(a, b) {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    if (a[i] !== b[i]) return a[i] === SLASH ? -1 : b[i] === SLASH ? 1 : a[i] - b[i]
  }
  return a.length - b.length
}

const isBeneath = (path, parent) => path.length > parent.length && path[parent.length] === SLASH &&
  comparePaths(path.subarray(0, parent.length), parent) === 0

/** Takes the pages of an archive in order and makes entries of their records. */
export class ArchiveOrder {
  entries = 0
  logicalBytes = 0
  chunkRefs = 0
  pages = 0
  #types = []
  #previous = null
  #file = null
  #mustBeLast = false

  /**
   * @param records what parsePage gave
   * @returns {firstPath, firstOffset, entries}: what the parent of the page says of it, and the entries
   *   that are complete with this page
   */
  page(records) {
    if (this.#mustBeLast) throw malformed('a page closes too early')
    const first = {firstPath: records[0].path, firstOffset: this.#file?.size ?? 0}
    const closing = new PageClosing()
    const entries = records.flatMap(record => this.#record(record, closing) ?? [])
    this.#mustBeLast = !closing.isClosed
    this.pages++
    return {...first, entries}
  }

  /** Says that no page follows. */
  finish() {
    if (this.#file) throw malformed('the last file is not complete')
  }

  #record(record, closing) {
    if (closing.isClosed) throw malformed('a page closes too late')
    this.#checkOrder(record)
    if (record.extents) this.#extents(record, closing)
    this.#previous = record
    if (record.type === PART) {
      if (!closing.isClosed) throw malformed('a part ends where its page does not close')
      return null
    }
    if (closing.isClosed) throw malformed('a file is complete where only a part of it may be')
    closing.record(record.encodedLength)
    if (record.type === HARD_LINK) this.#checkLink(record.link)
    this.#types.push(record.type)
    return this.#complete(record)
  }

  #checkOrder({path, type}) {
    if (this.#file) {
      if (type > FILE || comparePaths(path, this.#file.path) !== 0) throw malformed('a part is not continued')
      return
    }
    if (!this.#previous) return
    const order = comparePaths(this.#previous.path, path)
    if (order === 0) throw malformed('a path occurs twice')
    if (order > 0) throw malformed('paths are out of order')
    if (this.#previous.type !== DIRECTORY && isBeneath(path, this.#previous.path)) {
      throw malformed('a path lies beneath an entry that is not a directory')
    }
  }

  #extents({path, extents}, closing) {
    this.#file ??= {path, extents: [], size: 0}
    for (const extent of extents) {
      if (closing.isClosed) throw malformed('a page closes too late')
      this.#extent(this.#file, extent)
      closing.extent(extent)
    }
  }

  #extent(file, extent) {
    const previous = file.extents.at(-1)
    if (previous && !previous.id && previous.length % HOLE_ALIGNMENT !== 0) {
      throw malformed('something follows a hole that must end its file')
    }
    if (extent.id) {
      this.chunkRefs++
    } else {
      if (previous && !previous.id) throw malformed('a hole follows a hole')
      if (file.size % HOLE_ALIGNMENT !== 0) throw malformed('a hole is not aligned')
      if (extent.length < MIN_HOLE_BYTES) throw malformed('a hole is too short')
    }
    file.size += extent.length
    if (file.size > Number.MAX_SAFE_INTEGER) throw malformed('a file is too large')
    file.extents.push(extent)
  }

  #checkLink(target) {
    if (target >= this.entries) throw malformed('a hard link names no entry before it')
    if ([DIRECTORY, HARD_LINK].includes(this.#types[target])) throw malformed('wrong target of a hard link')
  }

  #complete(record) {
    const entry = {...record, number: this.entries++}
    if (entry.type === FILE) {
      entry.extents = this.#file.extents
      entry.size = this.#file.size
      this.logicalBytes += entry.size
      this.#file = null
    }
    return entry
  }
}

/** §8.1, Closing: S, L and R of one page. */
class PageClosing {
  #encodedBytes = 0
  #chunkBytes = 0
  #records = 0

  get isClosed() {
    return this.#encodedBytes >= CLOSING_ENCODED_BYTES || this.#chunkBytes >= CLOSING_CHUNK_BYTES ||
      this.#records >= CLOSING_RECORDS
  }

  extent({encodedLength, length, id}) {
    this.#encodedBytes += encodedLength
    if (id) this.#chunkBytes += length
  }

  record(encodedLength) {
    this.#encodedBytes += encodedLength
    this.#records++
  }
}
