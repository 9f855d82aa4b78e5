/** Random access: every entry, every range, with no more read than is needed, and nothing unverified. */
import t from 'tap'
import fc from 'fast-check'
import fs from 'node:fs'
import path from 'node:path'
import { list, open } from '../../src/index.ts'
import type { Archive, Entry } from '../../src/index.ts'
import type { SourceEntry } from '../../src/archive/batch.ts'
import { archiveEntries, archiveOf, blocksOf, bulky, CHEAP, collect, damage, directory, file, streamOf, text } from './support/archives.ts'
import { KIB, makeDirectory, MIB, noise, openDescriptors, plant, repeated } from './support/trees.ts'

async function using<T>(archive: string, action: (opened: Archive) => Promise<T>): Promise<T> {
  const opened = await open(archive)
  try {
    return await action(opened)
  } finally {
    await opened.close()
  }
}

/** Many pages, with index pages above them; a file over three pages in their midst. */
const names = Array.from({ length: 40 }, (_, i) => `d${String(i).padStart(2, '0')}`)
const LARGE = 140 * MIB

/** An entry without its attributes, of which there are too many to compare. */
const brief = ({ number, path, type, size, mode, link, xattrs }: Entry) => `${number} ${text(path)} ${type} ${size} ${mode} ${link} ${xattrs.length}`
const unit = noise(1, 300_000)

async function manyPages(archive: string): Promise<void> {
  const of = bulky(200 * KIB)
  const entries: SourceEntry[] = names.flatMap((name, i) => [directory(name, of), file(`${name}/file`, Buffer.from(name), { inode: i === 2 ? '1' : null })])
  entries.splice(41, 0, file('d20/a large file', repeated(unit, LARGE)))
  entries.push({ kind: 'link', path: 'e', inode: '1' })
  await archiveEntries(entries, archive)
}

t.test('many pages', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  await manyPages(archive)
  t.ok(blocksOf(archive).filter(({ kind }) => kind === 2).length >= 9)
  const before = openDescriptors()
  await using(archive, async opened => {
    const all = await collect(opened.entries())
    t.equal(all.length, 82)
    t.equal(opened.size, 82)
    for (const entry of all) {
      t.equal(brief((await opened.find(entry.path))!), brief(entry))
      if (entry.link === undefined) t.equal(brief(await opened.entryAt(entry.number)), brief(entry))
      t.ok(all[entry.number] === entry)
    }
    for (const missing of ['a', 'd00/g', 'd20/a', 'd20/a large file/x', 'd40', 'z', '']) t.equal(await opened.find(missing), null, missing)
    await t.rejects(opened.entryAt(82), { code: 'ERR_WARP_MALFORMED' })
    const far = [0, 20, 60]
    const first = await Promise.all(far.map(number => opened.entryAt(number)))
    // Links lead to and fro between pages: none is read each time.
    for (const [i, number] of far.entries()) t.ok(await opened.entryAt(number) === first[i])
    const link = await opened.find('e')
    t.match(link, { type: 'hardlink', link: 5, mode: 0o644 })
    t.equal(text(link!.linkPath!), 'd02/file')
    t.equal(text((await opened.resolve(link!)).path), 'd02/file')
    t.equal(Buffer.concat(await collect(opened.content(link!))).toString(), 'd02')
    await t.rejects(collect(opened.content((await opened.find('d00'))!)), { code: 'ERR_WARP_USAGE', path: 'd00' })

    const paths = async (...paths: string[]) => (await collect(opened.entries({ paths }))).map(({ path }) => text(path))
    t.same(await paths('d20', 'd01', 'd39/file'), ['d01', 'd01/file', 'd20', 'd20/a large file', 'd20/file', 'd39/file'])
    t.same((await paths('.')).length, 82)
    await t.rejects(paths('d01', 'nowhere'), { code: 'ERR_WARP_NOT_FOUND', path: 'nowhere' })
  })
  t.same(openDescriptors(), before)
})

