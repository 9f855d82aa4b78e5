import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { open, verify } from '../../src/index.ts'
import type { SourceEntry } from '../../src/archive/batch.ts'
import { archiveEntries, archiveOf, blocksOf, bulky, damage, file, hex, streamOf } from './support/archives.ts'
import { KIB, lines, makeDirectory, MIB, noise, openDescriptors, plant } from './support/trees.ts'

t.test('an archive that is good', async t => {
  const directory = plant(makeDirectory(t), { a: noise(1, 200 * KIB), b: noise(1, 200 * KIB), c: '' })
  const archive = `${directory}.warp`
  const { result } = await archiveOf(directory, archive)
  const { root, archiveId, durationMs: _, problems: __, kept: ___, stages: ____, ...totals } = result
  const before = openDescriptors()
  for (const options of [{}, { quick: true }]) {
    for (const source of [archive, { stream: streamOf(archive, 999) }]) {
      const verified = await verify(source, { threads: 1, ...options })
      t.match(verified, { ...totals, encrypted: false, partial: false, signer: null, damage: [], unstable: 0 })
      t.same([hex(verified.root), hex(verified.archiveId)], [hex(root), hex(archiveId)])
    }
  }
  t.same(openDescriptors(), before)
  await t.rejects(verify(archive, { signedBy: new Uint8Array(32) }), { code: 'ERR_WARP_SIGNATURE', exitCode: 13 })
})

t.test('all that is damaged, and what it costs', async t => {
  const where = makeDirectory(t)
  const archive = path.join(where, 'x.warp')
  const entries = [file('a', lines(1, 6 * MIB)), file('b', lines(2, 18 * MIB)), file('c', lines(3, 8 * MIB))]
  await archiveEntries(entries, archive)
  const frames = blocksOf(archive).filter(({ kind }) => kind === 1)
  t.ok(frames.length >= 4)
  const broken = damage(archive, path.join(where, 'broken'), frames[0].offset + 100, frames.at(-1)!.offset + 100)
  for (const source of [broken, { stream: streamOf(broken) }]) {
    const { damage } = await verify(source, { threads: 1 })
    t.match(damage.map(({ error }) => error), [{ code: 'ERR_WARP_BLOCK_DAMAGED', offset: frames[0].offset }, { offset: frames.at(-1)!.offset }])
    t.ok(damage[0].paths.includes('a'))
    t.ok(damage[1].paths.includes('c'))
  }
  t.same((await verify(broken, { quick: true })).damage, [], 'frames are not looked at')
})

t.test('every bit of a small archive counts', async t => {
  const where = makeDirectory(t)
  const archive = path.join(where, 'x.warp')
  await archiveEntries([file('a', Buffer.from('content of a')), file('b', Buffer.from('content of b'))], archive)
  const bytes = fs.readFileSync(archive)
  const broken = path.join(where, 'broken')
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] ^= 1 << at % 8
    fs.writeFileSync(broken, bytes)
    bytes[at] ^= 1 << at % 8
    const outcome = await verify(broken).then(({ damage }) => damage.map(({ error }) => error.class), (error: { class: string }) => [error.class])
    const isNoticed = outcome.length > 0 && outcome.every(name => ['malformed', 'damaged', 'unsupported'].includes(name))
    if (!isNoticed) t.same(outcome, 'noticed', `byte ${at}`)
  }
  for (const length of [0, 1, 255, 256, 300, bytes.length - 312, bytes.length - 1]) {
    fs.writeFileSync(broken, bytes.subarray(0, length))
    t.equal((await verify(broken).catch((error: unknown) => error) as { class?: string }).class, 'malformed', `${length} bytes`)
  }
  fs.writeFileSync(broken, Buffer.concat([bytes, Buffer.from('x')]))
  for (const source of [broken, { stream: streamOf(broken) }]) await t.rejects(verify(source), { code: 'ERR_WARP_TRAILING_BYTES' })
})

t.test('many pages', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  const entries: SourceEntry[] = Array.from({ length: 30 }, (_, i) => file(`f${String(i).padStart(2, '0')}`, lines(i % 7, 1000), { metadata: bulky(200 * KIB) }))
  await archiveEntries(entries, archive)
  const progress: number[] = []
  const { pages } = await verify(archive, { onProgress: ({ entries }) => progress.push(entries) })
  t.equal(progress.length, pages)
  t.equal(progress.at(-1), 30)
  const index = blocksOf(archive).find(({ kind }) => kind === 3)!
  await t.rejects(verify(damage(archive, `${archive}2`, index.offset + 100)), { code: 'ERR_WARP_BLOCK_DAMAGED' })
})

t.test('info', async t => {
  const directory = plant(makeDirectory(t), { a: noise(1, 200 * KIB), b: noise(1, 200 * KIB), c: { d: Buffer.alloc(200 * KIB), text: 'x'.repeat(1000) } })
  fs.symlinkSync('a', path.join(directory, 'l'))
  fs.linkSync(path.join(directory, 'a'), path.join(directory, 'z'))
  const archive = `${directory}.warp`
  const { result } = await archiveOf(directory, archive)
  const opened = await open(archive)
  const info = await opened.info()
  await opened.close()
  t.match(info, {
    version: 1, encrypted: false, average: 8192, slots: [], entries: result.entries, logicalBytes: 600 * KIB + 1000, unstable: 0,
    byType: { file: 4, directory: 2, symlink: 1, hardlink: 1, fifo: 0, chardev: 0, blockdev: 0 },
    holeBytes: 200 * KIB, dedupSavedBytes: 200 * KIB, frames: 1, codecs: [{ frames: 1, plainBytes: 200 * KIB + 1000 }],
  })
  t.equal(info.chunkSizes.reduce((sum, { count }) => sum + count, 0), info.chunkRefs)
  t.ok(info.uniqueChunks < info.chunkRefs)
  const stored = info.codecs.reduce((sum, { storedBytes }) => sum + storedBytes, 0)
  t.equal(256 + info.metadataBytes + stored + info.frames * 80, info.archiveBytes, 'every byte is accounted for')
})

t.test('every file that shares what is damaged is named, of very many the first and how many more', async t => {
  const where = makeDirectory(t)
  const archive = path.join(where, 'x.warp')
  const [shared, own] = [noise(1, 20 * KIB), noise(2, 20 * KIB)]
  const copies = Array.from({ length: 150 }, (_, i) => file(`b${100 + i}`, shared))
  await archiveEntries([file('a', shared), ...copies, file('c', own)], archive, { options: { compress: 'none' } })
  const [frame] = blocksOf(archive)
  const broken = path.join(where, 'broken')
  damage(archive, broken, frame.offset + 100)
  for (const source of [broken, { stream: streamOf(broken) }]) {
    const { damage: [found, ...others] } = await verify(source, { threads: 1 })
    t.same(others, [])
    t.same(found.paths, ['a', ...Array.from({ length: 99 }, (_, i) => `b${100 + i}`)])
    t.equal(found.more, 52, '51 copies, and what else lies in the frame')
  }
})
