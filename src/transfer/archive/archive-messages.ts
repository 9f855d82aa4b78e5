/**
 * Messages of a whole archive, which goes byte for byte. Source: warp-transfer, whole archives. No digest of all of it
 * is sent: the connection is authenticated, the blocks have tags, and what a resumed transfer builds on is proved.
 */
import { ARCHIVE_ID_BYTES, KEY_BYTES, MAX_NAME_BYTES, MIB } from '../../base/limits.ts'
import { hash } from '../../codec/blake3.ts'
import { ByteWriter, equalBytes } from '../../format/cursor.ts'
import { fromPeer } from '../peer-fields.ts'

export const ARCHIVE_MESSAGE = {
  /** Sender: what it has; the first message on each connection. */
  offer: 80,
  /** Receiver: how much of it it has. */
  from: 81,
  /** Sender: 1 to ARCHIVE_DATA_BYTES bytes, those that follow the last. */
  data: 82,
  /** Sender: u64, bytes of the whole archive; it did not change while it was read. */
  end: 83,
  /** Receiver: u64, as `end`; it stands under its final name. */
  done: 84,
  /** Sender: u64, position of the first byte that it will send: as in `from`, or 0 if that is of another file. */
  start: 85,
} as const

/** The most that a message of data holds, bytes. */
export const ARCHIVE_DATA_BYTES = 512 * 1024
/** What both sides compare of what the receiver has: the last bytes of it. */
export const ARCHIVE_TAIL_BYTES = 1 * MIB

export interface ArchiveOffer {
  /** Bytes of the whole archive. */
  length: number
  /** u8[16] */
  archiveId: Uint8Array
  /** BLAKE3 of the header and the key slots, u8[32]. */
  headDigest: Uint8Array
  /** When the sender's file was modified, nanoseconds since 1970 modulo 2⁶⁴. */
  mtimeNs: bigint
  /** 1–255 bytes, nothing else is checked. */
  name: Uint8Array
}

export function writeArchiveOffer({ length, archiveId, headDigest, mtimeNs, name }: ArchiveOffer): Uint8Array {
  return new ByteWriter().u64(length).put(archiveId).put(headDigest).rawU64(mtimeNs).u8(name.length).put(name).take()
}

/** @throws {WarpError} ERR_WARP_PEER_PROTOCOL, as all that read here */
export function readArchiveOffer(payload: Uint8Array): ArchiveOffer {
  return fromPeer(payload, (reader) => ({
    length: reader.u64(),
    archiveId: Uint8Array.from(reader.take(ARCHIVE_ID_BYTES)),
    headDigest: Uint8Array.from(reader.take(KEY_BYTES)),
    mtimeNs: reader.rawU64(),
    name: Uint8Array.from(reader.take(Math.min(reader.u8(), MAX_NAME_BYTES))),
  }))
}

/** Whether both are of the same file, as far as that can be told without reading it. */
export function isSameOffer(a: ArchiveOffer, b: ArchiveOffer): boolean {
  return a.length === b.length && a.mtimeNs === b.mtimeNs && equalBytes(a.archiveId, b.archiveId) && equalBytes(a.headDigest, b.headDigest)
}

export interface ArchiveFrom {
  /** Bytes that the receiver has. */
  position: number
  /** `tailDigest` of what it has. */
  digest: Uint8Array
}

export function writeArchiveFrom({ position, digest }: ArchiveFrom): Uint8Array {
  return new ByteWriter(40).u64(position).put(digest).take()
}

export function readArchiveFrom(payload: Uint8Array): ArchiveFrom {
  return fromPeer(payload, (reader) => ({ position: reader.u64(), digest: Uint8Array.from(reader.take(KEY_BYTES)) }))
}

/** @param tail the last ARCHIVE_TAIL_BYTES before a position, or all before it; @returns 32 bytes, zeros for position 0 */
export function tailDigest(tail: Uint8Array): Uint8Array {
  return tail.length === 0 ? new Uint8Array(KEY_BYTES) : hash(tail)
}
