/** Listings that no tree has: paths that lead out, order, parts, counts, links. */
import t from 'tap'
import { MAX_PAGE_BYTES } from '../../../../src/base/limits.ts'
import { ByteWriter } from '../../../../src/format/cursor.ts'
import { MESSAGE } from '../../../../src/transfer/messages.ts'
import { AVERAGE, bytesOf, directory, fifo, file, hardlink, listing, part, symlink, type Listing, type Row } from '../../support/hostile-listings.ts'
import { demandRefusal } from '../../support/hostile-sender.ts'

const data = bytesOf('data', 1000)
/** A hole as short as it may be. */
const HOLE = 65_536

async function refused(name: string, ...listings: Listing[]): Promise<void> {
  await demandRefusal(t, name, async (sender) => {
    await sender.offer()
    for (const [number, what] of listings.entries()) await sender.list(number, what)
  })
}

const rows: Record<string, Row[]> = {
  'a path out of the target': [file('../outside/new', [data])],
  'a path out of the target further down': [directory('d'), file('d/../../outside/new')],
  'a path that is ..': [directory('..')],
  'a component that is .': [file('d/./f')],
  'an absolute path': [file('/tmp/warp-absolute', [data])],
  'NUL in a path': [file('a\0b')],
  'an empty path of a file': [file('')],
  'an empty component': [file('d//f')],
  'a slash at the end': [directory('d/')],
  'a component of 256 bytes': [file('x'.repeat(256))],
  'a path of more than 4096 bytes': [file(Array.from({ length: 2049 }, () => 'a').join('/'))],
  'a file, and something beneath it': [file('a', [data]), file('a/b', [data])],
  'a symlink out, and something beneath it': [symlink('a', '../outside'), file('a/new', [data])],
  'a symlink to a directory out, and a directory beneath it': [symlink('a', '../outside/directory'), directory('a/new')],
  'a FIFO, and something beneath it': [fifo('a'), file('a/b')],
  'a hard link, and something beneath it': [file('a'), hardlink('b', 0), file('b/c')],
  'an entry twice': [file('a', [data]), file('a', [data])],
  'a directory and a file of one name': [directory('a'), file('a')],
  'paths that are not in order': [file('b'), file('a')],
  'a hard link to nothing': [hardlink('a', 0)],
  'a hard link to what comes later': [hardlink('a', 1), file('b')],
  'a hard link to itself': [file('a'), hardlink('b', 1)],
  'a hard link to a directory': [directory('a'), hardlink('b', 0)],
  'a hard link to a hard link': [file('a'), hardlink('b', 0), hardlink('c', 1)],
  'a hard link to entry 2^53-1': [file('a'), hardlink('b', Number.MAX_SAFE_INTEGER)],
  'a part that another entry follows': [part('a', [data]), file('b')],
  'a chunk longer than any': [file('a', [{ length: 4 * AVERAGE + 1, id: Buffer.alloc(32), data }])],
  'a hole that is too short': [file('a', [4096])],
  'a hole after a hole': [file('a', [HOLE, HOLE])],
  'a hole that starts within a block': [file('a', [data, HOLE])],
  'holes beyond any file': [file('a', [2 ** 52, Buffer.alloc(4096), 2 ** 52])],
  'files that are larger than any together': [file('a', [2 ** 52]), file('b', [2 ** 52]), file('c', [2 ** 52])],
  'a mode that is none': [file('a', [], { mode: 0o170_644 })],
  'an owner that is none': [file('a', [], { uid: 2 ** 40 })],
  'nanoseconds of more than a second': [file('a', [], { mtimeNanoseconds: 1_000_000_000 })],
  'a symlink to nothing': [symlink('a', '')],
}
for (const [name, what] of Object.entries(rows)) await refused(name, listing(what))

await refused('more records than are there', listing([file('a')], 2))
await refused('2^53-1 records', listing([file('a')], Number.MAX_SAFE_INTEGER))
await refused('fewer records than are there', listing([file('a'), file('b')], 1))
await refused('no records', listing([]))
await refused('nothing at all', { content: Buffer.alloc(0), chunks: [] })
await refused('2^53-1 extents', {
  content: Buffer.concat([listing([file('a')]).content.subarray(0, -1), new ByteWriter().varint(Number.MAX_SAFE_INTEGER).take()]), chunks: [],
})
await refused('what is no listing', { content: bytesOf('noise', 5000), chunks: [] })
await refused('a listing that is cut', { content: listing([file('a', [data])]).content.subarray(0, -1), chunks: [data] })

// What holds between listings.
await refused('an entry of an earlier listing', listing([file('a', [data])]), listing([file('a', [data])]))
await refused('paths that go back in the next listing', listing([file('b')]), listing([file('a')]))
await refused('beneath a file of an earlier listing', listing([file('a', [data])]), listing([file('a/b')]))
await refused('beneath a symlink of an earlier listing', listing([symlink('a', '../outside')]), listing([file('a/new', [data])]))
await refused('beneath a symlink two listings ago', listing([symlink('a', '../outside')]), listing([file('a0')]), listing([file('a/new')]))
await refused('a part that another file follows', listing([part('a', [data])]), listing([file('b', [data])]))
await refused('a part that a directory follows', listing([part('a', [data])]), listing([directory('a')]))
await refused('a hole over two listings', listing([part('a', [HOLE])]), listing([file('a', [HOLE])]))
await refused('a file that outgrows all over two listings', listing([part('a', [2 ** 52, Buffer.alloc(4096)])]), listing([file('a', [2 ** 52])]))
await refused('a hard link to a directory of an earlier listing', listing([directory('a')]), listing([hardlink('b', 0)]))

// Numbers of listings.
for (const [name, numbers] of Object.entries({ 'from one': [1], skipped: [0, 2], repeated: [0, 0], 'at 2^53-1': [Number.MAX_SAFE_INTEGER] })) {
  await demandRefusal(t, `numbers of listings: ${name}`, async (sender) => {
    await sender.offer()
    for (const [i, number] of numbers.entries()) await sender.list(number, listing([file(`f${i}`)]))
  })
}

await demandRefusal(t, 'the same listing as none before', async (sender) => {
  await sender.offer()
  await sender.send(MESSAGE.same, new ByteWriter().varint(0).take())
})

await demandRefusal(t, 'a listing longer than any', async (sender) => {
  await sender.offer()
  await sender.send(MESSAGE.listing, Buffer.alloc(MAX_PAGE_BYTES + 2))
})

for (const [name, type] of Object.entries({ offer: MESSAGE.offer, accept: MESSAGE.accept, have: MESSAGE.have, want: MESSAGE.want, done: MESSAGE.done, progress: MESSAGE.progress, unknown: 255 })) {
  await demandRefusal(t, `a message that has no place: ${name}`, async (sender) => {
    await sender.offer()
    await sender.send(type, Buffer.alloc(32))
  })
}
