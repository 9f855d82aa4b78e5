/** Thin archives: they hold what their base has not, and are read together with it. */
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { diff, extract, list, open, recover, verify } from '../../src/index.ts'
import type { CreateOptions, Source } from '../../src/index.ts'
import { archiveOf, blocksOf, CHEAP, collect, damage, hex, streamOf, text } from './support/archives.ts'
import { lookAtAll, makeDirectory, noise, openDescriptors, plant } from './support/trees.ts'

interface Pair {
  tree: string
  /** Lies beside `thin`. */
  base: string
  thin: string
  root: string
}

/** A tree that has changed a little since its base was made; small enough to need no threads. */
async function makePair(t: Test, older: Partial<CreateOptions> = {}, newer: Partial<CreateOptions> = {}): Promise<Pair> {
  const tree = plant(makeDirectory(t), { a: noise(1, 300_000), d: { b: noise(2, 200_000), c: 'small', gone: noise(3, 100_000) }, z: '' })
  const where = makeDirectory(t)
  const [base, thin, plain] = ['base.warp', 'thin.warp', 'plain'].map(name => path.join(where, name))
  await setTimeout(60) // until a hint is taken (§8.2)
  await archiveOf(tree, base, older)
  fs.appendFileSync(path.join(tree, 'd/b'), 'more')
  fs.renameSync(path.join(tree, 'd/gone'), path.join(tree, 'y'))
  fs.writeFileSync(path.join(tree, 'd/new'), noise(4, 5000))
  const { result } = await archiveOf(tree, thin, { base, thin: true, ...newer })
  await archiveOf(tree, plain, { archiveKey: older.archiveKey, passphrase: older.passphrase, passphraseCost: CHEAP })
  const { root } = await verify(plain, { passphrase: older.passphrase })
  t.equal(hex(result.root), hex(root), 'the root is that of an archive without a base')
  fs.rmSync(plain)
  return { tree, base, thin, root: hex(root) }
}

async function* bothWays(archive: string): AsyncGenerator<Source> {
  yield archive
  yield { stream: streamOf(archive, 5000) }
}

async function demandSame(t: Test, { tree, root }: Pair, source: Source, options: object): Promise<void> {
  const target = makeDirectory(t)
  t.match(await extract(source, { target, ...options }), { problems: 0 })
  t.strictSame(lookAtAll(target), lookAtAll(tree))
  if (typeof source === 'string') t.equal(hex((await verify(source, options)).root), root)
}

t.test('from a file with its base beside it, from a stream with a base given', async t => {
  const pair = await makePair(t)
  const before = openDescriptors()
  await demandSame(t, pair, pair.thin, {})
  await demandSame(t, pair, { stream: streamOf(pair.thin) }, { base: pair.base })
  t.match(await verify({ stream: streamOf(pair.thin) }, { base: pair.base }), { damage: [], root: Buffer.from(pair.root, 'hex') })
  t.strictSame(openDescriptors(), before)
})

t.test('what the base holds is not stored: kept, changed a little, or moved', async t => {
  const { thin } = await makePair(t)
  const archive = await open(thin)
  t.teardown(() => archive.close())
  // The last chunk of d/b, which became longer, and d/new.
  t.ok(archive.footer.frameBytes < 5000 + 262_144 + 10_000, `${archive.footer.frameBytes}`)
  t.ok(archive.footer.logicalBytes > 600_000)
  const info = await archive.info()
  t.equal(info.baseBytes + info.frameBytes + info.dedupSavedBytes, archive.footer.logicalBytes)
})

t.test('without its base it is listed, not read; the id that is wanted is named', async t => {
  const { base, thin, tree } = await makePair(t)
  const { archiveId } = await verify(base)
  fs.renameSync(base, `${base}.elsewhere`)
  const paths = (await collect(list(thin))).map(entry => text(entry.path))
  t.strictSame(paths, Object.keys(lookAtAll(tree)))
  t.strictSame((await collect(list({ stream: streamOf(thin) }))).map(entry => text(entry.path)), paths)
  t.match(await verify(thin, { quick: true }), { damage: [], baseId: archiveId })
  const needed = { code: 'ERR_WARP_BASE_NEEDED', exitCode: 16, message: new RegExp(hex(archiveId)) }
  const target = path.join(makeDirectory(t), 'target')
  for await (const source of bothWays(thin)) {
    await t.rejects(extract(source, { target }), needed)
    t.notOk(fs.existsSync(target), 'nothing is begun')
  }
  for await (const source of bothWays(thin)) await t.rejects(verify(source), needed)
  const archive = await open(thin)
  t.teardown(() => archive.close())
  const read = async (name: string) => Buffer.concat(await collect(archive.content((await archive.find(name))!)))
  t.ok((await read('d/new')).equals(noise(4, 5000)), 'what is its own is read')
  await t.rejects(read('a'), needed)
  await t.rejects(recover({ archive: thin, output: `${thin}.recovered` }), needed)
})

