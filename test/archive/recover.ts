/** Whatever is damaged, the recovered archive verifies, holds what was intact, and the rest is listed as lost. */
import t from 'tap'
import type { Test } from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { open, recover, verify } from '../../src/index.ts'
import type { RecoverOptions, RecoverResult } from '../../src/index.ts'
import type { SourceEntry } from '../../src/archive/batch.ts'
import { archiveEntries, blocksOf, bulky, CHEAP, collect, damage, directory, entriesOf, file, hex, metadata, text } from './support/archives.ts'
import { lines, makeDirectory, MIB, noise, openDescriptors, repeated } from './support/trees.ts'

const FRAME = 1
const PAGE = 2
const INDEX = 3

/** What `wanted` holds under each path: enough to tell whether an entry is what it was. */
async function contentsOf(archive: string, keys: { passphrase?: string } = {}): Promise<Map<string, string>> {
  const opened = await open(archive, keys)
  const contents = new Map<string, string>()
  for (const entry of await collect(opened.entries())) {
    const target = entry.link === undefined ? '' : text((await opened.entryAt(entry.link)).path)
    const extents = entry.type === 'file' ? await collect(opened.extentsOf(entry)) : []
    contents.set(text(entry.path), JSON.stringify([
      entry.type, entry.size, entry.mode, entry.mtimeNanoseconds, entry.xattrs.length, target, text(entry.target ?? new Uint8Array(0)), entry.major,
      keys.passphrase === undefined ? extents.map(extent => extent.kind === 'hole' ? extent.length : hex(extent.id)) : extents.length,
    ]))
  }
  await opened.close()
  return contents
}

/** Recovers a damaged archive and holds the outcome against the intact one. */
async function recovered(
  t: Test, broken: string, original: Map<string, string> | null, options: Partial<RecoverOptions> = {},
): Promise<RecoverResult & { kept: string[] }> {
  const output = `${broken}.recovered`
  const before = openDescriptors()
  const result = await recover({ archive: broken, output, threads: 1, ...options })
  t.same(openDescriptors(), before)
  const keys = { passphrase: options.newPassphrase as string | undefined }
  const verified = await verify(output, { threads: 1, ...keys })
  t.match(verified, { partial: true, signer: null, damage: [], entries: result.created.entries })
  t.equal(hex(verified.root), hex(result.created.root))
  const contents = await contentsOf(output, keys)
  for (const [name, content] of original ? contents : []) if (content !== original!.get(name)) t.equal(content, original!.get(name), name)
  const lost = new Set(result.lost.map(({ path }) => path))
  for (const name of contents.keys()) if (lost.has(name)) t.fail(`${name} is there and listed as lost`)
  t.equal(result.created.problems, result.lost.length)
  return { ...result, kept: [...contents.keys()] }
}

/** Four pages of entries of all kinds with hard links across them, and an index. */
function someEntries(): SourceEntry[] {
  const name = (i: number) => `e${String(i).padStart(2, '0')}`
  const entries: SourceEntry[] = []
  for (let i = 0; i < 24; i++) {
    const of = bulky(200 * 1024) // a page closes at 1 MiB: every six
    if (i === 3) entries.push({ kind: 'record', path: name(i), inode: null, record: { type: 'symlink', path: Buffer.from(name(i)), metadata: of, target: Buffer.from('x') } })
    else if (i === 4) entries.push({ kind: 'record', path: name(i), inode: null, record: { type: 'chardev', path: Buffer.from(name(i)), metadata: of, major: 1, minor: 3 } })
    else if (i === 5) entries.push({ kind: 'record', path: name(i), inode: 'fifo', record: { type: 'fifo', path: Buffer.from(name(i)), metadata: of } })
    else if (i % 6 === 0) entries.push(directory(name(i), of))
    else entries.push(file(name(i), Buffer.concat([noise(i, 1000), Buffer.alloc(70_000), noise(i, 10)]), { metadata: of, inode: i === 2 || i === 8 || i === 14 ? `${i}` : null }))
  }
  // Names in the last page of what the others hold.
  for (const inode of ['2', '8', '14', 'fifo']) entries.push({ kind: 'link', path: `link to ${inode.padStart(2, '0')}`, inode })
  return entries
}

