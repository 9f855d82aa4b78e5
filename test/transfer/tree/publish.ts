/** What was received takes its place: beside what is there, again after an interruption, and never beyond the target. */
import fs from 'node:fs'
import path from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { TargetTree } from '../../../src/archive/os/target-tree.ts'
import { publish, type PublishOptions } from '../../../src/transfer/tree/publish.ts'
import { makeDirectory, openDescriptors, plant, type Plan } from '../../archive/support/trees.ts'
import { contentsOf } from '../support/hostile-sender.ts'

const FROM = 'staged'

interface Ran {
  target: string
  reports: string[]
  readonly contents: Record<string, string>
}

interface Setting {
  target?: Plan
  staged: Plan
  overwrite?: PublishOptions['overwrite']
  /** Changes both before it is run. */
  prepare?: (target: string, staged: string) => void
  /** Runs of it. */
  times?: number
}

function run(t: Test, { target = {}, staged, overwrite = 'never', prepare, times = 1 }: Setting): Ran {
  const at = makeDirectory(t)
  plant(at, target)
  plant(path.join(at, FROM), staged)
  prepare?.(at, path.join(at, FROM))
  const fds = openDescriptors()
  const reports: string[] = []
  for (let i = 0; i < times; i++) {
    const tree = new TargetTree(at)
    publish({
      tree, from: [Buffer.from(FROM)], overwrite, owner: { sameOwner: false, numericOwner: false },
      report: (entry) => void reports.push(Buffer.from(entry).toString('latin1')),
    })
    tree.close()
  }
  t.strictSame(openDescriptors(), fds)
  // Not where a test looks itself: names need not be text.
  return { target: at, reports, get contents() { return contentsOf(at) } }
}

const staged: Plan = { a: 'new a', d: { x: 'new x', e: { y: 'new y' } }, empty: null }
const published = { a: 'new a', 'd/': '', 'd/x': 'new x', 'd/e/': '', 'd/e/y': 'new y', 'empty/': '' }

t.test('into an empty target', async (t) => {
  const { contents, reports } = run(t, { staged })
  t.strictSame(contents, { ...published, [`${FROM}/`]: '' })
  t.strictSame(reports, [])
})

t.test('directories that are there take in what is new', async (t) => {
  const { contents, reports } = run(t, { target: { d: { other: 'kept', e: null }, more: 'kept' }, staged })
  t.strictSame(contents, { ...published, 'd/other': 'kept', more: 'kept', [`${FROM}/`]: '' })
  t.strictSame(reports, [])
})

for (const overwrite of ['never', 'always', 'newer'] as const) {
  t.test(`files that are there, overwrite ${overwrite}`, async (t) => {
    const { contents, reports } = run(t, { target: { a: 'old a', d: { x: 'old x' } }, staged, overwrite })
    const kept = overwrite === 'never'
    t.match(contents, kept ? { a: 'old a', 'd/x': 'old x', 'd/e/y': 'new y' } : published)
    t.strictSame(reports.sort(), kept ? ['a', 'd/x'] : [])
  })

  t.test(`what is of another kind is kept, overwrite ${overwrite}`, async (t) => {
    const { contents, reports } = run(t, { target: { a: { inside: 'kept' }, d: 'a file' }, staged, overwrite })
    t.match(contents, { 'a/inside': 'kept', d: 'a file', 'empty/': '' })
    t.strictSame(reports.sort(), ['a', 'd'])
  })

  t.test(`symlinks in the target are not followed, overwrite ${overwrite}`, async (t) => {
    const outside = makeDirectory(t)
    plant(outside, { x: 'outside', directory: null })
    const { contents, reports } = run(t, {
      staged, overwrite,
      prepare: (target) => {
        fs.symlinkSync(outside, path.join(target, 'd'))
        fs.symlinkSync(path.join(outside, 'x'), path.join(target, 'a'))
      },
    })
    t.strictSame(contentsOf(outside), { x: 'outside', 'directory/': '' })
    t.equal(contents.d, `-> ${outside}`)
    t.ok(reports.includes('d'))
    t.equal(contents.a, overwrite === 'never' ? `-> ${outside}/x` : 'new a')
  })
}

