/**
 * What the walk found and nobody has taken yet, packed: a hundred thousand objects would be copied about by the
 * garbage collector, and take four times the memory.
 */
import { MIB } from '../base/limits.ts'
import type { Found } from './walk.ts'

const BLOCK_BYTES = MIB

const KINDS = ['file', 'directory', 'symlink', 'fifo', 'chardev', 'blockdev', 'stream'] as const

/** kind, names, five numbers, lengths of three strings, whether the path is the end of the source. */
const FIXED_BYTES = 1 + 4 + 5 * 8 + 3 * 2 + 1

interface Block {
  bytes: Buffer
  used: number
  count: number
}

/** A place in the queue. */
export interface Cursor {
  block: number
  at: number
  /** How many were taken. */
  taken: number
}

export class FoundQueue {
  readonly #maxBytes: number
  /** Null: let go. */
  readonly #blocks: (Block | null)[] = []
  readonly #streams: Found['stream'][] = []
  /** How many were pushed. */
  count = 0

  /** @param maxBytes that are held, rounded to MiB */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** @returns false if there is no room: then it was not taken */
  push(found: Found): boolean {
    const { path, source, inode } = found
    const isEnd = source.endsWith(path)
    const length = FIXED_BYTES + source.length + (isEnd ? 0 : path.length) + (inode?.length ?? 0)
    let block = this.#blocks.at(-1)
    if (!block || block.bytes.length - block.used < length) {
      if ((this.#blocks.length + 1) * BLOCK_BYTES > this.#maxBytes) return false
      block = { bytes: Buffer.allocUnsafeSlow(BLOCK_BYTES), used: 0, count: 0 }
      this.#blocks.push(block)
    }
    const { bytes } = block
    let at = bytes.writeUInt8(KINDS.indexOf(found.kind), block.used)
    at = bytes.writeUInt32LE(found.stream ? this.#streams.push(found.stream) - 1 : found.names, at)
    at = bytes.writeDoubleLE(found.size, at)
    at = bytes.writeDoubleLE(found.mtimeMs, at)
    at = bytes.writeDoubleLE(found.ctimeMs, at)
    at = bytes.writeDoubleLE(found.ino, at)
    at = bytes.writeDoubleLE(found.dev, at)
    at = bytes.writeUInt16LE(source.length, at)
    at = bytes.writeUInt16LE(path.length, at)
    at = bytes.writeUInt16LE(inode?.length ?? 0, at)
    at = bytes.writeUInt8(isEnd ? 1 : 0, at)
    at += bytes.write(source, at, 'latin1')
    if (!isEnd) at += bytes.write(path, at, 'latin1')
    if (inode !== null) at += bytes.write(inode, at, 'latin1')
    block.used = at
    block.count++
    this.count++
    return true
  }

  start(): Cursor {
    return { block: 0, at: 0, taken: 0 }
  }

  /** The next ones, at most `count`; none if all were taken. */
  take(cursor: Cursor, count: number): Found[] {
    const group: Found[] = []
    for (;;) {
      const block = this.#blocks[cursor.block]
      if (!block) break
      while (group.length < count && cursor.at < block.used) group.push(this.#unpack(block.bytes, cursor))
      // More may still come into the last one.
      if (group.length === count || cursor.block === this.#blocks.length - 1) break
      cursor.block++
      cursor.at = 0
    }
    cursor.taken += group.length
    return group
  }

  /** Lets go of what lies before the cursor. */
  drop(cursor: Cursor): void {
    for (let i = cursor.block - 1; i >= 0 && this.#blocks[i] !== null; i--) this.#blocks[i] = null
  }

  #unpack(bytes: Buffer, cursor: Cursor): Found {
    let at = cursor.at
    const kind = KINDS[bytes[at]!]!
    const names = bytes.readUInt32LE(at + 1)
    at += 5
    const size = bytes.readDoubleLE(at)
    const mtimeMs = bytes.readDoubleLE(at + 8)
    const ctimeMs = bytes.readDoubleLE(at + 16)
    const ino = bytes.readDoubleLE(at + 24)
    const dev = bytes.readDoubleLE(at + 32)
    at += 40
    const sourceLength = bytes.readUInt16LE(at)
    const pathLength = bytes.readUInt16LE(at + 2)
    const inodeLength = bytes.readUInt16LE(at + 4)
    const isEnd = bytes[at + 6] === 1
    at += 7
    const text = (length: number) => bytes.toString('latin1', at, (at += length))
    const source = text(sourceLength)
    const path = isEnd ? source.slice(sourceLength - pathLength) : text(pathLength)
    const inode = inodeLength > 0 ? text(inodeLength) : null
    cursor.at = at
    const isStream = kind === 'stream'
    return { path, source, kind, size, mtimeMs, ctimeMs, ino, dev, inode, names: isStream ? 0 : names, stream: isStream ? this.#streams[names]! : null }
  }
}
