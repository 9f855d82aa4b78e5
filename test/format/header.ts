import t from 'tap'
import fc from 'fast-check'
import { blake3 } from '@noble/hashes/blake3.js'
import { HEADER_BYTES, SLOT_BYTES } from '../../src/base/limits.ts'
import { isAverage, readHeader, readHeaderSize, writeHeader } from '../../src/format/header.ts'
import type { Header } from '../../src/format/header.ts'
import type { KeySlot } from '../../src/format/key-slot.ts'

const MALFORMED = { code: 'ERR_WARP_MALFORMED' }
const LIMIT = { code: 'ERR_WARP_LIMIT' }

const filled = (length: number, value: number) => new Uint8Array(length).fill(value)
const slot: KeySlot = { type: 2, share: filled(32, 5), wrapped: filled(48, 6) }
const plain: Omit<Header, 'mac'> = {
  archiveId: filled(16, 7), average: 65_536, encrypted: false, partial: false,
  segmentSalt: filled(32, 0), commitment: filled(32, 0), thin: false, inheritance: null, slots: [],
}
const sealed: Omit<Header, 'mac'> =
  { ...plain, encrypted: true, segmentSalt: filled(32, 8), commitment: filled(32, 9), slots: [slot, slot] }

const KEY = filled(32, 0xaa)
const macOf = (bytes: Uint8Array) => blake3(bytes, { key: KEY })
const write = (header: Omit<Header, 'mac'>) =>
  writeHeader(header, blake3, header.encrypted ? macOf : () => null)

/** `bytes` with fields changed and the checksum made right again. */
function forge(bytes: Uint8Array, changes: [at: number, ...values: number[]][]): Uint8Array {
  const forged = Uint8Array.from(bytes)
  for (const [at, ...values] of changes) forged.set(values, at)
  const input = Buffer.concat([forged.subarray(0, 240), forged.subarray(HEADER_BYTES)])
  forged.set(blake3(input).subarray(0, 16), 240)
  return forged
}

t.test('layout of §5.1', async t => {
  const bytes = write(sealed)
  t.equal(bytes.length, HEADER_BYTES + 2 * SLOT_BYTES)
  t.equal(Buffer.from(bytes.subarray(0, 24)).toString('hex'),
    '89574152500d0a1a' + '0100' + '0200' + '01000000' + '00000000' + '00000100')
  t.same(bytes.subarray(24, 40), filled(16, 7))
  t.same(bytes.subarray(40, 72), filled(32, 8))
  t.same(bytes.subarray(72, 104), filled(32, 9))
  t.same(bytes.subarray(104, 208), filled(104, 0))
  const macInput = Buffer.concat([bytes.subarray(0, 208), bytes.subarray(256)])
  t.same(bytes.subarray(208, 240), macOf(macInput))
  const checked = Buffer.concat([bytes.subarray(0, 240), bytes.subarray(256)])
  t.same(bytes.subarray(240, 256), blake3(checked).subarray(0, 16))
  t.same(readHeader(bytes, blake3).macInput, new Uint8Array(macInput))
})

t.test('round trip', async t => {
  const bytes = (n: number) => fc.uint8Array({ minLength: n, maxLength: n })
  const slots: fc.Arbitrary<KeySlot[]> = fc.array(
    fc.record({ type: fc.constant(2 as const), share: bytes(32), wrapped: bytes(48) },
      { noNullPrototype: true }),
    { minLength: 1, maxLength: 64 })
  fc.assert(fc.property(
    fc.boolean(), fc.boolean(), bytes(16), bytes(32), bytes(32), slots, fc.integer({ min: 12, max: 22 }),
    (encrypted, partial, archiveId, segmentSalt, commitment, slots, power) => {
      const header = encrypted
        ? { ...plain, archiveId, average: 2 ** power, encrypted, partial, segmentSalt, commitment, slots }
        : { ...plain, archiveId, average: 2 ** power, partial }
      const written = write(header)
      t.equal(readHeaderSize(written.subarray(0, HEADER_BYTES)), written.length)
      const { header: read, macInput } = readHeader(written, blake3)
      t.strictSame(read, { ...header, mac: encrypted ? macOf(macInput) : filled(32, 0) })
    }), { numRuns: 30 })
})

t.test('every single bit error is found', async t => {
  const bytes = write(sealed)
  const codes = new Set<string>()
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const damaged = Uint8Array.from(bytes)
    damaged[bit >> 3] ^= 1 << (bit & 7)
    try {
      readHeader(damaged, blake3)
      t.fail(`bit ${bit} passes`)
    } catch (error) {
      codes.add((error as { code: string }).code)
    }
  }
  t.same([...codes].sort(), [
    'ERR_WARP_HEADER_DAMAGED', 'ERR_WARP_LIMIT', 'ERR_WARP_NOT_AN_ARCHIVE', 'ERR_WARP_TRAILING_BYTES',
    'ERR_WARP_TRUNCATED',
  ])
})

