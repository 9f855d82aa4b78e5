import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { extract } from '../../src/index.ts'
import type { ExtractOptions, Problem, Source } from '../../src/index.ts'
import type { SourceEntry } from '../../src/archive/batch.ts'
import { archiveEntries, archiveOf, blocksOf, bulky, CHEAP, damage, directory, file, hex, metadata, streamOf } from './support/archives.ts'
import { IS_ROOT, KIB, lines, lookAtAll, makeDirectory, MIB, namesIn, NO_LIBC, noise, NOT_ROOT, openDescriptors, plant, repeated } from './support/trees.ts'

async function extracted(source: Source, target: string, options: Partial<ExtractOptions> = {}) {
  const problems: Problem[] = []
  const result = await extract(source, { target, threads: 1, onProblem: problem => problems.push(problem), ...options })
  return { result, problems, reported: problems.map(({ kind, path }) => `${kind} ${path}`) }
}

const read = (...names: string[]) => fs.readFileSync(path.join(...names), 'utf8')

/** a/, a/one, a/sub/two (also b/three), b/, b/link → ../a/one */
async function smallArchive(t: { teardown: (action: () => void) => void }): Promise<string> {
  const source = plant(makeDirectory(t as never), { a: { one: 'one', sub: { two: 'two' } }, b: null })
  fs.linkSync(path.join(source, 'a/sub/two'), path.join(source, 'b/three'))
  fs.symlinkSync('../a/one', path.join(source, 'b/link'))
  await archiveOf(source, `${source}.warp`)
  t.teardown(() => fs.rmSync(`${source}.warp`))
  return `${source}.warp`
}

t.test('into what is empty or missing, with nothing left behind', async t => {
  const archive = await smallArchive(t)
  const target = path.join(makeDirectory(t), 'new', 'target')
  const before = openDescriptors()
  const { result, problems } = await extracted(archive, target)
  t.same(problems, [])
  t.match(result, { bytes: 6, problems: 0, durationMs: Number })
  t.same(namesIn(target), ['a', 'a/one', 'a/sub', 'a/sub/two', 'b', 'b/link', 'b/three'])
  t.equal(fs.statSync(path.join(target, 'b/three')).ino, fs.statSync(path.join(target, 'a/sub/two')).ino)
  t.same(openDescriptors(), before)
})

t.test('what is there is kept, replaced, or replaced if older', async t => {
  const archive = await smallArchive(t)
  const plan = { a: { one: 'mine', sub: { two: 'mine' } }, other: 'mine' }
  const never = plant(makeDirectory(t), plan)
  fs.chmodSync(path.join(never, 'a'), 0o711)
  const kept = await extracted(archive, never)
  t.same(kept.reported, ['unrestored a/one', 'unrestored a/sub/two'])
  t.equal(kept.result.problems, 2)
  t.same([read(never, 'a/one'), read(never, 'other'), read(never, 'b/three')], ['mine', 'mine', 'two'], 'a link to what was kept gets the content')
  t.equal(fs.statSync(path.join(never, 'a')).mode & 0o777, 0o711)

  const always = plant(makeDirectory(t), plan)
  t.same((await extracted(archive, always, { overwrite: 'always' })).reported, [])
  t.same([read(always, 'a/one'), read(always, 'a/sub/two'), read(always, 'other')], ['one', 'two', 'mine'])

  const newer = plant(makeDirectory(t), plan)
  fs.utimesSync(path.join(newer, 'a/one'), 1, 1)
  fs.utimesSync(path.join(newer, 'a/sub/two'), 4e9, 4e9)
  t.same((await extracted(archive, newer, { overwrite: 'newer' })).reported, ['note a/sub/two'])
  t.same([read(newer, 'a/one'), read(newer, 'a/sub/two')], ['one', 'mine'])
  for (const target of [never, always, newer]) t.notOk(namesIn(target).some(name => name.includes('.warp')))
})

