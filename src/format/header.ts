/** The header and the key slots that follow it (§5.1): the first bytes of an archive. */
import { WarpError } from '../base/errors.ts'
import {
  ARCHIVE_ID_BYTES, CHECKSUM_BYTES, HEADER_BYTES, INHERITANCE_BYTES, INHERITANCE_FIELD_BYTES, KEY_BYTES, MAX_AVERAGE_BYTES, MAX_SLOTS, MIN_AVERAGE_BYTES,
  SLOT_BYTES,
} from '../base/limits.ts'
import { ByteReader, ByteWriter, equalBytes, isZero } from './cursor.ts'
import { checkSlots, readSlot, writeSlot } from './key-slot.ts'
import type { KeySlot } from './key-slot.ts'

export const VERSION = 1

/** BLAKE3, 32 bytes. Handed in, because this layer knows no cryptography. */
export type Hash = (bytes: Uint8Array) => Uint8Array

export interface Header {
  /** u8[16] */
  archiveId: Uint8Array
  /** Average chunk size, bytes: a power of two (§4.1). */
  average: number
  encrypted: boolean
  /** The archive was made by recovery and may lack entries (§11). */
  partial: boolean
  /** u8[32], zero if not encrypted */
  segmentSalt: Uint8Array
  /** u8[32], zero if not encrypted */
  commitment: Uint8Array
  /** Some chunks lie in another archive, the base (§6.5). */
  thin: boolean
  /**
   * u8[96]: what the archive takes over from its base (§6.5), sealed if it is encrypted, else followed by
   * zeros; null if nothing.
   */
  inheritance: Uint8Array | null
  /** u8[32], zero if not encrypted */
  mac: Uint8Array
  slots: KeySlot[]
}

const MAGIC = Uint8Array.of(0x89, 0x57, 0x41, 0x52, 0x50, 0x0d, 0x0a, 0x1a)
const INCOMPAT_ENCRYPTED = 1
const INCOMPAT_INHERITED_KEY = 2
const INCOMPAT_THIN = 4
const INCOMPAT_KNOWN = INCOMPAT_ENCRYPTED | INCOMPAT_INHERITED_KEY | INCOMPAT_THIN
const NEWER = 'a newer version of warp may read it'
const COMPAT_PARTIAL = 1
const RESERVED_BYTES = 8
/** Bytes of the header that the MAC covers; the slots come on top. */
const MAC_INPUT_BYTES = 208
/** Bytes of the header that the checksum covers; the slots come on top. */
const CHECKSUM_INPUT_BYTES = HEADER_BYTES - CHECKSUM_BYTES

/**
 * Writes the header and its slots. Source: §5.1.
 * @param macOf gives the MAC of the bytes handed to it, u8[32], or null if not encrypted
 * @throws {RangeError} a field that no reader accepts
 * @throws {WarpError} ERR_WARP_LIMIT: the slots break the limits of §5.2
 */
export function writeHeader(
  header: Omit<Header, 'mac'>,
  hash: Hash,
  macOf: (bytesToMac: Uint8Array) => Uint8Array | null,
): Uint8Array {
  const { archiveId, average, encrypted, partial, segmentSalt, commitment, thin, inheritance, slots } = header
  checkSlots(slots)
  if (!isAverage(average)) throw new RangeError(`${average} is not an average chunk size`)
  if (encrypted !== slots.length > 0) throw new RangeError('key slots go with encryption')
  if (archiveId.length !== ARCHIVE_ID_BYTES) throw new RangeError('an archive id has 16 bytes')
  for (const field of [segmentSalt, commitment]) {
    if (field.length !== KEY_BYTES) throw new RangeError('a salt or commitment has 32 bytes')
    if (!encrypted && !isZero(field)) throw new RangeError('a salt or commitment goes with encryption')
  }
  if (thin && !inheritance) throw new RangeError('a thin archive names its base')
  if (inheritance && inheritance.length !== INHERITANCE_FIELD_BYTES) throw new RangeError('an inheritance has 96 bytes')
  const incompat = (encrypted ? INCOMPAT_ENCRYPTED : 0) | (encrypted && inheritance ? INCOMPAT_INHERITED_KEY : 0) | (thin ? INCOMPAT_THIN : 0)
  const start = new ByteWriter(MAC_INPUT_BYTES)
    .put(MAGIC).u16(VERSION).u16(slots.length)
    .u32(incompat).u32(partial ? COMPAT_PARTIAL : 0)
    .u32(average).put(archiveId).put(segmentSalt).put(commitment)
    .put(inheritance ?? new Uint8Array(INHERITANCE_FIELD_BYTES)).zeros(RESERVED_BYTES)
    .take()
  const slotBytes = concat(slots.map(writeSlot))
  const mac = macOf(concat([start, slotBytes])) ?? new Uint8Array(KEY_BYTES)
  if (mac.length !== KEY_BYTES || (!encrypted && !isZero(mac))) throw new RangeError('the MAC does not fit')
  const checksum = hash(concat([start, mac, slotBytes])).subarray(0, CHECKSUM_BYTES)
  return concat([start, mac, checksum, slotBytes])
}

/**
 * Bytes of the header and its slots together.
 * @param first the first 256 bytes of the archive; fewer only if it has no more
 * @throws {WarpError} ERR_WARP_NOT_AN_ARCHIVE, ERR_WARP_TRUNCATED, ERR_WARP_LIMIT
 */
