/** Key slots (§5.2): each wraps the archive key for one passphrase or one recipient. */
import { WarpError } from '../base/errors.ts'
import {
  ARGON2_MAX_ITERATIONS, ARGON2_MAX_MEMORY_KIB, ARGON2_MAX_TOTAL_KIB, ARGON2_MIN_MEMORY_KIB, KEY_BYTES,
  MAX_PASSPHRASE_SLOTS, MAX_SLOTS, SLOT_BYTES, TAG_BYTES,
} from '../base/limits.ts'
import { ByteReader, ByteWriter } from './cursor.ts'

export const SALT_BYTES = 16
export const WRAPPED_BYTES = KEY_BYTES + TAG_BYTES

export interface PassphraseSlot {
  type: 1
  /** 1 … 16 */
  iterations: number
  /** 8 … 1,048,576 */
  memoryKib: number
  /** u8[16] */
  salt: Uint8Array
  /** u8[48]: the archive key, sealed */
  wrapped: Uint8Array
}

export interface RecipientSlot {
  type: 2
  /** u8[32]: ephemeral X25519 public key */
  share: Uint8Array
  /** u8[48]: the archive key, sealed */
  wrapped: Uint8Array
}

export type KeySlot = PassphraseSlot | RecipientSlot

/**
 * Writes one slot, 96 bytes. Source: §5.2.
 * @throws {RangeError} a field has the wrong length
 */
export function writeSlot(slot: KeySlot): Uint8Array {
  checkLength(slot.wrapped, WRAPPED_BYTES)
  const writer = new ByteWriter(SLOT_BYTES).u8(slot.type).zeros(3)
  if (slot.type === 1) {
    checkLength(slot.salt, SALT_BYTES)
    writer.u32(slot.iterations).u32(slot.memoryKib).zeros(4).put(slot.salt).zeros(16)
  } else {
    checkLength(slot.share, KEY_BYTES)
    writer.zeros(12).put(slot.share)
  }
  return writer.put(slot.wrapped).take()
}

/**
 * Reads one slot. Source: §5.2.
 * @param bytes u8[96]
 * @throws {WarpError} ERR_WARP_MALFORMED, ERR_WARP_LIMIT
 */
export function readSlot(bytes: Uint8Array): KeySlot {
  const reader = new ByteReader(bytes)
  const type = reader.u8()
  reader.zeros(3)
  if (type === 1) {
    const iterations = reader.u32()
    const memoryKib = reader.u32()
    checkCost(iterations, memoryKib)
    reader.zeros(4)
    const salt = reader.take(SALT_BYTES)
    reader.zeros(16)
    const wrapped = reader.take(WRAPPED_BYTES)
    reader.done()
    return { type, iterations, memoryKib, salt, wrapped }
  }
  if (type !== 2) throw new WarpError('ERR_WARP_MALFORMED', `a key slot has the unknown type ${type}`)
  reader.zeros(12)
  const share = reader.take(KEY_BYTES)
  const wrapped = reader.take(WRAPPED_BYTES)
  reader.done()
  return { type, share, wrapped }
}

/**
 * Checks what holds for all slots together, before the key derivation of any is run. Source: §5.2.
 * @throws {WarpError} ERR_WARP_LIMIT
 */
export function checkSlots(slots: readonly KeySlot[]): void {
  if (slots.length > MAX_SLOTS) throw new WarpError('ERR_WARP_LIMIT', `more than ${MAX_SLOTS} key slots`)
  let count = 0
  let totalKib = 0
  for (const slot of slots) {
    if (slot.type !== 1) continue
    checkCost(slot.iterations, slot.memoryKib)
    count++
    totalKib += slot.iterations * slot.memoryKib
  }
  if (count > MAX_PASSPHRASE_SLOTS) {
    throw new WarpError('ERR_WARP_LIMIT', `more than ${MAX_PASSPHRASE_SLOTS} passphrase slots`)
  }
  if (totalKib > ARGON2_MAX_TOTAL_KIB) {
    throw new WarpError('ERR_WARP_LIMIT', 'the passphrase slots together cost too much to try')
  }
}

function checkCost(iterations: number, memoryKib: number): void {
  if (iterations < 1 || iterations > ARGON2_MAX_ITERATIONS) {
    throw new WarpError('ERR_WARP_LIMIT', `a passphrase slot asks for ${iterations} iterations`)
  }
  if (memoryKib < ARGON2_MIN_MEMORY_KIB || memoryKib > ARGON2_MAX_MEMORY_KIB) {
    throw new WarpError('ERR_WARP_LIMIT', `a passphrase slot asks for ${memoryKib} KiB of memory`)
  }
}

function checkLength(bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw new RangeError(`a field of ${length} bytes was given ${bytes.length}`)
}
