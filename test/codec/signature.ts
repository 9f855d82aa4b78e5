import t from 'tap'
import { sign, signedMessage, signerOf, verifySignature } from '../../src/codec/signature.ts'
import { xorshift } from './fixtures/xorshift.ts'

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))

// RFC 8032 §7.1, tests 1 to 3: secret, public, message, signature.
const VECTORS = [
  ['9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155'
    + '5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b'],
  ['4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da'
    + '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'],
  ['c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025', 'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac'
    + '18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a'],
].map(([seed, signer, message, signature]) =>
  ({ seed: bytes(seed), signer: bytes(signer), message: bytes(message), signature: bytes(signature) }))

t.test('RFC 8032 §7.1', async (t) => {
  for (const { seed, signer, message, signature } of VECTORS) {
    t.same(signerOf(seed), signer)
    t.same(sign(seed, message), signature)
    t.equal(verifySignature(signer, message, signature), true)
  }
})

t.test('what does not verify', async (t) => {
  const { signer, message, signature } = VECTORS[2]
  const flip = (from: Uint8Array, at: number) => from.map((byte, i) => i === at ? byte ^ 1 : byte)
  t.equal(verifySignature(flip(signer, 0), message, signature), false)
  t.equal(verifySignature(signer, flip(message, 1), signature), false)
  for (const at of [0, 31, 32, 63]) t.equal(verifySignature(signer, message, flip(signature, at)), false)
  t.equal(verifySignature(signer.subarray(1), message, signature), false)
  t.equal(verifySignature(signer, message, signature.subarray(1)), false)
  t.equal(verifySignature(new Uint8Array(32), message, new Uint8Array(64)), false)
})

t.test('S + L in the place of S', async (t) => {
  const { signer, message, signature } = VECTORS[1]
  const order = 2n ** 252n + 27742317777372353535851937790883648493n
  let s = order
  for (let i = 0; i < 32; i++) s += BigInt(signature[32 + i]) << BigInt(8 * i)
  const second = signature.slice()
  for (let i = 0; i < 32; i++) second[32 + i] = Number(s >> BigInt(8 * i) & 255n)
  t.equal(verifySignature(signer, message, second), false)
})

t.test('the message of §10', async (t) => {
  const parts = {
    archiveId: xorshift(1, 16), commitment: xorshift(2, 32), root: xorshift(3, 32),
    topLocationDigest: xorshift(4, 32),
  }
  const { archiveId, commitment, root, topLocationDigest } = parts
  const domain = Buffer.from('warp-archive 1 signature')
  const expected = Buffer.concat([domain, archiveId, commitment, root, topLocationDigest])
  t.equal(expected.compare(signedMessage(parts)), 0)
  t.same(signedMessage({ ...parts, topLocationDigest: null }),
    signedMessage({ ...parts, topLocationDigest: new Uint8Array(32) }))
})