t.test('a link is as new as the file that it is another name of', async t => {
  const archive = await smallArchive(t)
  const target = makeDirectory(t)
  await extracted(archive, target)
  const names = ['a/sub/two', 'b/three'].map(name => path.join(target, name))
  const inode = () => names.map(name => fs.statSync(name).ino)
  const before = inode()
  t.same((await extracted(archive, target, { overwrite: 'newer' })).reported.filter(report => report.startsWith('unrestored')), [])
  t.same(inode(), before, 'not older')
  fs.writeFileSync(names[0], 'old')
  fs.utimesSync(names[0], 1, 1)
  t.same((await extracted(archive, target, { overwrite: 'newer' })).reported.filter(report => report.startsWith('unrestored')), [])
  t.same(names.map(name => read(name)), ['two', 'two'])
  t.equal(new Set(inode()).size, 1)
})

t.test('names that are the same without their first components', async t => {
  const source = plant(makeDirectory(t), { a: { x: 'of a' }, b: { x: 'of b' }, c: null })
  fs.linkSync(path.join(source, 'a/x'), path.join(source, 'c/link'))
  const archive = path.join(makeDirectory(t), 'x.warp')
  await archiveOf(source, archive)
  for (const overwrite of ['never', 'always', 'newer'] as const) {
    for (const isEmpty of [true, false]) {
      const target = plant(makeDirectory(t), isEmpty ? {} : { other: 'x' })
      const { reported } = await extracted(archive, target, { stripComponents: 1, overwrite })
      t.same(reported, ['unrestored b/x'])
      t.same([read(target, 'x'), read(target, 'link')], ['of a', 'of a'])
    }
  }
})

t.test('a file over several pages is kept or replaced like any other', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  // More than a page's 64 MiB (§8.1), of one piece again and again.
  const piece = repeated(noise(1, 100_000), 4 * MIB)
  const made = await archiveEntries([file('large', Array.from({ length: 17 }, () => piece)), file('next', Buffer.from('next'))], archive)
  t.equal(made.result.pages, 2)
  for (const [overwrite, time, expected, report] of [
    ['never', 1, 'mine', 'unrestored large'], ['newer', 4e9, 'mine', 'note large'], ['newer', 1, 'theirs', ''], ['always', 4e9, 'theirs', ''],
  ] as const) {
    const target = plant(makeDirectory(t), { large: 'mine' })
    fs.utimesSync(path.join(target, 'large'), time, time)
    const { reported } = await extracted(archive, target, { overwrite })
    const size = fs.statSync(path.join(target, 'large')).size
    t.equal(size === 4 ? 'mine' : size === 68 * MIB ? 'theirs' : `${size}`, expected, `${overwrite} ${time}`)
    t.equal(reported.join(), report)
    t.same(namesIn(target), ['large', 'next'])
  }
})

t.test('symlinks that stand in the target are not followed', async t => {
  const archive = await smallArchive(t)
  const outside = plant(makeDirectory(t), { one: 'outside' })
  for (const overwrite of ['never', 'always', 'newer'] as const) {
    const target = plant(makeDirectory(t), { a: null })
    fs.symlinkSync(path.join(outside, 'one'), path.join(target, 'a/one'))
    fs.symlinkSync(outside, path.join(target, 'b'))
    await extracted(archive, target, { overwrite })
    t.same(namesIn(outside), ['one'])
    t.equal(read(outside, 'one'), 'outside')
    t.ok(fs.lstatSync(path.join(target, 'b')).isSymbolicLink(), 'a directory does not replace it')
    t.equal(fs.lstatSync(path.join(target, 'a/one')).isSymbolicLink(), overwrite !== 'always')
  }
})

t.test('what is in the way is reported, the rest goes on', async t => {
  const archive = await smallArchive(t)
  const target = plant(makeDirectory(t), { a: 'a file', b: { three: { 'in the way': '' } } })
  const { reported } = await extracted(archive, target, { overwrite: 'always' })
  t.same([...reported].sort(), ['unrestored a', 'unrestored a/one', 'unrestored a/sub', 'unrestored a/sub/two', 'unrestored b/three'])
  t.same(namesIn(target), ['a', 'b', 'b/link', 'b/three', 'b/three/in the way'])
})

