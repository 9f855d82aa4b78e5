/** What is extracted is what was archived: judged by rsync, and by a walk of the tests' own. */
import t from 'tap'
import fc from 'fast-check'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { forgetLibc } from '../../src/archive/os/libc.ts'
import { setTimesPath } from '../../src/archive/os/times.ts'
import { makeFifo } from '../../src/archive/os/special.ts'
import { create, extract, open, verify } from '../../src/index.ts'
import type { CreateOptions, ExtractOptions, Problem } from '../../src/index.ts'
import { archiveOf, CHEAP, entriesOf, hex, streamOf, text } from './support/archives.ts'
import { plantEveryKind } from './support/every-kind.ts'
import { hasCommand, IS_ROOT, lookAtAll, makeDirectory, MIB, namesIn, NO_LIBC, noise, NOT_ROOT, plant } from './support/trees.ts'

const NO_RSYNC = (!hasCommand('rsync') && 'rsync is not there') || NOT_ROOT || NO_LIBC

async function extractAll(archive: string, target: string, options: Partial<ExtractOptions> = {}) {
  const problems: Problem[] = []
  const result = await extract(archive, { target, onProblem: problem => problems.push(problem), ...options })
  return { result, problems }
}

t.test('every kind of entry, judged by rsync', { skip: NO_RSYNC }, async t => {
  const directory = makeDirectory(t)
  const source = plantEveryKind(path.join(directory, 'source'))
  const archive = path.join(directory, 'x.warp')
  const target = path.join(directory, 'target')
  const made = await archiveOf(source, archive)
  t.same(made.problems, [])
  const { problems } = await extractAll(archive, target)
  t.same(problems, [])
  const args = ['-aHAXn', '-@-1', '--delete', '--checksum', '--itemize-changes', `${source}/`, `${target}/`]
  const { stdout, stderr, status } = spawnSync('rsync', args, { encoding: 'latin1' })
  t.same({ stdout, stderr, status }, { stdout: '', stderr: '', status: 0 })
  t.same(lookAtAll(target), lookAtAll(source))
  // The oracle is one that can see.
  fs.appendFileSync(path.join(target, 'small'), '!')
  t.match(spawnSync('rsync', args, { encoding: 'latin1' }).stdout, /^>fc.*small$/m)
})

t.test('every kind of entry, in other ways', async t => {
  const directory = makeDirectory(t)
  const source = plantEveryKind(path.join(directory, 'source'))
  const ways: [string, Partial<CreateOptions>][] = [
    ['lz4, large chunks', { compress: 'lz4', chunkSize: 4 * MIB }],
    ['stored, small chunks', { compress: 'none', chunkSize: 4096 }],
    ['encrypted', { passphrase: 'secret', passphraseCost: CHEAP }],
    ['reproducible', { reproducible: true, compress: 'zstd', level: 1 }],
  ]
  for (const [name, options] of ways) {
    const archive = path.join(directory, `${name}.warp`)
    await archiveOf(source, archive, options)
    // A stream's length is not known, so threads start for it: one way shows it.
    for (const from of name === 'encrypted' ? [archive, { stream: streamOf(archive, 1000) }] : [archive]) {
      const target = path.join(directory, `${name} ${typeof from}`)
      const problems: Problem[] = []
      await extract(from, { target, threads: 1, passphrase: options.passphrase, onProblem: problem => problems.push(problem) })
      if (IS_ROOT && !NO_LIBC) t.same(problems, [], name)
      const [found, expected] = [lookAtAll(target), lookAtAll(source)]
      // Whoever is not root does not restore these bits.
      if (!IS_ROOT) for (const seen of [found, expected]) for (const name of ['setuid', 'setgid']) delete seen[`modes/${name}`]
      t.same(found, expected, name)
    }
    t.same((await verify(archive, options)).damage, [])
  }
})

