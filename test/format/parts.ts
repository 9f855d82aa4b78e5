import t from 'tap'
import { joinParts, splitParts } from '../../src/format/parts.ts'

const MALFORMED = { code: 'ERR_WARP_MALFORMED' }

t.test('content_length ‖ content ‖ location', async t => {
  const bytes = joinParts(Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5))
  t.same([...bytes], [3, 0, 0, 0, 1, 2, 3, 4, 5])
  t.strictSame(splitParts(bytes), { content: Uint8Array.of(1, 2, 3), location: Uint8Array.of(4, 5) })
  t.strictSame(splitParts(joinParts(new Uint8Array(0), new Uint8Array(0))),
    { content: new Uint8Array(0), location: new Uint8Array(0) })
})

t.test('a content that is longer than the page', async t => {
  t.throws(() => splitParts(Uint8Array.of(2, 0, 0, 0, 1)), MALFORMED)
  t.throws(() => splitParts(Uint8Array.of(255, 255, 255, 255, 1)), MALFORMED)
  t.throws(() => splitParts(Uint8Array.of(0, 0, 0)), MALFORMED)
})