t.test('a part of the archive', async t => {
  const archive = await smallArchive(t)
  const cases: [Partial<ExtractOptions>, string[], string[]?][] = [
    [{ paths: ['a/sub'] }, ['a', 'a/sub', 'a/sub/two']],
    [{ paths: ['b/three'] }, ['b', 'b/three']], // its other name is not selected
    [{ paths: ['b', 'nowhere'] }, ['b', 'b/link', 'b/three'], ['unrestored nowhere']],
    [{ include: ['one'] }, ['a', 'a/one']],
    [{ exclude: ['two', 'b/'] }, ['a', 'a/one', 'a/sub']],
    [{ stripComponents: 1 }, ['link', 'one', 'sub', 'sub/two', 'three']],
    [{ stripComponents: 2 }, ['two']],
    [{ stripComponents: 9 }, []],
    [{ paths: ['a'], stripComponents: 1, exclude: ['one'] }, ['sub', 'sub/two']],
  ]
  for (const [options, names, reports = []] of cases) {
    for (const source of options.paths ? [archive, { stream: streamOf(archive) }] : [archive]) {
      const target = path.join(makeDirectory(t), 'target')
      const { reported, result } = await extracted(source, target, options)
      t.same(namesIn(target), names, JSON.stringify(options))
      t.same(reported, reports)
      t.equal(result.problems, reports.length)
      if (names.includes('b/three')) t.equal(read(target, 'b/three'), 'two')
    }
  }
  await t.rejects(extracted(archive, makeDirectory(t), { stripComponents: -1 }), { code: 'ERR_WARP_USAGE' })
  await t.rejects(extracted(archive, makeDirectory(t), { paths: ['..'] }), { code: 'ERR_WARP_USAGE' })
})

t.test('names of a file that was not selected are names of one file again', async t => {
  const source = plant(makeDirectory(t), { a: { file: noise(1, 100 * KIB) }, b: null })
  for (const name of ['b/one', 'b/two', 'c']) fs.linkSync(path.join(source, 'a/file'), path.join(source, name))
  fs.symlinkSync('x', path.join(source, 'a/symlink'))
  fs.linkSync(path.join(source, 'a/symlink'), path.join(source, 'b/symlink'))
  const archive = path.join(makeDirectory(t), 'x.warp')
  await archiveOf(source, archive, { passphrase: 'p', passphraseCost: CHEAP })
  for (const from of [archive, { stream: streamOf(archive) }]) {
    const target = path.join(makeDirectory(t), 'target')
    const { reported } = await extracted(from, target, { paths: ['b', 'c'], passphrase: 'p' })
    const inodes = ['b/one', 'b/two', 'c'].map(name => fs.statSync(path.join(target, name)).ino)
    t.equal(new Set(inodes).size, 1)
    t.ok(fs.readFileSync(path.join(target, 'c')).equals(noise(1, 100 * KIB)))
    t.same(lookAtAll(target).c.mtimeNs, lookAtAll(source).c.mtimeNs)
    t.ok(reported.every(report => report === 'unrestored b/symlink'))
  }
})

t.test('directories that nothing can be made in', async t => {
  const source = plant(makeDirectory(t), { a: { b: { c: { file: 'x' } } }, z: { file: 'x' } })
  for (const name of ['a/b/c', 'a/b', 'a', 'z']) fs.chmodSync(path.join(source, name), 0o555)
  const archive = path.join(makeDirectory(t), 'x.warp')
  await archiveOf(source, archive)
  const nobody = process.getuid!() === 0 ? 65_534 : process.geteuid!()
  for (const isEmpty of [true, false]) {
    const target = path.join(makeDirectory(t), 'target')
    plant(target, isEmpty ? {} : { other: 'x' })
    for (const name of [target, path.dirname(target)]) fs.chownSync(name, nobody, process.getgid!())
    fs.chmodSync(path.dirname(archive), 0o755)
    process.seteuid!(nobody)
    const outcome = await extracted(archive, target, { sameOwner: false }).finally(() => process.seteuid!(process.getuid!()))
    t.same(outcome.reported, [])
    const found = lookAtAll(target)
    for (const name of ['a/b/c', 'a/b', 'a', 'z']) t.match(found[name], { mode: 0o555, mtimeNs: lookAtAll(source)[name].mtimeNs })
    t.ok('a/b/c/file' in found)
  }
})