t.test('what the archive says of each kind', { skip: NOT_ROOT || NO_LIBC }, async t => {
  const directory = makeDirectory(t)
  const source = plantEveryKind(path.join(directory, 'source'))
  const archive = path.join(directory, 'x.warp')
  await archiveOf(source, archive)
  const entries = new Map((await entriesOf(archive)).map(entry => [text(entry.path), entry]))
  t.equal(entries.size, namesIn(source).length + 1)
  t.match(entries.get(''), { type: 'directory', mtimeSeconds: 1136073600, mtimeNanoseconds: 4 })
  t.match(entries.get('null'), { type: 'chardev', major: 1, minor: 3, size: 0 })
  t.match(entries.get('block'), { type: 'blockdev', major: 259, minor: 70_000 })
  t.match(entries.get('fifo'), { type: 'fifo', uid: 12_345, gid: 54_321, mode: 0o620 })
  t.equal(entries.get('fifo')!.user.length, 0)
  t.match(entries.get('modes/setuid'), { mode: 0o4755, uid: 1 })
  t.equal(text(entries.get('modes/setuid')!.user), 'daemon')
  t.match(entries.get('links/to file'), { type: 'hardlink', link: entries.get('links/hard to a symlink')!.number })
  t.same(text(entries.get('links/odd')!.target!), '\xff\n')
  t.match(entries.get('times/early'), { mtimeSeconds: -1, mtimeNanoseconds: 999_999_999 })
  t.match(entries.get('sparse/all'), { size: 512 * 1024 })
  t.same(entries.get('text')!.xattrs.map(({ name, value }) => [text(name), text(value)]), [['user.binary', '\0\xff\n']])
  t.ok(entries.get('noise')!.xattrs.some(({ name }) => text(name) === 'system.posix_acl_access'))
})

t.test('holes are found by content, and made again', async t => {
  const directory = makeDirectory(t)
  const [sparse, written] = ['sparse', 'written'].map(name => plant(path.join(directory, name), { f: '' }))
  const size = 40 * MIB // beyond one batch
  const data = noise(5, 1000)
  for (const [where, isWritten] of [[sparse, false], [written, true]] as const) {
    const fd = fs.openSync(path.join(where, 'f'), 'w')
    if (isWritten) for (let at = 0; at < size; at += MIB) fs.writeSync(fd, Buffer.alloc(MIB), 0, MIB, at)
    fs.ftruncateSync(fd, size)
    fs.writeSync(fd, data, 0, data.length, 9 * MIB + 7)
    fs.closeSync(fd)
    fs.utimesSync(path.join(where, 'f'), 1, 1)
    fs.utimesSync(where, 1, 1)
  }
  const made = []
  for (const where of [sparse, written]) made.push((await archiveOf(where, `${where}.warp`, { threads: 1 })).result)
  t.same(made[0].root, made[1].root, 'how it is allocated plays no part')
  t.ok(made[0].frameBytes < 200_000)
  const target = path.join(directory, 'target')
  await extractAll(`${written}.warp`, target)
  const stats = fs.statSync(path.join(target, 'f'))
  t.equal(stats.size, size)
  t.ok(stats.blocks * 512 < MIB, `${stats.blocks} blocks on disk`)
  t.same(lookAtAll(target), lookAtAll(written))
})

