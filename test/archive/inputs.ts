import t from 'tap'
import fs from 'node:fs'
import { Readable } from 'node:stream'
import { resolveInputs } from '../../src/archive/inputs.ts'
import type { Input, Problem } from '../../src/index.ts'
import { makeDirectory, plant } from './support/trees.ts'

const problems: Problem[] = []

function paths(...inputs: (string | Input)[]): string[] {
  problems.length = 0
  return resolveInputs(inputs.map(input => typeof input === 'string' ? { path: input } : input), problem => problems.push(problem)).map(({ path }) => path)
}

t.test('names in the archive', async t => {
  process.chdir(plant(makeDirectory(t), { a: { b: 'x', c: 'y' }, d: '' }))
  t.same(paths('d', 'a'), ['a', 'd'], 'in path order')
  t.same(paths('./a//b/', 'd/.'), ['a/b', 'd'])
  t.same(paths('.'), [''])
  t.same(paths('a', 'a/b', './a'), ['a'], 'what is covered anyway')
  t.same(paths('.', 'a/b', 'd'), [''])
  t.same(paths('a', 'a/missing'), ['a'])
  t.same(paths({ path: Buffer.from([0x61, 0xff]) }), ['a\xff'])
  t.same(paths('ä'), [Buffer.from('ä').toString('latin1')])
  t.same(problems, [])
  t.same(paths('/etc'), ['etc'])
  t.match(problems, [{ kind: 'note', path: '/etc' }])
})

t.test('two inputs for one name', async t => {
  const directory = plant(makeDirectory(t), { a: { b: 'x' }, etc: { passwd: 'mine' } })
  process.chdir(directory)
  const code = 'ERR_WARP_INPUT_COLLISION'
  const stream = (name: string): Input => ({ stream: Readable.from([]), name })
  t.throws(() => paths('etc', '/etc'), { code, exitCode: 2 })
  t.throws(() => paths('etc', '/etc/passwd'), { code })
  t.throws(() => paths('a', stream('a')), { code })
  t.throws(() => paths('a', stream('a/b')), { code })
  t.throws(() => paths(stream('a'), stream('a')), { code })
  t.same(paths('a/b', stream('c'), `${directory}/a/b`).length, 3)
})

t.test('paths that no archive holds', async t => {
  const code = 'ERR_WARP_USAGE'
  t.throws(() => paths('../x'), { code })
  t.throws(() => paths('a/../b'), { code })
  t.throws(() => paths(''), { code })
  t.throws(() => paths('x'.repeat(256)), { code })
  t.throws(() => paths('a\0b'), { code })
  t.ok(fs.existsSync('.'))
})