t.test('owners', { skip: NOT_ROOT }, async t => {
  const source = plant(makeDirectory(t), { named: 'x', numbered: 'x' })
  fs.chownSync(path.join(source, 'named'), 1, 1)
  fs.chownSync(path.join(source, 'numbered'), 54_321, 12_345)
  fs.chmodSync(path.join(source, 'named'), 0o4755)
  const archive = path.join(makeDirectory(t), 'x.warp')
  // Another system, where 'daemon' has other numbers than are stored.
  const stored = (user: string, uid: number, mode = 0o644) => ({ ...metadata, user: Buffer.from(user), group: Buffer.from(user), uid, gid: uid, mode })
  await archiveEntries([file('named', Buffer.from('x'), { metadata: stored('daemon', 777, 0o4755) }), file('numbered', Buffer.from('x'), { metadata: stored('', 54_321) })], archive)
  const cases: [Partial<ExtractOptions>, string, string, number][] = [
    [{}, '1:1', '54321:54321', 0o4755],
    [{ numericOwner: true }, '777:777', '54321:54321', 0o4755],
    [{ sameOwner: false }, '0:0', '0:0', 0o755], // set-uid would be of another user
  ]
  for (const [options, named, numbered, mode] of cases) {
    const target = path.join(makeDirectory(t), 'target')
    await extracted(archive, target, options)
    const found = lookAtAll(target)
    t.same([found.named.owner, found.numbered.owner, found.named.mode], [named, numbered, mode])
  }
})

t.test('from a stream as from a file, however it is cut', async t => {
  const source = plant(makeDirectory(t), { a: { one: noise(1, 150 * KIB), two: noise(1, 150 * KIB) }, b: 'x', c: null, d: '' })
  const archive = path.join(makeDirectory(t), 'x.warp')
  const { result: made } = await archiveOf(source, archive)
  const spool = makeDirectory(t)
  for (const size of [97, 1_000_000]) {
    const target = path.join(makeDirectory(t), 'target')
    const before = openDescriptors()
    const { result, problems } = await extracted({ stream: streamOf(archive, size) }, target, { tempDir: spool })
    t.same(problems, [])
    t.equal(hex(result.root), hex(made.root))
    t.same(lookAtAll(target), lookAtAll(source))
    t.same(openDescriptors(), before)
  }
  t.same(fs.readdirSync(spool), [])
  const target = path.join(makeDirectory(t), 'target')
  await t.rejects(extracted({ stream: Readable.from([]) }, target, { tempDir: '/nowhere' }), { code: 'ERR_WARP_OUTPUT' })
})

