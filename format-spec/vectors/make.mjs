#!/usr/bin/env node
// Makes the vectors: the good ones below, and those with one defect each of test/interop/tiny-defects.mjs.
// Keys, salts and ids are fixed, so that each run writes the same bytes.
import {readdirSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {blake3} from '@noble/hashes/blake3.js'
import {bech32} from '@scure/base'
import {defects} from '../../test/interop/tiny-defects.mjs'
import {bytesOf} from '../../test/interop/tiny-encoding.mjs'
import {
  average, goodBases, large, locked, minHole, noise, partExtents, partsOf, seed, twoPages
} from '../../test/interop/tiny-hostile.mjs'
import {inOrder, recipientOf, signerOf, writeArchive} from '../../test/interop/tiny-writer.mjs'

const MAX_BYTES = 8192 // of one vector: they are kept in the repository
const MAX_HASHED_BYTES = 2 ** 24 // beyond, a content is a hole that no test should read
const TYPES = ['part', 'file', 'directory', 'symlink', 'hardlink', 'fifo', 'chardev', 'blockdev']

export const identityOf = bytes => bech32.encode('warp-identity', bech32.toWords(bytes), false).toUpperCase()
const otherSeed = Buffer.alloc(32, 0x22)
const text = length => Buffer.alloc(length, 'All work and no play makes Jack a dull boy. ')
const line = text(120)

const everyType = () => [
  {path: '', mode: 0o1777, mtime: [1e9, 1]},
  {path: 'device', device: [1, 3]},
  {path: 'device.block', type: 7, device: [2 ** 32 - 1, 0]},
  {path: 'directory', mode: 0o555, user: 'root', group: 'wheel', mtime: [1_234_567_890, 500_000_000]},
  {path: 'directory/beneath/deep', content: 'parents need not be present'},
  {path: 'directory/duplicate', content: noise(1500)},
  {path: 'directory/empty', content: ''},
  // "!" sorts below "/" as a byte and above all that "directory" holds as a component.
  {path: 'directory!', content: '!'},
  {path: 'fifo', type: 5},
  {path: 'file', content: noise(1500), mode: 0o6755, uid: 2 ** 32 - 1, gid: 0, mtime: [-1, 999_999_999],
    unstable: true, xattrs: [['user.a', ''], ['user.b', Buffer.from([0, 255])]]},
  {path: 'hard', link: 'directory/duplicate'},
  {path: 'hard.fifo', link: 'fifo'},
  {path: 'symlink', target: '../outside'},
  {path: 'symlink.hard', link: 'symlink'}
]

const hint = {ctime: [-5, 7], inode: 2n ** 64n - 1n, device: 3}
const files = () => [{path: 'a', content: line}, {path: 'b', content: noise(100)}]

/** [name, about, clause, entries, options?, keys?] */
export const good = [
  ['empty', 'No entries.', '9.1', () => []],
  ['root', 'Nothing but the root directory.', '8.1', () => [{path: '', mode: 0o700}]],
  ['every-type', 'Every type of entry; hard links to a file, a FIFO and a symlink.', '8.1', everyType],
  ['every-type-lz4', 'The same tree in LZ4: the root is the same.', '7', everyType, {codec: 1}],
  ['every-type-zstd', 'The same tree in zstd, metadata too: the root is the same.', '7', everyType,
    {codec: 2, metaCodec: 2}],
  ['every-type-frames', 'The same tree with a frame for each chunk: the root is the same.', '8.2', everyType,
    {frameBytes: 1}],
  ['chunks', 'Files of several chunks, in LZ4.', '4.4',
    () => [{path: 'a', content: text(60_000)}, {path: 'b', content: text(70_001)}], {codec: 1}],
  ['lz4-parts', 'A frame of three LZ4 parts, the second of which is stored.', '7', () => [{path: 'a', content: [
    {data: Buffer.concat([text(1000), Buffer.alloc(15_384)])}, {data: Buffer.alloc(16_384, 1)},
    {data: Buffer.alloc(16_384, 2)}, {data: Buffer.alloc(16_384, 3)}, {data: noise(4000, 'part')}
  ]}], {codec: 1}],
  ['duplicates', 'Chunks that are used again, next to each other and in other files.', '8.2', () => {
    const [one, two] = [{data: noise(1000, '1')}, {data: noise(1000, '2')}]
    return [{path: 'a', content: [one, two, one, one]}, {path: 'b', content: [two, one]}]
  }],
  ['holes', 'Holes at the start, between, at the end, of odd length, and alone.', '4.3', () => [
    {path: 'alone', content: Buffer.alloc(minHole)},
    {path: 'between', content: Buffer.concat([noise(5000, 'a'), Buffer.alloc(2 * minHole), noise(100, 'b')])},
    {path: 'end', content: Buffer.concat([line, Buffer.alloc(minHole + 5000)])},
    {path: 'none', content: Buffer.alloc(minHole - 1)},
    {path: 'start', content: Buffer.concat([Buffer.alloc(minHole), line])}
  ], {codec: 2}],
  ['largest-file', 'A file of 2^53-1 bytes, all but the last of them a hole.', '8.1',
    () => [{path: 'a', content: [{hole: 2 ** 53 - 4096}, {data: Buffer.alloc(4095)}]}], {codec: 2}],
  ['two-pages', 'Two pages and an index page over them.', '9.2',
    () => [...twoPages(), ...files()], {metaCodec: 2}],
  ['page-full', 'One page that the last entry closes.', '8.1', () => twoPages().slice(0, 4), {metaCodec: 2}],
  ['frame-of-two-pages', 'A page that refers to the frame of the page before.', '8.2', () => [
    ...['1', '2', '3'].map(large), {...large('4'), type: 1, content: line}, {path: '5', content: line}
  ], {metaCodec: 2}],
  ['parts', 'A file in two parts, entries after it.', '8.1',
    () => [...partsOf(partExtents + 10), {path: 'g', content: line}], {metaCodec: 2, codec: 2}],
  ['part-at-end', 'A file whose last record has no extents.', '8.1', () => partsOf(partExtents), {metaCodec: 2}],
  ['passphrase', 'Encrypted for a passphrase.', '6.1', everyType, {passphrase: 'p\u00e4ss phrase'},
    {passphrase: 'p\u00e4ss phrase'}],
  ['recipient', 'Encrypted for a recipient.', '6.1', everyType, {recipients: [recipientOf(seed)]}, {identity: seed}],
  ['passphrase-and-recipients', 'Three slots, of which the passphrase opens the last.', '6.2', files,
    {...locked, recipients: [recipientOf(otherSeed), recipientOf(seed)]}, locked],
  ['recipient-of-two', 'Three slots, of which the identity opens the second.', '6.2', files,
    {...locked, recipients: [recipientOf(otherSeed), recipientOf(seed)]}, {identity: seed}],
  ['signed', 'Signed.', '10', files, {signerSeed: seed}],
  ['signed-encrypted', 'Signed and encrypted.', '10', files,
    {signerSeed: otherSeed, recipients: [recipientOf(seed)]}, {identity: seed}],
  ['hints', 'Change hints for both files, one of them zeros.', '8.2',
    () => [{path: 'a', content: line, hint}, {path: 'b', content: noise(100)}]],
  ['partial', 'Compat bit 0: made by recovery.', '5.1', files, {compat: 1}],
  ['unknown-compat', 'A compat bit that no reader knows.', '5.1', files, {compat: 2 ** 31}],
  ['names', 'Names that are not UTF-8, that hold control characters, and the longest ones.', '8.1', () => [
    {path: Buffer.from([0xff, 0xfe]), content: 'not UTF-8'}, {path: '\x1b[2J\n\r\t', content: 'control characters'},
    {path: ' ', content: 'blank'}, {path: '\\', content: 'backslash'}, {path: '\u00e9', target: '\n'},
    {path: 'e\u0301', content: 'decomposed'}, {path: '...', type: 2}, {path: 'n'.repeat(255), content: ''},
    {path: `${'d/'.repeat(2047)}dd`, content: '4,096 bytes'}, {path: 'target', target: 't'.repeat(4095)}
  ], {metaCodec: 2}],
  ['limits', 'Times, owners and attributes at the limits of their ranges.', '8.1', () => [
    {path: 'attribute', type: 2, xattrs: [['x'.repeat(255), Buffer.alloc(65_536)]]},
    {path: 'early', type: 2, mtime: [-(2 ** 52 - 1), 0], mode: 0},
    {path: 'late', type: 2, mtime: [2 ** 52 - 1, 999_999_999], mode: 0o7777, uid: 2 ** 32 - 1, gid: 2 ** 32 - 1},
    {path: 'owners', type: 2, user: 'u'.repeat(255), group: 'g'.repeat(255)}
  ], {metaCodec: 2}],
  ['files', 'Two files.', '5', files],
  ['large-average', 'Chunks of the largest average.', '4.1', files, {average: 2 ** 22}],
  ...goodBases
]

/** Bytes as JSON: text where they are UTF-8, else {hex}. */
function textOf(value) {
  const bytes = bytesOf(value)
  const string = bytes.toString('utf8')
  return Buffer.from(string).equals(bytes) ? string : {hex: bytes.toString('hex')}
}

/** An entry as a reader must see it, told from what the archive was made of. */
function describe({path, type, content, target, link, device, hint: _, ...metadata}, number, entries) {
  const entry = {path: textOf(path), type: TYPES[type]}
  if (link !== undefined) {
    return {...entry, link: entries.findIndex(other => bytesOf(link).equals(other.path))}
  }
  const {unstable, xattrs, user, group, mode, uid, gid, mtime} = metadata
  if (content !== undefined) Object.assign(entry, contentOf(content))
  if (target !== undefined) entry.target = textOf(target)
  if (device) entry.device = device
  Object.assign(entry, {mode, uid, gid, user: textOf(user), group: textOf(group), mtime})
  if (unstable) entry.unstable = true
  // What is large is told by its digest, as content is.
  if (xattrs.length > 0) entry.xattrs = xattrs.map(([name, value]) => [textOf(name), digestOf(bytesOf(value))])
  return entry
}

const digestOf = bytes => Buffer.from(blake3(bytes)).toString('hex')

function contentOf(content) {
  const pieces = Array.isArray(content) ? content : [{data: bytesOf(content)}]
  const size = pieces.reduce((sum, {data, hole}) => sum + (data?.length ?? hole), 0)
  if (size > MAX_HASHED_BYTES) return {size}
  return {size, blake3: digestOf(Buffer.concat(pieces.map(({data, hole}) => data ?? Buffer.alloc(hole))))}
}

function keysOf({passphrase, identity, base} = {}) {
  return {...passphrase && {passphrase}, ...identity && {identity: identityOf(identity)}, ...base && {base}}
}

const slug = name => name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-|-$/g, '')