t.test('symlinks among what was received stay symlinks', async (t) => {
  const outside = makeDirectory(t)
  const { contents } = run(t, {
    target: { d: { old: 'kept' } }, staged: { a: 'new' },
    prepare: (_, from) => {
      fs.symlinkSync(outside, path.join(from, 'd'))
      fs.symlinkSync(outside, path.join(from, 'link'))
    },
  })
  t.equal(contents.link, `-> ${outside}`)
  t.equal(contents['d/old'], 'kept')
  t.strictSame(fs.readdirSync(outside), [])
})

t.test('again, after it has come to its end', async (t) => {
  const { contents, reports } = run(t, { target: { d: { other: 'kept' } }, staged, times: 3 })
  t.strictSame(contents, { ...published, 'd/other': 'kept', [`${FROM}/`]: '' })
  t.strictSame(reports, [])
})

t.test('again, after an interruption anywhere', async (t) => {
  // As if each of these was moved, and then the process was killed.
  const moves = ['a', 'd/x', 'd/e/y', 'd/e', 'empty']
  for (let done = 0; done <= moves.length; done++) {
    const { contents, reports } = run(t, {
      target: { d: { other: 'kept', e: null } }, staged,
      prepare: (target, from) => {
        for (const move of moves.slice(0, done)) {
          if (move === 'd/e') fs.rmSync(path.join(from, move), { recursive: true })
          else fs.renameSync(path.join(from, move), path.join(target, move))
        }
      },
    })
    t.strictSame(contents, { ...published, 'd/other': 'kept', [`${FROM}/`]: '' }, `${done} moves`)
    t.strictSame(reports, [])
  }
})

t.test('a directory that must not be written to', async (t) => {
  const { target, contents, reports } = run(t, {
    target: { d: { old: 'kept' } }, staged: { locked: { x: 'x' }, d: { locked: { y: 'y' } } },
    prepare: (_, from) => {
      for (const name of ['locked', 'd/locked']) fs.chmodSync(path.join(from, name), 0o555)
    },
  })
  t.match(contents, { 'locked/x': 'x', 'd/locked/y': 'y', 'd/old': 'kept' })
  for (const name of ['locked', 'd/locked']) t.equal(fs.statSync(path.join(target, name)).mode & 0o777, 0o555)
  t.strictSame(reports, [])
})

t.test('metadata of directories that were there', async (t) => {
  for (const overwrite of ['never', 'always'] as const) {
    const { target } = run(t, {
      target: { d: { e: null } }, staged: { d: { e: { f: '' } } }, overwrite,
      prepare: (at, from) => {
        for (const base of [at, from]) for (const name of ['d/e', 'd']) fs.chmodSync(path.join(base, name), base === at ? 0o755 : 0o701)
      },
    })
    for (const name of ['d', 'd/e']) t.equal(fs.statSync(path.join(target, name)).mode & 0o777, overwrite === 'never' ? 0o755 : 0o701)
  }
})

t.test('names that are no text, and deep directories that are there already', async (t) => {
  const name = Buffer.from([0xff, 0x0a, 0x5c])
  const deep = Array.from({ length: 300 }, () => 'd').join('/')
  const { target, reports } = run(t, {
    staged: {},
    prepare: (at, from) => {
      for (const base of [at, from]) fs.mkdirSync(path.join(base, deep), { recursive: true })
      fs.writeFileSync(path.join(from, deep, 'new'), 'new')
      fs.writeFileSync(Buffer.concat([Buffer.from(`${from}/`), name]), 'new')
    },
  })
  t.strictSame(reports, [])
  t.equal(fs.readFileSync(path.join(target, deep, 'new'), 'utf8'), 'new')
  t.equal(fs.readFileSync(Buffer.concat([Buffer.from(`${target}/`), name]), 'utf8'), 'new')
})
