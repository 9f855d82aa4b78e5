import t from 'tap'
import { createDecipheriv, createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto'
import { blake3 } from '@noble/hashes/blake3.js'
import { argon2id as nobleArgon2id } from '@noble/hashes/argon2.js'
import { sealInto } from '../../src/codec/aead.ts'
import {
  subKeys, unwrapWithIdentity, unwrapWithPassphrase, wrapForPassphrase, wrapForRecipient,
} from '../../src/codec/keys.ts'
import { x25519Public } from '../../src/codec/x25519.ts'
import { xorshift } from './fixtures/xorshift.ts'

const archiveKey = xorshift(1, 32)
const archiveId = xorshift(2, 16)
const passphrase = new TextEncoder().encode('correct horse')
const cheap = { iterations: 1, memoryKib: 8 }

/** A generator that gives other bytes at each call and remembers them as they were. */
function countingRandom(): { random: (n: number) => Uint8Array, given: Uint8Array[] } {
  const given: Uint8Array[] = []
  const random = (n: number) => {
    const bytes = xorshift(100 + given.length, n)
    given.push(bytes.slice())
    return bytes
  }
  return { random, given }
}

function derive(context: string, ...parts: Uint8Array[]): Uint8Array {
  return blake3(Buffer.concat(parts), { context: Buffer.from(context) })
}

/** Opens with node:crypto, an implementation that nothing here is made of. */
function openWithNode(kek: Uint8Array, wrapped: Uint8Array): Buffer {
  const decipher = createDecipheriv('chacha20-poly1305', kek, new Uint8Array(12), { authTagLength: 16 })
  decipher.setAAD(archiveId, { plaintextLength: 32 }).setAuthTag(wrapped.subarray(32))
  return Buffer.concat([decipher.update(wrapped.subarray(0, 32)), decipher.final()])
}

function sharedWithNode(secret: Uint8Array, publicKey: Uint8Array): Buffer {
  const der = (prefix: string, key: Uint8Array) => Buffer.concat([Buffer.from(prefix, 'hex'), key])
  const privateDer = der('302e020100300506032b656e04220420', secret)
  const publicDer = der('302a300506032b656e032100', publicKey)
  return diffieHellman({
    privateKey: createPrivateKey({ key: privateDer, format: 'der', type: 'pkcs8' }),
    publicKey: createPublicKey({ key: publicDer, format: 'der', type: 'spki' }),
  })
}

t.test('sub-keys have the contexts of §6.3', async (t) => {
  const salt = xorshift(3, 32)
  const keys = subKeys(archiveKey, salt)
  t.equal(Buffer.compare(keys.chunkId, derive('warp-archive 1 chunk id', archiveKey)), 0)
  t.equal(Buffer.compare(keys.commitment, derive('warp-archive 1 key commitment', archiveKey)), 0)
  t.equal(Buffer.compare(keys.mac, derive('warp-archive 1 header mac', archiveKey)), 0)
  t.equal(Buffer.compare(keys.sealing, derive('warp-archive 1 sealing', archiveKey, salt)), 0)
})

t.test('a passphrase slot', async (t) => {
  const { random, given } = countingRandom()
  const slot = wrapForPassphrase({ archiveKey, archiveId, passphrase, iterations: 2, memoryKib: 16, random })
  t.match(slot, { type: 1, iterations: 2, memoryKib: 16 })
  t.same(slot.salt, given[0])
  t.equal(slot.salt.length, 16)
  t.equal(slot.wrapped.length, 48)
  const stretched = nobleArgon2id(passphrase, slot.salt, { t: 2, m: 16, p: 1, dkLen: 32 })
  const kek = derive('warp-archive 1 passphrase slot', stretched)
  t.equal(openWithNode(kek, slot.wrapped).compare(archiveKey), 0)
  t.same(unwrapWithPassphrase(slot, archiveId, passphrase), archiveKey)
  t.equal(archiveKey.some((byte) => byte !== 0), true, 'the key of the caller stays')
})

t.test('a recipient slot', async (t) => {
  const secret = xorshift(4, 32)
  const recipient = x25519Public(secret)
  const { random, given } = countingRandom()
  const slot = wrapForRecipient({ archiveKey, archiveId, recipient, random })
  t.equal(slot.type, 2)
  t.same(slot.share, x25519Public(given[0]))
  const shared = sharedWithNode(secret, slot.share)
  t.equal(openWithNode(derive('warp-archive 1 recipient slot', shared, slot.share, recipient), slot.wrapped)
    .compare(archiveKey), 0)
  t.same(unwrapWithIdentity(slot, archiveId, secret), archiveKey)
})

t.test('the ephemeral secret is gone after use', async (t) => {
  let secret: Uint8Array = new Uint8Array(0)
  const recipient = x25519Public(xorshift(4, 32))
  wrapForRecipient({ archiveKey, archiveId, recipient, random: (n) => secret = xorshift(5, n) })
  t.same(secret, new Uint8Array(32))
})

t.test('slots that do not open', async (t) => {
  const { random } = countingRandom()
  const secret = xorshift(4, 32)
  const byPassphrase = wrapForPassphrase({ archiveKey, archiveId, passphrase, ...cheap, random })
  const byIdentity = wrapForRecipient({ archiveKey, archiveId, recipient: x25519Public(secret), random })
  const flip = (bytes: Uint8Array, at: number) => bytes.map((byte, i) => i === at ? byte ^ 1 : byte)
  t.equal(unwrapWithPassphrase(byPassphrase, archiveId, new TextEncoder().encode('correct horse ')), null)
  t.equal(unwrapWithPassphrase(byPassphrase, flip(archiveId, 0), passphrase), null, 'of another archive')
  for (const change of [{ salt: flip(byPassphrase.salt, 15) }, { iterations: 2 }]) {
    t.equal(unwrapWithPassphrase({ ...byPassphrase, ...change }, archiveId, passphrase), null)
  }
  t.equal(unwrapWithIdentity(byIdentity, archiveId, xorshift(9, 32)), null)
  t.equal(unwrapWithIdentity(byIdentity, flip(archiveId, 15), secret), null, 'of another archive')
  t.equal(unwrapWithIdentity({ ...byIdentity, share: flip(byIdentity.share, 0) }, archiveId, secret), null)
  for (const at of [0, 31, 32, 47]) {
    const [a, b] = [flip(byPassphrase.wrapped, at), flip(byIdentity.wrapped, at)]
    t.equal(unwrapWithPassphrase({ ...byPassphrase, wrapped: a }, archiveId, passphrase), null)
    t.equal(unwrapWithIdentity({ ...byIdentity, wrapped: b }, archiveId, secret), null)
  }
})

t.test('a share or recipient of small order', async (t) => {
  const zero = new Uint8Array(32)
  t.throws(() => wrapForRecipient({ archiveKey, archiveId, recipient: zero, random: (n) => xorshift(1, n) }),
    { code: 'ERR_WARP_USAGE' })
  // Sealed with the key that every identity would come to: who makes such a slot needs no secret.
  const secret = xorshift(4, 32)
  const kek = derive('warp-archive 1 recipient slot', zero, zero, x25519Public(secret))
  const wrapped = new Uint8Array(48)
  sealInto(kek, new Uint8Array(12), archiveId, archiveKey, wrapped.subarray(0, 32), wrapped.subarray(32))
  t.equal(unwrapWithIdentity({ type: 2, share: zero, wrapped }, archiveId, secret), null)
})

t.test('costs out of range are refused before they are run', async (t) => {
  const slot = { type: 1 as const, salt: new Uint8Array(16), wrapped: new Uint8Array(48) }
  for (const costs of [{ iterations: 17, memoryKib: 8 }, { iterations: 1, memoryKib: 1_048_577 }]) {
    t.throws(() => unwrapWithPassphrase({ ...slot, ...costs }, archiveId, passphrase), { code: 'ERR_WARP_LIMIT' })
  }
})