t.test('without koffi', async t => {
  const directory = makeDirectory(t)
  const source = plantEveryKind(path.join(directory, 'source'))
  const full = path.join(directory, 'full.warp')
  await archiveOf(source, full)
  process.env.WARP_NO_KOFFI = '1'
  forgetLibc()
  t.teardown(() => {
    delete process.env.WARP_NO_KOFFI
    forgetLibc()
  })
  const archive = path.join(directory, 'x.warp')
  const { problems, result } = await archiveOf(source, archive)
  t.match(problems, [{ kind: 'note', message: /koffi/ }])
  t.equal(result.problems, 0, 'a note costs nothing')
  t.ok((await entriesOf(archive)).every(({ xattrs }) => xattrs.length === 0))
  const target = path.join(directory, 'target')
  const extracted = await extractAll(full, target)
  const paths = extracted.problems.map(({ path }) => path)
  t.ok(paths.includes('fifo'), 'what cannot be restored is reported')
  if (!NO_LIBC) t.ok(paths.includes('text'), 'attributes too')
  if (IS_ROOT) t.ok(paths.includes('null'))
  t.equal(extracted.result.problems, extracted.problems.filter(({ kind }) => kind !== 'note').length)
  const restored = namesIn(target)
  t.same(namesIn(source).filter(name => !restored.includes(name) && !paths.some(path => name === path)), [], 'nothing else is missing')
})

t.test('a socket is left out with a note', async t => {
  const directory = makeDirectory(t)
  const source = plant(path.join(directory, 's'), { a: 'x' })
  const server = net.createServer().listen(path.join(source, 'socket'))
  await once(server, 'listening')
  t.teardown(() => server.close())
  const archive = path.join(directory, 'x.warp')
  const { problems, result } = await archiveOf(source, archive)
  t.match(problems, [{ kind: 'note', path: 'socket' }])
  t.equal(result.problems, 0)
  t.equal(result.entries, 2)
})

interface Leaf {
  kind: 'file' | 'symlink' | 'fifo' | 'link'
  seed: number
  length: number
  hole: number
  mode: number
  mtime: [number, number]
}

type Branch = { kind: 'directory'; children: [string, Leaf | Branch][]; mode: number; mtime: [number, number] }

const names = fc.oneof(
  fc.constantFrom('a', 'b', 'a.b', 'a b', 'A'),
  // Any bytes that a name can have: of order and of prefixes, '/' apart, nothing may be assumed.
  fc.uint8Array({ minLength: 1, maxLength: 4 }).map(bytes => Buffer.from(bytes.map(byte => byte === 0 || byte === 0x2f || byte === 0x2e ? 0xe9 : byte)).toString('latin1')),
)
const mtimes = fc.tuple(fc.integer({ min: -2_000_000_000, max: 4_000_000_000 }), fc.nat(999_999_999))
const modes = IS_ROOT ? fc.nat(0o7777) : fc.nat(0o777).map(mode => mode | 0o700)

const { tree } = fc.letrec<{ tree: Branch; node: Leaf | Branch }>(tie => ({
  node: fc.oneof({ depthSize: 'small', withCrossShrink: true }, fc.record({
    kind: fc.constantFrom('file', 'file', 'file', 'symlink', 'fifo', 'link'),
    seed: fc.nat(3), // few seeds: the same content comes twice
    length: fc.oneof(fc.nat(10), fc.constantFrom(1023, 1024, 1025, 4096, 65_536, 150_000)),
    hole: fc.constantFrom(0, 0, 4096, 65_536, 131_072),
    mode: modes,
    mtime: mtimes,
  }), tie('tree')),
  tree: fc.record({
    kind: fc.constant('directory'),
    children: fc.uniqueArray(fc.tuple(names, tie('node')), { maxLength: 6, selector: ([name]) => name }),
    mode: modes,
    mtime: mtimes,
  }) as fc.Arbitrary<Branch>,
}))