/** @returns [{file, bytes, vector}]; vector is what vectors.json holds of it */
export function makeVectors() {
  const made = good.map(([name, about, clause, entries, options = {}, keys]) => {
    const {bytes, rootHex} = writeArchive(entries(), {average, ...options})
    const expect = {class: 'ok', root: rootHex, entries: inOrder(entries()).map(describe)}
    if (options.signerSeed) expect.signer = Buffer.from(signerOf(options.signerSeed)).toString('hex')
    return {bytes, vector: {file: `good-${name}.warp`, about, clause, ...keysOf(keys), expect}}
  })
  for (const [name, classes, make, keys, clause] of defects) {
    const [first, ...or] = classes.split('|')
    const about = `${name[0].toUpperCase()}${name.slice(1)}.`
    const expect = {class: first, ...or.length > 0 && {or}}
    made.push({bytes: make(), vector: {file: `bad-${slug(name)}.warp`, about, clause, ...keysOf(keys), expect}})
  }
  const names = new Set(made.map(({vector}) => vector.file))
  if (names.size < made.length) throw new Error('two vectors have one name')
  for (const {bytes, vector} of made) {
    if (bytes.length > MAX_BYTES) throw new Error(`${vector.file} has ${bytes.length} bytes`)
  }
  return made
}

/** The text of vectors.json: one vector a line. */
export const formatVectors = made => `[\n${made.map(({vector}) => JSON.stringify(vector)).join(',\n')}\n]\n`

if (process.argv[1] === import.meta.filename) {
  for (const name of readdirSync(import.meta.dirname)) {
    if (name.endsWith('.warp')) rmSync(join(import.meta.dirname, name))
  }
  const made = makeVectors()
  for (const {bytes, vector} of made) writeFileSync(join(import.meta.dirname, vector.file), bytes)
  writeFileSync(join(import.meta.dirname, 'vectors.json'), formatVectors(made))
}
