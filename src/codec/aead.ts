/** ChaCha20-Poly1305 over buffers that the caller owns. Source: RFC 8439 §2.8; format-spec §3, §5.3. */
import { KEY_BYTES, TAG_BYTES } from '../base/limits.ts'
import { choose, loadPortable } from './native.ts'

export const NONCE_BYTES = 12

type Bytes = Uint8Array
type Noble = typeof import('@noble/ciphers/chacha.js')

/** One implementation; lengths were checked. */
export interface Aead {
  sealInto(
    key: Bytes, nonce: Bytes, aad: Bytes, plain: Bytes, cipher: Bytes, tag: Bytes,
  ): void
  openInto(
    key: Bytes, nonce: Bytes, aad: Bytes, cipher: Bytes, tag: Bytes, plain: Bytes,
  ): boolean
}

/** The addon takes lengths on trust. */
interface NativePackage {
  crypto_aead_chacha20poly1305_ietf_encrypt_detached(c: Bytes, mac: Bytes, m: Bytes, ad: Bytes, npub: Bytes, k: Bytes): number
  /** @returns 0, or -1 if the tag is wrong */
  crypto_aead_chacha20poly1305_ietf_decrypt_detached(m: Bytes, c: Bytes, mac: Bytes, ad: Bytes, npub: Bytes, k: Bytes): number
}

function openNative(module: unknown): Aead {
  const {
    crypto_aead_chacha20poly1305_ietf_encrypt_detached: encrypt,
    crypto_aead_chacha20poly1305_ietf_decrypt_detached: decrypt,
  } = module as NativePackage
  return {
    sealInto: (key, nonce, aad, plain, cipher, tag) => { encrypt(cipher, tag, plain, aad, nonce, key) },
    openInto: (key, nonce, aad, cipher, tag, plain) => decrypt(plain, cipher, tag, aad, nonce, key) === 0,
  }
}

function openPortable(): Aead {
  const { chacha20poly1305 } = loadPortable('@noble/ciphers/chacha.js') as Noble
  return {
    sealInto: (key, nonce, aad, plain, cipher, tag) => {
      const sealed = chacha20poly1305(key, nonce, aad).encrypt(plain)
      cipher.set(sealed.subarray(0, plain.length))
      tag.set(sealed.subarray(plain.length))
    },
    openInto: (key, nonce, aad, cipher, tag, plain) => {
      const sealed = new Uint8Array(cipher.length + TAG_BYTES)
      sealed.set(cipher)
      sealed.set(tag, cipher.length)
      try {
        plain.set(chacha20poly1305(key, nonce, aad).decrypt(sealed))
        return true
      } catch {
        plain.fill(0)
        return false
      }
    },
  }
}

export const { native, portable, chosen } = choose('aead', openNative, openPortable)

/**
 * Encrypts `plain` and authenticates it together with `aad`.
 * @param key 32 bytes
 * @param nonce 12 bytes, never used before with this key for another plaintext
 * @param cipher receives as many bytes as `plain` has; may be the same memory
 * @param tag receives 16 bytes
 * @throws {RangeError} a length is wrong
 */
export function sealInto(
  key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array, cipher: Uint8Array, tag: Uint8Array,
  aead: Aead = chosen(),
): void {
  checkLengths(key, nonce, plain, cipher, tag)
  aead.sealInto(key, nonce, aad, plain, cipher, tag)
}

/**
 * Decrypts `cipher` if the tag is right.
 * @param plain receives as many bytes as `cipher` has, zeros if the tag is wrong; may be the same memory
 * @returns whether the tag is right
 * @throws {RangeError} a length is wrong
 */
export function openInto(
  key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, cipher: Uint8Array, tag: Uint8Array, plain: Uint8Array,
  aead: Aead = chosen(),
): boolean {
  checkLengths(key, nonce, plain, cipher, tag)
  return aead.openInto(key, nonce, aad, cipher, tag, plain)
}

function checkLengths(
  key: Uint8Array, nonce: Uint8Array, plain: Uint8Array, cipher: Uint8Array, tag: Uint8Array,
): void {
  if (key.length !== KEY_BYTES || nonce.length !== NONCE_BYTES || tag.length !== TAG_BYTES
    || plain.length !== cipher.length) throw new RangeError('wrong length of key, nonce, tag or text')
}

/**
 * The nonce of a block (§5.3).
 * @param ordinal 0 … 2⁵³−1
 * @returns 12 bytes
 */
export function nonceOf(ordinal: number): Uint8Array {
  if (!Number.isSafeInteger(ordinal) || ordinal < 0) throw new RangeError('no ordinal')
  const nonce = new Uint8Array(NONCE_BYTES)
  new DataView(nonce.buffer).setBigUint64(NONCE_BYTES - 8, BigInt(ordinal), true)
  return nonce
}
