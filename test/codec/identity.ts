import t from 'tap'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { blake3 } from '@noble/hashes/blake3.js'
import {
  decodeIdentity, decodeRecipient, decodeSigner, encodeIdentity, encodeRecipient, encodeSigner,
  identityFromSeed, readIdentityFile,
} from '../../src/codec/identity.ts'
import { xorshift } from './fixtures/xorshift.ts'

const USAGE = { code: 'ERR_WARP_USAGE', hint: String }
const seed = xorshift(1, 32)

/** Public key by node:crypto, an implementation that nothing here is made of. */
function publicWithNode(secret: Uint8Array, oidEnd: string): Uint8Array {
  const key = Buffer.concat([Buffer.from(`302e020100300506032b65${oidEnd}04220420`, 'hex'), secret])
  const publicKey = createPublicKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' }))
  const der = publicKey.export({ format: 'der', type: 'spki' })
  return new Uint8Array(der.subarray(-32))
}

/** Bech32 by the text of BIP 173. */
function bech32(prefix: string, bytes: Uint8Array, padding = '0'): string {
  const alphabet = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
  let bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  bits += padding.repeat((5 - bits.length % 5) % 5)
  const data = bits.match(/.{5}/g)!.map((five) => parseInt(five, 2))
  const codes = [...prefix].map((letter) => letter.charCodeAt(0))
  let sum = 1
  const expanded = [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)]
  for (const value of [...expanded, ...data, 0, 0, 0, 0, 0, 0]) {
    const top = sum >>> 25
    sum = (sum & 0x1ff_ffff) << 5 ^ value
    for (const [i, generator] of [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3].entries()) {
      if (top >> i & 1) sum ^= generator
    }
  }
  sum ^= 1
  const check = [25, 20, 15, 10, 5, 0].map((shift) => sum >>> shift & 31)
  return `${prefix}1${[...data, ...check].map((value) => alphabet[value]).join('')}`
}

t.test('the keys of a seed', async (t) => {
  const identity = identityFromSeed(seed)
  const derive = (context: string) => blake3(seed, { context: Buffer.from(context) })
  t.equal(Buffer.compare(identity.x25519Secret, derive('warp-identity 1 x25519')), 0)
  t.equal(Buffer.compare(identity.signerSeed, derive('warp-identity 1 ed25519')), 0)
  t.same(identity.recipient, publicWithNode(identity.x25519Secret, '6e'))
  t.same(identity.signer, publicWithNode(identity.signerSeed, '70'))
  t.same(identity.seed, seed)
  t.throws(() => identityFromSeed(seed.subarray(1)), RangeError)
})

t.test('text forms', async (t) => {
  for (const [prefix, encode, decode] of [
    ['warp-identity', encodeIdentity, decodeIdentity],
    ['warp-recipient', encodeRecipient, decodeRecipient],
    ['warp-signer', encodeSigner, decodeSigner],
  ] as const) {
    for (const bytes of [seed, new Uint8Array(32), new Uint8Array(32).fill(255)]) {
      const text = encode(bytes)
      const expected = bech32(prefix, bytes)
      t.equal(text, prefix === 'warp-identity' ? expected.toUpperCase() : expected)
      t.equal(Buffer.compare(decode(text), bytes), 0)
      t.equal(Buffer.compare(decode(text.toLowerCase()), bytes), 0)
      t.equal(Buffer.compare(decode(text.toUpperCase()), bytes), 0)
    }
    t.throws(() => encode(new Uint8Array(31)), RangeError)
    const text = encode(seed)
    for (const [name, wrong] of [
      ['nothing', ''],
      ['no separator', 'abc'],
      ['a letter changed', text.slice(0, -1) + (text.endsWith('q') ? 'p' : 'q')],
      ['cut short', text.slice(0, -1)],
      ['mixed case', text.slice(0, 20).toLowerCase() + text.slice(20).toUpperCase()],
      ['space before', ` ${text}`],
      ['space after', `${text} `],
      ['another kind', bech32('warp-other', seed)],
      ['too short', bech32(prefix, seed.subarray(1))],
      ['padding that is not zero', bech32(prefix, seed, '1')],
      ['too long', bech32(prefix, new Uint8Array(33))],
    ]) t.throws(() => decode(wrong), USAGE, `${prefix}: ${name}`)
  }
  t.throws(() => decodeRecipient(encodeIdentity(seed)), USAGE)
  t.throws(() => decodeSigner(encodeRecipient(seed)), USAGE)
})

t.test('a mistyped secret is not repeated', async (t) => {
  const text = `${encodeIdentity(seed).slice(0, -1)}1`
  try {
    decodeIdentity(text)
    t.fail('decoded')
  } catch (error) {
    t.notMatch(JSON.stringify(error) + (error as Error).message, text.slice(20, 40))
  }
})

t.test('identity files', async (t) => {
  const line = encodeIdentity(seed)
  for (const text of [line, `${line}\n`, `# made today\n\n${line}\n# end`, `# dos\r\n\r\n${line}\r\n`]) {
    t.equal(Buffer.compare(readIdentityFile(text).seed, seed), 0)
  }
  for (const [name, text] of [
    ['empty', ''],
    ['comments alone', '# nothing\n'],
    ['two', `${line}\n${line}\n`],
    ['a recipient', encodeRecipient(seed)],
    ['words', 'hello\n'],
    ['something else on the line', `${line} # mine`],
  ]) t.throws(() => readIdentityFile(text), USAGE, name)
})
