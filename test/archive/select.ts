import t from 'tap'
import { archivePath, isSameOrBeneath, Selection } from '../../src/archive/select.ts'
import { ignorePatterns } from '../../src/archive/patterns.ts'
import type { SelectOptions } from '../../src/index.ts'

const ALL = ['a', 'a/b', 'a/b.txt', 'a/c/', 'a/c/d.txt', 'ab', 'e/', 'e/f.log']

function taken(options: SelectOptions): string[] {
  const selection = new Selection(options)
  return ALL.filter(path => selection.takes(Buffer.from(path.replace(/\/$/, '')), path.endsWith('/')))
}

t.test('paths take what is beneath them', async t => {
  t.same(taken({}), ALL)
  t.same(taken({ paths: [] }), ALL)
  t.same(taken({ paths: ['a'] }), ['a', 'a/b', 'a/b.txt', 'a/c/', 'a/c/d.txt'])
  t.same(taken({ paths: ['./a/c/', Buffer.from('ab')] }), ['a/c/', 'a/c/d.txt', 'ab'])
  t.same(taken({ paths: ['.'] }), ALL)
  t.same(new Selection({ paths: ['b', 'a/c', 'a', 'a'] }).paths!.map(String), ['a', 'b'], 'the outermost, in order')
})

t.test('patterns', async t => {
  t.same(taken({ include: ['*.txt'] }), ['a/b.txt', 'a/c/d.txt'])
  t.same(taken({ exclude: ['c/'] }), ['a', 'a/b', 'a/b.txt', 'ab', 'e/', 'e/f.log'])
  t.same(taken({ include: ['*.txt'], exclude: ['/a/b*'], paths: ['a'] }), ['a/c/d.txt'])
  t.same(taken({ exclude: ['*', '!ab'] }), ['ab'])
  const ignored = ignorePatterns(['Ab*', '*.log'])
  t.equal(ignored(Buffer.from('abc'), false), false, 'case counts')
  t.equal(ignored(Buffer.from('x/y.log'), false), true)
  t.equal(ignored(Buffer.from(''), true), false, 'never the root itself')
})

t.test('what was asked for and is not there', async t => {
  const selection = new Selection({ paths: ['a/c', 'nowhere', 'b'] })
  for (const path of ALL) selection.takes(Buffer.from(path), false)
  t.same(selection.missing.map(String), ['b', 'nowhere'])
  t.throws(() => selection.demandAll(), { code: 'ERR_WARP_NOT_FOUND', path: 'b', exitCode: 3 })
  new Selection({}).demandAll()
})

t.test('paths that cannot be', async t => {
  t.equal(String(archivePath('./a//b/')), 'a/b')
  t.equal(archivePath('.').length, 0)
  for (const path of ['..', 'a/../b', 'a\0', 'x'.repeat(256)]) t.throws(() => archivePath(path), { code: 'ERR_WARP_USAGE' })
  t.ok(isSameOrBeneath(Buffer.from('a/b'), Buffer.from('')))
  t.notOk(isSameOrBeneath(Buffer.from('ab'), Buffer.from('a')))
})