t.test('a stream that is cut short keeps what was whole', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  // A page for every five, and a large file that begins in one page and ends in the next.
  const entries = Array.from({ length: 12 }, (_, i): SourceEntry => file(`e${String(i).padStart(2, '0')}`, Buffer.from(`${i}`), { metadata: bulky(200 * KIB) }))
  await archiveEntries([...entries, file('f', repeated(noise(1, MIB), 70 * MIB)), file('g', Buffer.from('g'))], archive)
  const blocks = blocksOf(archive)
  const pages = blocks.filter(({ kind }) => kind === 2)
  t.ok(pages.length >= 4)
  const bytes = fs.readFileSync(archive)
  for (const [end, restored] of [
    [pages[0].end, ['e00', 'e01', 'e02', 'e03', 'e04', 'e05'].slice(0, 6)], [pages.at(-2)!.end, entries.map(({ path }) => path)], [bytes.length - 1, null],
  ] as const) {
    const short = path.join(makeDirectory(t), 'short')
    fs.writeFileSync(short, bytes.subarray(0, end))
    const target = path.join(makeDirectory(t), 'target')
    await t.rejects(extracted({ stream: streamOf(short) }, target), { code: 'ERR_WARP_TRUNCATED', exitCode: 10 })
    const names = namesIn(target)
    if (restored === null) t.same(names, [...entries.map(({ path }) => path), 'f', 'g'])
    else t.same(names, restored.slice(0, names.length))
    t.ok(names.length > 0 && !names.some(name => name.startsWith('.')), 'nothing half-written')
    for (const name of names.filter(name => name.startsWith('e'))) t.equal(read(target, name), `${Number(name.slice(1))}`)
    if (names.includes('f')) t.equal(fs.statSync(path.join(target, 'f')).size, 70 * MIB)
  }
})

t.test('damaged frames cost the files in them, and no others', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  await archiveEntries([
    directory('d'), file('d/a', Buffer.from('intact')), file('d/large', lines(2, 18 * MIB)), file('z', lines(3, 8 * MIB)),
  ], archive)
  const frames = blocksOf(archive).filter(({ kind }) => kind === 1)
  t.equal(frames.length, 3)
  const broken = damage(archive, path.join(makeDirectory(t), 'broken.warp'), frames[1].offset + 1000)
  for (const overwrite of ['never', 'always'] as const) {
    const target = makeDirectory(t)
    if (overwrite === 'always') plant(target, { d: { large: 'mine' } })
    const problems: Problem[] = []
    const outcome = extract(broken, { target, overwrite, threads: 1, onProblem: problem => problems.push(problem) })
    await t.rejects(outcome, { code: 'ERR_WARP_CHUNK_DAMAGED', exitCode: 13 })
    t.match(problems.filter(({ path }) => path === 'd/large'), [{ kind: 'damaged' }])
    t.equal(read(target, 'd/a'), 'intact')
    const names = namesIn(target)
    t.notOk(names.some(name => name.includes('.warp')))
    if (overwrite === 'always') t.equal(read(target, 'd/large'), 'mine', 'what was there is kept')
    else t.notOk(names.includes('d/large'))
    t.same(names.includes('z'), !problems.some(({ path }) => path === 'z'))
  }
})

t.test('deep trees, and thousands of directories', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  const deep = Array.from({ length: 1000 }, (_, i) => 'd/'.repeat(i) + 'd') // paths up to 2 KB: the limit is 4
  const wide = Array.from({ length: 800 }, (_, i) => `w${String(i).padStart(4, '0')}`)
  await archiveEntries([
    ...deep.map(name => directory(name)), file(`${deep.at(-1)}/file`, Buffer.from('deep')),
    ...wide.flatMap(name => [directory(name, { ...metadata, mode: 0o750 }), file(`${name}/file`, Buffer.from(name))]),
  ], archive)
  const target = path.join(makeDirectory(t), 't')
  const before = openDescriptors()
  const { result, problems } = await extracted(archive, target)
  t.same(problems, [])
  t.equal(result.entries, 1001 + 1600)
  t.equal(read(target, deep.at(-1)!, 'file'), 'deep')
  t.ok(wide.every(name => read(target, name, 'file') === name && (fs.statSync(path.join(target, name)).mode & 0o777) === 0o750))
  t.equal(fs.statSync(path.join(target, deep[700]), { bigint: true }).mtimeNs, NO_LIBC ? 1_700_000_000_123_456_000n : 1_700_000_000_123_456_789n)
  t.same(openDescriptors(), before)
})

t.test('many links are made without holding them all', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  const links = Array.from({ length: 5000 }, (_, i): SourceEntry => ({ kind: 'link', path: `l${String(i).padStart(4, '0')}`, inode: '1' })) // more than wait at a time
  await archiveEntries([file('a', Buffer.from('x'), { inode: '1' }), ...links], archive)
  const target = path.join(makeDirectory(t), 'target')
  const { result, problems } = await extracted(archive, target)
  t.same(problems, [])
  t.equal(result.entries, 5001)
  t.equal(fs.statSync(path.join(target, 'l4999')).nlink, 5001)
})

