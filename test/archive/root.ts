/** The root names the logical tree: it depends on nothing else, and on all of that. */
import t from 'tap'
import type { Test } from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { spawnSync } from 'node:child_process'
import { setTimesPath } from '../../src/archive/os/times.ts'
import { create } from '../../src/index.ts'
import type { CreateOptions } from '../../src/index.ts'
import { archiveOf, CHEAP, hex } from './support/archives.ts'
import { touch } from './support/every-kind.ts'
import { IS_ROOT, KIB, makeDirectory, MIB, NO_LIBC, noise, plant, repeated } from './support/trees.ts'

const SCRIPT = path.join(import.meta.dirname, 'fixtures/create-roots.mjs')
const NOT_BUILT = !fs.existsSync(path.join(import.meta.dirname, '../../dist/index.js')) && 'dist is not built'

function rootsBuilt(output: string, cwd: string, jobs: object[]): string[] {
  const { stdout, stderr } = spawnSync(process.execPath, [SCRIPT, output, JSON.stringify(jobs)], { cwd, encoding: 'utf8' })
  if (stderr !== '') throw new Error(stderr)
  return stdout.trim().split('\n')
}

/** Small files, a file of several tasks, one that goes on over batches (of 32 MiB), and the same again. */
function plantLarge(t: Test): string {
  const directory = makeDirectory(t)
  const large = Buffer.concat([noise(1, 3 * MIB), repeated(noise(2, 700_000), 31 * MIB), noise(3, 12_345)])
  const middle = noise(5, 5 * MIB)
  return plant(directory, {
    a: { one: 'words '.repeat(1000), two: noise(4, 70_000), three: '' },
    large, middle, 'middle again': middle,
  })
}

t.test('not on threads or memory', { skip: NOT_BUILT }, async t => {
  const source = plantLarge(t)
  const inputs = [{ path: 'a' }, { path: 'large' }, { path: 'middle' }, { path: 'middle again' }]
  const jobs = [
    ...[1, 2, 3, 4, 5, 6, 7, 8].map(threads => ({ inputs, threads, compress: 'none' })),
    { inputs, threads: 2, memory: 384 * MIB }, // few batches at a time
    { inputs, threads: 4, memory: 2048 * MIB, compress: 'lz4' },
    { inputs: [...inputs].reverse(), threads: 2, level: 1 },
  ]
  const roots = rootsBuilt(path.join(makeDirectory(t), 'x.warp'), source, jobs)
  t.equal(roots.length, jobs.length)
  t.equal(new Set(roots).size, 1, roots.join('\n'))
})

t.test('a reproducible archive has the same bytes', { skip: NOT_BUILT }, async t => {
  const source = plantLarge(t)
  const jobs = [[1, 384], [1, 512], [2, 512], [5, 400]].map(([threads, memory]) => ({
    whole: true, inputs: [{ path: '.' }], threads, memory: memory * MIB, compress: 'lz4', reproducible: true,
  }))
  const digests = rootsBuilt(path.join(makeDirectory(t), 'x.warp'), source, jobs)
  t.equal(new Set(digests).size, 1, digests.join('\n'))
  fs.utimesSync(path.join(source, 'a', 'three'), 5, 5)
  t.not(rootsBuilt(path.join(makeDirectory(t), 'x.warp'), source, [jobs[0]])[0], digests[0])
})

t.test('a reproducible archive holds nothing of its place', async t => {
  const output = path.join(makeDirectory(t), 'x.warp')
  const archives: Buffer[] = []
  for (let i = 0; i < 2; i++) {
    const source = plant(makeDirectory(t), { a: 'x', b: { c: 'y' } })
    for (const name of ['b/c', 'b', 'a', '.']) fs.utimesSync(path.join(source, name), 1, 1)
    await archiveOf(source, output, { reproducible: true })
    archives.push(fs.readFileSync(output))
  }
  t.ok(archives[0].equals(archives[1]), 'no inode, no change time, no directory')
})

function plantSmall(t: Test, change: (source: string) => void = () => {}): string {
  const source = plant(makeDirectory(t), { a: { b: 'content', c: noise(1, 300 * KIB) }, e: '', f: 'content' })
  fs.symlinkSync('f', path.join(source, 'link'))
  change(source)
  for (const name of fs.readdirSync(source, { recursive: true }) as string[]) {
    setTimesPath(Buffer.from(path.join(source, name)), 1000, 5)
  }
  setTimesPath(Buffer.from(source), 1000, 5)
  return source
}

async function rootOf(source: string, options: Partial<CreateOptions> = {}): Promise<string> {
  const output = `${source}.warp`
  const { result } = await archiveOf(source, output, options)
  fs.rmSync(output)
  return hex(result.root)
}

