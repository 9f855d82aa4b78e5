/** Something after the footer, or a second archive there. */
import t from 'tap'
import { write } from './support/archives.ts'
import { demandRefusal } from './support/refusal.ts'

const { bytes } = write([{ path: 'a', content: 'a' }])
for (const [name, more] of Object.entries({
  'one byte': Buffer.alloc(1), 'a sector of zeros': Buffer.alloc(512),
  'another footer': bytes.subarray(-312), 'another archive': bytes,
})) {
  await demandRefusal(t, name, {
    bytes: Buffer.concat([bytes, more]),
    codes: ['ERR_WARP_TRAILING_BYTES', 'ERR_WARP_TRUNCATED', 'ERR_WARP_COUNT_MISMATCH'],
    // What a stream ends in is seen when all else was restored.
    restored: ['a'],
  })
}
await demandRefusal(t, 'before the header', {
  bytes: Buffer.concat([Buffer.alloc(1), bytes]), codes: ['ERR_WARP_NOT_AN_ARCHIVE'],
})