export function readHeaderSize(first: Uint8Array): number {
  const n = Math.min(first.length, MAGIC.length)
  if (!equalBytes(first.subarray(0, n), MAGIC.subarray(0, n))) {
    throw new WarpError('ERR_WARP_NOT_AN_ARCHIVE', 'this is not a warp archive')
  }
  if (first.length < HEADER_BYTES) {
    const message = first.length === 0 ? 'there is nothing: the archive is empty' : 'the archive ends inside its header'
    throw new WarpError('ERR_WARP_TRUNCATED', message, { offset: first.length })
  }
  const slotCount = new ByteReader(first, 10).u16()
  if (slotCount > MAX_SLOTS) throw new WarpError('ERR_WARP_LIMIT', `the header states ${slotCount} key slots`)
  return HEADER_BYTES + slotCount * SLOT_BYTES
}

/**
 * Reads the header and its slots; all checks of §5.1 and §5.2, in their order, but that of the MAC.
 * @param bytes header ‖ slots, exactly `readHeaderSize` bytes; borrowed by the header returned
 * @returns the header, and the bytes whose MAC must equal `header.mac` if it is encrypted
 * @throws {WarpError} ERR_WARP_NOT_AN_ARCHIVE, ERR_WARP_TRUNCATED, ERR_WARP_TRAILING_BYTES,
 *   ERR_WARP_HEADER_DAMAGED, ERR_WARP_VERSION, ERR_WARP_FEATURE, ERR_WARP_MALFORMED, ERR_WARP_LIMIT
 */
export function readHeader(bytes: Uint8Array, hash: Hash): { header: Header; macInput: Uint8Array } {
  const size = readHeaderSize(bytes)
  if (bytes.length < size) {
    const details = { offset: bytes.length }
    throw new WarpError('ERR_WARP_TRUNCATED', 'the archive ends inside its key slots', details)
  }
  if (bytes.length > size) {
    throw new WarpError('ERR_WARP_TRAILING_BYTES', 'bytes follow the key slots', { offset: size })
  }
  const slotBytes = bytes.subarray(HEADER_BYTES)
  const checksum = hash(concat([bytes.subarray(0, CHECKSUM_INPUT_BYTES), slotBytes]))
  if (!equalBytes(checksum.subarray(0, CHECKSUM_BYTES), bytes.subarray(CHECKSUM_INPUT_BYTES, HEADER_BYTES))) {
    throw new WarpError('ERR_WARP_HEADER_DAMAGED', 'the checksum of the header is wrong', { offset: 0 })
  }
  const reader = new ByteReader(bytes, MAGIC.length)
  const version = reader.u16()
  if (version !== VERSION) {
    throw new WarpError('ERR_WARP_VERSION', `the archive has format version ${version}, not ${VERSION}`, { hint: NEWER })
  }
  const slotCount = reader.u16()
  const incompat = reader.u32()
  if ((incompat & ~INCOMPAT_KNOWN) !== 0) {
    const features = `0x${incompat.toString(16)}`
    throw new WarpError('ERR_WARP_FEATURE', `the archive needs unknown features (${features})`, { hint: NEWER })
  }
  const encrypted = (incompat & INCOMPAT_ENCRYPTED) !== 0
  const inheritsKey = (incompat & INCOMPAT_INHERITED_KEY) !== 0
  const thin = (incompat & INCOMPAT_THIN) !== 0
  const partial = (reader.u32() & COMPAT_PARTIAL) !== 0
  const average = reader.u32()
  if (!isAverage(average)) throw malformed(`the average chunk size ${average} is out of range`)
  const archiveId = reader.take(ARCHIVE_ID_BYTES)
  const segmentSalt = reader.take(KEY_BYTES)
  const commitment = reader.take(KEY_BYTES)
  const inheritance = reader.take(INHERITANCE_FIELD_BYTES)
  reader.zeros(RESERVED_BYTES)
  const mac = reader.take(KEY_BYTES)
  if (encrypted !== slotCount > 0) throw malformed('key slots without encryption, or encryption without any')
  if (inheritsKey ? !encrypted : encrypted && thin) {
    throw malformed('an archive takes over a chunk-id key and is not encrypted, or is thin, encrypted and takes over none')
  }
  if (!inheritsKey && !thin && !isZero(inheritance)) throw malformed('an archive without a base takes something over')
  if (!encrypted && !isZero(inheritance.subarray(INHERITANCE_BYTES))) throw malformed('an archive that is not encrypted has something sealed')
  if (!encrypted && !(isZero(segmentSalt) && isZero(commitment) && isZero(mac))) {
    throw malformed('an archive that is not encrypted has a salt, a commitment or a MAC')
  }
  const slots: KeySlot[] = []
  for (let at = 0; at < slotBytes.length; at += SLOT_BYTES) {
    slots.push(readSlot(slotBytes.subarray(at, at + SLOT_BYTES)))
  }
  checkSlots(slots)
  return {
    header: {
      archiveId, average, encrypted, partial, segmentSalt, commitment, thin, inheritance: inheritsKey || thin ? inheritance : null, mac, slots,
    },
    macInput: concat([bytes.subarray(0, MAC_INPUT_BYTES), slotBytes]),
  }
}

/** Whether `average` is a value of §4.1. */
export function isAverage(average: number): boolean {
  return average >= MIN_AVERAGE_BYTES && average <= MAX_AVERAGE_BYTES && Number.isInteger(Math.log2(average))
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter(parts.reduce((sum, part) => sum + part.length, 0))
  for (const part of parts) writer.put(part)
  return writer.take()
}

function malformed(message: string): WarpError {
  return new WarpError('ERR_WARP_MALFORMED', message)
}
