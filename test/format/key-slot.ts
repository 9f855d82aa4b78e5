import t from 'tap'
import fc from 'fast-check'
import { SLOT_BYTES } from '../../src/base/limits.ts'
import { checkSlots, readSlot, writeSlot } from '../../src/format/key-slot.ts'
import type { KeySlot } from '../../src/format/key-slot.ts'

const MALFORMED = { code: 'ERR_WARP_MALFORMED' }
const LIMIT = { code: 'ERR_WARP_LIMIT' }

const filled = (length: number, value: number) => new Uint8Array(length).fill(value)
const passphrase = (iterations = 3, memoryKib = 65_536): KeySlot =>
  ({ type: 1, iterations, memoryKib, salt: filled(16, 1), wrapped: filled(48, 2) })
const recipient: KeySlot = { type: 2, share: filled(32, 3), wrapped: filled(48, 4) }

t.test('layout of §5.2', async t => {
  const first = writeSlot(passphrase(0x0a, 0x0008_0706))
  t.equal(Buffer.from(first).toString('hex'),
    '010000000a0000000607080000000000' + '01'.repeat(16) + '00'.repeat(16) + '02'.repeat(48))
  t.equal(Buffer.from(writeSlot(recipient)).toString('hex'),
    '02000000' + '00'.repeat(12) + '03'.repeat(32) + '04'.repeat(48))
})

t.test('round trip', async t => {
  const bytes = (n: number) => fc.uint8Array({ minLength: n, maxLength: n })
  const slot: fc.Arbitrary<KeySlot> = fc.oneof(
    fc.record({
      type: fc.constant(1 as const), iterations: fc.integer({ min: 1, max: 16 }),
      memoryKib: fc.integer({ min: 8, max: 1_048_576 }), salt: bytes(16), wrapped: bytes(48),
    }, { noNullPrototype: true }),
    fc.record({ type: fc.constant(2 as const), share: bytes(32), wrapped: bytes(48) },
      { noNullPrototype: true }))
  fc.assert(fc.property(slot, slot => {
    const bytes = writeSlot(slot)
    t.equal(bytes.length, SLOT_BYTES)
    t.strictSame(readSlot(bytes), slot)
  }))
})

t.test('every reserved byte must be zero', async t => {
  const reserved = [[1, 2, 3, 12, 13, 14, 15, 32, 47], [1, 2, 3, 4, 8, 12, 15]]
  for (const [i, slot] of [passphrase(), recipient].entries()) {
    for (const at of reserved[i]) {
      const bytes = writeSlot(slot)
      bytes[at] ^= 0x80
      t.throws(() => readSlot(bytes), MALFORMED, `type ${slot.type}, byte ${at}`)
    }
  }
})

t.test('types, costs and lengths out of range', async t => {
  for (const type of [0, 3, 255]) {
    const bytes = writeSlot(recipient)
    bytes[0] = type
    t.throws(() => readSlot(bytes), MALFORMED)
  }
  const max = 2 ** 32 - 1
  for (const [iterations, memoryKib] of [[0, 8], [17, 8], [1, 7], [1, 1_048_577], [max, max]]) {
    const slot = passphrase(iterations, memoryKib)
    t.throws(() => readSlot(writeSlot(slot)), LIMIT, `${iterations} × ${memoryKib}`)
    t.throws(() => checkSlots([slot]), LIMIT)
  }
  t.throws(() => readSlot(writeSlot(recipient).subarray(1)), MALFORMED)
  t.throws(() => readSlot(filled(SLOT_BYTES + 1, 0)), MALFORMED)
  t.throws(() => writeSlot({ ...recipient, wrapped: filled(47, 0) }), RangeError)
})

t.test('sums over all slots', async t => {
  checkSlots([])
  checkSlots([passphrase(16, 1_048_576)]) // the whole budget in one
  t.throws(() => checkSlots([passphrase(16, 1_048_576), passphrase(1, 8)]), LIMIT)
  checkSlots(new Array(8).fill(passphrase(2, 1_048_576))) // the whole budget in eight
  t.throws(() => checkSlots(new Array(9).fill(passphrase(1, 8))), LIMIT)
  checkSlots(new Array(64).fill(recipient))
  t.throws(() => checkSlots(new Array(65).fill(recipient)), LIMIT)
})