t.test('another archive is not taken for the base', async t => {
  const { base, thin, tree } = await makePair(t)
  const other = `${base}.other`
  await archiveOf(tree, other)
  await t.rejects(verify(thin, { base: other }), { code: 'ERR_WARP_BASE_MISMATCH', exitCode: 16 })
  await t.rejects(verify(thin, { base: `${base}.missing` }), { code: 'ERR_WARP_ARCHIVE_UNREADABLE' })
  await t.rejects(verify(thin, { base: path.join(tree, 'a') }), { code: 'ERR_WARP_NOT_AN_ARCHIVE' })
  await t.rejects(verify(thin, { base: thin }), { code: 'ERR_WARP_BASE_MISMATCH' })
})

t.test('every chunk of the base is held against its id', async t => {
  const { base, thin } = await makePair(t)
  const bad = `${base}.bad`
  const frame = blocksOf(base).find(({ kind }) => kind === 1)!
  damage(base, bad, frame.offset + 100)
  const { damage: found } = await verify(thin, { base: bad })
  t.match(found, [{ error: { code: 'ERR_WARP_BLOCK_DAMAGED', message: /^the base: / } }])
  await t.rejects(extract(thin, { target: makeDirectory(t), base: bad }), { code: 'ERR_WARP_CHUNK_DAMAGED' })
  const archive = await open(thin, { base: bad })
  t.teardown(() => archive.close())
  const entry = (await archive.find('a'))!
  await t.rejects(collect(archive.content(entry)), { code: 'ERR_WARP_BLOCK_DAMAGED', message: /^the base: / })
})

t.test('encrypted: both keys are needed', async t => {
  const older = { passphrase: 'old', passphraseCost: CHEAP, archiveKey: new Uint8Array(32).fill(3) }
  const newer = { passphrase: 'new', passphraseCost: CHEAP, baseKeys: { passphrase: 'old' } }
  const pair = await makePair(t, older, newer)
  const { thin, base } = pair
  await demandSame(t, pair, thin, { passphrase: 'new', baseKeys: { passphrase: 'old' } })
  await demandSame(t, pair, { stream: streamOf(thin) }, { passphrase: 'new', base, baseKeys: { passphrase: 'old' } })
  await t.rejects(verify(thin, { passphrase: 'new' }), { code: 'ERR_WARP_KEY_WRONG', message: /^the base: / })
  await t.rejects(open(base, { passphrase: 'new' }), { code: 'ERR_WARP_KEY_WRONG' })
  await t.rejects(open(thin, { passphrase: 'old' }), { code: 'ERR_WARP_KEY_WRONG' })
  const names = (await collect(list(thin, { passphrase: 'new' }))).length
  t.equal(names, 8)
  t.notOk(fs.readFileSync(thin).includes(fs.readFileSync(base).subarray(24, 40)), 'which base it is does not show')
})

t.test('diff and recover', async t => {
  const pair = await makePair(t)
  const { thin, base, tree } = pair
  t.strictSame((await collect(diff(base, thin))).map(({ kind, path }) => `${kind} ${text(path)}`),
    ['changed ', 'changed d', 'changed d/b', 'removed d/gone', 'added d/new', 'added y'])
  t.strictSame(await collect(diff(thin, tree)), [])
  const rescued = path.join(makeDirectory(t), 'rescued.warp')
  t.match(await recover({ archive: thin, output: rescued, base }), { lost: [], truncated: false })
  t.equal(hex((await verify(rescued)).root), pair.root, 'complete by itself')
})

t.test('nothing has changed, nothing is there', async t => {
  const tree = plant(makeDirectory(t), { a: noise(1, 10_000) })
  const [base, thin] = ['base.warp', 'thin.warp'].map(name => `${tree}.${name}`)
  await setTimeout(60)
  await archiveOf(tree, base)
  const { result } = await archiveOf(tree, thin, { base, thin: true })
  t.match(result, { frames: 0, kept: { files: 1 } })
  await demandSame(t, { tree, base, thin, root: hex(result.root) }, thin, {})
  const empty = plant(makeDirectory(t), {})
  await archiveOf(empty, thin, { base, thin: true })
  t.strictSame((await verify(thin)).damage, [])
})
