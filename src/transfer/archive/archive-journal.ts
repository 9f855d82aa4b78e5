/**
 * What a receiver of an archive remembers between two runs: which file it receives, and up to where it is checked and
 * durable. Append-only; every record has a checksum, and the last intact one counts. Source: warp-transfer, resume.
 */
import fs from 'node:fs'
import { promisify } from 'node:util'
import { ARCHIVE_ID_BYTES, CHECKSUM_BYTES, KEY_BYTES } from '../../base/limits.ts'
import { readFully } from '../../archive/os/file-reader.ts'
import { hash } from '../../codec/blake3.ts'
import { ByteReader, ByteWriter, equalBytes } from '../../format/cursor.ts'
import type { CheckedSoFar } from './archive-check.ts'
import { isSameOffer, type ArchiveOffer } from './archive-messages.ts'

const write = promisify(fs.write)
const fdatasync = promisify(fs.fdatasync)

const MAGIC = Buffer.from('warpRCV1', 'latin1')
const HEAD_BYTES = MAGIC.length + 8 + ARCHIVE_ID_BYTES + KEY_BYTES + 8 + CHECKSUM_BYTES
const RECORD_BYTES = 6 * 8 + CHECKSUM_BYTES

export class ArchiveJournal {
  readonly #fd: number
  readonly #offer: ArchiveOffer
  #length = 0

  /** @param fd open for reading and writing; owned by the caller */
  constructor(fd: number, offer: ArchiveOffer) {
    this.#fd = fd
    this.#offer = offer
  }

  /** The last intact record, after which the next is appended; null if there is none, or it is of another file. Called first, or `begin`. */
  read(): CheckedSoFar | null {
    const { size } = fs.fstatSync(this.#fd)
    const head = this.#readAt(0, HEAD_BYTES)
    if (!head || !head.subarray(0, MAGIC.length).equals(MAGIC)) return null
    const reader = new ByteReader(head, MAGIC.length)
    const offer = {
      length: reader.u64(), archiveId: reader.take(ARCHIVE_ID_BYTES), headDigest: reader.take(KEY_BYTES), mtimeNs: reader.rawU64(), name: this.#offer.name,
    }
    if (!isSameOffer(offer, this.#offer)) return null
    this.#length = HEAD_BYTES
    let last: CheckedSoFar | null = null
    for (; this.#length + RECORD_BYTES <= size; this.#length += RECORD_BYTES) {
      const record = this.#readAt(this.#length, RECORD_BYTES)
      if (!record) break
      const fields = new ByteReader(record)
      last = {
        position: fields.u64(), ordinal: fields.u64(), frames: fields.u64(), pages: fields.u64(), frameBytes: fields.u64(), openFrameBytes: fields.u64(),
      }
    }
    // A record beyond a damaged one must not come after those that are appended in its place.
    if (size > this.#length) fs.ftruncateSync(this.#fd, this.#length)
    return last
  }

  /** Forgets all records. */
  async begin(): Promise<void> {
    const { length, archiveId, headDigest, mtimeNs } = this.#offer
    fs.ftruncateSync(this.#fd, 0)
    this.#length = 0
    await this.#append(new ByteWriter(HEAD_BYTES).put(MAGIC).u64(length).put(archiveId).put(headDigest).rawU64(mtimeNs))
  }

  /** Everything before `position` must be durable. Resolves when the record is so too. */
  async append({ position, ordinal, frames, pages, frameBytes, openFrameBytes }: CheckedSoFar): Promise<void> {
    await this.#append(new ByteWriter(RECORD_BYTES).u64(position).u64(ordinal).u64(frames).u64(pages).u64(frameBytes).u64(openFrameBytes))
  }

  /** Bytes with a right checksum at their end; null if there are none. */
  #readAt(offset: number, length: number): Buffer | null {
    const bytes = Buffer.alloc(length)
    if (readFully(this.#fd, bytes, offset) < length) return null
    const end = length - CHECKSUM_BYTES
    return equalBytes(hash(bytes.subarray(0, end)).subarray(0, CHECKSUM_BYTES), bytes.subarray(end)) ? bytes : null
  }

  async #append(record: ByteWriter): Promise<void> {
    const bytes = record.put(hash(record.peek()).subarray(0, CHECKSUM_BYTES)).take()
    // At most 104 bytes: all are written, or none.
    await write(this.#fd, bytes, 0, bytes.length, this.#length)
    await fdatasync(this.#fd)
    this.#length += bytes.length
  }
}