t.test('not on codec, level, or who may read it', async t => {
  const source = plantSmall(t)
  const root = await rootOf(source)
  for (const compress of ['auto', 'zstd', 'lz4', 'none'] as const) t.equal(await rootOf(source, { compress }), root, compress)
  for (const level of [1, 9, 19]) t.equal(await rootOf(source, { compress: 'zstd', level }), root)
  t.equal(await rootOf(source, { reproducible: true }), root)
  t.equal(await rootOf(plantSmall(t)), root, 'another directory')

  const archiveKey = new Uint8Array(32).fill(7)
  const encrypted = { archiveKey, passphrase: 'a', passphraseCost: CHEAP }
  const keyed = await rootOf(source, encrypted)
  t.not(keyed, root)
  for (const more of [{ compress: 'lz4' }, { level: 1 }, { passphrase: 'b' }] as const) t.equal(await rootOf(source, { ...encrypted, ...more }), keyed)
  t.not(await rootOf(source, { ...encrypted, archiveKey: new Uint8Array(32).fill(8) }), keyed)
})

t.test('on every byte, name, mode, time and the rest', async t => {
  const at = path.join
  const changes: [string, (source: string) => void, boolean?][] = [
    ['nothing', () => {}],
    ['a byte', s => fs.writeFileSync(at(s, 'f'), 'contenu')],
    ['a byte of a large file', s => fs.writeFileSync(at(s, 'a/c'), noise(1, 300 * KIB).fill('x', 200_000, 200_001))],
    ['a size', s => fs.appendFileSync(at(s, 'e'), 'x')],
    ['a name', s => fs.renameSync(at(s, 'e'), at(s, 'E'))],
    ['a place', s => fs.renameSync(at(s, 'e'), at(s, 'a/e'))],
    ['a mode', s => fs.chmodSync(at(s, 'f'), 0o600)],
    ['a mode of a directory', s => fs.chmodSync(at(s, 'a'), 0o700)],
    ['a target', s => (fs.rmSync(at(s, 'link')), fs.symlinkSync('e', at(s, 'link')))],
    ['a type', s => (fs.rmSync(at(s, 'e')), fs.mkdirSync(at(s, 'e')))],
    ['another entry', s => fs.writeFileSync(at(s, 'z'), '')],
    ['one entry fewer', s => fs.rmSync(at(s, 'e'))],
    ['a name for a copy', s => (fs.rmSync(at(s, 'f')), fs.linkSync(at(s, 'a/b'), at(s, 'f')))],
    ['an owner', s => fs.chownSync(at(s, 'f'), 1, 0), !IS_ROOT],
    ['a group', s => fs.chownSync(at(s, 'f'), 0, 1), !IS_ROOT],
  ]
  const roots = new Map<string, string>()
  for (const [name, change, skip] of changes) {
    if (skip) continue
    const root = await rootOf(plantSmall(t, change))
    t.equal(roots.get(root), undefined, name)
    roots.set(root, name)
  }
  t.equal(roots.get(await rootOf(plantSmall(t))), 'nothing')
  for (const time of ['1970-01-01 00:16:40.000000006 UTC', '1970-01-01 00:16:41.000000005 UTC']) {
    const source = plantSmall(t)
    touch(path.join(source, 'f'), time)
    setTimesPath(Buffer.from(source), 1000, 5)
    if (!NO_LIBC) t.equal(roots.get(await rootOf(source)), undefined, time)
  }
})

t.test('on the chunk size, which the header states', async t => {
  const source = plantSmall(t)
  const roots = []
  for (const chunkSize of [4 * KIB, 8 * KIB, 4 * MIB]) roots.push(await rootOf(source, { chunkSize }))
  t.equal(new Set(roots).size, 3)
  t.equal(await rootOf(source), roots[1], 'the default for so little')
})

t.test('the chunk size follows from how much there is (§4.1), even if that shows late', { skip: NO_LIBC }, async t => {
  const source = plant(makeDirectory(t), { a: noise(1, 9 * MIB) })
  // Enough entries for reading to begin before the walk comes to the large one.
  for (let i = 0; i < 600; i++) fs.writeFileSync(path.join(source, `b${i}`), '')
  fs.writeFileSync(path.join(source, 'z'), '')
  fs.truncateSync(path.join(source, 'z'), 64 * 1024 * MIB)
  const output = path.join(makeDirectory(t), 'x.warp')
  const inputs = [{ path: source }]
  const found = await create({ inputs, output, threads: 1, compress: 'none' })
  const given = await create({ inputs, output, threads: 1, compress: 'none', chunkSize: 128 * KIB })
  t.equal(hex(found.root), hex(given.root))
  t.same(fs.readdirSync(path.dirname(output)), ['x.warp'])
})
