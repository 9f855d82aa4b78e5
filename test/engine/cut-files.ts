import t from 'tap'
import { findCandidates } from '../../src/codec/buzhash.ts'
import { findZeroRuns } from '../../src/codec/zeros.ts'
import { cutFiles } from '../../src/engine/cut-files.ts'
import { WholeFiles } from '../../src/engine/whole-files.ts'
import { KIB, noise } from '../archive/support/trees.ts'

const AVERAGE = 8 * KIB

t.test('as WholeFiles cuts them', async t => {
  // None, one byte, below the minimum, several chunks, a hole in the midst, zeros alone.
  const contents = [
    Buffer.alloc(0), Buffer.from('x'), noise(1, 4 * KIB), noise(2, 100_001),
    Buffer.concat([noise(3, 8 * KIB), Buffer.alloc(100 * KIB), noise(4, 5)]), Buffer.alloc(70 * KIB),
  ]
  const slab = Buffer.concat(contents)
  const whole = new WholeFiles(slab, AVERAGE, null)
  let at = 0
  const files = contents.map(content => {
    const slabOffset = at
    at += content.length
    whole.add(slabOffset, content.length)
    const found = new Uint32Array(content.length + 1)
    const count = findCandidates(content, 0, content.length + 1, AVERAGE, found)
    const zeroRuns: number[] = []
    findZeroRuns(content, 0, true, zeroRuns)
    return { slabOffset, length: content.length, candidates: found.slice(0, count), zeroRuns }
  })
  const expected = whole.take()
  const cut = cutFiles(files, AVERAGE)
  for (const name of ['chunks', 'extents', 'extentEnds'] as const) t.strictSame(Array.from(cut[name]), Array.from(expected[name]), name)
  t.equal(cut.ids.length, expected.ids.length)
  t.ok(cut.ids.every(byte => byte === 0))
})

t.test('what is no file has no extents', async t => {
  const { extentEnds, chunks } = cutFiles([null, { slabOffset: 9, length: 3, candidates: new Uint32Array(0), zeroRuns: [] }, null], AVERAGE)
  t.same([...extentEnds], [0, 1, 1])
  t.same([...chunks], [9, 3])
})
