/** Ed25519 signatures, and the message that an archive's signer signs. Source: RFC 8032; format-spec §10. */
import { ARCHIVE_ID_BYTES, ID_BYTES } from '../base/limits.ts'
import { loadPortable } from './native.ts'

type Nacl = typeof import('tweetnacl')

export const SIGNATURE_BYTES = 64

const DOMAIN = 'warp-archive 1 signature'

/** Order of the group, L of RFC 8032 §5.1, 32 bytes, most significant first. */
const ORDER = Buffer.from('1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed', 'hex')

/**
 * @param signerSeed 32 bytes
 * @returns the public key, 32 bytes
 */
export function signerOf(signerSeed: Uint8Array): Uint8Array {
  const { publicKey, secretKey } = (loadPortable('tweetnacl') as Nacl).sign.keyPair.fromSeed(signerSeed)
  secretKey.fill(0)
  return publicKey
}

/**
 * @param signerSeed 32 bytes
 * @returns the signature, 64 bytes
 */
export function sign(signerSeed: Uint8Array, message: Uint8Array): Uint8Array {
  const nacl = loadPortable('tweetnacl') as Nacl
  const { secretKey } = nacl.sign.keyPair.fromSeed(signerSeed)
  const signature = nacl.sign.detached(message, secretKey)
  secretKey.fill(0)
  return signature
}

/**
 * @param signer public key, 32 bytes
 * @param signature 64 bytes
 * @returns false also where a length is wrong
 */
export function verifySignature(signer: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signer.length !== ID_BYTES || signature.length !== SIGNATURE_BYTES) return false
  // RFC 8032 §5.1.7 demands S < L, which tweetnacl does not check: without it a second signature of the
  // same message can be made from the first.
  const s = Buffer.from(signature.subarray(ID_BYTES)).reverse()
  if (s.compare(ORDER) >= 0) return false
  return (loadPortable('tweetnacl') as Nacl).sign.detached.verify(message, signature, signer)
}

/** What is signed (§10); `commitment` and `topLocationDigest` are zeros where there are none. */
export function signedMessage(parts: {
  archiveId: Uint8Array, commitment: Uint8Array, root: Uint8Array, topLocationDigest: Uint8Array | null,
}): Uint8Array {
  const { archiveId, commitment, root, topLocationDigest } = parts
  const message = new Uint8Array(DOMAIN.length + ARCHIVE_ID_BYTES + 3 * ID_BYTES)
  let at = 0
  const location = topLocationDigest ?? new Uint8Array(ID_BYTES)
  for (const part of [Buffer.from(DOMAIN), archiveId, commitment, root, location]) {
    message.set(part, at)
    at += part.length
  }
  return message
}
