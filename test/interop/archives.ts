/**
 * Archives that the library made of real trees: the independent reader lists, verifies and extracts them
 * with the same result as the library, and both get back what was there.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { identityFromSeed } from '../../src/codec/identity.ts'
import { create, list, open, type CreateOptions, type CreateResult, type Keys } from '../../src/index.ts'
import { noise } from '../adversarial/support/archives.ts'
import {
  makeSandbox, removeTree, tryExtract, tryVerify, type From, type Sandbox,
} from '../adversarial/support/sandbox.ts'
import { independent, type OtherKeys } from './support/independent.ts'

const KIB = 1024
const MIB = 1024 * KIB
const CHEAP = { iterations: 1, memoryKib: 8 }
const seed = Buffer.alloc(32, 0x44)
const identity = identityFromSeed(seed)

/** What both readers restore: type, mode, time in milliseconds, content or target. */
function treeAt(directory: string, prefix = '', found = new Map<string, string>()): Map<string, string> {
  for (const entry of fs.readdirSync(directory, { withFileTypes: true, encoding: 'buffer' })) {
    const path = Buffer.concat([Buffer.from(`${directory}/`), entry.name])
    const name = `${prefix}${entry.name.toString('latin1')}`
    const { mode, mtimeMs, size } = fs.lstatSync(path)
    const common = `${mode.toString(8)} ${Math.round(mtimeMs)}`
    if (entry.isSymbolicLink()) {
      found.set(name, `symlink to ${fs.readlinkSync(path)}`)
    } else if (entry.isFile()) {
      found.set(name, `${common} ${size} ${createHash('sha256').update(fs.readFileSync(path)).digest('hex')}`)
    } else {
      found.set(name, common)
      treeAt(path.toString(), `${name}/`, found)
    }
  }
  return found
}

/** A tree with something of everything that both readers restore. */
function makeTree(directory: string): void {
  const path = (name: string) => join(directory, name)
  for (const name of ['empty', 'sub/deeper', 'sub!']) fs.mkdirSync(path(name), { recursive: true })
  const text = Buffer.alloc(100 * KIB, 'It was the best of times, it was the worst of times. ')
  fs.writeFileSync(path('text'), text)
  fs.writeFileSync(path('sub/copy'), text)
  fs.writeFileSync(path('noise'), noise(60 * KIB))
  fs.writeFileSync(path('sub/deeper/part of noise'), noise(60 * KIB).subarray(10 * KIB, 50 * KIB))
  fs.writeFileSync(path('sub!/zero'), Buffer.alloc(0))
  fs.writeFileSync(path('sub!/one'), '1')
  // Two data regions with zeros between, which the disk need not hold; below 2 MiB in all, no threads start.
  const sparse = fs.openSync(path('sparse'), 'w')
  fs.writeSync(sparse, noise(5000), 0, 5000, 0)
  fs.writeSync(sparse, noise(5000), 0, 5000, 600_000)
  fs.ftruncateSync(sparse, MIB + 1)
  fs.closeSync(sparse)
  fs.symlinkSync('../text', path('sub/link'))
  fs.linkSync(path('noise'), path('sub/hard'))
  fs.writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff, 0x0a])]), 'not UTF-8')
  fs.chmodSync(path('text'), 0o600)
  fs.chmodSync(path('sub/deeper'), 0o750)
  fs.utimesSync(path('noise'), 1_000_000_000.5, 1_000_000_000.5)
  fs.utimesSync(path('sub'), 1, 1)
}

interface Case {
  options?: Partial<CreateOptions>
  keys?: Keys
  otherKeys?: OtherKeys
  /** Default: the tree of `makeTree`. */
  fill?: (directory: string) => void
}

/** Of "tree", under that name. */
async function createHere({ base, archive }: Sandbox, options?: Partial<CreateOptions>): Promise<CreateResult> {
  const before = process.cwd()
  process.chdir(base)
  try {
    return await create({ inputs: [{ path: 'tree' }], output: archive, ...options })
  } finally {
    process.chdir(before)
  }
}

async function makeArchive(
  t: Test, { options, fill = makeTree }: Case,
): Promise<{ sandbox: Sandbox; created: CreateResult }> {
  const sandbox = makeSandbox(t)
  const tree = join(sandbox.base, 'tree')
  fs.mkdirSync(tree)
  fill(tree)
  return { sandbox, created: await createHere(sandbox, options) }
}