t.test('an archive that is intact', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  await archiveEntries(someEntries(), archive)
  const original = await contentsOf(archive)
  const { lost, unreadable, truncated, kept, created } = await recovered(t, archive, original)
  t.same([lost, unreadable, truncated], [[], [], false])
  t.same(kept, [...original.keys()])
  const opened = await open(archive)
  t.equal(hex(created.root), hex(opened.root), 'the same tree')
  t.not(hex(created.archiveId), hex(opened.archiveId), 'another archive')
  await opened.close()
})

t.test('cut off anywhere', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  await archiveEntries(someEntries(), archive)
  const original = await contentsOf(archive)
  const bytes = fs.readFileSync(archive)
  const blocks = blocksOf(archive)
  const pages = blocks.filter(({ kind }) => kind === PAGE)
  t.equal(pages.length, 5)
  // Before, at and after the end of every block, and in its header and payload.
  const ends = new Set(blocks.flatMap(({ offset, end }) => [offset, offset + 1, offset + 40, offset + 64, Math.floor((offset + end) / 2), end - 1, end]))
  let least = 0
  for (const end of [...ends].sort((a, b) => a - b)) {
    const broken = path.join(path.dirname(archive), 'broken')
    fs.writeFileSync(broken, bytes.subarray(0, end))
    if (end < pages[0].end) {
      await t.rejects(recover({ archive: broken, output: `${broken}.recovered` }), { code: 'ERR_WARP_TRUNCATED' })
      t.notOk(fs.existsSync(`${broken}.recovered`))
      continue
    }
    const { kept, truncated } = await recovered(t, broken, original)
    t.equal(truncated, end < bytes.length)
    t.ok(kept.length >= least, 'never less than of a shorter one')
    const whole = pages.filter(page => page.end <= end).length
    t.equal(kept.length, whole === 5 ? original.size : whole * 6)
    least = kept.length
    fs.rmSync(`${broken}.recovered`)
  }
})

t.test('a damaged page', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  await archiveEntries(someEntries(), archive)
  const original = await contentsOf(archive)
  const names = [...original.keys()]
  const pages = blocksOf(archive).filter(({ kind }) => kind === PAGE)
  for (const [n, page] of pages.entries()) {
    // In the header of its block, so that it is not found; in what it holds; in its tag.
    for (const at of [page.offset + 30, page.offset + 100, page.end - 1]) {
      const broken = damage(archive, path.join(makeDirectory(t), 'broken'), at)
      const { kept, lost, unreadable, truncated } = await recovered(t, broken, original)
      t.notOk(truncated)
      t.ok(unreadable.some(({ from, to }) => from <= page.offset && to >= page.end), `page ${n}`)
      const gone = names.slice(n * 6, n * 6 + 6)
      // Links to what was in the page cannot be kept; all else is, since the index says what was where.
      const links = names.slice(24).filter(name => gone.includes(name === 'link to fifo' ? 'e05' : `e${name.slice(8)}`))
      const expected = names.filter(name => !gone.includes(name) && !links.includes(name))
      t.same(kept, expected, `page ${n}`)
      t.same(lost.map(({ path }) => path), n === 4 ? [] : links)
    }
  }
})

t.test('damaged frames', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  const entries = [
    directory('d'), file('d/a', lines(1, 6 * MIB)), file('d/b', lines(2, 24 * MIB), { inode: 'b' }), file('e', Buffer.from('small')), file('f', lines(3, 10 * MIB)),
    { kind: 'link', path: 'g', inode: 'b' } as SourceEntry, file('h', Buffer.alloc(0)),
  ]
  await archiveEntries(entries, archive)
  const original = await contentsOf(archive)
  const blocks = blocksOf(archive)
  const frames = blocks.filter(({ kind }) => kind === FRAME)
  t.ok(frames.length >= 4)
  for (const [n, { offset }] of frames.entries()) {
    const broken = damage(archive, path.join(makeDirectory(t), 'broken'), offset + (n % 2 === 0 ? 500 : 20))
    const { kept, lost } = await recovered(t, broken, original)
    const gone = lost.map(({ path }) => path)
    t.ok(gone.length > 0 && gone.length < original.size)
    t.same([...kept, ...gone].sort(), [...original.keys()].sort(), 'kept or listed')
    t.equal(gone.includes('d/b'), gone.includes('g'), 'another name of what is lost is lost')
    t.ok(kept.includes('d') && kept.includes('h'))
  }
})