t.test('ranges of a file over several pages', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  await manyPages(archive)
  await using(archive, async opened => {
    const entry = (await opened.find('d20/a large file'))!
    t.equal(entry.size, LARGE)
    const expected = (offset: number, length: number) => {
      const start = offset % unit.length
      return repeated(unit, start + length).subarray(start)
    }
    const edges = [0, 1, 64 * MIB - 1, 64 * MIB, 64 * MIB + 1, 128 * MIB, LARGE - 1, LARGE]
    for (const offset of edges) {
      const got = Buffer.concat(await collect(opened.content(entry, { offset, length: 5000 })))
      t.ok(got.equals(expected(offset, Math.min(5000, LARGE - offset))), `from ${offset}`)
    }
    await fc.assert(fc.asyncProperty(fc.integer({ min: 0, max: LARGE }), fc.nat(200_000), async (offset, length) => {
      const got = Buffer.concat(await collect(opened.content(entry, { offset, length })))
      t.ok(got.equals(expected(offset, Math.min(length, LARGE - offset))))
    }), { numRuns: 30 })
    t.same(await collect(opened.content(entry, { offset: LARGE + 5 })), [])
    t.same(await collect(opened.content(entry, { length: 0 })), [])
    const extents = await collect(opened.extentsOf(entry))
    t.equal(extents.reduce((sum, { length }) => sum + length, 0), LARGE)
  })
})

t.test('ranges over holes', async t => {
  const content = Buffer.concat([noise(1, 4096), Buffer.alloc(700_000), noise(2, 5000), Buffer.alloc(100_000)])
  const directory = plant(makeDirectory(t), { f: content })
  await archiveOf(directory, `${directory}.warp`, { passphrase: 'p', passphraseCost: CHEAP })
  const opened = await open(`${directory}.warp`, { passphrase: 'p' })
  const entry = (await opened.find('f'))!
  await fc.assert(fc.asyncProperty(fc.nat(content.length), fc.nat(content.length), async (offset, length) => {
    t.ok(Buffer.concat(await collect(opened.content(entry, { offset, length }))).equals(content.subarray(offset, offset + length)))
  }), { numRuns: 50 })
  t.ok(Buffer.concat(await collect(opened.content(entry))).equals(content))
  await opened.close()
})

t.test('what is damaged is not given out', async t => {
  const where = makeDirectory(t)
  const archive = path.join(where, 'x.warp')
  await archiveEntries([file('a', Buffer.from('a')), file('b', noise(1, 17 * MIB)), file('c', Buffer.from('c'))], archive, { options: { compress: 'none' } })
  const blocks = blocksOf(archive)
  const frames = blocks.filter(({ kind }) => kind === 1)
  const broken = damage(archive, path.join(where, 'broken'), frames[1].offset + 100)
  await using(broken, async opened => {
    const content = (name: string) => opened.find(name).then(entry => collect(opened.content(entry!)))
    t.equal(Buffer.concat(await content('a')).toString(), 'a')
    await t.rejects(content('b'), { code: 'ERR_WARP_BLOCK_DAMAGED', offset: frames[1].offset })
  })
  for (const { kind, offset, end } of blocks.filter(({ kind }) => kind !== 1)) {
    const other = damage(archive, path.join(where, 'other'), Math.floor((offset + 64 + end) / 2))
    await t.rejects(using(other, async opened => collect(opened.entries())), { name: 'WarpError' }, `a block of kind ${kind}`)
  }
})

