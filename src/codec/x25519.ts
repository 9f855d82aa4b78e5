/** X25519 key agreement. Source: RFC 7748 §5, §6.1; format-spec §6.1. */
import { loadPortable } from './native.ts'

type Nacl = typeof import('tweetnacl')

/**
 * @param secret 32 bytes
 * @returns the public key, 32 bytes
 */
export function x25519Public(secret: Uint8Array): Uint8Array {
  return (loadPortable('tweetnacl') as Nacl).scalarMult.base(secret)
}

/**
 * @param secret 32 bytes
 * @param publicKey of the other side, 32 bytes
 * @returns 32 bytes, or null where they are all zero: the public key is one of small order
 */
export function x25519Shared(secret: Uint8Array, publicKey: Uint8Array): Uint8Array | null {
  const shared = (loadPortable('tweetnacl') as Nacl).scalarMult(secret, publicKey)
  let any = 0
  for (const byte of shared) any |= byte
  return any === 0 ? null : shared
}
