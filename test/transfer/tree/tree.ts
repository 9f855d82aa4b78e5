/** Trees from one side to the other, in one process. */
import fs from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { lookAtAll, makeDirectory, noise, plant, repeated, lines } from '../../archive/support/trees.ts'
import { plantEveryKind } from '../../archive/support/every-kind.ts'
import { MIB, cutTransfer, transfer } from '../support/transfers.ts'

t.test('every kind of entry arrives as it was', async (t) => {
  const from = path.join(makeDirectory(t), 'tree')
  fs.mkdirSync(from)
  plantEveryKind(from)
  const to = makeDirectory(t)
  const { root, received, receivedProblems, sentProblems } = await transfer([from], to)
  t.same(receivedProblems, [])
  t.same(sentProblems.filter(({ kind }) => kind !== 'note'), [])
  t.same(lookAtAll(path.join(to, 'tree')), lookAtAll(from))
  t.ok(Buffer.from(root).equals(received.root))
  t.same(fs.readdirSync(to), ['tree'], 'nothing else is left')
})

t.test('files over many listings, duplicates, holes', async (t) => {
  const from = path.join(makeDirectory(t), 'tree')
  const unit = noise(1, 3 * MIB - 5)
  plant(from, {
    large: repeated(unit, 40 * MIB), again: repeated(unit, 20 * MIB), text: lines(2, 6 * MIB), small: 'x', same: { small: 'x', text: lines(2, 6 * MIB) },
    empty: '',
  })
  fs.truncateSync(path.join(from, 'large'), 50 * MIB)
  const to = makeDirectory(t)
  const { receivedProblems, wireBytes } = await transfer([from], to)
  t.same(receivedProblems, [])
  t.same(lookAtAll(path.join(to, 'tree')), lookAtAll(from))
  t.ok(wireBytes < 20 * MIB, 'what occurs again is not sent again')
})

t.test('a broken connection: what was received is not sent again', async (t) => {
  const from = path.join(makeDirectory(t), 'tree')
  plant(from, { a: noise(1, 35 * MIB), many: Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`f${i}`, noise(i, 3000)])), z: { b: noise(2, 45 * MIB), c: '' } })
  fs.symlinkSync('a', path.join(from, 'link'))
  fs.linkSync(path.join(from, 'a'), path.join(from, 'z', 'hard'))
  const to = makeDirectory(t)
  const windowBytes = 30 * MIB
  let kept = 0
  for (const limit of [10 * MIB, 40 * MIB, 5 * MIB]) {
    const { sentBytes, errors } = await cutTransfer([from], to, limit, {}, windowBytes)
    t.match(errors, [{ code: 'ERR_WARP_PEER_LOST' }, { code: 'ERR_WARP_PEER_LOST' }])
    // What the window holds can be lost, and no more.
    kept += Math.max(0, sentBytes - windowBytes)
  }
  const { wireBytes, receivedProblems } = await transfer([from], to)
  t.same(receivedProblems, [])
  t.same(lookAtAll(path.join(to, 'tree')), lookAtAll(from))
  t.ok(kept > 0 && wireBytes < 83 * MIB - kept, `${wireBytes}, ${kept} of it kept`)
  t.same(fs.readdirSync(to), ['tree'])
})

t.test('a source that changes between two runs', async (t) => {
  const from = path.join(makeDirectory(t), 'tree')
  plant(from, { a: noise(1, 10 * MIB), b: noise(2, 10 * MIB), c: noise(3, 30 * MIB), a0gone: 'x', d: { e: noise(4, 20 * MIB) } })
  const to = makeDirectory(t)
  await cutTransfer([from], to, 45 * MIB)
  fs.rmSync(path.join(from, 'a0gone'))
  fs.writeFileSync(path.join(from, 'b'), noise(5, 5 * MIB))
  const { receivedProblems } = await transfer([from], to)
  t.same(receivedProblems.filter(({ kind }) => kind !== 'note'), [])
  t.ok(receivedProblems.some(({ kind, message }) => kind === 'note' && message.includes('changed')), 'it is said')
  t.same(lookAtAll(path.join(to, 'tree')), lookAtAll(from))
  t.same(fs.readdirSync(to), ['tree'])
})

