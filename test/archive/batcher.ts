import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { BATCH_BYTES, MIN_AVERAGE_BYTES } from '../../src/base/limits.ts'
import type { Batch } from '../../src/archive/batch.ts'
import { Batcher, slabBytesFor } from '../../src/archive/batcher.ts'
import type { Found } from '../../src/archive/walk.ts'
import { makeDirectory, MIB, NO_LIBC, openDescriptors } from './support/trees.ts'

const AVERAGE = MIN_AVERAGE_BYTES

function foundAt(file: string): Found {
  const { size } = fs.statSync(file)
  return { path: path.basename(file), source: file, kind: 'file', size, mtimeMs: 0, ctimeMs: 0, ino: 0, dev: 0, inode: null, names: 0, stream: null }
}

async function batchesOf(files: string[], onBatch: (batch: Batch) => void): Promise<void> {
  const batcher = new Batcher({
    average: AVERAGE, acquire: () => Promise.resolve(new SharedArrayBuffer(0)), note: (path, reason) => t.fail(`${path}: ${reason}`),
  })
  try {
    for await (const batch of batcher.of((async function* () { yield files.map(foundAt) })())) onBatch(batch)
  } finally {
    batcher.close()
  }
}

t.test('what a batch reads fits into its slab, however many sparse files end in it', { skip: NO_LIBC }, async t => {
  const directory = makeDirectory(t)
  const files: string[] = []
  // More than the slab has spare room for the warm-ups of.
  for (let i = 10; i < 30; i++) {
    const file = path.join(directory, `sparse${i}`)
    fs.writeFileSync(file, '')
    fs.truncateSync(file, 9 * MIB)
    const fd = fs.openSync(file, 'r+')
    fs.writeSync(fd, Buffer.alloc(4096, 1), 0, 4096, 9 * MIB - 4096)
    fs.closeSync(fd)
    files.push(file)
  }
  const large = path.join(directory, 'to the end of the batch')
  fs.writeFileSync(large, Buffer.alloc(BATCH_BYTES + MIB, 1))
  files.push(large)
  let warmups = 0
  await batchesOf(files, ({ segments }) => {
    for (const { slabOffset, length, lookahead, fileOffset } of segments) {
      if (fileOffset > 0) warmups++
      t.ok(slabOffset + length + lookahead <= slabBytesFor(AVERAGE))
    }
  })
  t.ok(warmups > 20, 'the file system tells where the data are')
})

t.test('few of many sparse files are open at a time', { skip: NO_LIBC }, async t => {
  const directory = makeDirectory(t)
  const files: string[] = []
  // Without any data, a batch could hold thousands.
  for (let i = 100; i < 500; i++) {
    const file = path.join(directory, `${i}`)
    fs.writeFileSync(file, '')
    fs.truncateSync(file, 9 * MIB)
    files.push(file)
  }
  const before = openDescriptors().length
  let items = 0
  await batchesOf(files, batch => {
    t.ok(openDescriptors().length - before <= 129, 'those of a batch, and the one that did not fit')
    items += batch.items.length
    // As the writer does.
    for (const item of batch.items) if (item.isLast) item.file?.close()
  })
  t.equal(items, files.length)
  t.equal(openDescriptors().length, before)
})

t.test('small files do not have threads wait for a whole batch at the start', async t => {
  const file = path.join(makeDirectory(t), 'f')
  fs.writeFileSync(file, '')
  fs.truncateSync(file, MIB)
  const batches: number[] = []
  await batchesOf(Array<string>(130).fill(file), ({ segments }) => batches.push(segments.length))
  t.same(batches, [8, 16, 32, 32, 32, 10])
})
