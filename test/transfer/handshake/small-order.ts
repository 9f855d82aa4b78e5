import t from 'tap'
import { ED25519_TORSION_SUBGROUP } from '@noble/curves/ed25519.js'
import { identityFromSeed } from '../../../src/codec/identity.ts'
import { verifySignature } from '../../../src/codec/signature.ts'
import { isSmallOrder } from '../../../src/transfer/handshake/small-order.ts'

t.test('all points of small order are known, whatever their sign', async (t) => {
  t.equal(ED25519_TORSION_SUBGROUP.length, 8)
  for (const hex of ED25519_TORSION_SUBGROUP) {
    const point = Buffer.from(hex, 'hex')
    t.ok(isSmallOrder(point), hex)
    point[31] ^= 0x80
    t.ok(isSmallOrder(point), `${hex}, the other sign`)
  }
})

t.test('such a key verifies what nobody signed, which is why', async (t) => {
  const verified = Array.from({ length: 64 }, (_, i) => verifySignature(new Uint8Array(32), Buffer.alloc(8, i), new Uint8Array(64)))
  t.ok(verified.includes(true))
})

t.test('keys of people are not', async (t) => {
  for (let i = 0; i < 20; i++) t.notOk(isSmallOrder(identityFromSeed(Buffer.alloc(32, i)).signer))
})
