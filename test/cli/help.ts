import t from 'tap'
import { COMMANDS, SPECS as specs } from '../../src/cli/commands.ts'
import { optionsOf } from '../../src/cli/arguments.ts'
import { EXIT } from '../../src/base/errors.ts'
import { EXIT_TEXT, formatHelp, formatOverview, hang } from '../../src/cli/help.ts'
import { warp } from './support/run.ts'

t.test('a command is what its file says it is', async t => {
  for (const [name, { spec }] of Object.entries(COMMANDS)) t.equal(spec.name, name)
})

t.test('help tells everything', async t => {
  for (const spec of specs) {
    const help = formatHelp(spec, 80)
    for (const title of ['Usage', 'General', 'Examples', 'Exit status']) {
      t.match(help, new RegExp(`^${title}:`, 'm'))
    }
    for (const { name, letter } of optionsOf(spec)) {
      t.ok(help.includes(`--${name}`), `${spec.name} --${name}`)
      if (letter !== undefined) t.ok(help.includes(`-${letter}, --${name}`), `${spec.name} -${letter}`)
    }
    t.ok(spec.examples.length > 0)
    for (const name of spec.exits) t.match(help, new RegExp(`^  ${EXIT[name]} `, 'm'))
    for (const { name } of spec.environment ?? []) t.ok(help.includes(name))
  }
})

t.test('options are not declared twice', async t => {
  for (const spec of specs) {
    const names = optionsOf(spec).flatMap(({ name, letter }) => [name, ...letter ?? ''])
    t.equal(new Set(names).size, names.length, spec.name)
  }
})

t.test('lines fit the terminal', async t => {
  for (const columns of [60, 80]) {
    for (const text of [formatOverview(specs, columns), ...specs.map(spec => formatHelp(spec, columns))]) {
      // commands of examples and single words are not broken
      const long = text.split('\n').filter(line => line.length > columns && !/^ {4}\S/.test(line))
      t.same(long, [])
    }
  }
  t.equal(hang('a  ', 'b c d', 6), 'a  b c\n   d')
})

t.test('every class of outcome has a text', async t => {
  t.same(Object.keys(EXIT_TEXT).sort(), Object.keys(EXIT).sort())
})

t.test('help is printed on stdout', async t => {
  const overview = formatOverview(specs, 80)
  for (const words of [['help'], ['--help'], ['-h'], ['-q', '--help']]) {
    t.match(await warp(words), { status: 0, stdout: overview, stderr: '' })
  }
  const create = formatHelp(specs[0], 80)
  for (const words of [['help', 'create'], ['create', '--help'], ['create', '-h', '--frob']]) {
    t.match(await warp(words), { status: 0, stdout: create, stderr: '' })
  }
  t.match(await warp(['help', 'frob']), { status: 2, stdout: '', stderr: /^warp: unknown command/ })
})