t.test('a file over several pages', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  const unit = noise(4, 300_000)
  // Parts of 64 MiB (§8.1): it begins in the page of `a`, and `z` is in the page where it ends.
  await archiveEntries([file('a', Buffer.from('a')), file('large', repeated(unit, 150 * MIB)), file('z', Buffer.from('z'))], archive)
  const original = await contentsOf(archive)
  const pages = blocksOf(archive).filter(({ kind }) => kind === PAGE)
  t.equal(pages.length, 3)
  const intact = await recovered(t, archive, original)
  t.same(intact.kept, ['a', 'large', 'z'])
  for (const [n, kept] of [['z'], ['a', 'z'], ['a']].entries()) {
    const broken = damage(archive, path.join(makeDirectory(t), 'broken'), pages[n].offset + 100)
    const result = await recovered(t, broken, original)
    t.same(result.kept, kept, `page ${n}`)
    t.same([...new Set(result.lost.map(({ path }) => path))], ['large'])
  }
  for (const [n, kept] of [[2, ['a']], [3, ['a', 'large', 'z']]] as const) {
    const broken = path.join(makeDirectory(t), 'broken')
    fs.writeFileSync(broken, fs.readFileSync(archive).subarray(0, pages[n - 1].end))
    const result = await recovered(t, broken, original)
    t.same(result.kept, [...kept])
    t.same(result.lost.map(({ path }) => path), n === 3 ? [] : ['large'])
  }
})

t.test('without its index', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  await archiveEntries(someEntries(), archive)
  const original = await contentsOf(archive)
  const blocks = blocksOf(archive)
  const pages = blocks.filter(({ kind }) => kind === PAGE)
  const index = blocks.find(({ kind }) => kind === INDEX)!
  const alone = await recovered(t, damage(archive, path.join(makeDirectory(t), 'broken'), index.offset + 100), original)
  t.same([alone.kept, alone.lost], [[...original.keys()], []])
  // With a page missing too, nobody knows the numbers of the entries after it.
  const both = await recovered(t, damage(archive, path.join(makeDirectory(t), 'broken'), index.offset + 100, pages[1].offset + 100), original)
  t.same(both.lost.map(({ path }) => path), ['e12', 'link to 08', 'link to 14'].filter(name => !both.kept.includes(name)))
  t.ok(both.kept.includes('link to 02') && both.kept.includes('e13'))
})

t.test('hundreds of pages', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  // One page more than an index page has children (§9.1), so that there are two levels of them.
  const of = bulky(255 * 1024)
  const entries: SourceEntry[] = Array.from({ length: 128 * 5 }, (_, i) => directory(`d${String(i).padStart(3, '0')}`, of))
  entries.push(file('e', Buffer.from('linked'), { inode: '1' }), { kind: 'link', path: 'z', inode: '1' })
  await archiveEntries(entries, archive)
  const original = await contentsOf(archive)
  const blocks = blocksOf(archive)
  const pages = blocks.filter(({ kind }) => kind === PAGE)
  t.same([pages.length, blocks.filter(({ kind }) => kind === INDEX).length], [129, 3])
  const { kept, lost } = await recovered(t, damage(archive, path.join(makeDirectory(t), 'broken'), pages[60].offset + 100), original)
  t.equal(kept.length, original.size - 5)
  t.same(lost, [])
  t.ok(kept.includes('z'), 'entries after the gap keep their numbers')
})

t.test('a damaged header', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  await archiveEntries(someEntries(), archive)
  const original = await contentsOf(archive)
  // The magic, the number of slots, the chunk size, the archive id, the checksum; and all of it.
  for (const at of [0, 10, 20, 24, 245]) {
    const broken = damage(archive, path.join(makeDirectory(t), 'broken'), at)
    // Other chunks, since the chunk size is not known any more.
    const { kept, lost } = await recovered(t, broken, null)
    t.same([kept, lost], [[...original.keys()], []], `byte ${at}`)
    const opened = await open(`${broken}.recovered`)
    const content = Buffer.concat(await collect(opened.content((await opened.find('link to 14'))!)))
    t.ok(content.equals(Buffer.concat([noise(14, 1000), Buffer.alloc(70_000), noise(14, 10)])))
    await opened.close()
  }
})

