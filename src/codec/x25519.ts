/** X25519 key agreement. Source: RFC 7748 §5, §6.1; format-spec §6.1. */
import { KEY_BYTES } from '../base/limits.ts'
import { choose, loadPortable } from './native.ts'

/** One implementation; lengths were checked. */
export interface X25519 {
  publicOf(secret: Uint8Array): Uint8Array
  /** Zeros where there is no other result. */
  agree(secret: Uint8Array, publicKey: Uint8Array): Uint8Array
}

/** The addon takes lengths on trust. */
interface NativePackage {
  crypto_scalarmult_base(out: Uint8Array, secret: Uint8Array): void
  /** Fails where the public key is one of small order. */
  crypto_scalarmult(out: Uint8Array, secret: Uint8Array, publicKey: Uint8Array): number
}

function openNative(module: unknown): X25519 {
  const { crypto_scalarmult_base: base, crypto_scalarmult: multiply } = module as NativePackage
  return {
    publicOf: (secret) => {
      const out = new Uint8Array(KEY_BYTES)
      base(out, secret)
      return out
    },
    agree: (secret, publicKey) => {
      const out = new Uint8Array(KEY_BYTES)
      if (multiply(out, secret, publicKey) !== 0) out.fill(0)
      return out
    },
  }
}

function openPortable(): X25519 {
  const { scalarMult } = loadPortable('tweetnacl') as typeof import('tweetnacl')
  return { publicOf: (secret) => scalarMult.base(secret), agree: (secret, publicKey) => scalarMult(secret, publicKey) }
}

export const { native, portable, chosen } = choose('x25519', openNative, openPortable)

/**
 * @param secret 32 bytes
 * @returns the public key, 32 bytes
 * @throws {RangeError} the secret has another length
 */
export function x25519Public(secret: Uint8Array, x25519: X25519 = chosen()): Uint8Array {
  checkLength(secret)
  return x25519.publicOf(secret)
}

/**
 * @param secret 32 bytes
 * @param publicKey of the other side, 32 bytes
 * @returns 32 bytes, or null where they are all zero: the public key is one of small order
 * @throws {RangeError} a length is wrong
 */
export function x25519Shared(secret: Uint8Array, publicKey: Uint8Array, x25519: X25519 = chosen()): Uint8Array | null {
  checkLength(secret)
  checkLength(publicKey)
  const shared = x25519.agree(secret, publicKey)
  let any = 0
  for (const byte of shared) any |= byte
  return any === 0 ? null : shared
}

function checkLength(key: Uint8Array): void {
  if (key.length !== KEY_BYTES) throw new RangeError('a key is not 32 bytes')
}