t.test('what is in the target already', async (t) => {
  const from = path.join(makeDirectory(t), 'tree')
  plant(from, {
    big: noise(1, 40 * MIB), text: lines(2, 5 * MIB), same: noise(9, 5000), empty: '', d: { moved: noise(3, 3 * MIB) },
    ...Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`f${i}`, noise(i, 2000)])),
  })
  fs.linkSync(path.join(from, 'text'), path.join(from, 'textlink'))
  fs.symlinkSync('text', path.join(from, 'symlink'))
  const to = makeDirectory(t)
  const stateDir = makeDirectory(t)
  await transfer([from], to, {}, { stateDir })
  const ctime = fs.statSync(path.join(to, 'tree', 'same')).ctimeMs
  const again = await transfer([from], to)
  t.same(again.receivedProblems, [], 'nothing is kept that is the same')
  t.ok(again.wireBytes < 300_000, `${again.wireBytes}: the listings`)
  const known = await transfer([from], to, {}, { stateDir })
  t.same(known.receivedProblems, [])
  t.ok(known.wireBytes < 1000, `${known.wireBytes}: not even these`)
  t.equal(fs.statSync(path.join(to, 'tree', 'same')).ctimeMs, ctime, 'what is the same is not touched')

  const file = path.join(from, 'big')
  const fd = fs.openSync(file, 'r+')
  fs.writeSync(fd, 'x', 20 * MIB)
  fs.closeSync(fd)
  fs.writeFileSync(path.join(from, 'text'), Buffer.concat([Buffer.from('inserted'), lines(2, 5 * MIB)]))
  const kept = await transfer([from], to)
  t.ok(kept.receivedProblems.some(({ kind, path: at }) => kind === 'unrestored' && at === 'tree/big'), 'without --overwrite it is kept, and said')
  t.notSame(lookAtAll(path.join(to, 'tree')), lookAtAll(from))
  const changed = await transfer([from], to, {}, { overwrite: 'always', stateDir })
  t.same(changed.receivedProblems, [])
  t.same(lookAtAll(path.join(to, 'tree')), lookAtAll(from))
  t.ok(changed.wireBytes < 400_000, `${changed.wireBytes}: about a chunk of each, and the listings that differ`)
  t.same(fs.readdirSync(to), ['tree'])
})

t.test('a file that was begun, and has a hole or is a directory by the next run', async (t) => {
  const from = path.join(makeDirectory(t), 'tree')
  plant(from, { a: noise(1, 50 * MIB), b: noise(2, 3 * MIB), z: noise(3, 20 * MIB) })
  const to = makeDirectory(t)
  await cutTransfer([from], to, 60 * MIB)
  const fd = fs.openSync(path.join(from, 'a'), 'r+')
  fs.writeSync(fd, Buffer.alloc(8 * MIB), 0, 8 * MIB, 40 * MIB)
  fs.closeSync(fd)
  fs.rmSync(path.join(from, 'b'))
  plant(path.join(from, 'b'), { inner: 'x' })
  const { receivedProblems } = await transfer([from], to)
  t.same(receivedProblems.filter(({ kind }) => kind !== 'note'), [])
  t.same(lookAtAll(path.join(to, 'tree')), lookAtAll(from))
})

t.test('a file that is kept does not stand for another of what was offered under its name', async (t) => {
  const from = path.join(makeDirectory(t), 'tree')
  const same = noise(1, 3 * MIB)
  plant(from, { a: same, m: noise(2, 40 * MIB), y: same, z: same })
  const to = makeDirectory(t)
  plant(path.join(to, 'tree'), { a: noise(3, 1000), z: 'other' })
  const { receivedProblems } = await transfer([from], to)
  t.same(receivedProblems.map(({ path: at }) => at), ['tree/a', 'tree/z'])
  t.same(fs.readFileSync(path.join(to, 'tree', 'y')).equals(same), true)
  t.same(fs.readFileSync(path.join(to, 'tree', 'z'), 'utf8'), 'other')
})

t.test('more directories in a listing than are held open, and files that cannot be made', async (t) => {
  const from = path.join(makeDirectory(t), 'tree')
  const same = noise(1, 9000)
  plant(from, Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`d${i}`, { f: noise(i, 500), same: i % 2 ? same : noise(i, 700), x: { y: lines(i, 300) } }])))
  const to = makeDirectory(t)
  // Where a directory is to be, something else stands.
  plant(path.join(to, 'tree'), { d7: 'a file' })
  const { receivedProblems } = await transfer([from], to)
  t.ok(receivedProblems.length > 0 && receivedProblems.every(({ path: at }) => at?.startsWith('tree/d7')), 'what is in the way is told of')
  const sent = lookAtAll(from)
  const seen = lookAtAll(path.join(to, 'tree'))
  for (const name of Object.keys(sent)) if (/^d7(\/|$)/.test(name) || name === '' || name === '.') { Reflect.deleteProperty(sent, name); Reflect.deleteProperty(seen, name) }
  t.same(seen, sent)
})
