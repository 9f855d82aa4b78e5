import t from 'tap'
import fc from 'fast-check'
import type { WarpError } from '../../src/base/errors.ts'
import { MAX_NAME_BYTES, MAX_PATH_BYTES } from '../../src/base/limits.ts'
import { checkPath, comparePaths, displayPath, isBeneath, joinPath } from '../../src/format/path.ts'

const bytes = (text: string) => new Uint8Array(Buffer.from(text))
const raw = (...values: number[]) => Uint8Array.from(values)
const UNSAFE = { code: 'ERR_WARP_PATH_UNSAFE' }

t.test('order is by component', async t => {
  const sorted = ['', 'a', 'a/b', 'a/b/c', 'a/c', 'a!', 'a-b', 'a.b', 'a0', 'aa', 'b'].map(bytes)
  const shuffled = [...sorted].reverse().sort(comparePaths)
  t.same(shuffled, sorted)
  // `/` is below NUL too, although no path holds one
  t.ok(comparePaths(raw(0x61, 0x2f), raw(0x61, 0)) < 0)
})

const component = fc.uint8Array({ minLength: 1, maxLength: 3 })
  .map(part => part.map(byte => (byte === 0x2f ? 0x2e : byte)))
const path = fc.array(component, { maxLength: 4 })
  .map(parts => parts.reduce<Uint8Array>((parent, name) => joinPath(parent, name), raw()))

t.test('equals the comparison of lists of components', async t => {
  const split = (path: Uint8Array) => path.length === 0 ? [] : Buffer.from(path).toString('latin1').split('/')
  const compareLists = (a: string[], b: string[]) => {
    for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1
    return a.length - b.length
  }
  fc.assert(fc.property(path, path, (a, b) => {
    t.equal(Math.sign(comparePaths(a, b)), Math.sign(compareLists(split(a), split(b))))
    t.equal(Math.sign(comparePaths(b, a)), -Math.sign(comparePaths(a, b)) + 0)
    const below = split(b).length > split(a).length && split(a).every((part, i) => part === split(b)[i])
    t.equal(isBeneath(b, a), below)
  }), { numRuns: 300 })
})

t.test('isBeneath and joinPath', async t => {
  t.equal(isBeneath(bytes('a/b'), bytes('a')), true)
  t.equal(isBeneath(bytes('a'), bytes('a')), false)
  t.equal(isBeneath(bytes('ab'), bytes('a')), false)
  t.equal(isBeneath(bytes('b/b'), bytes('a')), false)
  t.equal(isBeneath(bytes('a'), bytes('')), true)
  t.equal(isBeneath(bytes(''), bytes('')), false)
  t.same(joinPath(bytes(''), bytes('x')), bytes('x'))
  t.same(joinPath(bytes('a/b'), bytes('x')), bytes('a/b/x'))
})

t.test('safe paths', async t => {
  for (const text of ['a', '...', '.a', 'a.', '..a', 'a..', 'a/.../b', 'a\\b', 'C:', '-', ' ', '\u00e9']) {
    checkPath(bytes(text))
  }
  checkPath(raw(0xff, 0x0a))
  checkPath(raw(), true)
  checkPath(new Uint8Array(MAX_NAME_BYTES).fill(0x61))
  checkPath(longest(MAX_PATH_BYTES))
  t.pass()
})

function longest(length: number): Uint8Array {
  // 'a' × 15 and a slash, so that the last byte of a multiple of 16 would be a slash: made an 'a'
  const path = new Uint8Array(length).map((_, i) => (i % 16 === 15 ? 0x2f : 0x61))
  path[length - 1] = 0x61
  return path
}

