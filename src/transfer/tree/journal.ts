/**
 * What a receiver has of a transfer, in a file that is only appended to: every listing as it came, and which of its
 * chunks stand on disk. Whoever resumes reads it once and need not look at the files. What follows the last whole
 * record, torn by a crash, is cut off.
 * Source: format-spec/warp-transfer.md §10.
 */
import fs from 'node:fs'
import { promisify } from 'node:util'
import { WarpError } from '../../base/errors.ts'
import { MAX_PAGE_BYTES } from '../../base/limits.ts'
import { hash } from '../../codec/blake3.ts'
import { pageDigest } from '../../codec/merkle.ts'
import { readFully } from '../../archive/os/file-reader.ts'
import { outputError } from '../../archive/sink.ts'
import { ByteReader, ByteWriter } from '../../format/cursor.ts'
import { OFFER_ID_BYTES } from '../messages.ts'

const fdatasync = promisify(fs.fdatasync)

const VERSION = 1
const TYPE = { start: 1, listing: 2, done: 3, publishing: 4 } as const
/** u32 length of the payload, u8 type; the payload; 8 bytes of BLAKE3 over all of it. */
const HEAD_BYTES = 5
const CHECKSUM_BYTES = 8
/** Version, offer, average. */
const START_BYTES = 1 + OFFER_ID_BYTES + 4
const MAX_RECORD_BYTES = MAX_PAGE_BYTES + 64

export interface JournalStart {
  offerId: Uint8Array
  average: number
}

/** A listing that came, and what is done of it. */
export interface JournalledListing {
  digest: Uint8Array
  /** Chunk references that stand on disk, as [first, count) runs; null: all, and every file that ends in it is complete. */
  done: [number, number][] | null
  offset: number
  length: number
}

export class Journal {
  readonly start: JournalStart
  readonly listings: JournalledListing[] = []
  /** All is there, and was about to get its final names. */
  isPublishing = false
  readonly #fd: number
  #end = 0

  private constructor(fd: number, start: JournalStart) {
    this.#fd = fd
    this.start = start
  }

