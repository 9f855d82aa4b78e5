/** A file too large to be read at once, or a stream: what stays open while its segments pass through. */
import fs from 'node:fs'
import type { Readable } from 'node:stream'
import { lookaheadBytes } from '../codec/chunker.ts'
import { WINDOW } from '../codec/buzhash.ts'
import type { Hint, Metadata } from '../format/entry.ts'
import { ByteStream } from './byte-stream.ts'
import { toBytes } from './inputs.ts'
import { sameVersion, statFd, type FileStat } from './os/stat.ts'
import { hintOf, metadataOf, xattrsOf } from './records.ts'
import type { Found } from './walk.ts'

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
    return { metadata: metadataOf(this.#before, xattrs, unstable), hint: hintOf(this.#before) }
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

/** A stream that becomes one file; what its metadata is, is decided when it begins. */
export class StreamFile {
  readonly metadata: Metadata
  readonly hint = null
  readonly #stream: ByteStream
  readonly #lookahead: number
  /** Bytes that were taken from the stream and belong to the next segment, or to its warm-up. */
  #carry: Uint8Array = new Uint8Array(0)
  #warmup: Uint8Array = new Uint8Array(0)
  #ended = false
  isClosed = false
  fileOffset = 0

  constructor(stream: Readable | AsyncIterable<Uint8Array>, metadata: Metadata, average: number) {
    this.#stream = new ByteStream(stream)
    this.metadata = metadata
    this.#lookahead = lookaheadBytes(average)
  }

  /**
   * Fills `slab` from `slabOffset` with the next segment, its warm-up before it and its lookahead behind it.
   * @param capacity bytes of the segment itself at most, a multiple of 4,096
   */
  async fill(slab: Uint8Array, slabOffset: number, capacity: number): Promise<{ length: number; lookahead: number; atEnd: boolean }> {
    slab.set(this.#warmup, slabOffset - this.#warmup.length)
    const room = capacity + this.#lookahead
    let filled = 0
    const take = (chunk: Uint8Array) => {
      const count = Math.min(chunk.length, room - filled)
      slab.set(chunk.subarray(0, count), slabOffset + filled)
      filled += count
      return chunk.subarray(count)
    }
    let rest = take(this.#carry)
    while (filled < room && !this.#ended) {
      const piece = await this.#stream.next()
      if (piece) rest = take(piece)
      else this.#ended = true
    }
    const atEnd = this.#ended && rest.length === 0
    const length = atEnd && filled <= capacity ? filled : capacity
    const after = slab.subarray(slabOffset + length, slabOffset + filled)
    this.#carry = Buffer.concat([after, rest])
    this.#warmup = slab.slice(slabOffset + length - Math.min(WINDOW, length), slabOffset + length)
    this.fileOffset += length
    return { length, lookahead: after.length, atEnd }
  }

  close(): void {
    this.isClosed = true
    this.#stream.close()
  }
}
