/** The archive key: its sub-keys, and the slots that wrap it. Source: format-spec §6.1–§6.3. */
import { WarpError } from '../base/errors.ts'
import { KEY_BYTES, TAG_BYTES } from '../base/limits.ts'
import { NONCE_BYTES, openInto, sealInto } from './aead.ts'
import { SALT_BYTES, argon2id } from './argon2id.ts'
import { deriveKey } from './blake3.ts'
import { x25519Public, x25519Shared } from './x25519.ts'

export { argon2id }

/** `n` bytes from a cryptographic generator. */
export type Random = (n: number) => Uint8Array

/** Five keys of 32 bytes. */
export interface SubKeys {
  chunkId: Uint8Array
  commitment: Uint8Array
  mac: Uint8Array
  sealing: Uint8Array
  /** Seals what is taken over from a base. */
  inheritance: Uint8Array
}

/** A slot that a passphrase opens (§5.2). */
export interface PassphraseSlot {
  type: 1
  iterations: number
  memoryKib: number
  /** 16 bytes. */
  salt: Uint8Array
  /** 48 bytes. */
  wrapped: Uint8Array
}

/** A slot that an identity opens (§5.2). */
export interface RecipientSlot {
  type: 2
  /** Ephemeral X25519 public key, 32 bytes. */
  share: Uint8Array
  /** 48 bytes. */
  wrapped: Uint8Array
}

/**
 * @param archiveKey 32 bytes
 * @param segmentSalt 32 bytes
 */
export function subKeys(archiveKey: Uint8Array, segmentSalt: Uint8Array): SubKeys {
  const both = concat(archiveKey, segmentSalt)
  const keys = {
    chunkId: deriveKey('warp-archive 1 chunk id', archiveKey),
    commitment: deriveKey('warp-archive 1 key commitment', archiveKey),
    mac: deriveKey('warp-archive 1 header mac', archiveKey),
    sealing: deriveKey('warp-archive 1 sealing', both),
    inheritance: deriveKey('warp-archive 1 inheritance', both),
  }
  both.fill(0)
  return keys
}

/**
 * The key that wraps the archive key in a slot of type 1.
 * @param salt 16 bytes
 * @throws {WarpError} ERR_WARP_LIMIT: a cost is out of range
 */
export function passphraseKek(
  passphrase: Uint8Array, salt: Uint8Array, iterations: number, memoryKib: number,
): Uint8Array {
  const stretched = argon2id(passphrase, salt, iterations, memoryKib)
  const kek = deriveKey('warp-archive 1 passphrase slot', stretched)
  stretched.fill(0)
  return kek
}

/**
 * The key that wraps the archive key in a slot of type 2, from X25519 of either side's secret and the
 * other's public key.
 * @param shared 32 bytes
 */
export function recipientKek(shared: Uint8Array, ephemeral: Uint8Array, recipient: Uint8Array): Uint8Array {
  const both = concat(shared, ephemeral, recipient)
  const kek = deriveKey('warp-archive 1 recipient slot', both)
  both.fill(0)
  return kek
}

/**
 * A new slot for a passphrase.
 * @throws {WarpError} ERR_WARP_LIMIT: a cost is out of range
 */
export function wrapForPassphrase(options: {
  archiveKey: Uint8Array, archiveId: Uint8Array, passphrase: Uint8Array,
  iterations: number, memoryKib: number, random: Random,
}): PassphraseSlot {
  const { archiveKey, archiveId, passphrase, iterations, memoryKib, random } = options
  const salt = random(SALT_BYTES)
  const kek = passphraseKek(passphrase, salt, iterations, memoryKib)
  return { type: 1, iterations, memoryKib, salt, wrapped: wrap(kek, archiveId, archiveKey) }
}

/**
 * A new slot for a recipient.
 * @param options.recipient X25519 public key, 32 bytes
 * @throws {WarpError} ERR_WARP_USAGE: the recipient is no key that anyone can hold the secret of
 */
