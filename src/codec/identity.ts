/** Identities: the keys that come from one seed, and their text forms. Source: format-spec §6.4; BIP 173. */
import { WarpError } from '../base/errors.ts'
import { KEY_BYTES } from '../base/limits.ts'
import { deriveKey } from './blake3.ts'
import { loadPortable } from './native.ts'
import { signerOf } from './signature.ts'
import { x25519Public } from './x25519.ts'

type Base = typeof import('@scure/base')

/** A key pair of each kind; all are 32 bytes. */
export interface Identity {
  seed: Uint8Array
  x25519Secret: Uint8Array
  /** X25519 public key. */
  recipient: Uint8Array
  signerSeed: Uint8Array
  /** Ed25519 public key. */
  readonly signer: Uint8Array
}

/** @param seed 32 bytes */
export function identityFromSeed(seed: Uint8Array): Identity {
  if (seed.length !== KEY_BYTES) throw new RangeError('a seed has 32 bytes')
  const x25519Secret = deriveKey('warp-identity 1 x25519', seed)
  const signerSeed = deriveKey('warp-identity 1 ed25519', seed)
  const recipient = x25519Public(x25519Secret)
  let signer: Uint8Array | null = null
  return {
    seed, x25519Secret, recipient, signerSeed,
    // Made in JavaScript, which takes long, and nobody asks for it to open an archive.
    get signer() {
      return (signer ??= signerOf(signerSeed))
    },
  }
}

/** @param seed 32 bytes */
export function encodeIdentity(seed: Uint8Array): string {
  return encode('warp-identity', seed).toUpperCase()
}

/**
 * @returns the seed, 32 bytes
 * @throws {WarpError} ERR_WARP_USAGE
 */
export function decodeIdentity(text: string): Uint8Array {
  return decode('warp-identity', text, 'an identity starts with WARP-IDENTITY1')
}

/** @param recipient X25519 public key, 32 bytes */
export function encodeRecipient(recipient: Uint8Array): string {
  return encode('warp-recipient', recipient)
}

/**
 * @returns an X25519 public key, 32 bytes
 * @throws {WarpError} ERR_WARP_USAGE
 */
export function decodeRecipient(text: string): Uint8Array {
  return decode('warp-recipient', text, 'a recipient starts with warp-recipient1')
}

/** @param signer Ed25519 public key, 32 bytes */
export function encodeSigner(signer: Uint8Array): string {
  return encode('warp-signer', signer)
}

/**
 * @returns an Ed25519 public key, 32 bytes
 * @throws {WarpError} ERR_WARP_USAGE
 */
export function decodeSigner(text: string): Uint8Array {
  return decode('warp-signer', text, 'a signer starts with warp-signer1')
}

/**
 * The identity of an identity file: one on a line by itself, among empty lines and lines that start with `#`.
 * @throws {WarpError} ERR_WARP_USAGE
 */
export function readIdentityFile(text: string): Identity {
  const lines = text.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#'))
  if (lines.length !== 1) {
    throw new WarpError('ERR_WARP_USAGE', `the identity file holds ${lines.length} identities`, {
      hint: 'it must hold one line that starts with WARP-IDENTITY1',
    })
  }
  return identityFromSeed(decodeIdentity(lines[0]))
}

function encode(prefix: string, bytes: Uint8Array): string {
  if (bytes.length !== KEY_BYTES) throw new RangeError('a key has 32 bytes')
  const { bech32 } = loadPortable('@scure/base') as Base
  return bech32.encode(prefix, bech32.toWords(bytes), false)
}

function decode(prefix: string, text: string, hint: string): Uint8Array {
  const { bech32 } = loadPortable('@scure/base') as Base
  const decoded = bech32.decodeUnsafe(text, false)
  const bytes = decoded && bech32.fromWordsUnsafe(decoded.words)
  // The text is not repeated: it may be a secret in the wrong place.
  if (!decoded || !bytes) throw new WarpError('ERR_WARP_USAGE', 'a key is mistyped', { hint })
  if (decoded.prefix !== prefix || bytes.length !== KEY_BYTES) {
    throw new WarpError('ERR_WARP_USAGE', `this is not a ${prefix}`, { hint })
  }
  return bytes
}
