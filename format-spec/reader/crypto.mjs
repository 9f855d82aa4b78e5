// The primitives of §3 and the keys of §6: BLAKE3, sealing, key slots, identities.
import {argon2id} from '@noble/hashes/argon2.js'
import {blake3} from '@noble/hashes/blake3.js'
import {chacha20poly1305} from '@noble/ciphers/chacha.js'
import {bech32} from '@scure/base'
import nacl from 'tweetnacl'
import {equalBytes, isZero} from './bytes.mjs'
import {damaged, keyError} from './errors.mjs'

const ascii = text => Buffer.from(text, 'latin1')

export const hash = (...parts) => blake3(Buffer.concat(parts))
export const keyedHash = (key, bytes) => blake3(bytes, {key})
export const derive = (context, ...parts) => blake3(Buffer.concat(parts), {context: ascii(context)})

/** Opens what `seal` of §3 made. @returns the plaintext, or null if the tag is wrong */
export function openSealed(key, nonce, associated, sealed) {
  try {
    return chacha20poly1305(key, nonce, associated).decrypt(sealed)
  } catch {
    return null
  }
}

/** §5.3: 4 zero bytes, then the ordinal. */
export function blockNonce(ordinal) {
  const nonce = Buffer.alloc(12)
  nonce.writeBigUInt64LE(BigInt(ordinal), 4)
  return nonce
}

const passphraseKey = (slot, passphrase) => derive('warp-archive 1 passphrase slot',
  argon2id(passphrase, slot.salt, {t: slot.iterations, m: slot.memory, p: 1, version: 0x13, dkLen: 32}))

function recipientKey(slot, seed) {
  const secret = derive('warp-identity 1 x25519', seed)
  const shared = nacl.scalarMult(secret, Uint8Array.from(slot.share))
  if (isZero(shared)) return null
  return derive('warp-archive 1 recipient slot', shared, slot.share, nacl.scalarMult.base(secret))
}

/** Tries each slot that fits what is at hand. @returns the archive key (§6.2) */
function openSlots(header, passphrase, seed) {
  for (const slot of header.slots) {
    const secret = slot.type === 1 ? passphrase : seed
    if (!secret) continue
    const wrappingKey = slot.type === 1 ? passphraseKey(slot, secret) : recipientKey(slot, secret)
    const key = wrappingKey && openSealed(wrappingKey, new Uint8Array(12), header.archiveId, slot.wrapped)
    if (key) return key
  }
  throw keyError(passphrase || seed ? 'no slot opens with this key' : 'the archive is encrypted')
}

/**
 * Opens an encrypted archive (§6.2, §6.3).
 * @param passphrase bytes, or undefined
 * @param seed 32 bytes of an identity, or undefined
 * @returns {chunkId, sealing, inheritance}: the keys that reading takes; inheritance is opened, if there is any
 */
export function openKeys(header, passphrase, seed) {
  const key = openSlots(header, passphrase, seed)
  if (!equalBytes(derive('warp-archive 1 key commitment', key), header.commitment)) {
    throw damaged('the key does not match the commitment of the header')
  }
  const mac = keyedHash(derive('warp-archive 1 header mac', key), header.macInput)
  if (!equalBytes(mac, header.mac)) throw damaged('the MAC of the header is wrong')
  const keys = {
    chunkId: derive('warp-archive 1 chunk id', key),
    sealing: derive('warp-archive 1 sealing', key, header.segmentSalt)
  }
  if (!header.inheritance) return keys
  const inheritanceKey = derive('warp-archive 1 inheritance', key, header.segmentSalt)
  const inheritance = openSealed(inheritanceKey, new Uint8Array(12), header.archiveId, header.inheritance)
  if (!inheritance) throw damaged('the seal of the inheritance is wrong')
  return {...keys, chunkId: inheritance.subarray(0, 32), inheritance}
}

/** §10: whether the footer's signature is right. */
export const verifySignature = (header, footer, root) => nacl.sign.detached.verify(
  Buffer.concat([ascii('warp-archive 1 signature'), header.archiveId, header.commitment, root,
    footer.topLocationDigest]), footer.signature, footer.signer)

/** Reads the text of an identity file or one identity (§6.4). @returns the seed, 32 bytes */
export function parseIdentity(text) {
  const lines = text.split('\n').map(line => line.replace(/\r$/, ''))
    .filter(line => line !== '' && !line.startsWith('#'))
  if (lines.length !== 1) throw keyError('an identity file holds one identity')
  let seed
  try {
    const {prefix, words} = bech32.decode(lines[0], false)
    if (prefix === 'warp-identity') seed = bech32.fromWords(words)
  } catch {
    // Falls through to the one message that follows: the text is a secret, so no part of it is shown.
  }
  if (seed?.length !== 32) throw keyError('this is no identity')
  return seed
}

/** Takes a passphrase file's first line (§6.1). */
export function passphraseOfFile(bytes) {
  const end = bytes.indexOf(0x0a)
  const line = end < 0 ? bytes : bytes.subarray(0, end)
  return end >= 0 && line.at(-1) === 0x0d ? line.subarray(0, -1) : line
}
