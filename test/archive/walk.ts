import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { comparePaths } from '../../src/format/path.ts'
import { averageFor, Survey } from '../../src/archive/survey.ts'
import { Walk, type Found, type WalkOptions } from '../../src/archive/walk.ts'
import type { Problem } from '../../src/index.ts'
import { KIB, makeDirectory, MIB, plant } from './support/trees.ts'

const GIB = 1024 * MIB
const TIB = 1024 * GIB
const problems: Problem[] = []

function walkOf(options: Partial<WalkOptions> = {}): Walk {
  problems.length = 0
  return new Walk({ exclude: [], oneFileSystem: false, followSymlinks: false, skip: new Set(), report: problem => problems.push(problem), ...options })
}

const pathsOf = (found: Iterable<Found>) => [...found].map(({ path }) => path)
const root = (source: string, at = '') => [{ path: at, source, stream: null }]

t.test('in the order of paths, component by component', async t => {
  const directory = plant(makeDirectory(t), { a: { z: '' }, 'a.b': '', 'a b': { c: '' }, A: '', b: '' })
  fs.writeFileSync(Buffer.concat([Buffer.from(`${directory}/a/`), Buffer.from([0xff])]), '')
  fs.writeFileSync(Buffer.concat([Buffer.from(`${directory}/a/`), Buffer.from('\u{10000}')]), '')
  const paths = pathsOf(walkOf().of(root(directory)))
  const sorted = [...paths].sort((a, b) => comparePaths(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1')))
  t.same(paths, sorted)
  t.equal(paths.length, 10)
  t.same(pathsOf(walkOf().of(root(path.join(directory, 'a b'), 'x'))), ['x', 'x/c'])
})

t.test('what is missing is reported', async t => {
  t.same(pathsOf(walkOf().of(root('/nowhere', 'nowhere'))), [])
  t.match(problems, [{ kind: 'unreadable', path: 'nowhere', message: /ENOENT/ }])
})

t.test('paths that are too long for an archive', async t => {
  const directory = makeDirectory(t)
  // Made from within, since the system takes no longer paths at once either (§8.1: 4,096 bytes).
  const name = 'x'.repeat(250)
  const before = process.cwd()
  process.chdir(directory)
  for (let i = 0; i < 17; i++) {
    fs.mkdirSync(name)
    process.chdir(name)
  }
  process.chdir(before)
  const paths = pathsOf(walkOf().of(root(directory)))
  t.ok(paths.every(path => path.length <= 4096))
  t.ok(paths.length >= 16)
  t.equal(problems.length, 1)
})

t.test('objects with several names are told by their inode', async t => {
  const directory = plant(makeDirectory(t), { a: 'x', b: 'x', c: { d: '' } })
  fs.linkSync(path.join(directory, 'a'), path.join(directory, 'c', 'e'))
  const inodes = new Map([...walkOf().of(root(directory))].map(({ path, inode }) => [path, inode]))
  t.ok(inodes.get('a'))
  t.equal(inodes.get('a'), inodes.get('c/e'))
  t.same([inodes.get('b'), inodes.get('c')], [null, null])
})

t.test('what is never stored', async t => {
  const directory = plant(makeDirectory(t), { a: 'x', b: 'x' })
  const { dev, ino } = fs.statSync(path.join(directory, 'a'), { bigint: true })
  t.same(pathsOf(walkOf({ skip: new Set([`${dev}:${ino}`]) }).of(root(directory))), ['', 'b'])
  t.match(problems, [{ kind: 'note', path: 'a' }])
})

t.test('the default chunk size (§4.1)', async t => {
  const table: [number, number][] = [
    [0, 8 * KIB], [256 * MIB - 1, 8 * KIB], [256 * MIB, 64 * KIB], [64 * GIB - 1, 64 * KIB], [64 * GIB, 128 * KIB], [128 * GIB - 1, 128 * KIB], [128 * GIB, 256 * KIB], [256 * GIB - 1, 256 * KIB],
    [256 * GIB, 512 * KIB], [TIB - 1, 512 * KIB], [TIB, MIB], [16 * TIB - 1, MIB], [16 * TIB, 4 * MIB], [2 ** 53 - 1, 4 * MIB],
  ]
  for (const [total, average] of table) t.equal(averageFor(total), average, `${total}`)
})

/** A walk of `count` files that there need not be. */
function imagined(count: number): Walk {
  return {
    *of() {
      for (let i = 0; i < count; i++) {
        yield { path: `f${String(i).padStart(6, '0')}`, source: '', kind: 'file', size: 10, mtimeMs: 0, ctimeMs: 0, inode: null, stream: null }
      }
    },
  } as unknown as Walk
}

t.test('a survey is read while it goes on', async t => {
  for (const count of [0, 1, 255, 256, 257, 5000]) {
    const survey = new Survey(imagined(count), [], { identify: false, signal: undefined })
    const paths: string[] = []
    for await (const group of survey.found()) paths.push(...pathsOf(group))
    t.equal(paths.length, count)
    t.same(paths, [...paths].sort())
    t.match(survey, { isDone: true, entries: count, bytes: 10 * count, hasStream: false })
  }
  const survey = new Survey(imagined(5000), [], { identify: false, signal: undefined })
  await survey.reach(10_000)
  t.ok(survey.bytes > 10_000 && !survey.isDone, 'it need not be over')
  await survey.reach(Infinity)
  t.ok(survey.isDone)
})

t.test('a survey of more than is remembered is walked again', async t => {
  const count = 150_000 + 1000 // 1,000 beyond what is remembered
  const survey = new Survey(imagined(count), [], { identify: true, signal: undefined })
  await survey.done
  let seen = 0
  let last = ''
  for await (const group of survey.found()) {
    for (const { path } of group) {
      seen++
      if (path <= last) t.fail(`${path} after ${last}`)
      last = path
    }
  }
  t.equal(seen, count)
  t.equal(survey.archiveId.length, 16)
})

t.test('a survey ends with its signal', async t => {
  const controller = new AbortController()
  const survey = new Survey(imagined(100_000), [], { identify: false, signal: controller.signal })
  controller.abort()
  await t.rejects(survey.done, { name: 'AbortError' })
  await t.rejects(async () => {
    for await (const _ of survey.found()) t.ok(true)
  }, { name: 'AbortError' })
})
