/** `create` on a base: what is unchanged is not read, and the archive is as if there had been no base. */
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Readable } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { FileReader } from '../../src/archive/os/file-reader.ts'
import { identityFromSeed } from '../../src/codec/identity.ts'
import { create, extract, open, verify } from '../../src/index.ts'
import type { CreateOptions, Keys } from '../../src/index.ts'
import { archiveOf as archiveAt, blocksOf, CHEAP, damage, hex, streamOf } from './support/archives.ts'
import { lines, lookAtAll, makeDirectory, MIB, noise, openDescriptors, plant, repeated } from './support/trees.ts'

const KEY = new Uint8Array(32).fill(7)
const LOCKED = { passphrase: 'old', passphraseCost: CHEAP, archiveKey: KEY }

/** After the last change has settled (§8.2), and with one thread: each loads the sources anew. */
const archiveOf: typeof archiveAt = async (directory, output, options) => {
  await setTimeout(60)
  return archiveAt(directory, output, { threads: 1, ...options })
}

/** Paths in `directory` that are opened while `run` runs, on this thread. */
async function opened(directory: string, run: () => Promise<unknown>): Promise<string[]> {
  const { openSync } = fs
  const { open } = FileReader.prototype
  const paths = new Set<string>()
  const note = (file: string) => {
    // Paths are relative to the directory that `archiveOf` is in.
    const name = path.relative(directory, path.resolve(file))
    if (name !== '' && !name.startsWith('..') && !path.isAbsolute(name)) paths.add(name)
  }
  fs.openSync = (file, ...rest) => {
    note(file.toString())
    return openSync(file, ...rest)
  }
  FileReader.prototype.open = function (start, end) {
    note(this.paths.toString('utf8', start, end - 1))
    return open.call(this, start, end)
  }
  try {
    await run()
  } finally {
    fs.openSync = openSync
    FileReader.prototype.open = open
  }
  return [...paths].sort()
}

const PLAN = { a: 'one', b: { c: lines(1, 200_000), d: noise(1, 70_000), e: '' }, f: noise(2, 5000), g: { h: 'two' }, z: noise(3, 300_000) }

function makeTree(t: Test): string {
  const tree = plant(makeDirectory(t), PLAN)
  fs.linkSync(path.join(tree, 'f'), path.join(tree, 'g/linked'))
  fs.symlinkSync('a', path.join(tree, 'symlink'))
  return tree
}

function change(tree: string): void {
  fs.appendFileSync(path.join(tree, 'b/c'), 'more')
  fs.rmSync(path.join(tree, 'b/d'))
  fs.chmodSync(path.join(tree, 'g/h'), 0o600)
  fs.writeFileSync(path.join(tree, 'b/new'), 'three')
}

async function rootOf(archive: string, keys: Keys = {}): Promise<string> {
  const { root, damage } = await verify(archive, { ...keys, threads: 1 })
  t.strictSame(damage, [])
  return hex(root)
}

async function demandSame(t: Test, tree: string, archive: string, keys: Keys = {}): Promise<void> {
  const target = makeDirectory(t)
  const source = fs.statSync(archive).size > MIB ? archive : { stream: streamOf(archive) }
  t.equal((await extract(source, { target, ...keys, threads: 1 })).problems, 0)
  t.strictSame(lookAtAll(target), lookAtAll(tree))
}

t.test('nothing has changed: nothing is read', async t => {
  const tree = makeTree(t)
  const [old, anew, plain] = ['old', 'new', 'plain'].map(name => `${tree}.${name}`)
  await archiveOf(tree, old)
  const before = openDescriptors()
  const read = await opened(tree, async () => {
    const { result, problems } = await archiveOf(tree, anew, { base: old })
    t.strictSame(problems, [])
    t.strictSame(result.kept, { files: 7, bytes: 3 + 200_000 + 70_000 + 5000 + 3 + 300_000 })
  })
  t.strictSame(read, [])
  t.strictSame(openDescriptors(), before)
  await archiveOf(tree, plain)
  t.equal(await rootOf(anew), await rootOf(plain))
  await demandSame(t, tree, anew)
})

t.test('what has changed is read, and nothing else', async t => {
  const tree = makeTree(t)
  const [old, anew, plain] = ['old', 'new', 'plain'].map(name => `${tree}.${name}`)
  await archiveOf(tree, old)
  change(tree)
  const read = await opened(tree, async () => {
    const { result } = await archiveOf(tree, anew, { base: old })
    t.equal(result.kept.files, 4)
  })
  t.strictSame(read, ['b/c', 'b/new', 'g/h'])
  await archiveOf(tree, plain)
  t.equal(await rootOf(anew), await rootOf(plain))
  await demandSame(t, tree, anew)
})