async function compare(
  t: Test, sandbox: Sandbox, created: CreateResult, { keys = {}, otherKeys }: Case,
): Promise<void> {
  t.equal(created.problems, 0)
  const root = Buffer.from(created.root).toString('hex')
  for (const from of ['file', 'stream'] as From[]) {
    t.match(await tryVerify(sandbox, from, keys), { class: 'ok', root })
  }
  t.equal(independent.verdictOf(sandbox.archive, otherKeys), 'ok')

  const other = independent.open(sandbox.archive, otherKeys)
  t.equal(other.root, root)
  const ours: unknown[] = []
  for await (const entry of list(sandbox.archive, keys)) {
    const { number, path, size, mode, uid, gid, mtimeSeconds, mtimeNanoseconds, link, xattrs } = entry
    const common = { number, path: Buffer.from(path).toString('latin1'), link }
    const mtime = [mtimeSeconds, mtimeNanoseconds]
    ours.push(link === undefined ? { ...common, size, mode, uid, gid, mtime, xattrs: xattrs.length } : common)
  }
  const theirs = [...other.entries()].map(({ number, path, size = 0, mode, uid, gid, mtime, link, xattrs }) => {
    const common = { number, path: Buffer.from(path).toString('latin1'), link }
    return link === undefined ? { ...common, size, mode, uid, gid, mtime, xattrs: xattrs.length } : common
  })
  t.strictSame(theirs, ours)
  t.equal(created.entries, ours.length)

  const restored = join(sandbox.base, 'restored')
  t.strictSame(independent.extract(other, restored), [], 'nothing is left out')
  other.close()
  t.match(await tryExtract(sandbox, 'file', keys), { class: 'ok', root })
  const expected = [...treeAt(sandbox.target)]
  t.strictSame([...treeAt(restored)], expected)
  removeTree(sandbox.target)
  t.match(await tryExtract(sandbox, 'stream', keys), { class: 'ok', root })
  t.strictSame([...treeAt(sandbox.target)], expected)
  const tree = join(sandbox.base, 'tree')
  if (!fs.existsSync(tree)) return
  t.strictSame([...treeAt(join(sandbox.target, 'tree'))], [...treeAt(tree)], 'as it was')
}

const secret = { passphrase: 'secret', passphraseCost: CHEAP }
const cases: Record<string, Case> = {
  auto: {},
  zstd: { options: { compress: 'zstd', level: 19 } },
  lz4: { options: { compress: 'lz4' } },
  'not compressed': { options: { compress: 'none' } },
  passphrase: { options: secret, keys: { passphrase: 'secret' }, otherKeys: { passphrase: 'secret' } },
  recipient: {
    options: { recipients: [identity.recipient] }, keys: { identities: [identity] }, otherKeys: { identity: seed },
  },
  'passphrase and recipient, by the recipient': {
    options: { ...secret, recipients: [identityFromSeed(noise(32)).recipient, identity.recipient] },
    keys: { identities: [identity] }, otherKeys: { identity: seed },
  },
  signed: { options: { signWith: identity } },
  'signed and encrypted': {
    options: { signWith: identity, ...secret }, keys: { passphrase: 'secret' }, otherKeys: { passphrase: 'secret' },
  },
  reproducible: { options: { reproducible: true } },
  'an empty directory': { fill: () => {} },
}
for (let size = 4 * KIB; size <= 4 * MIB; size *= 2) {
  cases[`chunks of ${size / KIB} KiB`] = { options: { chunkSize: size, compress: 'lz4' } }
}

for (const [name, given] of Object.entries(cases)) {
  t.test(name, async t => {
    const { sandbox, created } = await makeArchive(t, given)
    await compare(t, sandbox, created, given)
  })
}

t.test('a file of more than 64 MiB, in parts', async t => {
  const size = 65 * MIB
  const given: Case = {
    // Each thread loads the sources anew.
    options: { compress: 'none', chunkSize: 4 * MIB, threads: 1 },
    // Differs from one 4 MiB to the next, and has no zeros.
    fill: directory => fs.writeFileSync(join(directory, 'large'), Buffer.alloc(size, noise(4 * MIB - 3))),
  }
  const { sandbox, created } = await makeArchive(t, given)
  t.equal(created.pages, 2)
  const other = independent.open(sandbox.archive)
  other.verify()
  t.equal(other.root, Buffer.from(created.root).toString('hex'))
  const original = fs.readFileSync(join(sandbox.base, 'tree/large'))
  const file = [...other.entries()].find(entry => entry.type === 1)!
  t.ok(Buffer.concat([...other.content(file)]).equals(original), 'the independent reader')
  t.match(await tryExtract(sandbox, 'stream', { threads: 1 }), { class: 'ok' })
  t.ok(fs.readFileSync(join(sandbox.target, 'tree/large')).equals(original), 'extracted')
  // Across the end of the first part.
  const archive = await open(sandbox.archive)
  t.teardown(() => archive.close())
  const pieces: Uint8Array[] = []
  const entry = (await archive.find('tree/large'))!
  const range = { offset: 63 * MIB, length: 1.5 * MIB }
  for await (const piece of archive.content(entry, range)) pieces.push(Buffer.from(piece))
  t.ok(Buffer.concat(pieces).equals(original.subarray(range.offset, range.offset + range.length)), 'a range')
})

t.test('from standard input', async t => {
  const sandbox = makeSandbox(t)
  const content = Buffer.concat([noise(300 * KIB), Buffer.alloc(MIB), noise(10)])
  const pieces = [content.subarray(0, 1), content.subarray(1, 70_001), content.subarray(70_001)]
  const inputs = [{ stream: Readable.from(pieces), name: 'input' }]
  const created = await create({ inputs, output: sandbox.archive, threads: 1 })
  await compare(t, sandbox, created, {})
  t.ok(fs.readFileSync(join(sandbox.target, 'input')).equals(content))
})

t.test('reproducible archives are the same bytes', async t => {
  const sandbox = makeSandbox(t)
  const tree = join(sandbox.base, 'tree')
  fs.mkdirSync(tree)
  makeTree(tree)
  const make = async () => {
    await createHere(sandbox, { reproducible: true })
    return fs.readFileSync(sandbox.archive)
  }
  t.ok((await make()).equals(await make()))
})
