import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { Readable } from 'node:stream'
import { FoundQueue } from '../../src/archive/found-queue.ts'
import { resolveInputs } from '../../src/archive/inputs.ts'
import { Survey } from '../../src/archive/survey.ts'
import { Walk, type Found } from '../../src/archive/walk.ts'
import { archiveOf } from './support/archives.ts'
import { makeDirectory, MIB } from './support/trees.ts'

t.test('a create that has failed looks at no more files', async t => {
  const directory = makeDirectory(t)
  fs.writeFileSync(path.join(directory, 'a'), '')
  fs.truncateSync(path.join(directory, 'a'), 9 * MIB) // writing begins before the walk has ended
  const count = 20_000 // the walk lets others run each 256
  for (let i = 0; i < count; i++) fs.writeFileSync(path.join(directory, `b${i}`), '')
  t.intercept(fs, 'lstatSync', { value: t.captureFn(fs.lstatSync) })
  const lstat = fs.lstatSync as unknown as { calls: unknown[] }
  // No slot takes so many iterations.
  await t.rejects(archiveOf(directory, `${directory}.warp`, { passphrase: 'x', passphraseCost: { iterations: 99, memoryKib: 8 } }))
  const looked = lstat.calls.length
  await wait(200)
  t.ok(looked < count, `${looked} of ${count}`)
  t.ok(lstat.calls.length <= looked + 256, `${lstat.calls.length} in the end`)
})

const found = (path: string, more: Partial<Found> = {}): Found => ({
  path, source: `/some where/${path}`, kind: 'file', size: 2 ** 40 + 1, mtimeMs: 1.5, ctimeMs: -2.25, ino: 2 ** 53, dev: 66, inode: null, names: 0, stream: null, ...more,
})

t.test('what the walk found comes out of the queue as it went in', async t => {
  const stream = Readable.from([])
  const all = [
    found(''), found('a'), found('b', { kind: 'directory', source: 'elsewhere' }), found('\xff\x00'.slice(0, 1), { kind: 'symlink', mtimeMs: NaN }),
    found('c', { inode: '12:34567890123456789', names: 3 }), found('d', { kind: 'stream', stream, source: '' }), found('e', { kind: 'fifo' }),
    found('f', { kind: 'chardev' }), found('x'.repeat(4000), { kind: 'blockdev', source: 'y'.repeat(5000) }),
  ]
  const queue = new FoundQueue(MIB)
  for (const one of all) t.ok(queue.push(one))
  t.equal(queue.count, all.length)
  const cursor = queue.start()
  t.same([...queue.take(cursor, 2), ...queue.take(cursor, 100)], all)
  t.equal(cursor.taken, all.length)
  t.same(queue.take(cursor, 100), [])
  queue.push(found('later'))
  t.match(queue.take(cursor, 100), [{ path: 'later' }])
  t.match(queue.take(queue.start(), 1), [{ path: '' }], 'from the start again')
})

t.test('the queue is bounded, and lets go', async t => {
  const queue = new FoundQueue(3 * MIB)
  let pushed = 0
  while (queue.push(found(`${pushed}`.padStart(500, '-')))) pushed++
  t.ok(pushed > 2000 && pushed * 500 < 3 * MIB, `${pushed}`)
  const cursor = queue.start()
  for (let expected = 0; expected < pushed;) {
    const group = queue.take(cursor, 100)
    queue.drop(cursor)
    for (const { path } of group) if (Number(path.replaceAll('-', '')) !== expected++) t.fail(path)
    if (group.length === 0) t.fail('too few')
  }
  t.same(queue.take(cursor, 1), [])
})

t.test('what there is no room for is walked again, and comes once', async t => {
  const directory = makeDirectory(t)
  for (const name of ['a', 'a/b', 'a-b', 'b', 'b/c', 'b/c/d', 'e']) {
    fs.mkdirSync(path.join(directory, name))
    for (let i = 0; i < 1500; i++) fs.writeFileSync(path.join(directory, name, `${i}`.padStart(100, '0')), '')
  }
  const pathsOf = async (rememberedBytes: number | undefined) => {
    const roots = resolveInputs([{ path: directory }, { stream: Readable.from([]), name: 'zz' }, { path: path.join(directory, 'e') }], () => {})
    const walk = new Walk({ exclude: [], oneFileSystem: false, followSymlinks: false, skip: new Set(), report: ({ message }) => t.fail(message) })
    const survey = new Survey(walk, roots, { identify: false, signal: undefined, rememberedBytes })
    const paths: string[] = []
    for await (const group of survey.found()) paths.push(...group.map(found => `${found.kind} ${found.path}`))
    t.equal(paths.length, survey.entries)
    return paths
  }
  const expected = await pathsOf(undefined)
  t.equal(new Set(expected).size, expected.length)
  t.ok(expected.length > 10_500)
  for (const mib of [1, 2, 3]) {
    const paths = await pathsOf(mib * MIB)
    t.equal(paths.length, expected.length)
    t.same(paths.findIndex((path, i) => path !== expected[i]), -1, `${mib} MiB`)
  }
})
