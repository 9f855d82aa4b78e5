import t from 'tap'
import fc from 'fast-check'
import { FOOTER_BODY_BYTES } from '../../src/base/limits.ts'
import { readFooter, writeFooter } from '../../src/format/footer.ts'
import type { Footer } from '../../src/format/footer.ts'

const MALFORMED = { code: 'ERR_WARP_MALFORMED' }

const filled = (length: number, value: number) => new Uint8Array(length).fill(value)
const empty: Footer = {
  topOffset: 0, topLevel: 0, topDigest: filled(32, 0), topLocationDigest: filled(32, 0), entries: 0,
  logicalBytes: 0, chunkRefs: 0, frameBytes: 0, frames: 0, pages: 0, archiveLength: 568,
  signer: null, signature: null,
}
const full: Footer = {
  topOffset: 0x0102, topLevel: 1, topDigest: filled(32, 1), topLocationDigest: filled(32, 2), entries: 3,
  logicalBytes: 4, chunkRefs: 5, frameBytes: 6, frames: 7, pages: 8, archiveLength: 9,
  signer: filled(32, 10), signature: filled(64, 11),
}

t.test('layout of §10', async t => {
  const bytes = writeFooter(full)
  t.equal(bytes.length, FOOTER_BODY_BYTES)
  const u64 = (value: number) => value.toString(16).padStart(2, '0') + '00'.repeat(7)
  t.equal(Buffer.from(bytes).toString('hex'),
    '0201000000000000' + '01000000' + '00000000' + '01'.repeat(32) + '02'.repeat(32)
    + [3, 4, 5, 6, 7, 8, 9].map(u64).join('') + '0a'.repeat(32) + '0b'.repeat(64))
  t.strictSame(readFooter(bytes), full)
  t.strictSame(readFooter(writeFooter(empty)), empty)
})

t.test('round trip', async t => {
  const count = fc.maxSafeNat()
  const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
  const some = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
  const footer = fc.record({
    topOffset: some, topLevel: fc.constant(0), topDigest: hash, topLocationDigest: hash, entries: some,
    logicalBytes: count, chunkRefs: count, frameBytes: count, frames: count, pages: fc.constant(1),
    archiveLength: count, signer: fc.constantFrom(null, filled(32, 1)), signature: fc.constant(null),
  }, { noNullPrototype: true }).map((footer): Footer =>
    ({ ...footer, signature: footer.signer === null ? null : filled(64, 255) }))
  fc.assert(fc.property(footer, footer => {
    t.strictSame(readFooter(writeFooter(footer)), footer)
  }))
})

t.test('the level of the top follows from the number of pages', async t => {
  const cases = [[1, 0], [2, 1], [128, 1], [129, 2], [128 ** 2, 2], [128 ** 2 + 1, 3], [2 ** 53 - 1, 8]]
  for (const [pages, topLevel] of cases) {
    t.equal(readFooter(writeFooter({ ...full, pages, topLevel })).topLevel, topLevel)
    t.throws(() => readFooter(writeFooter({ ...full, pages, topLevel: topLevel + 1 })), MALFORMED)
  }
})

t.test('without a top nothing is counted, and with one something is', async t => {
  const counts = [
    'topLevel', 'entries', 'logicalBytes', 'chunkRefs', 'frameBytes', 'frames', 'pages',
  ] as const
  for (const name of counts) t.throws(() => readFooter(writeFooter({ ...empty, [name]: 1 })), MALFORMED, name)
  for (const name of ['topDigest', 'topLocationDigest']) {
    t.throws(() => readFooter(writeFooter({ ...empty, [name]: filled(32, 1) })), MALFORMED, name)
  }
  t.throws(() => readFooter(writeFooter({ ...full, entries: 0 })), MALFORMED)
  t.throws(() => readFooter(writeFooter({ ...full, pages: 0, topLevel: 0 })), MALFORMED)
})

t.test('signed by halves, reserved bytes, wrong lengths', async t => {
  t.throws(() => readFooter(writeFooter({ ...full, signer: null })), MALFORMED)
  t.throws(() => readFooter(writeFooter({ ...full, signature: null })), MALFORMED)
  for (const at of [12, 15]) {
    const bytes = writeFooter(full)
    bytes[at] = 1
    t.throws(() => readFooter(bytes), MALFORMED)
  }
  t.throws(() => readFooter(writeFooter(full).subarray(1)), MALFORMED)
  t.throws(() => readFooter(filled(FOOTER_BODY_BYTES + 1, 0)), MALFORMED)
  t.throws(() => writeFooter({ ...full, signature: filled(63, 1) }), RangeError)
  t.throws(() => writeFooter({ ...full, pages: 2 ** 53 }), RangeError)
})