  /** @throws {WarpError} ERR_WARP_OUTPUT, ERR_WARP_NO_SPACE */
  static create(path: Buffer, start: JournalStart): Journal {
    const fd = opened(() => fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL, 0o600))
    const journal = new Journal(fd, start)
    journal.#append(TYPE.start, [new ByteWriter(32).u8(VERSION).put(start.offerId).u32(start.average).take()])
    return journal
  }

  /** Reads one that is there. @returns null if it does not even hold its start: nothing is known */
  static open(path: Buffer): Journal | null {
    const fd = opened(() => fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_NOFOLLOW))
    let journal: Journal | null = null
    try {
      journal = opened(() => replayed(fd))
    } finally {
      if (!journal) fs.closeSync(fd)
    }
    return journal

    function replayed(fd: number): Journal | null {
      const length = fs.fstatSync(fd).size
      let journal: Journal | null = null
      let offset = 0
      for (;;) {
        const record = readRecord(fd, offset, length)
        if (!record) break
        const { type, payload } = record
        if (journal) {
          if (!journal.#replay(type, payload, offset)) break
        } else {
          const start = type === TYPE.start ? readStart(payload) : null
          if (!start) break
          journal = new Journal(fd, start)
        }
        offset += HEAD_BYTES + payload.length + CHECKSUM_BYTES
      }
      if (!journal) return null
      journal.#end = offset
      fs.ftruncateSync(fd, offset)
      return journal
    }
  }

  /** Adds listing `number`, which is the next; or takes the place of one that was another, and of all after it. */
  addListing(number: number, content: Uint8Array): void {
    this.listings.length = number
    const head = new ByteWriter(8).varint(number).take()
    const offset = this.#end + HEAD_BYTES + head.length
    this.#append(TYPE.listing, [head, content])
    this.listings.push({ digest: pageDigest(content), done: [], offset, length: content.length })
  }

  /** The content of a listing. */
  contentOf(number: number): Uint8Array {
    return this.read(this.listings[number]!)
  }

  /** The content of a listing, also of one whose place another has taken. */
  read({ offset, length }: JournalledListing): Uint8Array {
    const content = Buffer.allocUnsafeSlow(length)
    readFully(this.#fd, content, offset)
    return content
  }

  /** To be called when what it says is on disk. @param done null: all */
  setDone(number: number, done: [number, number][] | null): void {
    this.listings[number]!.done = done
    const writer = new ByteWriter(64).varint(number).u8(done ? 0 : 1).varint(done?.length ?? 0)
    for (const [first, count] of done ?? []) writer.varint(first).varint(count)
    this.#append(TYPE.done, [writer.take()])
  }

  setPublishing(): void {
    this.isPublishing = true
    this.#append(TYPE.publishing, [])
  }

  async sync(): Promise<void> {
    try {
      await fdatasync(this.#fd)
    } catch (error) {
      throw outputError(error, 'the journal')
    }
  }

  close(): void {
    fs.closeSync(this.#fd)
  }

  #append(type: number, pieces: Uint8Array[]): void {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
    const record = Buffer.alloc(HEAD_BYTES + length + CHECKSUM_BYTES)
    record.writeUInt32LE(length, 0)
    record.writeUInt8(type, 4)
    let at = HEAD_BYTES
    for (const piece of pieces) {
      record.set(piece, at)
      at += piece.length
    }
    record.set(hash(record.subarray(0, at)).subarray(0, CHECKSUM_BYTES), at)
    opened(() => {
      for (let done = 0; done < record.length; ) done += fs.writeSync(this.#fd, record, done, record.length - done, this.#end + done)
    })
    this.#end += record.length
  }

  /** @returns whether the record says something that can come next; what does not ends the journal as a torn one does */
  #replay(type: number, payload: Uint8Array, offset: number): boolean {
    try {
      const reader = new ByteReader(payload)
      if (type === TYPE.listing) this.#replayListing(reader, offset)
      else if (type === TYPE.done) this.#replayDone(reader)
      else if (type === TYPE.publishing && reader.remaining === 0) this.isPublishing = true
      else return false
      return true
    } catch (error) {
      if (error instanceof WarpError) return false
      throw error
    }
  }

  #replayListing(reader: ByteReader, offset: number): void {
    const number = reader.varintUpTo(this.listings.length, 'the number of a listing')
    const start = offset + HEAD_BYTES + reader.position
    const content = reader.take(reader.remaining)
    this.listings.length = number
    this.listings.push({ digest: pageDigest(content), done: [], offset: start, length: content.length })
  }

  #replayDone(reader: ByteReader): void {
    const listing = this.listings[reader.varintUpTo(this.listings.length - 1, 'the number of a listing')]!
    const isAll = reader.u8() === 1
    const runs: [number, number][] = []
    for (let left = reader.varintUpTo(reader.remaining, 'a number of runs'); left > 0; left--) runs.push([reader.varint(), reader.varint()])
    reader.done()
    listing.done = isAll ? null : runs
  }
}

function readStart(payload: Uint8Array): JournalStart | null {
  const reader = new ByteReader(payload)
  if (payload.length !== START_BYTES || reader.u8() !== VERSION) return null
  return { offerId: Buffer.from(reader.take(OFFER_ID_BYTES)), average: reader.u32() }
}

/** @returns null where no whole record follows */
function readRecord(fd: number, offset: number, fileLength: number): { type: number; payload: Uint8Array } | null {
  const head = Buffer.alloc(HEAD_BYTES)
  if (readFully(fd, head, offset) < HEAD_BYTES) return null
  const length = head.readUInt32LE(0)
  const whole = HEAD_BYTES + length + CHECKSUM_BYTES
  if (length > MAX_RECORD_BYTES || offset + whole > fileLength) return null
  const record = Buffer.allocUnsafeSlow(whole)
  if (readFully(fd, record, offset) < whole) return null
  const end = HEAD_BYTES + length
  if (!Buffer.from(hash(record.subarray(0, end)).subarray(0, CHECKSUM_BYTES)).equals(record.subarray(end))) return null
  return { type: record.readUInt8(4), payload: record.subarray(HEAD_BYTES, end) }
}

function opened<T>(act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw outputError(error, 'the journal')
  }
}