t.test('each of size, times, inode and device counts', async t => {
  const tree = plant(makeDirectory(t), { same: 'content', mtime: 'content', inode: 'content', size: 'content' })
  const [old, anew] = ['old', 'new'].map(name => `${tree}.${name}`)
  const at = (name: string) => path.join(tree, name)
  for (const name of fs.readdirSync(tree)) fs.utimesSync(at(name), 1, 1)
  await archiveOf(tree, old)
  fs.utimesSync(at('mtime'), 2, 2)
  fs.copyFileSync(at('inode'), at('copy'))
  fs.renameSync(at('copy'), at('inode'))
  fs.utimesSync(at('inode'), 1, 1)
  fs.truncateSync(at('size'), 3)
  fs.utimesSync(at('size'), 1, 1)
  t.strictSame(await opened(tree, () => archiveOf(tree, anew, { base: old })), ['inode', 'mtime', 'size'])
  await demandSame(t, tree, anew)
})

t.test('encrypted: the key of the chunk ids is that of the base, and nothing else', async t => {
  const tree = makeTree(t)
  const [old, anew, third, plain] = ['old', 'new', 'third', 'plain'].map(name => `${tree}.${name}`)
  const identity = identityFromSeed(Buffer.alloc(32, 9))
  await archiveOf(tree, old, LOCKED)
  change(tree)
  const options: Partial<CreateOptions> = { recipients: [identity.recipient], base: old, baseKeys: { passphrase: 'old' } }
  t.equal((await archiveOf(tree, anew, options)).result.kept.files, 4)
  // With the same archive key, an archive made without a base has the same chunk-id key.
  await archiveOf(tree, plain, { ...LOCKED, passphrase: 'plain' })
  const root = await rootOf(plain, { passphrase: 'plain' })
  t.equal(await rootOf(anew, { identities: [identity] }), root)
  await demandSame(t, tree, anew, { identities: [identity] })
  await t.rejects(open(old, { identities: [identity] }), { code: 'ERR_WARP_KEY_WRONG' })
  await t.rejects(open(anew, { passphrase: 'old' }), { code: 'ERR_WARP_KEY_WRONG' })
  // The key goes on from archive to archive.
  await archiveOf(tree, third, { passphrase: 'third', passphraseCost: CHEAP, base: anew, baseKeys: { identities: [identity] } })
  t.equal(await rootOf(third, { passphrase: 'third' }), root)

  const payloads = (archive: string) => blocksOf(archive).map(({ offset, end }) => fs.readFileSync(archive).subarray(offset + 64, end).toString('hex'))
  const seen = new Set(payloads(old))
  t.notOk(payloads(anew).some(payload => seen.has(payload)), 'all is sealed afresh')
})

t.test('frames are copied as they are if most of them is needed, else what is needed of them', async t => {
  const tree = makeDirectory(t)
  // Two frames' worth, a file a MiB.
  for (let i = 0; i < 20; i++) fs.writeFileSync(path.join(tree, String(i).padStart(2, '0')), lines(i, MIB))
  const [old, anew] = ['old', 'new'].map(name => `${tree}.${name}`)
  const { result: first } = await archiveOf(tree, old, { compress: 'lz4' })
  t.ok(first.frames >= 2)
  // Of the first frame one file is left, of the others all.
  for (let i = 0; i < 5; i++) fs.rmSync(path.join(tree, String(i).padStart(2, '0')))
  const { result } = await archiveOf(tree, anew, { base: old, compress: 'zstd' })
  t.equal(result.kept.files, 15)
  const codecs = blocksOf(anew).filter(({ kind }) => kind === 1).map(({ codec }) => codec)
  t.ok(codecs.includes(1), 'copied')
  t.ok(codecs.includes(2) || result.frameBytes > result.logicalBytes, 'compressed anew, or not worth while')
  t.ok(result.frameBytes <= (result.logicalBytes * 4) / 3, `${result.frameBytes} of ${result.logicalBytes}`)
  await demandSame(t, tree, anew)
  // On itself again and again, it does not grow.
  const { result: again } = await archiveOf(tree, old, { base: anew })
  t.ok(again.frameBytes <= result.frameBytes)
  await demandSame(t, tree, old)
})

