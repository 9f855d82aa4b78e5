/**
 * Ed25519 public keys of small order, all encodings of them: for these anybody can make signatures that verify
 * (RFC 8032 §5.1.7 does not refuse them), so that they are nobody's identity.
 * The y of the eight points, reduced modulo 2²⁵⁵−19 and not; the sign of x does not matter.
 * Source: Chalkias, Garillot, Nikolaenko, Taming the Many EdDSAs, https://eprint.iacr.org/2020/1244.
 */
const SMALL_ORDER = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
])

/** @param signer Ed25519 public key, 32 bytes */
export function isSmallOrder(signer: Uint8Array): boolean {
  const unsigned = Buffer.from(signer)
  unsigned[31] &= 0x7f
  return SMALL_ORDER.has(unsigned.toString('hex'))
}
