/**
 * What the walk found and nobody has taken yet, packed: a hundred thousand objects would be copied about by the
 * garbage collector, and take four times the memory.
 */
import { MIB } from '../base/limits.ts'
import type { Found } from './walk.ts'

const BLOCK_BYTES = MIB

const KINDS = ['file', 'directory', 'symlink', 'fifo', 'chardev', 'blockdev', 'stream'] as const

/** Of one object: what is in NUMBERS, then in WORDS, then its strings, filled up to 8 bytes. */
const NUMBERS = { size: 0, mtimeMs: 1, ctimeMs: 2, ino: 3, dev: 4 } as const
const WORDS = { kind: 10, names: 11, sourceLength: 12, pathLength: 13, inodeLength: 14, isEnd: 15 } as const
const FIXED_BYTES = 64

class Block {
  readonly bytes = Buffer.from(new ArrayBuffer(BLOCK_BYTES))
  readonly numbers = new Float64Array(this.bytes.buffer)
  readonly words = new Uint32Array(this.bytes.buffer)
  used = 0
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
    const stringBytes = source.length + (isEnd ? 0 : path.length) + (inode === null ? 0 : inode.length)
    const length = FIXED_BYTES + Math.ceil(stringBytes / 8) * 8
    let block = this.#blocks.at(-1)
    if (!block || BLOCK_BYTES - block.used < length) {
      if ((this.#blocks.length + 1) * BLOCK_BYTES > this.#maxBytes) return false
      block = new Block()
      this.#blocks.push(block)
    }
    const { bytes, numbers, words, used } = block
    const number = used / 8
    numbers[number + NUMBERS.size] = found.size
    numbers[number + NUMBERS.mtimeMs] = found.mtimeMs
    numbers[number + NUMBERS.ctimeMs] = found.ctimeMs
    numbers[number + NUMBERS.ino] = found.ino
    numbers[number + NUMBERS.dev] = found.dev
    const word = used / 4
    words[word + WORDS.kind] = KINDS.indexOf(found.kind)
    words[word + WORDS.names] = found.stream ? this.#streams.push(found.stream) - 1 : found.names
    words[word + WORDS.sourceLength] = source.length
    words[word + WORDS.pathLength] = path.length
    words[word + WORDS.inodeLength] = inode === null ? 0 : inode.length
    words[word + WORDS.isEnd] = isEnd ? 1 : 0
    let at = used + FIXED_BYTES
    at += bytes.write(source, at, 'latin1')
    if (!isEnd) at += bytes.write(path, at, 'latin1')
    if (inode !== null) bytes.write(inode, at, 'latin1')
    block.used += length
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
      while (group.length < count && cursor.at < block.used) group.push(this.#unpack(block, cursor))
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

  #unpack({ bytes, numbers, words }: Block, cursor: Cursor): Found {
    const number = cursor.at / 8
    const word = cursor.at / 4
    const kind = KINDS[words[word + WORDS.kind]!]!
    const isStream = kind === 'stream'
    const names = words[word + WORDS.names]!
    const sourceLength = words[word + WORDS.sourceLength]!
    const pathLength = words[word + WORDS.pathLength]!
    const inodeLength = words[word + WORDS.inodeLength]!
    let at = cursor.at + FIXED_BYTES
    const source = bytes.toString('latin1', at, (at += sourceLength))
    let path
    if (words[word + WORDS.isEnd] === 1) path = source.slice(sourceLength - pathLength)
    else path = bytes.toString('latin1', at, (at += pathLength))
    const inode = inodeLength > 0 ? bytes.toString('latin1', at, (at += inodeLength)) : null
    cursor.at = Math.ceil(at / 8) * 8
    return {
      path, source, kind,
      size: numbers[number + NUMBERS.size]!,
      mtimeMs: numbers[number + NUMBERS.mtimeMs]!,
      ctimeMs: numbers[number + NUMBERS.ctimeMs]!,
      ino: numbers[number + NUMBERS.ino]!,
      dev: numbers[number + NUMBERS.dev]!,
      inode,
      names: isStream ? 0 : names,
      stream: isStream ? this.#streams[names]! : null,
    }
  }
}
