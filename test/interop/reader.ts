// The independent reader of format-spec/reader: what it makes of good archives, and of archives with one
// defect each. The archives come from tiny-writer.mjs, which knows the specification alone.
/* eslint-disable @typescript-eslint/no-explicit-any -- the reader and the writer are plain JavaScript */
import {execFileSync, spawnSync} from 'node:child_process'
import {lstatSync, readFileSync, readlinkSync, statSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {bech32} from '@scure/base'
import t from 'tap'
// @ts-expect-error plain JavaScript
import {openArchive} from '../../format-spec/reader/reader.mjs'
// @ts-expect-error plain JavaScript
import {defects, onlyInVerification} from './tiny-defects.mjs'
// @ts-expect-error plain JavaScript
import {cut, u} from './tiny-encoding.mjs'
// @ts-expect-error plain JavaScript
import * as hostile from './tiny-hostile.mjs'
// @ts-expect-error plain JavaScript
import {recipientOf, writeArchive} from './tiny-writer.mjs'

const {
  average, chunkOf, flip, goodZstd, header, letter, locked, minHole, noise, of, partExtents, partsOf, pieces,
  seed, small, twoPages, zstdOf
} = hostile
const cli = join(import.meta.dirname, '../../format-spec/reader/cli.mjs')

const text = (length: number) => Buffer.alloc(length, 'All work and no play makes Jack a dull boy. ')

const hole = Buffer.concat([noise(5000, 'a'), Buffer.alloc(2 * minHole), noise(100, 'b')])
const everyType = () => [
  {path: '', mode: 0o1777, mtime: [1e9, 1]},
  {path: 'device', device: [1, 3]},
  {path: 'device.block', type: 7, device: [2 ** 32 - 1, 0]},
  {path: 'dir', mode: 0o555, mtime: [1_234_567_890, 500_000_000]},
  {path: 'dir/duplicate', content: noise(40_000)},
  {path: 'dir/empty', content: ''},
  {path: 'dir/sub/deep', content: 'parents need not be present'},
  // "!" sorts below "/" as a byte and above all that "dir" holds as a component.
  {path: 'dir!', content: noise(10)},
  {path: 'fifo', type: 5},
  {path: 'hard', link: 'dir/duplicate'},
  {path: 'hole', content: hole},
  {path: 'noise', content: noise(40_000), mode: 0o6755, uid: 2 ** 32 - 1, user: 'root', group: 'wheel',
    mtime: [-1, 999_999_999], unstable: true, xattrs: [['user.a', ''], ['user.b', Buffer.from([0, 255])]]},
  {path: Buffer.from([0xff, 0x0a]), target: '../outside'},
  {path: 'text', content: text(100_000), mtime: [0, 0]}
]

const makeGood = (options = {}) => writeArchive(everyType(), {average, ...options})
const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')
const contentOf = (archive: any, entry: any) => Buffer.concat([...archive.content(entry)])

/** What an archive says, apart from where things lie in it. */
function describe(archive: any) {
  const strip = ({extents, number, path, ...rest}: any) => ({
    ...rest, number, path: latin1(path),
    extents: extents?.map(({length, id}: any) => [length, id && Buffer.from(id).toString('hex')])
  })
  return [...archive.entries()].map(strip)
}

/** Class of the first failure of verify(), or none. */
function failureOf(bytes: Uint8Array, keys = {}): string {
  try {
    openArchive(bytes, keys).verify()
    return 'none'
  } catch (error) {
    return (error as {class?: string}).class ?? String((error as Error).stack)
  }
}

/** Class of the first failure of reading everything at random, or none. */
function randomFailureOf(bytes: Uint8Array, keys = {}): string {
  try {
    const archive = openArchive(bytes, keys)
    for (const entry of archive.entries()) if (entry.type === 1) contentOf(archive, entry)
    return 'none'
  } catch (error) {
    return (error as {class?: string}).class ?? String((error as Error).stack)
  }
}

t.test('reads every type of entry', async t => {
  const {bytes, rootHex} = makeGood()
  const archive = openArchive(bytes)
  t.equal(archive.root, rootHex)
  archive.verify()
  const entries = [...archive.entries()]
  const byPath = Object.fromEntries(entries.map(entry => [latin1(entry.path), entry]))
  t.strictSame(Object.keys(byPath), ['', 'device', 'device.block', 'dir', 'dir/duplicate', 'dir/empty',
    'dir/sub/deep', 'dir!', 'fifo', 'hard', 'hole', 'noise', 'text', '\xff\n'])
  t.strictSame(contentOf(archive, byPath.noise), noise(40_000))
  t.strictSame(contentOf(archive, byPath.hole), hole)
  t.strictSame(contentOf(archive, byPath['dir/empty']), Buffer.alloc(0))
  // Zeros from 8,192, the next multiple of 4,096 after 5,000, to 135,168, the last before 136,072.
  t.match(byPath.hole.extents.filter(({id}: any) => !id), [{length: 135_168 - 8192}])
  t.match(byPath.noise,
    {mode: 0o6755, uid: 2 ** 32 - 1, mtime: [-1, 999_999_999], unstable: true, size: 40_000})
  t.match(byPath.hard, {link: 4, number: 9})
  t.strictSame(byPath['device.block'].device, [2 ** 32 - 1, 0])
  t.equal(Buffer.from(byPath['\xff\n'].target).toString(), '../outside')
  t.strictSame(byPath.noise.xattrs.map((pair: any[]) => pair.map(latin1)),
    [['user.a', ''], ['user.b', '\0\xff']])
})

t.test('the root depends on the logical tree alone', async t => {
  const {rootHex} = makeGood()
  const same = {
    zstd: {codec: 2, metaCodec: 2}, lz4: {codec: 1}, 'small frames': {frameBytes: 1},
    'another id': {archiveId: noise(16)}, signed: {signerSeed: seed}
  }
  for (const [name, options] of Object.entries(same)) {
    const other = makeGood(options)
    t.equal(failureOf(other.bytes), 'none', name)
    t.equal(randomFailureOf(other.bytes), 'none', name)
    t.equal(openArchive(other.bytes).root, rootHex, name)
    t.strictSame(describe(openArchive(other.bytes)), describe(openArchive(makeGood().bytes)), name)
  }
  const hint = {ctime: [-5, 7], inode: 2n ** 64n - 1n, device: 3}
  const hinted = writeArchive([{path: 'a', content: 'a', hint}, {path: 'b', content: 'b'}], {average})
  const plain = writeArchive([{path: 'a', content: 'a'}, {path: 'b', content: 'b'}], {average})
  t.equal(hinted.rootHex, plain.rootHex)
  t.equal(failureOf(hinted.bytes), 'none')
  t.strictSame([...openArchive(hinted.bytes).entries()][0].hint, {...hint, device: 3n})
})

t.test('opens with a passphrase or an identity', async t => {
  const other = Buffer.alloc(32, 0x22)
  const recipients = [recipientOf(other), recipientOf(seed)]
  const {bytes, rootHex} = makeGood({passphrase: 'secret', recipients})
  for (const keys of [{passphrase: 'secret'}, {identity: seed}, {identity: other},
    {identity: bech32.encode('warp-identity', bech32.toWords(seed), false).toUpperCase()}]) {
    t.equal(failureOf(bytes, keys), 'none')
    t.equal(openArchive(bytes, keys).root, rootHex)
  }
  t.not(rootHex, makeGood().rootHex, 'chunk ids are keyed')
  for (const keys of [{}, {passphrase: 'Secret'}, {passphrase: ''}, {identity: Buffer.alloc(32, 0x33)}]) {
    t.equal(failureOf(bytes, keys), 'key')
  }
  const forRecipient = makeGood({recipients: [recipientOf(seed)]})
  t.equal(failureOf(forRecipient.bytes, {passphrase: 'secret'}), 'key')
})

t.test('reads an archive without entries', async t => {
  const {bytes, rootHex} = writeArchive([], {average})
  t.equal(bytes.length, 256 + 312) // header and footer
  t.equal(failureOf(bytes), 'none')
  t.equal(openArchive(bytes).root, rootHex)
  t.strictSame([...openArchive(bytes).entries()], [])
})

t.test('reads trees and parts', async t => {
  const cases: Record<string, [object[], number, number]> = {
    'two pages': [twoPages(), 2, 1],
    'one page, closed by its size': [twoPages().slice(0, 4), 1, 0],
    'a part': [partsOf(partExtents + 10), 2, 1],
    'a part after which no extent follows': [partsOf(partExtents), 2, 1],
    'one extent too few for a part': [partsOf(partExtents - 1), 1, 0],
    'parts of three pages': [partsOf(2 * partExtents + 1), 3, 1]
  }
  for (const [name, [entries, pages, topLevel]] of Object.entries(cases)) {
    const {bytes, rootHex} = writeArchive(entries, {average, metaCodec: 2})
    t.equal(failureOf(bytes), 'none', name)
    t.equal(randomFailureOf(bytes), 'none', name)
    t.match(openArchive(bytes).footer, {pages, topLevel}, name)
    t.equal(openArchive(bytes).root, rootHex, name)
  }
  // 16 chunks of the largest size of average 1 MiB: 64 MiB, where a page closes for its chunks' length.
  const chunk = {data: noise(2 ** 22)}
  const {bytes} = writeArchive([{path: 'f', content: Array(17).fill(chunk)}], {average: 2 ** 20})
  t.equal(failureOf(bytes), 'none')
  t.match(openArchive(bytes).footer, {pages: 2, logicalBytes: 17 * 2 ** 22})
})

function* hardLinks(count: number) {
  yield {path: '0', content: ''}
  for (let i = 1; i < count; i++) yield {path: i.toString(36).padStart(5, '0'), link: 0}
}

t.test('reads a tree of two levels', {skip: process.env['WARP_LONG'] !== '1' && 'WARP_LONG=1 runs it'}, async t => {
  // One entry more than fills 128 pages of 8,192: two index pages below the top.
  const {bytes, rootHex} = writeArchive(hardLinks(128 * 8192 + 1), {average, sort: false, metaCodec: 2})
  const archive = openArchive(bytes)
  t.match(archive.footer, {pages: 129, topLevel: 2})
  t.equal(archive.root, rootHex)
  archive.verify()
  let count = 0
  for (const {} of archive.entries()) count++
  t.equal(count, 128 * 8192 + 1)
})

const EVERY = process.env['WARP_LONG'] === '1' ? 1 : 3

t.test('finds every flipped bit and every truncation', async t => {
  const entries = [{path: 'a', content: noise(50)}, {path: 'b', target: 'a'}]
  const keys = {identity: seed}
  for (const [options, expected] of [[{}, /^(malformed|damaged|unsupported)$/],
    [{recipients: [recipientOf(seed)], signerSeed: seed}, /^(malformed|damaged|unsupported)$/]] as const) {
    const {bytes} = writeArchive(entries, {average, ...options})
    t.equal(failureOf(bytes, keys), 'none')
    for (let at = 0; at < bytes.length; at += EVERY) {
      const flipped = Buffer.from(bytes)
      flipped[at]! ^= 1 << at % 8
      const failure = failureOf(flipped, keys)
      if (!expected.test(failure)) t.fail(`bit flipped at ${at}: ${failure}`)
      const cut = failureOf(bytes.subarray(0, at), keys)
      if (cut !== 'malformed') t.fail(`cut at ${at}: ${cut}`)
    }
    t.equal(failureOf(Buffer.concat([bytes, Buffer.alloc(1)]), keys), 'malformed')
  }
})

t.test('what the defects are made from is good', async t => {
  t.equal(failureOf(small({})), 'none')
  t.equal(failureOf(small({}, locked), locked), 'none')
  t.equal(failureOf(of(twoPages(), {}, {metaCodec: 2})), 'none')
  t.equal(failureOf(hostile.framesBetweenPages(8)), 'none') // 128 MiB, the limit
  const holes = pieces(chunkOf(4096), {hole: minHole}, chunkOf(1), chunkOf(4095), {hole: minHole + 1})
  t.equal(failureOf(holes), 'none')
  t.equal(failureOf(pieces(chunkOf(4 * average))), 'none')
  t.equal(failureOf(hostile.slots(8), locked), 'none')
})

t.test('zstd by hand is good', async t => {
  const plain = Buffer.concat([letter, Buffer.alloc(5999)])
  for (const encoded of [goodZstd, zstdOf(letter, 6000, 0x80, [0x70])]) { // window 0x70: 16 MiB, the limit
    const fields = {codec: 2, encoded, storedLength: encoded.length}
    const bytes = of([{path: 'a', content: [{data: plain}]}],
      {block: (value: any) => void (value.kind === 1 && Object.assign(value, fields))})
    t.equal(failureOf(bytes), 'none')
  }
})

t.test('finds each defect', async t => {
  for (const [name, expected, make, given] of defects) {
    const bytes = make()
    // Bases are among the vectors, named without their directory.
    const keys = given?.base === undefined ? given : {...given, base: fileURLToPath(new URL(`../../format-spec/vectors/${given.base}`, import.meta.url))}
    t.equal(failureOf(bytes, keys), expected.split('|')[0], name)
    const atRandom = randomFailureOf(bytes, keys)
    if (!onlyInVerification.has(name)) t.equal(atRandom === 'none', false, `${name}, at random`)
  }
})

t.test('command line', async t => {
  const directory = t.testdir({'in.warp': '', pass: 'secret\r\nsecond line\n', id: ''})
  const path = join(directory, 'in.warp')
  const {bytes, rootHex} = makeGood(
    {codec: 2, metaCodec: 2, passphrase: 'secret', recipients: [recipientOf(seed)]})
  writeFileSync(path, bytes)
  const identity = bech32.encode('warp-identity', bech32.toWords(seed), false).toUpperCase()
  writeFileSync(join(directory, 'id'), `# mine\n\n${identity}\n`)
  const run = (...args: string[]) => spawnSync(process.execPath, [cli, ...args], {encoding: 'utf8'})
  const passphrase = ['--passphrase-file', join(directory, 'pass')]
  t.equal(run('verify', path, ...passphrase).stdout, `${rootHex}\n`)

  const listed = JSON.parse(execFileSync(process.execPath,
    [cli, 'list', '--json', path, '--identity', join(directory, 'id')], {encoding: 'utf8'}))
  t.equal(listed.root, rootHex)
  const base64 = (value: string) => Buffer.from(value).toString('base64')
  t.match(listed.entries.find((entry: any) => entry.path === base64('noise')), {
    type: 'file', size: 40_000, mode: 0o6755, uid: 2 ** 32 - 1, gid: 1000,
    mtime: [-1, 999_999_999], unstable: true,
    xattrs: [[base64('user.a'), ''], [base64('user.b'), 'AP8=']],
    extents: cut(noise(40_000), average).map(({data}: any) => [data.length, /^[0-9a-f]{64}$/])
  })
  t.match(listed.entries.find((entry: any) => entry.path === base64('hard')), {type: 'hard-link', link: 4})

  const out = join(directory, 'out')
  t.equal(run('extract', path, '-C', out, ...passphrase).status, 0)
  t.strictSame(readFileSync(join(out, 'noise')), noise(40_000))
  t.strictSame(readFileSync(join(out, 'hole')), hole)
  t.equal(readFileSync(join(out, 'dir/sub/deep'), 'utf8'), 'parents need not be present')
  t.equal(statSync(join(out, 'hard')).ino, statSync(join(out, 'dir/duplicate')).ino)
  t.equal(readlinkSync(Buffer.concat([Buffer.from(`${out}/`), Buffer.from([0xff, 0x0a])])), '../outside')
  t.equal(statSync(join(out, 'noise')).mode & 0o7777, 0o755, 'without set-uid and set-gid')
  t.equal(statSync(join(out, 'dir')).mode & 0o7777, 0o555)
  t.equal(statSync(join(out, 'dir')).mtimeMs, 1_234_567_890_500)
  t.equal(lstatSync(out).mode & 0o7777, 0o1777)
  t.equal(run('extract', path, '-C', out, ...passphrase).status, 1, 'only into an empty directory')

  t.equal(run('verify', path).status, 12)
  for (const [change, status] of [[0, 10], [bytes.length - 1, 13]] as const) {
    writeFileSync(path, flip(bytes, change))
    const failed = run('verify', path, ...passphrase)
    t.equal(failed.status, status)
    t.match(failed.stderr, /^(malformed|damaged): .+\n$/)
  }
  writeFileSync(path, header(8, u(2, 2)))
  t.equal(run('list', path).status, 11)
  t.equal(run('list', join(directory, 'missing')).status, 1)
  t.equal(run('sing', path).status, 1)
})

t.test('chunks and holes', async t => {
  const lengthsOf = (bytes: Uint8Array) => cut(bytes, average).map(({data}: any) => data.length)
  t.strictSame(cut(Buffer.alloc(0), average), [])
  t.strictSame(cut(Buffer.alloc(minHole), average), [{hole: minHole}])
  const most = 4 * average
  t.strictSame(lengthsOf(Buffer.alloc(minHole - 1)), [most, most, most, most - 1],
    'zeros have no candidate but by chance, and 65,535 of them are no hole')
  const lengths = lengthsOf(noise(100_000))
  t.equal(lengths.reduce((sum: number, length: number) => sum + length, 0), 100_000)
  t.ok(lengths.slice(0, -1).every((length: number) => length >= average / 4 && length <= 4 * average))
})