t.test('every truncation is found', async t => {
  const bytes = write(sealed)
  for (let length = 0; length < bytes.length; length++) {
    t.throws(() => readHeader(bytes.subarray(0, length), blake3), { code: 'ERR_WARP_TRUNCATED' })
  }
  t.throws(() => readHeader(Uint8Array.of(0x89, 0x58), blake3), { code: 'ERR_WARP_NOT_AN_ARCHIVE' })
  t.throws(() => readHeader(filled(1000, 0x41), blake3), { code: 'ERR_WARP_NOT_AN_ARCHIVE' })
  const longer = Buffer.concat([bytes, filled(1, 0)])
  t.throws(() => readHeader(longer, blake3), { code: 'ERR_WARP_TRAILING_BYTES' })
})

t.test('fields that are wrong under a right checksum', async t => {
  const bytes = write(plain)
  const read = (...changes: [number, ...number[]][]) => readHeader(forge(bytes, changes), blake3)
  t.throws(() => read([8, 2]), { code: 'ERR_WARP_VERSION' })
  t.throws(() => read([8, 0]), { code: 'ERR_WARP_VERSION' })
  t.throws(() => read([8, 2], [12, 2]), { code: 'ERR_WARP_VERSION' }, 'version comes before features')
  t.throws(() => read([12, 8]), { code: 'ERR_WARP_FEATURE' })
  t.throws(() => read([12, 2]), MALFORMED, 'the key of a base, not encrypted')
  t.throws(() => readHeader(forge(write(sealed), [[12, 5]]), blake3), MALFORMED, 'thin and encrypted, with a key of its own')
  t.throws(() => read([15, 0x80]), { code: 'ERR_WARP_FEATURE' }, 'highest bit')
  t.throws(() => read([12, 8], [104, 1]), { code: 'ERR_WARP_FEATURE' }, 'features come before the rest')
  t.throws(() => read([12, 1]), MALFORMED, 'encrypted without a slot')
  t.throws(() => read([40, 1]), MALFORMED, 'salt')
  t.throws(() => read([72, 1]), MALFORMED, 'commitment')
  t.throws(() => read([208, 1]), MALFORMED, 'mac')
  t.throws(() => read([104, 1]), MALFORMED, 'reserved')
  t.throws(() => read([207, 1]), MALFORMED, 'reserved')
  t.throws(() => read([10, 65]), LIMIT)
  for (const average of [0, 2 ** 11, 2 ** 16 + 1, 2 ** 23, 2 ** 32 - 1]) {
    t.equal(isAverage(average), false)
    const field = [...new Uint8Array(Uint32Array.of(average).buffer)]
    t.throws(() => read([20, ...field]), MALFORMED, `average ${average}`)
  }
  t.equal(read([16, 0xfe, 0xff, 0xff, 0xff]).header.partial, false, 'unknown compat bits are ignored')
  t.equal(read([16, 0xff, 0xff, 0xff, 0xff]).header.partial, true)
  t.throws(() => readHeader(forge(write(sealed), [[12, 0]]), blake3), MALFORMED, 'slots without encryption')
  t.throws(() => readHeader(forge(write(sealed), [[HEADER_BYTES, 3]]), blake3), MALFORMED, 'slot type')
})

t.test('slots whose costs add up to too much are refused', async t => {
  const slots = [1, 2].map((): KeySlot => (
    { type: 1, iterations: 8, memoryKib: 1_048_576, salt: filled(16, 1), wrapped: filled(48, 1) }))
  const bytes = write({ ...sealed, slots })
  const iterationsOfSecond = HEADER_BYTES + SLOT_BYTES + 4
  t.throws(() => readHeader(forge(bytes, [[iterationsOfSecond, 9]]), blake3), LIMIT)
})

t.test('a writer refuses what no reader accepts', async t => {
  const cases: Partial<Header>[] = [
    { average: 65_537 }, { encrypted: true }, { slots: [slot] }, { archiveId: filled(15, 0) },
    { segmentSalt: filled(31, 0) }, { commitment: filled(32, 1) },
  ]
  for (const change of cases) t.throws(() => write({ ...plain, ...change }), RangeError)
  t.throws(() => writeHeader(plain, blake3, macOf), RangeError)
  t.throws(() => write({ ...sealed, slots: new Array(65).fill(slot) }), LIMIT)
})

t.test('what is taken over from a base', async t => {
  const inheritance = filled(96, 3)
  const open = Uint8Array.from([...filled(80, 3), ...filled(16, 0)])
  for (const header of [{ ...sealed, inheritance }, { ...sealed, inheritance, thin: true }, { ...plain, inheritance: open, thin: true }]) {
    const { header: read } = readHeader(write(header), blake3)
    t.strictSame([read.thin, read.inheritance], [header.thin, header.inheritance])
  }
  t.throws(() => write({ ...plain, thin: true }), RangeError)
  t.throws(() => write({ ...sealed, inheritance: filled(95, 3) }), RangeError)
})
