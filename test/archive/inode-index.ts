import t from 'tap'
import { InodeIndex } from '../../src/archive/inode-index.ts'
import { collect } from './support/archives.ts'
import { Batcher } from '../../src/archive/batcher.ts'
import type { Found } from '../../src/archive/walk.ts'
import { makeDirectory } from './support/trees.ts'

const name = (i: number) => `66305:${i}`

t.test('numbers are kept in bounded memory until they are deleted', async t => {
  const index = new InodeIndex({ tempDir: makeDirectory(t), maxRecent: 100, tableBytes: 0 })
  for (let from = 0; from < 5000; from += 50) {
    await index.prepare(Array.from({ length: 50 }, (_, i) => name(from + i)))
    for (let i = from; i < from + 50; i++) {
      t.equal(index.get(name(i)), undefined)
      index.set(name(i), i)
    }
  }
  t.equal(index.get(name(4999)), 4999, 'what came last is at hand')
  await index.prepare([name(3), name(2500), 'other'])
  t.same([index.get(name(3)), index.get(name(2500)), index.get('other')], [3, 2500, undefined])
  index.set('recent', 7)
  index.delete('recent')
  t.equal(index.get('recent'), undefined)
  index.close()
})

t.test('nothing is waited for as long as there are few', async t => {
  const index = new InodeIndex({ maxRecent: 100 })
  for (let i = 0; i < 100; i++) index.set(name(i), i)
  t.equal(index.prepare([name(1)]), null)
  index.close()
})

t.test('a disk that is full ends it: a link must not be lost', async t => {
  const index = new InodeIndex({ tempDir: '/nowhere', maxRecent: 10, tableBytes: 0 })
  for (let i = 0; i < 2000; i++) index.set(name(i), i)
  await index.prepare([]) // the first time, they fit the table
  for (let i = 2000; i < 4000; i++) index.set(name(i), i)
  await t.rejects(Promise.resolve(index.prepare([])), { code: 'ERR_WARP_NO_SPACE' })
  index.close()
})

function found(path: string, inode: string, names: number): Found {
  return { path, source: '/dev/null', kind: 'fifo', size: 0, mtimeMs: 0, ctimeMs: 0, ino: 0, dev: 0, inode, names, stream: null }
}

/** What a batcher makes of each entry: F a file of its own, L a link, E the last link. */
async function kindsOf(groups: Found[][], maxRecent?: number): Promise<string> {
  const batcher = new Batcher({ average: 65_536, inodes: { maxRecent }, acquire: () => Promise.reject(new Error('nothing is read')), note: () => {} })
  const batches = await collect(batcher.of((async function* () { yield* groups })()))
  batcher.close()
  return batches.flatMap(({ items }) => items.map(({ isLink, isLastName }) => isLastName ? 'E' : isLink ? 'L' : 'F')).join('')
}

t.test('names are counted down', async t => {
  const abc = ['a', 'b', 'c', 'd'].map(path => found(path, '1:1', 3))
  t.equal(await kindsOf([abc.slice(0, 3)]), 'FLE')
  t.equal(await kindsOf([abc]), 'FLEF', 'a name more than there were at first is a file of its own')
  t.equal(await kindsOf([['a', 'b', 'c', 'd'].map(path => found(path, '1:1', 0))]), 'FLLL', 'not counted')
  t.equal(await kindsOf(abc.map(one => [one]), 0), 'FLLL', 'what was kept for long is not counted any more')
})