t.test('the same from a stream', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  await manyPages(archive)
  const fromFile = (await collect(list(archive))).map(brief)
  for (const size of [1001, 1_000_000]) {
    const fromStream = (await collect(list({ stream: streamOf(archive, size) }))).map(brief)
    // What a hard link shares with its other name has gone by.
    t.same(fromStream.slice(0, -1), fromFile.slice(0, -1))
    t.match(fromStream.at(-1), /^81 e hardlink/)
  }
  const options = { paths: ['d01'], exclude: ['file'] }
  t.same((await collect(list({ stream: streamOf(archive) }, options))).map(({ path }) => text(path)), ['d01'])
  t.same((await collect(list(archive, options))).map(({ path }) => text(path)), ['d01'])
  await t.rejects(collect(list({ stream: streamOf(archive) }, { paths: ['x'] })), { code: 'ERR_WARP_NOT_FOUND' })
  const short = path.join(makeDirectory(t), 'short')
  fs.writeFileSync(short, fs.readFileSync(archive).subarray(0, -1))
  await t.rejects(collect(list({ stream: streamOf(short) })), { code: 'ERR_WARP_TRUNCATED' })
  await t.rejects(collect(list(short)), { code: 'ERR_WARP_TRUNCATED' })
})

t.test('an archive without entries', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  await archiveEntries([], archive)
  await using(archive, async opened => {
    t.same(await collect(opened.entries()), [])
    t.equal(await opened.find('a'), null)
    await t.rejects(opened.entryAt(0), { code: 'ERR_WARP_MALFORMED' })
    t.match(await opened.info(), { entries: 0, pages: 0, frames: 0, metadataBytes: 312 })
  })
})

t.test('keys', async t => {
  const directory = plant(makeDirectory(t), { a: 'x' })
  const archive = `${directory}.warp`
  await archiveOf(directory, archive, { passphrase: 'right', passphraseCost: CHEAP })
  await t.rejects(open(archive), { code: 'ERR_WARP_KEY_NEEDED', exitCode: 12 })
  await t.rejects(open(archive, { passphrase: 'wrong' }), { code: 'ERR_WARP_KEY_WRONG' })
  await t.rejects(open(archive, { askPassphrase: async () => null }), { code: 'ERR_WARP_KEY_NEEDED' })
  let asked = 0
  const opened = await open(archive, { askPassphrase: async () => (asked++, Buffer.from('right')) })
  t.equal(asked, 1)
  t.ok(opened.encrypted)
  await opened.close()
  t.same([...opened.unlocked.sealing.sealingKey!].filter(byte => byte !== 0), [], 'keys are zeroed')
  // The header is vouched for by the key, not by its checksum alone.
  const before = openDescriptors()
  await t.rejects(open(damage(archive, `${directory}.broken`, 24), { passphrase: 'right' }), { code: 'ERR_WARP_HEADER_DAMAGED' })
  t.same(openDescriptors(), before)
})

t.test('a frame that was read is kept whatever else is read meanwhile', async t => {
  const directory = makeDirectory(t)
  const [ones, twos] = [noise(1, 3 * MIB), noise(2, 3 * MIB)]
  for (const compress of ['none', 'zstd'] as const) {
    const [a, b] = ['a.warp', 'b.warp'].map(name => path.join(directory, name))
    await archiveEntries([file('f', ones)], a!, { options: { compress } })
    await archiveEntries([file('f', twos)], b!, { options: { compress } })
    await using(a!, first => using(b!, async second => {
      const entry = (await first.find('f'))!
      const [of, other] = [first.content(entry), second.content((await second.find('f'))!)]
      const pieces: Uint8Array[] = []
      for (let piece = await of.next(); !piece.done; piece = await of.next()) {
        await other.next()
        pieces.push(piece.value)
      }
      t.equal(Buffer.compare(Buffer.concat(pieces), ones), 0, compress)
    }))
  }
})

t.test('entries by the page are those one by one', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  await manyPages(archive)
  for (const select of [{}, { paths: ['d20', 'e'] }, { exclude: ['d1*'] }]) {
    await using(archive, async opened => {
      const pages = await collect(opened.entryPages(select))
      t.same(pages.flat().map(brief), (await collect(opened.entries(select))).map(brief))
      t.ok(pages.length > 1)
    })
  }
  await t.rejects(using(archive, opened => collect(opened.entryPages({ paths: ['missing'] }))), { code: 'ERR_WARP_NOT_FOUND' })
})
