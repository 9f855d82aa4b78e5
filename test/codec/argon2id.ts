import t from 'tap'
import { argon2id, native, portable } from '../../src/codec/argon2id.ts'
import { xorshift } from './fixtures/xorshift.ts'

const text = (string: string) => new TextEncoder().encode(string)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

t.test('the reference implementation', async (t) => {
  // phc-winner-argon2, src/test.c: version 0x13, one lane. Its salt is too short for libsodium.
  t.equal(hex(portable()(text('password'), text('somesalt'), 2, 256)),
    '9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe')
})

t.test('both agree', { skip: native() === null && 'no native package here' }, async (t) => {
  const salt = xorshift(1, 16)
  for (const [iterations, memoryKib] of [[1, 8], [2, 9], [3, 256], [16, 64]]) {
    for (const passphrase of [text(''), text('a'), text('pässword'), xorshift(2, 300)]) {
      t.equal(hex(argon2id(passphrase, salt, iterations, memoryKib, native()!)),
        hex(argon2id(passphrase, salt, iterations, memoryKib, portable())))
    }
  }
})

t.test('costs and salts out of range', async (t) => {
  const salt = new Uint8Array(16)
  for (const [iterations, memoryKib] of [[0, 64], [17, 64], [1.5, 64], [1, 7], [1, 1_048_577], [1, NaN]]) {
    t.throws(() => argon2id(text('a'), salt, iterations, memoryKib), { code: 'ERR_WARP_LIMIT' })
  }
  t.throws(() => argon2id(text('a'), new Uint8Array(15), 1, 8), RangeError)
})