t.test('a base of which little is left', async t => {
  const tree = makeDirectory(t)
  for (let i = 0; i < 400; i++) fs.writeFileSync(path.join(tree, String(i).padStart(3, '0')), noise(i, 40_000))
  const [old, anew, plain] = ['old', 'new', 'plain'].map(name => `${tree}.${name}`)
  await archiveOf(tree, old)
  for (let i = 0; i < 400; i++) if (i % 10 > 0) fs.rmSync(path.join(tree, String(i).padStart(3, '0')))
  const { result } = await archiveOf(tree, anew, { base: old })
  t.equal(result.kept.files, 40)
  t.equal(result.frameBytes, 40 * 40_000)
  await archiveOf(tree, plain)
  t.equal(await rootOf(anew), await rootOf(plain))
  await demandSame(t, tree, anew)
})

t.test('a file in parts, kept and changed', async t => {
  const tree = plant(makeDirectory(t), { large: repeated(noise(1, 3 * MIB - 5), 70 * MIB), small: 'x' })
  fs.truncateSync(path.join(tree, 'large'), 71 * MIB) // a hole at its end
  const [old, anew, plain] = ['old', 'new', 'plain'].map(name => `${tree}.${name}`)
  await archiveOf(tree, old, { chunkSize: MIB })
  fs.appendFileSync(path.join(tree, 'small'), 'y')
  const { result } = await archiveOf(tree, anew, { base: old })
  t.strictSame(result.kept, { files: 1, bytes: 71 * MIB })
  await archiveOf(tree, plain, { chunkSize: MIB })
  t.equal(await rootOf(anew), await rootOf(plain))
  fs.appendFileSync(path.join(tree, 'large'), 'z')
  t.equal((await archiveOf(tree, old, { base: anew })).result.kept.files, 1)
  await demandSame(t, tree, old)
})

t.test('new content that the base has under another name takes over its frames', async t => {
  const tree = plant(makeDirectory(t), { a: lines(1, 24 * MIB) })
  const [old, anew] = ['old', 'new'].map(name => `${tree}.${name}`)
  await archiveOf(tree, old, { compress: 'lz4' })
  fs.renameSync(path.join(tree, 'a'), path.join(tree, 'b'))
  const { result } = await archiveOf(tree, anew, { base: old, compress: 'zstd' })
  t.equal(result.kept.files, 0)
  t.strictSame([...new Set(blocksOf(anew).filter(({ kind }) => kind === 1).map(({ codec }) => codec))], [1])
  t.equal(result.frameBytes, 24 * MIB)
  await demandSame(t, tree, anew)
})

t.test('another name of a kept file, before it and after it', async t => {
  const tree = plant(makeDirectory(t), { m: { file: noise(1, 100_000) } })
  const [old, anew, plain] = ['old', 'new', 'plain'].map(name => `${tree}.${name}`)
  for (const name of ['a', 'z']) fs.linkSync(path.join(tree, 'm/file'), path.join(tree, name))
  const inTree = async (inputs: string[], output: string, more: Partial<CreateOptions> = {}) => {
    const before = process.cwd()
    process.chdir(tree)
    try {
      await setTimeout(60)
      return await create({ inputs: inputs.map(input => ({ path: input })), output, threads: 1, ...more })
    } finally {
      process.chdir(before)
    }
  }
  await inTree(['m'], old)
  for (const inputs of [['m', 'z'], ['a', 'm'], ['a', 'm', 'z']]) {
    // Of several pieces.
    if (inputs.length === 3) {
      fs.writeFileSync(path.join(tree, 'm/file'), noise(2, 9 * MIB))
      await inTree(['m'], old)
    }
    await inTree(inputs, anew, { base: old })
    await inTree(inputs, plain)
    t.equal(await rootOf(anew), await rootOf(plain), inputs.join(' '))
  }
})

t.test('a base without hints, of another tree, or empty', async t => {
  const tree = makeTree(t)
  const other = plant(makeDirectory(t), { a: 'else', q: { r: noise(5, 100_000) } })
  const [old, anew, plain] = ['old', 'new', 'plain'].map(name => `${tree}.${name}`)
  await archiveOf(tree, plain)
  const root = await rootOf(plain)
  const bases: (() => Promise<unknown>)[] = [
    () => archiveOf(tree, old, { reproducible: true }),
    () => archiveOf(other, old),
    () => archiveOf(makeDirectory(t), old),
  ]
  for (const make of bases) {
    await make()
    t.equal((await archiveOf(tree, anew, { base: old })).result.kept.files, 0)
    t.equal(await rootOf(anew), root)
  }
})

