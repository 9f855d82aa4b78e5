import t from 'tap'
import fc from 'fast-check'
import { readIndexPage, writeIndexPage } from '../../src/format/index-page.ts'
import type { IndexChild, IndexPage } from '../../src/format/index-page.ts'
import { joinParts } from '../../src/format/parts.ts'
import { bytes } from './support/samples.ts'

const MALFORMED = { code: 'ERR_WARP_MALFORMED' }
const LIMIT = { code: 'ERR_WARP_LIMIT' }
const ORDER = { code: 'ERR_WARP_ENTRY_ORDER' }

const digest = new Uint8Array(32).fill(0xd1)
const locationDigest = new Uint8Array(32).fill(0xd2)
const child = (firstPath: string, firstOffset: number, offset: number): IndexChild =>
  ({ digest, firstPath: bytes(firstPath), firstOffset, entries: 8192, offset, locationDigest })

function plain(page: IndexPage): Uint8Array {
  const { content, location } = writeIndexPage(page)
  return joinParts(content, location)
}
const read = (...children: IndexChild[]) => readIndexPage(plain({ level: 1, children }))

t.test('layout of §9.2', async t => {
  const children = [child('', 0, 256), child('a', 300, 512)]
  const { content, location } = writeIndexPage({ level: 2, children })
  const d1 = 'd1'.repeat(32)
  const d2 = 'd2'.repeat(32)
  t.equal(Buffer.from(content).toString('hex'), `0202${d1}00008040${d1}0161ac028040`)
  t.equal(Buffer.from(location).toString('hex'), `8002${d2}8004${d2}`)
})

t.test('round trip', async t => {
  const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
  const rest = fc.tuple(hash, fc.boolean(), fc.integer({ min: 1, max: 2 ** 40 }), fc.nat(2 ** 40), hash)
  const page = fc.tuple(fc.integer({ min: 1, max: 8 }), fc.array(rest, { minLength: 1, maxLength: 128 }))
  fc.assert(fc.property(page, ([level, list]) => {
    let offset = 255
    let firstOffset = 0
    let number = 0
    const children = list.map(([digest, continues, step, entries, locationDigest], i): IndexChild => {
      offset += step
      firstOffset = continues && i > 0 ? firstOffset + step : 0
      if (firstOffset === 0) number++
      const firstPath = bytes(String(number).padStart(3, '0'))
      return { digest, firstPath, firstOffset, entries, offset, locationDigest }
    })
    const plaintext = plain({ level, children })
    const { content, location, ...read } = readIndexPage(plaintext)
    t.strictSame(read, { level, children })
    t.strictSame(joinParts(content, location), plaintext)
  }), { numRuns: 50 })
})

t.test('children ascend', async t => {
  const right = [child('', 0, 256), child('a', 0, 257), child('a', 1, 258), child('a/b', 0, 259)]
  t.equal(read(...right).children.length, 4)
  t.throws(() => read(child('a', 0, 256), child('a', 0, 257)), ORDER)
  t.throws(() => read(child('a', 2, 256), child('a', 1, 257)), ORDER)
  t.throws(() => read(child('b', 0, 256), child('a', 0, 257)), ORDER)
  t.throws(() => read(child('a', 0, 256), child('', 0, 257)), ORDER)
  t.throws(() => read(child('', 1, 256)), MALFORMED, 'the root has no extents')
  t.throws(() => read(child('a', 0, 256), child('b', 0, 256)), MALFORMED, 'offsets')
  t.throws(() => read(child('a', 0, 257), child('b', 0, 256)), MALFORMED, 'offsets')
  t.throws(() => read(child('a', 0, 0)), MALFORMED, 'offset 0 is the header')
  t.throws(() => read(child('../a', 0, 256)), { code: 'ERR_WARP_PATH_UNSAFE' })
})

t.test('levels, counts and lengths out of range', async t => {
  const { content, location } = writeIndexPage({ level: 1, children: [child('a', 0, 256)] })
  const change = (at: number, value: number) => {
    const changed = Uint8Array.from(content)
    changed[at] = value
    return joinParts(changed, location)
  }
  t.throws(() => readIndexPage(change(0, 0)), MALFORMED)
  t.throws(() => readIndexPage(change(0, 9)), LIMIT)
  t.throws(() => readIndexPage(change(1, 0)), MALFORMED)
  t.throws(() => readIndexPage(change(1, 2)), MALFORMED, 'cut')
  t.throws(() => readIndexPage(joinParts(Uint8Array.of(1, 0x81, 1), location)), LIMIT, '129 children')
  t.throws(() => readIndexPage(joinParts(content, location.subarray(0, -1))), MALFORMED)
  t.throws(() => readIndexPage(joinParts(content, Buffer.concat([location, digest]))), MALFORMED)
  t.throws(() => readIndexPage(joinParts(Buffer.concat([content, digest]), location)), MALFORMED)
  const huge = { ...child('a', 0, 256), entries: 2 ** 53 - 1 }
  t.equal(read(huge).children[0].entries, 2 ** 53 - 1)
  t.throws(() => read(huge, { ...child('b', 0, 300), entries: 1 }), LIMIT)
})

t.test('a writer refuses what no reader accepts', async t => {
  const one = child('a', 0, 256)
  t.throws(() => writeIndexPage({ level: 0, children: [one] }), RangeError)
  t.throws(() => writeIndexPage({ level: 9, children: [one] }), RangeError)
  t.throws(() => writeIndexPage({ level: 1, children: [] }), RangeError)
  t.throws(() => writeIndexPage({ level: 1, children: new Array(129).fill(one) }), RangeError)
  t.throws(() => writeIndexPage({ level: 1, children: [{ ...one, digest: bytes('x') }] }), RangeError)
})