export function wrapForRecipient(options: {
  archiveKey: Uint8Array, archiveId: Uint8Array, recipient: Uint8Array, random: Random,
}): RecipientSlot {
  const { archiveKey, archiveId, recipient, random } = options
  const secret = random(KEY_BYTES)
  const ephemeral = x25519Public(secret)
  const shared = x25519Shared(secret, recipient)
  secret.fill(0)
  if (shared === null) {
    const hint = 'take the one that keygen printed'
    throw new WarpError('ERR_WARP_USAGE', 'the recipient is not a usable key', { hint })
  }
  const kek = recipientKek(shared, ephemeral, recipient)
  shared.fill(0)
  return { type: 2, share: ephemeral, wrapped: wrap(kek, archiveId, archiveKey) }
}

/**
 * @param slot within the limits of §5.2, the sum over all slots too
 * @returns the archive key, or null if the passphrase does not open the slot
 * @throws {WarpError} ERR_WARP_LIMIT: a cost is out of range
 */
export function unwrapWithPassphrase(
  slot: PassphraseSlot, archiveId: Uint8Array, passphrase: Uint8Array,
): Uint8Array | null {
  const kek = passphraseKek(passphrase, slot.salt, slot.iterations, slot.memoryKib)
  return unwrap(kek, archiveId, slot.wrapped)
}

/**
 * @param x25519Secret 32 bytes
 * @returns the archive key, or null if the identity does not open the slot
 */
export function unwrapWithIdentity(
  slot: RecipientSlot, archiveId: Uint8Array, x25519Secret: Uint8Array,
): Uint8Array | null {
  const shared = x25519Shared(x25519Secret, slot.share)
  if (shared === null) return null
  const kek = recipientKek(shared, slot.share, x25519Public(x25519Secret))
  shared.fill(0)
  return unwrap(kek, archiveId, slot.wrapped)
}

// §6.1: no KEK seals twice, so that the nonce can be fixed.
const WRAP_NONCE = new Uint8Array(NONCE_BYTES)

/** Seals the archive key; `kek` is used up. */
function wrap(kek: Uint8Array, archiveId: Uint8Array, archiveKey: Uint8Array): Uint8Array {
  const wrapped = new Uint8Array(KEY_BYTES + TAG_BYTES)
  const sealed = wrapped.subarray(0, KEY_BYTES)
  sealInto(kek, WRAP_NONCE, archiveId, archiveKey, sealed, wrapped.subarray(KEY_BYTES))
  kek.fill(0)
  return wrapped
}

/** Opens what `wrap` sealed, or null; `kek` is used up. */
function unwrap(kek: Uint8Array, archiveId: Uint8Array, wrapped: Uint8Array): Uint8Array | null {
  const archiveKey = new Uint8Array(KEY_BYTES)
  const sealed = wrapped.subarray(0, KEY_BYTES)
  const opened = openInto(kek, WRAP_NONCE, archiveId, sealed, wrapped.subarray(KEY_BYTES), archiveKey)
  kek.fill(0)
  return opened ? archiveKey : null
}

/**
 * Seals what an archive takes over from its base (§6.5): the key derives from a pair of archive key and salt
 * that no other archive has, so that the nonce can be fixed.
 * @param inheritance 80 bytes
 * @returns 96 bytes
 */
export function sealInheritance(key: Uint8Array, archiveId: Uint8Array, inheritance: Uint8Array): Uint8Array {
  const sealed = new Uint8Array(inheritance.length + TAG_BYTES)
  sealInto(key, WRAP_NONCE, archiveId, inheritance, sealed.subarray(0, inheritance.length), sealed.subarray(inheritance.length))
  return sealed
}

/** @returns 80 bytes; null if the tag is wrong */
export function openInheritance(key: Uint8Array, archiveId: Uint8Array, sealed: Uint8Array): Uint8Array | null {
  const plain = new Uint8Array(sealed.length - TAG_BYTES)
  const opened = openInto(key, WRAP_NONCE, archiveId, sealed.subarray(0, plain.length), sealed.subarray(plain.length), plain)
  return opened ? plain : null
}

function concat(...parts: Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}