t.test('a stream is read, whatever the base has', async t => {
  const [old, anew] = ['old', 'new'].map(name => `${makeDirectory(t)}.${name}`)
  const content = lines(1, 3 * MIB)
  const make = (output: string, bytes: Uint8Array, base?: string) =>
    create({ inputs: [{ stream: Readable.from([bytes]), name: 'dump' }], output, base, threads: 1 })
  await make(old, content)
  const { kept, root } = await make(anew, Buffer.concat([content, Buffer.from('more')]), old)
  t.equal(kept.files, 0)
  t.equal(await rootOf(anew), hex(root))
})

t.test('what cannot be', async t => {
  const tree = plant(makeDirectory(t), { a: 'one' })
  const [open_, locked, thin, anew] = ['open', 'locked', 'thin', 'new'].map(name => `${tree}.${name}`)
  await archiveOf(tree, open_)
  await archiveOf(tree, locked, LOCKED)
  await archiveOf(tree, thin, { base: open_, thin: true })
  const refused = (code: string, options: Partial<CreateOptions>) => t.rejects(archiveOf(tree, anew, options), { code }, JSON.stringify(options))
  await refused('ERR_WARP_USAGE', { thin: true })
  await refused('ERR_WARP_USAGE', { base: open_, chunkSize: 65_536 })
  await refused('ERR_WARP_USAGE', { base: open_, reproducible: true })
  await refused('ERR_WARP_USAGE', { base: open_, ...LOCKED })
  await refused('ERR_WARP_USAGE', { base: locked, baseKeys: { passphrase: 'old' } })
  await refused('ERR_WARP_USAGE', { base: thin })
  await refused('ERR_WARP_KEY_WRONG', { base: locked, ...LOCKED, passphrase: 'other' })
  await refused('ERR_WARP_KEY_NEEDED', { base: locked, recipients: [identityFromSeed(KEY).recipient] })
  await refused('ERR_WARP_ARCHIVE_UNREADABLE', { base: `${tree}.missing` })
  await t.rejects(archiveOf(tree, open_, { base: open_, thin: true }), { code: 'ERR_WARP_USAGE' }, 'it would replace its base')
  t.notOk(fs.existsSync(anew))
  await archiveOf(tree, open_, { base: open_ })
  t.equal((await verify(open_)).damage.length, 0, 'a complete one may')
})

t.test('a damaged base gives no archive', async t => {
  const tree = plant(makeDirectory(t), { a: noise(1, 200_000), b: noise(2, 50_000) })
  const [old, bad, anew] = ['old', 'bad', 'new'].map(name => `${tree}.${name}`)
  await archiveOf(tree, old)
  const before = openDescriptors()
  const frame = blocksOf(old).find(({ kind }) => kind === 1)!
  damage(old, bad, frame.offset + 100)
  await t.rejects(archiveOf(tree, anew, { base: bad }), { code: 'ERR_WARP_BLOCK_DAMAGED', message: /^the base: / }, 'a frame to be copied')
  fs.rmSync(path.join(tree, 'a'))
  await t.rejects(archiveOf(tree, anew, { base: bad }), { code: 'ERR_WARP_BLOCK_DAMAGED', message: /^the base: / }, 'a frame to be unpacked')
  const page = blocksOf(old).find(({ kind }) => kind === 2)!
  damage(old, bad, page.offset + 100)
  await t.rejects(archiveOf(tree, anew, { base: bad }), { code: 'ERR_WARP_BLOCK_DAMAGED' }, 'a page')
  t.strictSame(fs.readdirSync(path.dirname(tree)).filter(name => name.startsWith(`${path.basename(tree)}.new`)), [])
  t.strictSame(openDescriptors(), before)
})

t.test('a file that changed just before it was read is read again', async t => {
  const tree = plant(makeDirectory(t), { a: 'settled' })
  const [old, anew] = ['old', 'new'].map(name => `${tree}.${name}`)
  await setTimeout(60)
  fs.writeFileSync(path.join(tree, 'b'), 'one')
  await archiveAt(tree, old)
  // It may have the same size and times.
  fs.writeFileSync(path.join(tree, 'b'), 'two')
  t.strictSame(await opened(tree, () => archiveOf(tree, anew, { base: old })), ['b'])
  await demandSame(t, tree, anew)
})
