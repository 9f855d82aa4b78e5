import t from 'tap'
import { findNearest, parseArguments, pathBytes } from '../../src/cli/arguments.ts'
import type { CommandSpec } from '../../src/cli/spec.ts'

const USAGE = { code: 'ERR_WARP_USAGE' }

const SPEC: CommandSpec = {
  name: 'test', summary: '', usage: 'test', description: [], examples: [], exits: [],
  operands: { min: 0, max: 3 },
  groups: [{
    title: 'All',
    options: [
      { name: 'output', letter: 'o', value: 'FILE', help: '' },
      { name: 'exclude', value: 'PATTERN', repeatable: true, help: '' },
      { name: 'null', letter: '0', help: '' },
      { name: 'level', value: 'N', help: '' },
      { name: 'same-owner', help: '' },
      { name: 'no-same-owner', help: '' },
    ],
  }],
}

const parse = (...words: string[]) => parseArguments(words, SPEC)

t.test('options and operands in any order', async t => {
  const args = parse('a', '--output', 'x', '--exclude', '*.o', 'b', '--exclude=*.a', '-0q', '--', '-c')
  t.equal(args.text('output'), 'x')
  t.same(args.texts('exclude'), ['*.o', '*.a'])
  t.same(args.operands, ['a', 'b', '-c'])
  t.ok(args.flag('null') && args.flag('quiet'))
  t.notOk(args.flag('json') || args.flag('level'))
  t.same(args.texts('level'), [])
})

t.test('a value may follow its letter', async t => {
  t.equal((parse('-ox')).text('output'), 'x')
  t.equal((parse('-qo', 'x')).text('output'), 'x')
  t.equal((parse('-qox')).text('output'), 'x')
  t.equal((parse('-o-')).text('output'), '-')
  t.equal((parse('-o', '-')).text('output'), '-')
  t.same((parse('--', '-ox')).operands, ['-ox'])
})

t.test('values stay text, whatever they look like', async t => {
  t.same((parse('007', '1e3', 'true')).operands, ['007', '1e3', 'true'])
  const args = parse('--exclude', '0x10', '--exclude', '"q"', '--exclude', 'a b', '--exclude=-x')
  t.same(args.texts('exclude'), ['0x10', '"q"', 'a b', '-x'])
})

t.test('the last value of an option counts', async t => {
  t.equal((parse('--level', '1', '--level', '2')).text('level'), '2')
})

t.test('--no- options are options of their own', async t => {
  const args = parse('--no-same-owner')
  t.ok(args.flag('no-same-owner'))
  t.notOk(args.flag('same-owner'))
  t.throws(() => parse('--no-level'), USAGE)
})

t.test('what is wrong is refused with a hint', async t => {
  const wrong: [string[], RegExp][] = [
    [['--levle', '1'], /did you mean --level/],
    [['--frobnicate'], /usage: warp test/],
    [['-z'], /usage: warp test/],
    [['--level'], /--level=VALUE/],
    [['-o'], /--output=VALUE/],
    [['--level', '--json'], /--level=VALUE/],
    [['--level='], /usage: warp test/],
    [['a', 'b', 'c', 'd'], /usage: warp test/],
    [['--__proto__', 'x'], /usage/],
  ]
  for (const [words, hint] of wrong) t.throws(() => parse(...words), { ...USAGE, hint }, words.join(' '))
  t.throws(() => parse('--null=yes'), USAGE)
  t.throws(() => parseArguments([], { ...SPEC, operands: { min: 1, max: 1 } }), USAGE)
})

t.test('a required option', async t => {
  const args = parse()
  t.throws(() => args.required('output', '-o FILE'), USAGE)
})

t.test('the nearest name', async t => {
  const names = ['create', 'extract', 'list', 'long']
  t.equal(findNearest('craete', names), 'create')
  t.equal(findNearest('lsit', names), 'list')
  t.equal(findNearest('extrct', names), 'extract')
  t.equal(findNearest('frobnicate', names), undefined)
  t.equal(findNearest('x', names), undefined)
})

t.test('a path that Node could decode stays as it is', async t => {
  t.equal(pathBytes('ä'), 'ä')
  // not a word of this process
  t.equal(pathBytes('\ufffd'), '\ufffd')
})
