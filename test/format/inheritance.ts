import t from 'tap'
import { openInheritance, sealInheritance } from '../../src/codec/keys.ts'
import { readInheritance, writeInheritance } from '../../src/format/inheritance.ts'

const MALFORMED = { code: 'ERR_WARP_MALFORMED' }
const filled = (length: number, value: number) => new Uint8Array(length).fill(value)
const key = filled(32, 1)
const base = { archiveId: filled(16, 2), root: filled(32, 3) }
const own = filled(16, 4)

t.test('round trip', async t => {
  for (const encrypted of [false, true]) {
    for (const thin of [false, true]) {
      const inheritance = { chunkIdKey: encrypted ? key : null, base: thin ? base : null }
      const bytes = writeInheritance(inheritance)
      t.equal(bytes.length, 80)
      t.strictSame(readInheritance(bytes, { archiveId: own, encrypted, thin }), inheritance)
    }
  }
})

t.test('what the feature bits do not allow', async t => {
  const of = (bytes: Uint8Array, encrypted: boolean, thin: boolean, archiveId = own) =>
    t.throws(() => readInheritance(bytes, { archiveId, encrypted, thin }), MALFORMED)
  of(writeInheritance({ chunkIdKey: key, base }), false, true)
  of(writeInheritance({ chunkIdKey: key, base }), true, false)
  of(writeInheritance({ chunkIdKey: null, base: { archiveId: filled(16, 0), root: base.root } }), false, false)
  of(writeInheritance({ chunkIdKey: key, base }), true, true, base.archiveId)
  of(filled(79, 0), true, true)
  of(filled(81, 0), true, true)
})

t.test('its seal', async t => {
  const plain = writeInheritance({ chunkIdKey: key, base })
  const sealed = sealInheritance(key, own, plain)
  t.equal(sealed.length, 96)
  t.ok(Buffer.from(openInheritance(key, own, sealed)!).equals(plain))
  for (let at = 0; at < sealed.length; at++) {
    const bad = Uint8Array.from(sealed)
    bad[at] ^= 1
    t.equal(openInheritance(key, own, bad), null)
  }
  t.equal(openInheritance(key, base.archiveId, sealed), null, 'of another archive')
  t.equal(openInheritance(filled(32, 9), own, sealed), null, 'with another key')
})
