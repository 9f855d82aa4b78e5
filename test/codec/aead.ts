import t from 'tap'
import { native, nonceOf, openInto, portable, sealInto } from '../../src/codec/aead.ts'
import { xorshift } from './fixtures/xorshift.ts'

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'))
const text = (string: string) => new Uint8Array(Buffer.from(string))

const VECTORS = [{
  name: 'RFC 8439 §2.8.2',
  key: bytes('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f'),
  nonce: bytes('070000004041424344454647'),
  aad: bytes('50515253c0c1c2c3c4c5c6c7'),
  plain: text("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
    + 'sunscreen would be it.'),
  cipher: bytes(`d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6
    3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36
    92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
    3ff4def08e4b7a9de576d26586cec64b6116`),
  tag: bytes('1ae10b594f09e26a7e902ecbd0600691'),
}, {
  name: 'RFC 8439 A.5',
  key: bytes('1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0'),
  nonce: bytes('000000000102030405060708'),
  aad: bytes('f33388860000000000004e91'),
  plain: text('Internet-Drafts are draft documents valid for a maximum of six months and may be updated, '
    + 'replaced, or obsoleted by other documents at any time. It is inappropriate to use Internet-Drafts as '
    + 'reference material or to cite them other than as /\u201cwork in progress./\u201d'),
  cipher: bytes(`64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb2
    4c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf
    332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855
    9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4
    b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523e
    af4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a
    0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a10
    49e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29
    a6ad5cb4022b02709b`),
  tag: bytes('eead9d67890cbb22392336fea1851f38'),
}]

for (const [name, aead] of [['native', native()], ['portable', portable()]] as const) {
  t.test(name, { skip: aead === null && 'no native package here' }, async (t) => {
    if (aead === null) return
    for (const { name, key, nonce, aad, plain, cipher, tag } of VECTORS) {
      const outCipher = new Uint8Array(plain.length)
      const outTag = new Uint8Array(16)
      sealInto(key, nonce, aad, plain, outCipher, outTag, aead)
      t.same(outCipher, cipher, name)
      t.same(outTag, tag, name)
      const outPlain = new Uint8Array(plain.length)
      t.equal(openInto(key, nonce, aad, cipher, tag, outPlain, aead), true)
      t.same(outPlain, plain, name)
    }

    t.test('any change is seen, and nothing comes out', async (t) => {
      const { key, nonce, aad, cipher, tag } = VECTORS[0]
      const parts = { key, nonce, aad, cipher, tag }
      for (const part of Object.keys(parts) as (keyof typeof parts)[]) {
        for (const bit of [0, parts[part].length * 8 - 1]) {
          const changed = { ...parts, [part]: parts[part].slice() }
          changed[part][bit >>> 3] ^= 1 << (bit & 7)
          const plain = new Uint8Array(cipher.length).fill(7)
          const { key, nonce, aad, cipher: text, tag } = changed
          t.equal(openInto(key, nonce, aad, text, tag, plain, aead), false, part)
          t.ok(plain.every((byte) => byte === 0))
        }
      }
    })

    t.test('in place, in shared memory', async (t) => {
      const { key, nonce, aad, plain, cipher, tag } = VECTORS[1]
      const memory = new Uint8Array(new SharedArrayBuffer(plain.length + 16 + 3)).subarray(3)
      const [body, end] = [memory.subarray(0, plain.length), memory.subarray(plain.length)]
      body.set(plain)
      sealInto(key, nonce, aad, body, body, end, aead)
      t.same([...body], [...cipher])
      t.same([...end], [...tag])
      t.equal(openInto(key, nonce, aad, body, end, body, aead), true)
      t.same([...body], [...plain])
    })
  })
}

t.test('both agree', { skip: native() === null && 'no native package here' }, async (t) => {
  const [key, nonce] = [xorshift(1, 32), xorshift(2, 12)]
  // Around a Poly1305 block, a ChaCha20 block, and a part of codec 1.
  for (const length of [0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 65_536]) {
    for (const aadLength of [0, 1, 64]) {
      const [plain, aad] = [xorshift(3, length), xorshift(4, aadLength)]
      const [a, b] = [native()!, portable()].map((aead) => {
        const [cipher, tag] = [new Uint8Array(length), new Uint8Array(16)]
        sealInto(key, nonce, aad, plain, cipher, tag, aead)
        return { cipher, tag }
      })
      t.equal(Buffer.compare(a.cipher, b.cipher), 0)
      t.same(a.tag, b.tag)
      for (const aead of [native()!, portable()]) {
        const out = new Uint8Array(length)
        t.equal(openInto(key, nonce, aad, a.cipher, a.tag, out, aead), true)
        t.equal(Buffer.compare(out, plain), 0)
      }
    }
  }
})

t.test('lengths that are wrong', async (t) => {
  const of = (length: number) => new Uint8Array(length)
  for (const [key, nonce, plain, cipher, tag] of [[31, 12, 5, 5, 16], [32, 11, 5, 5, 16], [32, 12, 5, 4, 16],
    [32, 12, 5, 6, 16], [32, 12, 5, 5, 15], [32, 12, 5, 5, 17]]) {
    t.throws(() => sealInto(of(key), of(nonce), of(0), of(plain), of(cipher), of(tag)), RangeError)
    t.throws(() => openInto(of(key), of(nonce), of(0), of(cipher), of(tag), of(plain)), RangeError)
  }
})

t.test('nonces', async (t) => {
  t.same(nonceOf(0), new Uint8Array(12))
  t.same(nonceOf(0x0102_0304), bytes('00000000 04030201 00000000'))
  t.same(nonceOf(Number.MAX_SAFE_INTEGER), bytes('00000000 ffffffff ffff1f00'))
  for (const ordinal of [-1, 0.5, 2 ** 53, NaN]) t.throws(() => nonceOf(ordinal), RangeError)
})