/** Plants a tree; a link is another name of the last file before it. */
function grow(at: string, { children, mode, mtime }: Branch, files: Buffer[] = []): void {
  fs.mkdirSync(Buffer.from(at, 'latin1'))
  for (const [name, node] of children) {
    const child = `${at}/${name}`
    const bytes = Buffer.from(child, 'latin1')
    if (node.kind === 'directory') {
      grow(child, node, files)
      continue
    }
    if (node.kind === 'link') {
      if (files.length > 0) fs.linkSync(files.at(-1)!, bytes)
      continue
    }
    if (node.kind === 'symlink') fs.symlinkSync(`${node.seed}`.repeat(node.length % 40 + 1), bytes)
    else if (node.kind === 'fifo' && !NO_LIBC) makeFifo(bytes, 0o600)
    else {
      fs.writeFileSync(bytes, Buffer.concat([noise(node.seed, node.length), Buffer.alloc(node.hole), noise(9, node.seed)]))
      files.push(bytes)
    }
    if (node.kind !== 'symlink') fs.chmodSync(bytes, IS_ROOT ? node.mode : node.mode & 0o777 | 0o400)
    setTimesPath(bytes, ...node.mtime)
  }
  fs.chmodSync(Buffer.from(at, 'latin1'), mode)
  setTimesPath(Buffer.from(at, 'latin1'), ...mtime)
}

t.test('any tree, with any options', { skip: NO_LIBC }, async t => {
  const directory = makeDirectory(t)
  let run = 0
  const options = fc.record({
    compress: fc.constantFrom('auto', 'zstd', 'lz4', 'none'),
    chunkSize: fc.constantFrom(4096, 65_536, 1_048_576),
    level: fc.constantFrom(1, 3, 9),
    passphrase: fc.constantFrom(undefined, undefined, 'secret'),
  }) as fc.Arbitrary<Pick<CreateOptions, 'compress' | 'chunkSize' | 'level' | 'passphrase'>>
  await fc.assert(fc.asyncProperty(tree, options, fc.nat(19), async (tree, options, way) => {
    const fromStream = way === 0
    const [source, target, archive] = ['s', 't', 'x.warp'].map(name => path.join(directory, `${++run} ${name}`))
    grow(source, tree)
    const { result, problems } = await archiveOf(source, archive, { ...options, passphraseCost: CHEAP })
    t.strictSame(problems, [])
    const extracted = await extract(fromStream ? { stream: streamOf(archive, 777) } : archive, { target, threads: 1, passphrase: options.passphrase })
    t.strictSame(lookAtAll(target), lookAtAll(source))
    t.equal(hex(extracted.root), hex(result.root))
    t.equal(extracted.problems, 0)
    const opened = await open(archive, options)
    t.equal(opened.size, namesIn(source).length + 1)
    await opened.close()
  }), { numRuns: process.env.WARP_LONG === '1' ? 1000 : 40 })
})

t.test('a file above 4 GiB', { skip: process.env.WARP_LONG !== '1' && 'WARP_LONG=1 runs it' }, async t => {
  const directory = makeDirectory(t)
  const source = plant(path.join(directory, 's'), { f: '' })
  const fd = fs.openSync(path.join(source, 'f'), 'w')
  // Offsets above 32 bits with data before, around and behind, and not only holes.
  for (const at of [0, 2 ** 31 - 5, 2 ** 32 - 5, 2 ** 32 + 12_345, 5 * 2 ** 30]) fs.writeSync(fd, noise(at % 97, 100_000), 0, 100_000, at)
  const unit = noise(7, MIB)
  for (let at = 600 * MIB; at < 800 * MIB; at += MIB) fs.writeSync(fd, unit, 0, MIB, at)
  fs.closeSync(fd)
  const archive = path.join(directory, 'x.warp')
  await create({ inputs: [{ path: source }], output: archive })
  const target = path.join(directory, 't')
  await extractAll(archive, target)
  t.equal(spawnSync('cmp', [path.join(source, 'f'), path.join(target, source, 'f')]).status, 0)
  const opened = await open(archive)
  const entry = await opened.find(`${source.slice(1)}/f`)
  const pieces: Uint8Array[] = []
  for await (const piece of opened.content(entry!, { offset: 2 ** 32 + 12_345, length: 1000 })) pieces.push(Buffer.from(piece))
  await opened.close()
  t.ok(Buffer.concat(pieces).equals(noise((2 ** 32 + 12_345) % 97, 100_000).subarray(0, 1000)))
})
