/** The vectors of the specification: made anew they are the same bytes, and both readers agree on each. */
import { blake3 } from '@noble/hashes/blake3.js'
import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { open } from '../../src/index.ts'
import type { Archive, BaseOptions, Entry, ErrorClass, Keys } from '../../src/index.ts'
import { readIdentity } from '../../src/index.ts'
import {
  makeSandbox, removeTree, surroundings, tryExtract, tryList, tryVerify, type From,
} from '../adversarial/support/sandbox.ts'
import { independent, type OtherArchive, type OtherEntry } from './support/independent.ts'
// @ts-expect-error plain JavaScript
import * as make from '../../format-spec/vectors/make.mjs'

const directory = join(import.meta.dirname, '../../format-spec/vectors')

type Text = string | { hex: string }

interface ExpectedEntry {
  path: Text
  type: Entry['type']
  size?: number
  blake3?: string
  xattrs?: [Text, string][]
  [field: string]: unknown
}

interface Vector {
  file: string
  about: string
  clause: string
  passphrase?: string
  identity?: string
  base?: string
  expect: { class: 'ok' | ErrorClass; or?: ErrorClass[]; root?: string; signer?: string; entries?: ExpectedEntry[] }
}

const vectors: Vector[] = JSON.parse(fs.readFileSync(join(directory, 'vectors.json'), 'utf8'))

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const digestOf = (pieces: Uint8Array[]) => hex(blake3(Buffer.concat(pieces)))

function textOf(bytes: Uint8Array): Text {
  const string = Buffer.from(bytes).toString('utf8')
  return Buffer.from(string).equals(Buffer.from(bytes)) ? string : { hex: hex(bytes) }
}

function metadataOf(entry: Pick<Entry, 'mode' | 'uid' | 'gid' | 'user' | 'group' | 'unstable'>) {
  const { mode, uid, gid, user, group, unstable } = entry
  return { mode, uid, gid, user: textOf(user), group: textOf(group), ...(unstable && { unstable }) }
}

/** An entry of the library in the terms of vectors.json. */
async function describe(entry: Entry, archive: Archive, expected?: ExpectedEntry): Promise<object> {
  const { path, type, link, target, major, minor, mtimeSeconds, mtimeNanoseconds, xattrs, size } = entry
  if (link !== undefined) return { path: textOf(path), type, link }
  const content: Uint8Array[] = []
  // Its content is not stated where it is a hole that no test should read.
  if (expected?.blake3 !== undefined) {
    for await (const piece of archive.content(entry)) content.push(Buffer.from(piece))
  }
  return {
    path: textOf(path), type, ...metadataOf(entry), mtime: [mtimeSeconds, mtimeNanoseconds],
    ...(type === 'file' && { size }), ...(expected?.blake3 !== undefined && { blake3: digestOf(content) }),
    ...(target && { target: textOf(target) }), ...(major !== undefined && { device: [major, minor] }),
    ...(xattrs.length > 0 && { xattrs: xattrs.map(({ name, value }) => [textOf(name), digestOf([value])]) }),
  }
}

const TYPES = ['part', 'file', 'directory', 'symlink', 'hardlink', 'fifo', 'chardev', 'blockdev']

/** The same of the independent reader. */
function describeOther(entry: OtherEntry, archive: OtherArchive, expected?: ExpectedEntry): object {
  const { path, link, target, device, mtime, xattrs, size } = entry
  const type = TYPES[entry.type]
  if (link !== undefined) return { path: textOf(path), type, link }
  return {
    path: textOf(path), type, ...metadataOf(entry), mtime, ...(size !== undefined && { size }),
    ...(expected?.blake3 !== undefined && { blake3: digestOf([...archive.content(entry)]) }),
    ...(target && { target: textOf(target) }), ...(device && { device }),
    ...(xattrs.length > 0 && { xattrs: xattrs.map(([name, value]) => [textOf(name), digestOf([value])]) }),
  }
}

const keysOf = ({ passphrase, identity, base }: Vector): Keys & BaseOptions => ({
  ...(passphrase !== undefined && { passphrase }),
  ...(identity !== undefined && { identities: [readIdentity(identity)] }),
  ...(base !== undefined && { base: join(directory, base) }),
})

t.test('are what make.mjs makes', async t => {
  const made = make.makeVectors() as { bytes: Buffer; vector: Vector }[]
  t.equal(make.formatVectors(made), fs.readFileSync(join(directory, 'vectors.json'), 'utf8'))
  for (const { bytes, vector: { file } } of made) t.ok(fs.readFileSync(join(directory, file)).equals(bytes), file)
  const kept = fs.readdirSync(directory).filter(name => name.endsWith('.warp'))
  t.strictSame(kept.sort(), made.map(({ vector }) => vector.file).sort())
})

for (const vector of vectors) {
  const { file, passphrase, identity, expect } = vector
  const otherKeys = { passphrase, identity, ...(vector.base !== undefined && { base: join(directory, vector.base) }) }
  t.test(file, async t => {
    const classes: string[] = [expect.class, ...expect.or ?? []]
    const sandbox = makeSandbox(t)
    sandbox.archive = join(directory, file)
    const keys = keysOf(vector)
    t.ok(classes.includes(independent.verdictOf(sandbox.archive, otherKeys)), 'the independent reader')
    const around = surroundings(sandbox)
    for (const from of ['file', 'stream'] as From[]) {
      const verified = await tryVerify(sandbox, from, keys)
      t.ok(classes.includes(verified.class), `verify a ${from}: ${verified.code}`)
      // Metadata alone, as they are listed, may be right; and a descent from the top does not read everything.
      const listed = await tryList(sandbox, from, keys)
      t.ok(['ok', 'damaged', ...classes].includes(listed.class), `list a ${from}: ${listed.code}`)
      const extracted = await tryExtract(sandbox, from, keys)
      const possible = ['ok', 'incomplete', 'damaged', ...classes]
      t.ok(possible.includes(extracted.class), `extract a ${from}: ${extracted.code}`)
      if (from === 'stream' && expect.class !== 'ok') t.not(extracted.class, 'ok', 'a stream is read whole')
      removeTree(sandbox.target)
      t.strictSame(surroundings(sandbox), around)
      if (expect.class === 'ok') t.equal(verified.root, expect.root)
    }
    if (expect.class !== 'ok') return

    const archive = await open(sandbox.archive, keys)
    t.teardown(() => archive.close())
    t.equal(hex(archive.root), expect.root)
    t.equal(archive.signer && hex(archive.signer), expect.signer ?? null)
    const entries: object[] = []
    for await (const entry of archive.entries()) {
      t.equal(entry.number, entries.length)
      entries.push(await describe(entry, archive, expect.entries![entry.number]))
    }
    t.strictSame(sorted(entries), sorted(expect.entries!), 'the library')

    const other = independent.open(sandbox.archive, otherKeys)
    t.equal(other.root, expect.root)
    const described = [...other.entries()].map(entry => describeOther(entry, other, expect.entries![entry.number]))
    t.strictSame(sorted(described), sorted(expect.entries!), 'the independent reader')
    other.close()
  })
}

/** The fields of each entry in one order, since tap tells objects apart by that where a field is missing. */
function sorted(entries: object[]): object[] {
  return entries.map(entry => Object.fromEntries(Object.entries(entry).sort(([a], [b]) => a < b ? -1 : 1)))
}
