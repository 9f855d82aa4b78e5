/**
 * Where an archive is read from: a file, or a stream that is kept in a spool file, at the same offsets,
 * as far as it came. Frames are then read from the descriptor of either, in any thread.
 */
import fs from 'node:fs'
import os from 'node:os'
import type { Readable } from 'node:stream'
import { WarpError } from '../base/errors.ts'
import { ByteStream } from './byte-stream.ts'
import { readFully } from './os/file-reader.ts'
import { openUnnamed } from './os/unnamed-file.ts'
import { outputError } from './sink.ts'

export interface ArchiveSource {
  /** To read frames from, with positions. */
  readonly fd: number
  /** Bytes in all; null while it is not known. */
  readonly length: number | null
  /** Bytes from `offset`: fewer than `length` only at the end. */
  read(offset: number, length: number): Promise<Uint8Array>
  /** Makes sure that the bytes up to `offset` can be read from `fd`; @returns false if there are fewer */
  reach(offset: number): Promise<boolean>
  close(): void
}

/** @throws {WarpError} ERR_WARP_NOT_FOUND and others: the archive cannot be opened */
export class FileSource implements ArchiveSource {
  readonly fd: number
  readonly length: number

  constructor(file: string) {
    try {
      this.fd = fs.openSync(file, 'r')
    } catch (error) {
      throw new WarpError('ERR_WARP_ARCHIVE_UNREADABLE', `${file}: ${(error as Error).message}`, { cause: error, path: file })
    }
    const stats = fs.fstatSync(this.fd)
    if (!stats.isFile() && !stats.isBlockDevice()) {
      fs.closeSync(this.fd)
      throw new WarpError('ERR_WARP_ARCHIVE_UNREADABLE', `${file} is not a regular file`, { path: file, hint: "to read from a pipe, give '-' and standard input" })
    }
    this.length = stats.size
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, this.length - offset)))
    return bytes.subarray(0, readFully(this.fd, bytes, offset))
  }

  async reach(offset: number): Promise<boolean> {
    return offset <= this.length
  }

  close(): void {
    fs.closeSync(this.fd)
  }
}

/** Reads a stream once, forwards. */
export class SpoolSource implements ArchiveSource {
  readonly fd: number
  length: number | null = null
  readonly #stream: ByteStream
  /** Bytes that came and stand in the spool. */
  #arrived = 0

  /** @param tempDir directory of the spool file, which has no name */
  constructor(stream: Readable, tempDir: string = os.tmpdir()) {
    this.#stream = new ByteStream(stream)
    try {
      this.fd = openUnnamed(tempDir)
    } catch (error) {
      throw outputError(error, tempDir)
    }
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    await this.reach(offset + length)
    const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, this.#arrived - offset)))
    return bytes.subarray(0, readFully(this.fd, bytes, offset))
  }

  async reach(offset: number): Promise<boolean> {
    while (this.#arrived < offset && this.length === null) {
      const piece = await this.#stream.next()
      if (piece) this.#append(piece)
      else this.length = this.#arrived
    }
    return this.#arrived >= offset
  }

  close(): void {
    fs.closeSync(this.fd)
    this.#stream.close()
  }

  #append(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length; ) {
        const count = fs.writeSync(this.fd, bytes, done, bytes.length - done, this.#arrived)
        done += count
        this.#arrived += count
      }
    } catch (error) {
      throw outputError(error, 'the spool file')
    }
  }
}

export function openSource(source: string | { stream: Readable }, tempDir?: string): ArchiveSource {
  return typeof source === 'string' ? new FileSource(source) : new SpoolSource(source.stream, tempDir)
}

/** Reads a stream once and keeps nothing that lies before the last position asked for. */
export class PassingSource implements ArchiveSource {
  readonly fd = -1
  length: number | null = null
  readonly #stream: ByteStream
  #held: Buffer[] = []
  #heldFrom = 0
  #arrived = 0

  constructor(stream: Readable) {
    this.#stream = new ByteStream(stream)
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (offset < this.#heldFrom) throw new RangeError('these bytes have passed')
    await this.#arrive(offset + length, offset)
    const held = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held)
    this.#held = [held]
    // A copy: blocks are decrypted in place, and what came belongs to whoever made the stream.
    return Buffer.from(held.subarray(offset - this.#heldFrom, offset - this.#heldFrom + length))
  }

  async reach(offset: number): Promise<boolean> {
    await this.#arrive(offset, Math.min(offset, Math.max(this.#heldFrom, offset - 1)))
    return this.#arrived >= offset
  }

  close(): void {
    this.#stream.close()
  }

  /** Takes what comes until `offset` is there; drops what lies before `from`. */
  async #arrive(offset: number, from: number): Promise<void> {
    this.#drop(from)
    while (this.#arrived < offset && this.length === null) {
      const piece = await this.#stream.next()
      if (!piece) {
        this.length = this.#arrived
        return
      }
      this.#held.push(Buffer.from(piece.buffer, piece.byteOffset, piece.length))
      this.#arrived += piece.length
      this.#drop(from)
    }
  }

  #drop(before: number): void {
    while (this.#held.length > 0 && this.#heldFrom < before) {
      const first = this.#held[0]!
      const count = Math.min(first.length, before - this.#heldFrom)
      this.#heldFrom += count
      if (count === first.length) this.#held.shift()
      else this.#held[0] = first.subarray(count)
    }
  }
}
