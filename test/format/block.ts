import t from 'tap'
import fc from 'fast-check'
import { blake3 } from '@noble/hashes/blake3.js'
import { FOOTER_BODY_BYTES, MAX_FRAME_BYTES, MAX_PAGE_BYTES } from '../../src/base/limits.ts'
import { CODEC, KIND, findBlockMagic, readBlockHeader, writeBlockHeader } from '../../src/format/block.ts'
import type { BlockHeader } from '../../src/format/block.ts'

const MALFORMED = { code: 'ERR_WARP_MALFORMED' }
const LIMIT = { code: 'ERR_WARP_LIMIT' }

const archiveId = Uint8Array.from({ length: 16 }, (_, i) => i)
const frame: BlockHeader =
  { archiveId, ordinal: 5, kind: KIND.frame, codec: CODEC.zstd, plainLength: 4096, storedLength: 100 }

function write(header: BlockHeader): Uint8Array {
  const out = new Uint8Array(64)
  writeBlockHeader(out, header, blake3)
  return out
}

function forge(header: BlockHeader, ...changes: [at: number, ...values: number[]][]): Uint8Array {
  const bytes = write(header)
  for (const [at, ...values] of changes) bytes.set(values, at)
  bytes.set(blake3(bytes.subarray(0, 48)).subarray(0, 16), 48)
  return bytes
}

t.test('layout of §5.3', async t => {
  const bytes = write({ ...frame, ordinal: 0x0102_0304_0506, kind: KIND.page })
  t.equal(Buffer.from(bytes.subarray(0, 48)).toString('hex'),
    'c7777270626c6b0a' + '000102030405060708090a0b0c0d0e0f' + '0605040302010000' + '02' + '02' + '0000'
    + '00100000' + '64000000' + '00000000')
  t.same(bytes.subarray(48), blake3(bytes.subarray(0, 48)).subarray(0, 16))
})

t.test('round trip', async t => {
  const kindAndLength = fc.oneof(
    fc.tuple(fc.constant(KIND.frame), fc.integer({ min: 2, max: MAX_FRAME_BYTES })),
    fc.tuple(fc.constantFrom(KIND.page, KIND.indexPage), fc.integer({ min: 2, max: MAX_PAGE_BYTES })))
  const values = [fc.maxSafeNat(), kindAndLength, fc.boolean()] as const
  fc.assert(fc.property(...values, (ordinal, [kind, plainLength], store) => {
    const header: BlockHeader = store
      ? { archiveId, ordinal, kind, codec: CODEC.store, plainLength, storedLength: plainLength }
      : { archiveId, ordinal, kind, codec: CODEC.zstd, plainLength, storedLength: plainLength - 1 }
    t.strictSame(readBlockHeader(write(header), blake3), header)
  }))
  const footer: BlockHeader = {
    ...frame, kind: KIND.footer, codec: CODEC.store,
    plainLength: FOOTER_BODY_BYTES, storedLength: FOOTER_BODY_BYTES,
  }
  t.strictSame(readBlockHeader(write(footer), blake3), footer)
  t.strictSame(readBlockHeader(write({ ...frame, codec: CODEC.lz4 }), blake3), { ...frame, codec: CODEC.lz4 })
})

t.test('every single bit error is found', async t => {
  const bytes = write(frame)
  for (let bit = 0; bit < 512; bit++) {
    const damaged = Uint8Array.from(bytes)
    damaged[bit >> 3] ^= 1 << (bit & 7)
    t.throws(() => readBlockHeader(damaged, blake3), MALFORMED)
  }
})

t.test('fields that are wrong under a right checksum', async t => {
  const u32 = (value: number) => [...new Uint8Array(Uint32Array.of(value).buffer)]
  const read = (...changes: [number, ...number[]][]) => readBlockHeader(forge(frame, ...changes), blake3)
  t.strictSame(read(), frame)
  t.throws(() => read([31, 1]), MALFORMED, 'ordinal above 2^53-1')
  t.throws(() => read([32, 0]), MALFORMED, 'kind')
  t.throws(() => read([32, 5]), MALFORMED, 'kind')
  t.throws(() => read([33, 3]), MALFORMED, 'codec')
  for (const at of [34, 35, 44, 47]) t.throws(() => read([at, 1]), MALFORMED, 'reserved')
  t.throws(() => read([32, KIND.page, CODEC.lz4]), MALFORMED, 'page of LZ4')
  const footer = [32, KIND.footer] as [number, number]
  t.throws(() => read([...footer, CODEC.zstd], [36, ...u32(FOOTER_BODY_BYTES)]), MALFORMED, 'footer of zstd')
  t.throws(() => read([...footer, CODEC.store], [36, ...u32(231), ...u32(231)]), MALFORMED, 'footer length')
  t.throws(() => read([36, ...u32(0)]), LIMIT)
  t.throws(() => read([36, ...u32(MAX_FRAME_BYTES + 1)]), LIMIT)
  t.throws(() => read([32, KIND.page], [36, ...u32(MAX_PAGE_BYTES + 1)]), LIMIT)
  t.throws(() => read([32, KIND.indexPage], [36, ...u32(MAX_PAGE_BYTES + 1)]), LIMIT)
  t.throws(() => read([40, ...u32(4096)]), MALFORMED, 'compressed, but not smaller')
  t.throws(() => read([33, CODEC.store], [40, ...u32(4095)]), MALFORMED, 'stored, but smaller')
})

t.test('cut short, and misuse', async t => {
  const bytes = write(frame)
  t.throws(() => readBlockHeader(bytes.subarray(0, 63), blake3), { code: 'ERR_WARP_TRUNCATED' })
  t.throws(() => readBlockHeader(new Uint8Array(65), blake3), MALFORMED)
  t.throws(() => readBlockHeader(Buffer.concat([bytes, bytes]), blake3), MALFORMED)
  t.throws(() => writeBlockHeader(new Uint8Array(65), frame, blake3), RangeError)
  t.throws(() => write({ ...frame, archiveId: new Uint8Array(15) }), RangeError)
  t.throws(() => write({ ...frame, ordinal: -1 }), RangeError)
  t.throws(() => write({ ...frame, plainLength: 0 }), LIMIT)
})

t.test('findBlockMagic', async t => {
  const bytes = new Uint8Array(new SharedArrayBuffer(300), 7)
  bytes.set(write(frame), 20)
  bytes.set(write(frame), 200)
  t.equal(findBlockMagic(bytes, 0), 20)
  t.equal(findBlockMagic(bytes, 20), 20)
  t.equal(findBlockMagic(bytes, 21), 200)
  t.equal(findBlockMagic(bytes, 201), -1)
  t.equal(findBlockMagic(bytes.subarray(0, 27), 0), -1) // one byte of the magic is missing
})
