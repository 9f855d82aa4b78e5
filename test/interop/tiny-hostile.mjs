// Builders of small archives with one thing changed: what tiny-defects.mjs makes its archives with.
import {blake3} from '@noble/hashes/blake3.js'
import {u} from './tiny-encoding.mjs'
import {writeArchive} from './tiny-writer.mjs'

export const average = 4096 // the smallest, so that small files have several chunks
export const minHole = 65_536
export const seed = Buffer.alloc(32, 0x11)

/** A hook on the structures named, in the form that writeArchive takes. */
export const on = hooks => (name, value, where) => hooks[name]?.(value, where)

/** Bytes that neither compress nor repeat. */
export const noise = (length, label = 'noise') => Buffer.from(blake3(Buffer.from(label), {dkLen: length}))

/** Each about a quarter of the 1 MiB at which a page closes: five give two pages. */
export const large = path => ({path, type: 2, xattrs: [0, 1, 2, 3].map(i => [`${i}`, Buffer.alloc(65_535)])})
export const twoPages = () => ['1', '2', '3', '4', '5'].map(large)

// One chunk of one byte again and again: an extent takes 33 bytes, so that 31,776 of them pass 1 MiB.
export const partExtents = 31_776
const byteChunk = Buffer.from('x')
export const partsOf = count => [{path: 'f', content: Array.from({length: count}, () => ({data: byteChunk}))}]

// Small enough for archives that are kept as vectors: two files of one chunk each, metadata compressed.
const twoFiles = () => [{path: 'a', content: noise(300)}, {path: 'b', content: noise(300, 'b')}]
export const of = (entries, hooks = {}, options = {}) =>
  writeArchive(entries, {average, metaCodec: 2, hook: on(hooks), ...options}).bytes
export const small = (hooks, options = {}) => of(twoFiles(), hooks, options)

export const set = (offset, bytes) => value => void value.set(bytes, offset)
export const header = (offset, bytes, options = {}) =>
  small({header: set(offset, bytes)}, options)
/** Puts the right checksum into a changed header. */
export const sealHeader = bytes => void bytes.set(
  blake3(Buffer.concat([bytes.subarray(0, 240), bytes.subarray(256)])).subarray(0, 16), 240)
export const locked = {passphrase: 'p'}
export const slot = (offset, bytes, options = locked) =>
  small({slot: set(offset, bytes)}, options)
/** The one slot so many times. */
export const slots = (count, change = () => undefined) => small({
  header: set(10, u(2, count)),
  slot: (value, where) => {
    change(value, where)
    return Buffer.concat(Array(count).fill(value))
  }
}, locked)

/** Changes the fields of the first block of a kind (1 frame, 2 page, 3 index page, 4 footer). */
export function block(kind, fields, options = {}) {
  let isDone = false
  return small({
    block: (value, where) => {
      if (where.kind === kind && !isDone) Object.assign(value, fields)
      isDone ||= where.kind === kind
    }
  }, options)
}
/** Another payload in the first frame, which then states a length of `plainLength`. */
export function payload(codec, plainLength, encoded) {
  let change = 0
  return small({
    block: value => {
      if (value.kind !== 1) return
      change = plainLength - value.plainLength
      Object.assign(value, {codec, plainLength, encoded, storedLength: encoded.length})
    },
    footer: value => void (value.frameBytes += change)
  })
}

/** A zstd frame by hand: raw blocks of what is given, then zeros in blocks of one byte each. */
export function zstdOf(data, length, descriptor = 0xa0, window = []) {
  const zeros = []
  for (let left = length - data.length; left > 0; left -= Math.min(left, 131_072)) {
    const isLast = left <= 131_072
    zeros.push(u(3, (isLast ? 1 : 0) | 2 | Math.min(left, 131_072) << 3), Buffer.alloc(1))
  }
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, descriptor, ...window]),
    descriptor & 0xc0 ? u(4, length) : Buffer.alloc(0), u(3, data.length << 3), data, ...zeros])
}
export const letter = Buffer.from('x')
export const goodZstd = zstdOf(letter, 6000)

/** Records changed before they are encoded; the first by default. */
export const record = (fields, entries = [{path: 'a', content: 'a'}], number = 0) =>
  of(entries, {record: (value, where) => void (where.number === number && Object.assign(value, fields))})
export const content = (change, options = {}) =>
  small({'content bytes': value => change(value)}, options)
export const location = (change, entries, options = {}) =>
  of(entries ?? twoFiles(), {location: change}, options)
