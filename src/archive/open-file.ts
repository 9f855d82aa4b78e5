/** A file too large to be read at once, or a stream: what stays open while its segments pass through. */
import fs from 'node:fs'
import type { Readable } from 'node:stream'
import { HOLE_ALIGN_BYTES, MIB } from '../base/limits.ts'
import { lookaheadBytes } from '../codec/chunker.ts'
import { WINDOW } from '../codec/buzhash.ts'
import type { Hint, Metadata } from '../format/entry.ts'
import { ByteStream } from './byte-stream.ts'
import { toBytes } from './inputs.ts'
import { sameVersion, statFd, type FileStat } from './os/stat.ts'
import { hintOf, isSettled, metadataOf, xattrsOf } from './records.ts'
import type { Found } from './walk.ts'

/** Zeros beyond the lookahead that are worth a segment of their own. */
const LEAST_RUN_BYTES = 1 * MIB

/** What is recorded of a file when all of it was read. */
export interface Finished {
  metadata: Metadata
  hint: Hint | null
}

/** A regular file that is read in segments. */
export class LargeFile {
  readonly fd: number
  readonly size: number
  readonly #before: FileStat
  #isClosed = false

  /** @throws the system's error */
  constructor(found: Found) {
    this.fd = fs.openSync(toBytes(found.source), fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOFOLLOW)
    try {
      this.#before = statFd(this.fd)
      if (this.#before.type !== 'file') throw new Error('it became something else while it was read')
      this.size = this.#before.size
    } catch (error) {
      fs.closeSync(this.fd)
      throw error
    }
  }

  /** @param bytesRead how much of it there was; @param failed reading it ended with an error */
  finish(bytesRead: number, failed: boolean, report: (reason: string) => void): Finished {
    const after = statFd(this.fd)
    const unstable = failed || bytesRead !== this.size || !sameVersion(this.#before, after)
    const xattrs = xattrsOf({ fd: this.fd }, report)
    return { metadata: metadataOf(this.#before, xattrs, unstable), hint: isSettled(this.#before.ctimeMs) ? hintOf(this.#before) : null }
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** May be called again. */
  close(): void {
    if (!this.#isClosed) fs.closeSync(this.fd)
    this.#isClosed = true
  }
}

/** What a stream gives: bytes, or how many zeros follow, which then need not be read. */
export type Piece = Uint8Array | { zeros: number }

/** A stream that becomes one file. */
export class StreamFile {
  readonly hint = null
  readonly #metadata: Metadata | (() => Metadata)
  readonly #stream: ByteStream<Piece>
  readonly #lookahead: number
  /** Bytes that were taken from the stream and belong to the next segment, or to its warm-up. */
  #carry: Uint8Array = new Uint8Array(0)
  #warmup: Uint8Array = new Uint8Array(0)
  /** Zeros that come after `#carry`. */
  #zeros = 0
  /** Bytes that come after these. */
  #next: Uint8Array | null = null
  #ended = false
  isClosed = false
  fileOffset = 0

  /** @param metadata what is recorded of it; a function is called when all of it was read */
  constructor(stream: Readable | AsyncIterable<Piece>, metadata: Metadata | (() => Metadata), average: number) {
    this.#stream = new ByteStream<Piece>(stream)
    this.#metadata = metadata
    this.#lookahead = lookaheadBytes(average)
  }

  get metadata(): Metadata {
    return typeof this.#metadata === 'function' ? this.#metadata() : this.#metadata
  }

  /**
   * A run of zeros that begins here and is long enough to be passed over, up to `end`. Unless the stream ends
   * with it, what `fill` gives next begins one lookahead before `end`.
   */
  async takeZeros(): Promise<{ start: number; end: number; atEnd: boolean } | null> {
    if (this.#carry.length > 0) return null
    while (!this.#next && !this.#ended) await this.#advance()
    if (this.#zeros < this.#leastRun) return null
    const start = this.fileOffset
    const end = start + this.#zeros
    if (!this.#next) {
      this.#zeros = 0
      return { start, end, atEnd: true }
    }
    const aligned = Math.floor(end / HOLE_ALIGN_BYTES) * HOLE_ALIGN_BYTES
    this.fileOffset = aligned - this.#lookahead
    this.#zeros = end - this.fileOffset
    this.#warmup = new Uint8Array(WINDOW)
    return { start, end: aligned, atEnd: false }
  }

  /**
   * Fills `slab` from `slabOffset` with the next segment, its warm-up before it and its lookahead behind it.
   * The segment ends before a run that `takeZeros` will give.
   * @param capacity bytes of the segment itself at most, a multiple of 4,096
   */
  async fill(slab: Uint8Array, slabOffset: number, capacity: number): Promise<{ length: number; lookahead: number; atEnd: boolean }> {
    slab.set(this.#warmup, slabOffset - this.#warmup.length)
    slab.set(this.#carry, slabOffset)
    const room = capacity + this.#lookahead
    let filled = this.#carry.length
    while (filled < room) {
      if (!this.#next && !this.#ended) {
        await this.#advance()
      } else if (this.#zeros > 0) {
        const aligned = Math.ceil(filled / HOLE_ALIGN_BYTES) * HOLE_ALIGN_BYTES
        if (aligned <= capacity && this.#zeros - (aligned - filled) >= this.#leastRun) {
          slab.fill(0, slabOffset + filled, slabOffset + aligned + this.#lookahead)
          this.#zeros -= aligned - filled
          this.#pass(slab, slabOffset, aligned, 0)
          return { length: aligned, lookahead: this.#lookahead, atEnd: false }
        }
        const count = Math.min(this.#zeros, room - filled)
        slab.fill(0, slabOffset + filled, slabOffset + filled + count)
        filled += count
        this.#zeros -= count
      } else if (this.#next) {
        const count = Math.min(this.#next.length, room - filled)
        slab.set(this.#next.subarray(0, count), slabOffset + filled)
        filled += count
        this.#next = count < this.#next.length ? this.#next.subarray(count) : null
      } else break
    }
    const atEnd = this.#ended && !this.#next && this.#zeros === 0
    const length = atEnd && filled <= capacity ? filled : capacity
    this.#pass(slab, slabOffset, length, filled - length)
    return { length, lookahead: filled - length, atEnd }
  }

  close(): void {
    this.isClosed = true
    this.#stream.close()
  }

  /** A run takes part of a page and of a batch: shorter ones are read as bytes. */
  get #leastRun(): number {
    return this.#lookahead + LEAST_RUN_BYTES
  }

  /** Keeps of a segment what the next one needs. */
  #pass(slab: Uint8Array, slabOffset: number, length: number, carry: number): void {
    this.#carry = slab.slice(slabOffset + length, slabOffset + length + carry)
    this.#warmup = slab.slice(slabOffset + length - Math.min(WINDOW, length), slabOffset + length)
    this.fileOffset += length
  }

  async #advance(): Promise<void> {
    const piece = await this.#stream.next()
    if (!piece) this.#ended = true
    else if ('zeros' in piece) this.#zeros += piece.zeros
    else if (piece.length > 0) this.#next = piece
  }
}