t.test('links of what was not selected, in very many directories', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  // More than are held open.
  const count = 800
  const name = (i: number) => String(i).padStart(4, '0')
  const numbers = [...Array(count).keys()]
  await archiveEntries([
    ...numbers.map(i => file(`a/${name(i)}`, Buffer.from(name(i)), { inode: name(i) })),
    ...numbers.map((i): SourceEntry => ({ kind: 'link', path: `b/${name(i)}/f`, inode: name(i) })),
    ...numbers.map((i): SourceEntry => ({ kind: 'link', path: `c/${name(i)}/f`, inode: name(i) })),
  ], archive)
  for (const selected of ['b', '']) {
    const target = makeDirectory(t)
    const before = openDescriptors().length
    let most = 0
    let seen = 0
    const onProgress = () => {
      if (seen++ % 50 === 0) most = Math.max(most, openDescriptors().length - before)
    }
    const { problems } = await extracted(archive, target, { paths: selected ? [selected] : [], onProgress })
    t.same(problems, [])
    t.ok(most > 0 && most < 700, `${most} open`)
    for (const i of [0, count >> 1, count - 1]) t.equal(read(target, 'b', name(i), 'f'), name(i))
    t.equal(fs.readdirSync(path.join(target, 'b')).length, count)
  }
})

t.test('a sparse file whose link alone is selected stays sparse', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  const hole = Buffer.alloc(MIB)
  await archiveEntries([
    file('a', [Buffer.alloc(4096, 1), ...Array(64).fill(hole), Buffer.alloc(4096, 2), hole], { inode: '1' }), { kind: 'link', path: 'b', inode: '1' },
  ], archive)
  const target = makeDirectory(t)
  t.same((await extracted(archive, target, { paths: ['b'] })).problems, [])
  const { size, blocks } = fs.statSync(path.join(target, 'b'))
  t.equal(size, 65 * MIB + 8192)
  t.ok(blocks * 512 < MIB)
  t.ok(fs.readFileSync(path.join(target, 'b')).subarray(64 * MIB + 4096).equals(Buffer.concat([Buffer.alloc(4096, 2), hole])))
})

t.test('progress', async t => {
  const archive = await smallArchive(t)
  const seen: number[] = []
  await extracted(archive, path.join(makeDirectory(t), 'x'), { onProgress: ({ entries, totalEntries, totalBytes }) => {
    t.same([totalEntries, totalBytes], [8, 6])
    seen.push(entries)
  } })
  t.same(seen, seen.map((_, i) => i + 1))
})

t.test('what cannot be opened or written to', async t => {
  const archive = await smallArchive(t)
  await t.rejects(extracted('/nowhere', makeDirectory(t)), { code: 'ERR_WARP_ARCHIVE_UNREADABLE' })
  await t.rejects(extracted(makeDirectory(t), makeDirectory(t)), { code: 'ERR_WARP_ARCHIVE_UNREADABLE' })
  const inTheWay = plant(makeDirectory(t), { file: '' })
  await t.rejects(extracted(archive, path.join(inTheWay, 'file')), { code: 'ERR_WARP_OUTPUT', exitCode: 4 })
  if (IS_ROOT) await t.rejects(extracted(archive, '/proc/nowhere'), { code: 'ERR_WARP_OUTPUT', exitCode: 4 })
})

t.test('the root of the archive is the target: it does not count as restored', async t => {
  const directory = plant(makeDirectory(t), { a: 'a', d: { b: 'b' } })
  const { result } = await archiveOf(directory, `${directory}.warp`)
  t.equal(result.entries, 4)
  t.equal((await extracted(`${directory}.warp`, path.join(makeDirectory(t), 'x'))).result.entries, 3)
})