t.test('an encrypted archive needs a key, and a new one', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  await archiveEntries(someEntries(), archive, { options: { passphrase: 'old', passphraseCost: CHEAP } })
  const original = await contentsOf(archive, { passphrase: 'old' })
  const pages = blocksOf(archive).filter(({ kind }) => kind === PAGE)
  const broken = damage(archive, path.join(makeDirectory(t), 'broken'), pages[1].offset + 100)
  const options = { archive: broken, output: `${broken}.recovered` }
  await t.rejects(recover(options), { code: 'ERR_WARP_KEY_NEEDED' })
  await t.rejects(recover({ ...options, passphrase: 'wrong' }), { code: 'ERR_WARP_KEY_WRONG' })
  await t.rejects(recover({ ...options, passphrase: 'old' }), { code: 'ERR_WARP_USAGE' })
  t.notOk(fs.existsSync(options.output))
  const { kept } = await recovered(t, broken, original, { passphrase: 'old', newPassphrase: 'new', passphraseCost: CHEAP })
  t.equal(kept.length, original.size - 6 - 1)
  await t.rejects(open(options.output, { passphrase: 'old' }), { code: 'ERR_WARP_KEY_WRONG' })
})

t.test('what is no archive, or an archive without entries', async t => {
  const where = makeDirectory(t)
  const output = path.join(where, 'out')
  fs.writeFileSync(path.join(where, 'text'), 'no archive '.repeat(100))
  await t.rejects(recover({ archive: path.join(where, 'text'), output }), { code: 'ERR_WARP_NOT_AN_ARCHIVE', exitCode: 10 })
  await t.rejects(recover({ archive: path.join(where, 'missing'), output }), { code: 'ERR_WARP_ARCHIVE_UNREADABLE' })
  await archiveEntries([], path.join(where, 'empty'))
  t.same((await recovered(t, path.join(where, 'empty'), new Map())).kept, [])
  fs.rmSync(path.join(where, 'empty.recovered'))
  const signal = AbortSignal.abort()
  await archiveEntries([file('a', Buffer.from('x'), { metadata })], path.join(where, 'x'))
  await t.rejects(recover({ archive: path.join(where, 'x'), output, signal }), { code: 'ERR_WARP_INTERRUPTED' })
  t.same(fs.readdirSync(where).sort(), ['empty', 'text', 'x'])
})

t.test('an archive within the archive is not taken for it', async t => {
  const where = makeDirectory(t)
  const inner = path.join(where, 'inner')
  await archiveEntries([file('inside', Buffer.from('x'))], inner)
  const outer = path.join(where, 'outer')
  await archiveEntries([file('a', fs.readFileSync(inner)), file('b', Buffer.from('b'))], outer, { options: { compress: 'none' } })
  const original = await contentsOf(outer)
  // The frame that holds it is lost, so that the search goes through its bytes.
  const broken = damage(outer, path.join(where, 'broken'), blocksOf(outer)[0].offset + 20)
  const { kept, lost } = await recovered(t, broken, original)
  t.same(kept, [])
  t.same(lost.map(({ path }) => path), ['a', 'b'])
  t.equal((await entriesOf(inner)).length, 1)
})

t.test('the damaged archive is not replaced', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  await archiveEntries([file('a', Buffer.from('x'))], archive)
  fs.truncateSync(archive, fs.statSync(archive).size - 10)
  const before = fs.readFileSync(archive)
  const other = `${archive}.link`
  fs.symlinkSync(archive, other)
  for (const output of [archive, other]) await t.rejects(recover({ archive, output, threads: 1 }), { code: 'ERR_WARP_USAGE' })
  t.ok(fs.readFileSync(archive).equals(before))
  t.equal(fs.readdirSync(path.dirname(archive)).length, 2)
})

t.test('a hole is not written out: recovery of a huge sparse file takes no time, and no more than its page', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  const size = 2 ** 43
  const content = (async function* () { yield noise(1, 100_000); yield { zeros: size - 200_000 }; yield noise(2, 100_000) })()
  await archiveEntries([
    { kind: 'content', path: 'a', inode: null, metadata, content }, file('b', noise(3, MIB)), file('c', Buffer.from('c')),
  ], archive)
  const original = await contentsOf(archive)
  const footer = blocksOf(archive).at(-1)!
  const result = await recovered(t, damage(archive, `${archive}.broken`, footer.offset + 100), original)
  t.same(result.kept, ['a', 'b', 'c'])
  t.equal(result.created.logicalBytes, size + MIB + 1)
})