export const pieces = (...content) => of([{path: 'a', content}])
export const child = (change, entries = twoPages()) => of(entries, {child: change})
export const index = change => of(twoPages(), {index: change})
export const footer = change => small({footer: change})
export const footerBytes = (offset, bytes, options = {}) =>
  small({'footer bytes': set(offset, bytes)}, options)
export const before = (kind, ...blocks) => small({
  before: (value, where) => void (where.kind === kind && value.push(...blocks)),
  footer: value => void (value.archiveLength += blocks.reduce((sum, {plain}) => sum + plain.length + 80, 0))
})
export const extraFrame = {kind: 1, plain: noise(100)}

/** As many frames of 16 MiB, most of it zeros that nothing refers to, before one page. */
export function framesBetweenPages(count) {
  const plainLength = 2 ** 24
  const content = Array.from({length: count}, (_, i) => ({data: Buffer.from([65 + i])}))
  return of([{path: 'f', content}], {
    block: value => {
      if (value.kind !== 1) return
      const encoded = zstdOf(value.encoded, plainLength)
      Object.assign(value, {codec: 2, plainLength, encoded, storedLength: encoded.length})
    },
    footer: value => void (value.frameBytes = count * plainLength)
  }, {frameBytes: 1})
}

export const file = path => ({path, content: 'x'})
export const flip = (bytes, at) => {
  const flipped = Buffer.from(bytes)
  flipped[at] ^= 1
  return flipped
}
export const lowOrderPoint = Buffer.alloc(32)
export const chunkOf = length => ({data: noise(length)})
/** A chunk that compresses to little. */
export const zerosOf = length => ({data: Buffer.alloc(length)})

// §6.5: bases, and archives on them

const baseId = Buffer.alloc(16, 0xba)
export const thinId = Buffer.alloc(16, 0x7a)
const baseFiles = () => [{path: 'a', content: [{data: noise(5000)}]}, {path: 'b', content: noise(100, 'b')}]
/** One file as in the base, one that is new. */
const thinFiles = () => [{path: 'a', content: [{data: noise(5000)}]}, {path: 'c', content: noise(300, 'c')}]

export const theBase = writeArchive(baseFiles(), {average, archiveId: baseId})
const lockedBaseId = Buffer.alloc(16, 0xbc)
const lockedBase = writeArchive(baseFiles(), {average, archiveId: lockedBaseId, ...locked})
export const lockedOnBase = {...locked, base: lockedBase, archiveKey: Buffer.alloc(32, 0xb3)}
export const onBase = {base: 'good-base.warp'}
export const onLockedBase = {...locked, base: 'good-base-encrypted.warp'}

/** A thin archive changed on its way out. */
export const thin = (hooks, options = {base: theBase}) =>
  of(thinFiles(), hooks, {archiveId: thinId, thin: true, ...options})
export const theThin = writeArchive(thinFiles(), {average, archiveId: thinId, thin: true, base: theBase})
/** A complete archive with the chunk-id key of its base. */
export const inheriting = hooks => of(thinFiles(), hooks, {archiveId: thinId, ...lockedOnBase})

/** [name, about, clause, entries, options, keys] as in make.mjs */
export const goodBases = [
  ['base', 'A base: complete, as any archive is.', '6.5', baseFiles, {archiveId: baseId}],
  ['base-encrypted', 'An encrypted base.', '6.5', baseFiles, {archiveId: lockedBaseId, ...locked}, locked],
  ['thin', 'Thin: one chunk lies in the base, one in the archive.', '8.2', thinFiles,
    {archiveId: thinId, thin: true, base: theBase}, onBase],
  ['thin-encrypted', 'Thin and encrypted.', '6.5', thinFiles, {archiveId: thinId, thin: true, ...lockedOnBase}, onLockedBase],
  ['thin-origins', 'Chunks of the base and of the archive in turn, in one page.', '8.2', () => {
    const [one, two, own] = [{data: noise(5000)}, {data: noise(100, 'b')}, {data: noise(300, 'c')}]
    return [{path: 'a', content: [one, own, two, one, two]}, {path: 'b', content: [own, two]}]
  }, {archiveId: thinId, thin: true, base: theBase}, onBase],
  ['thin-nothing-new', 'Thin, without a frame of its own.', '8.2', baseFiles,
    {archiveId: thinId, thin: true, base: theBase}, onBase],
  ['inherited-key', 'Complete, with the chunk-id key of an encrypted base.', '6.5', thinFiles,
    {archiveId: thinId, ...lockedOnBase}, locked]
]