t.test('unsafe paths', async t => {
  for (const text of [
    '', '/', '/a', 'a/', 'a//b', '.', '..', './a', '../a', 'a/.', 'a/..', 'a/./b', 'a/../b', 'a\0', '\0',
  ]) t.throws(() => checkPath(bytes(text)), UNSAFE, JSON.stringify(text))
  t.throws(() => checkPath(new Uint8Array(MAX_NAME_BYTES + 1).fill(0x61)), UNSAFE)
  t.throws(() => checkPath(longest(MAX_PATH_BYTES + 1)), UNSAFE)
  t.throws(() => checkPath(bytes('/'), true), UNSAFE)
  t.throws(() => checkPath(bytes('a\n/../\u001b[2J')), { ...UNSAFE, path: 'a\\n/../\\x1b[2J' })
})

t.test('display', async t => {
  const cases: [Uint8Array, string][] = [
    [bytes(''), '.'],
    [bytes('dir/file name.txt'), 'dir/file name.txt'],
    [bytes('gr\u00fc\u00dfe/\u65e5\u672c/\u{1f600}'), 'gr\u00fc\u00dfe/\u65e5\u672c/\u{1f600}'],
    [bytes('a\nb\tc\rd\\e'), 'a\\nb\\tc\\rd\\\\e'],
    [bytes('\u001b[31m\u007f\u0000\u0007'), '\\x1b[31m\\x7f\\x00\\x07'],
    [bytes('\u0085\u009b'), '\\xc2\\x85\\xc2\\x9b'], // C1: next line, CSI
    [bytes('\u202e\u2066\u200f'), '\\xe2\\x80\\xae\\xe2\\x81\\xa6\\xe2\\x80\\x8f'], // reorder text
    [bytes('\u061c\u2028'), '\\xd8\\x9c\\xe2\\x80\\xa8'], // Arabic letter mark, line separator
    [raw(0xff, 0x61, 0xc3), '\\xffa\\xc3'],
    [raw(0xc0, 0xaf), '\\xc0\\xaf'], // overlong slash
    [raw(0xe0, 0x80, 0xaf), '\\xe0\\x80\\xaf'], // overlong slash of three bytes
    [raw(0xf0, 0x80, 0x80, 0xaf), '\\xf0\\x80\\x80\\xaf'], // of four
    [raw(0xed, 0xa0, 0x80), '\\xed\\xa0\\x80'], // surrogate
    [raw(0xf4, 0x90, 0x80, 0x80), '\\xf4\\x90\\x80\\x80'], // above U+10FFFF
    [raw(0xe2, 0x82, 0x61), '\\xe2\\x82a'], // cut by a letter
  ]
  for (const [path, text] of cases) t.equal(displayPath(path), text)
})

t.test('display decodes like TextDecoder, is harmless and tells paths apart', async t => {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 6 }), path => {
    const text = displayPath(path)
    t.notMatch(text, /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u)
    let decoded: string | null = null
    try {
      decoded = decoder.decode(path)
    } catch { /* not UTF-8 */ }
    if (decoded === null) t.match(text, /\\x[89a-f]/)
    t.same(undisplay(text), path)
  }), { numRuns: 500 })
  fc.assert(fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), text => {
    t.same(undisplay(displayPath(bytes(text))), bytes(text))
  }), { numRuns: 200 })
})

function undisplay(text: string): Uint8Array {
  const parts: Buffer[] = []
  for (const [all, hex, letter] of text.matchAll(/\\x(..)|\\(.)|[^\\]+/gsu)) {
    if (hex !== undefined) parts.push(Buffer.from(hex, 'hex'))
    else if (letter !== undefined) parts.push(Buffer.from({ n: '\n', t: '\t', r: '\r' }[letter] ?? letter))
    else parts.push(Buffer.from(all))
  }
  return new Uint8Array(Buffer.concat(parts))
}

t.test('errors are of class malformed', async t => {
  try {
    checkPath(bytes('..'))
    t.fail('should throw')
  } catch (error) {
    t.equal((error as WarpError).class, 'malformed')
    t.equal((error as WarpError).path, '..')
  }
})
