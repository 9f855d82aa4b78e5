import t from 'tap'
import { randomBytes } from 'node:crypto'
import { native, portable, x25519Public, x25519Shared } from '../../src/codec/x25519.ts'

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))

for (const [name, x25519] of [['native', native()], ['portable', portable()]] as const) {
  t.test(name, { skip: x25519 === null && 'no native package here' }, async (t) => {
    if (x25519 === null) return
    await t.test('RFC 7748 §6.1', async (t) => {
      const alice = bytes('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a')
      const bob = bytes('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb')
      const alicePublic = bytes('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
      const bobPublic = bytes('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
      const shared = bytes('4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742')
      t.same(x25519Public(alice, x25519), alicePublic)
      t.same(x25519Public(bob, x25519), bobPublic)
      t.same(x25519Shared(alice, bobPublic, x25519), shared)
      t.same(x25519Shared(bob, alicePublic, x25519), shared)
    })

    await t.test('public keys of small order give nothing', async (t) => {
      const secret = new Uint8Array(32).fill(0x42)
      for (const [name, publicKey] of [
        ['0', '00'.repeat(32)],
        ['1', `01${'00'.repeat(31)}`],
        ['order 8', 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'],
        ['order 8', '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157'],
        ['p - 1', `ec${'ff'.repeat(30)}7f`],
        ['p', `ed${'ff'.repeat(30)}7f`],
        ['p + 1', `ee${'ff'.repeat(30)}7f`],
      ]) t.equal(x25519Shared(secret, bytes(publicKey), x25519), null, name)
    })
  })
}

t.test('native equals portable', { skip: native() === null && 'no native package here' }, async (t) => {
  for (let i = 0; i < 20; i++) {
    const [secret, other] = [new Uint8Array(randomBytes(32)), new Uint8Array(randomBytes(32))]
    t.same(x25519Public(secret, native()!), x25519Public(secret, portable()))
    // Not only keys that somebody's secret gives: any 32 bytes can come from a header.
    t.same(x25519Shared(secret, other, native()!), x25519Shared(secret, other, portable()))
  }
})

t.test('lengths that are wrong', async (t) => {
  const of = (length: number) => new Uint8Array(length)
  t.throws(() => x25519Public(of(31)), RangeError)
  t.throws(() => x25519Shared(of(33), of(32)), RangeError)
  t.throws(() => x25519Shared(of(32), of(31)), RangeError)
})
