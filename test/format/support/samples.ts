/** Values for the tests of pages: generators, and short forms of what most tests do not care about. */
import fc from 'fast-check'
import { joinPath } from '../../../src/format/path.ts'
import { PageBuilder, joinParts, writeLocation } from '../../../src/format/page.ts'
import type { ClosedPage, Page } from '../../../src/format/page.ts'
import type {
  ChunkExtent, Extent, FileRecord, Hint, HoleExtent, Metadata, SimpleRecord, Xattr,
} from '../../../src/format/entry.ts'

export const MAX_CHUNK = 16 * 1024 * 1024

export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))

export const metadata: Metadata = {
  unstable: false, mode: 0o644, uid: 1000, gid: 100, user: bytes('user'), group: bytes('users'),
  mtimeSeconds: 1_700_000_000, mtimeNanoseconds: 999_999_999, xattrs: [],
}

export const hint: Hint = { ctimeSeconds: -1, ctimeNanoseconds: 1, inode: 2n ** 64n - 1n, device: 7n }

/** Bytes that `value` takes as a varint (§3.1). */
export function sizeVarint(value: number): number {
  let size = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) size++
  return size
}

export const directory = (path: string): SimpleRecord => ({ type: 'directory', path: bytes(path), metadata })

export const chunk = (length: number, fill = 0xcc): ChunkExtent =>
  ({ kind: 'chunk', length, id: new Uint8Array(32).fill(fill) })

export const hole = (length: number): HoleExtent => ({ kind: 'hole', length })

/** The plaintext of a closed page whose frames are at the offsets `1000 × (key + 1)`. */
export function writePage(page: ClosedPage): Uint8Array {
  const frames = page.frames.map(key => 1000 * (key + 1))
  return joinParts(page.content, writeLocation({ ...page, frames }))
}

/** `page` as a builder writes it. */
export function rewritePage(page: Page): Uint8Array {
  const builder = new PageBuilder()
  let ref = 0
  let file = 0
  for (const record of page.records) {
    if (record.type !== 'file' && record.type !== 'part') {
      builder.add(record)
      continue
    }
    builder.beginFile(record.path)
    for (const extent of record.extents) {
      if (extent.kind === 'hole') {
        builder.hole(extent.length)
      } else {
        const frame = page.frames[page.refFrames[ref]]
        builder.chunk(extent.length, extent.id, frame, page.refOffsets[ref++])
      }
    }
    if (record.type === 'file') builder.endFile(record.metadata, page.hints?.[file++] ?? null)
  }
  const closed = builder.close()
  return joinParts(closed.content, writeLocation(closed))
}

const oneOf = <T>(...values: T[]) => fc.constantFrom(...values)

const nameBytes = fc.uint8Array({ minLength: 1, maxLength: 6 })
  .map(name => name.map(byte => (byte === 0 || byte === 0x2f || byte === 0x2e ? 0x61 : byte)))

const xattrs: fc.Arbitrary<Xattr[]> = fc.uniqueArray(
  // values of 60,000 bytes fill a page with few entries
  fc.tuple(nameBytes, fc.oneof({ weight: 9, arbitrary: fc.nat(9) }, fc.constant(60_000))),
  { maxLength: 4, selector: ([name]) => Buffer.from(name).toString('hex') },
).map(list => list
  .map(([name, length]) => ({ name, value: new Uint8Array(length).fill(name[0]) }))
  .sort((a, b) => Buffer.compare(a.name, b.name)))

const owner = fc.oneof(fc.constant(new Uint8Array(0)), nameBytes)
const u32 = fc.nat(2 ** 32 - 1)
const seconds = fc.oneof(fc.integer(), oneOf(2 ** 52 - 1, 1 - 2 ** 52))

const metadataOf = (unstable: fc.Arbitrary<boolean>): fc.Arbitrary<Metadata> => fc.record({
  unstable, mode: fc.nat(0o7777), uid: u32, gid: u32, user: owner, group: owner,
  mtimeSeconds: seconds, mtimeNanoseconds: fc.nat(999_999_999), xattrs,
}, { noNullPrototype: true })

const hints: fc.Arbitrary<Hint> = fc.record({
  ctimeSeconds: seconds, ctimeNanoseconds: fc.nat(999_999_999),
  inode: fc.bigInt(0n, 2n ** 64n - 1n), device: fc.bigInt(0n, 2n ** 64n - 1n),
}, { noNullPrototype: true })

const chunks = fc.tuple(
  fc.oneof(fc.integer({ min: 1, max: MAX_CHUNK }), fc.constant(MAX_CHUNK)), fc.nat(255),
).map(([length, fill]) => chunk(length, fill))

/** Extents that keep the rules of §8.1: data regions, and between them holes that start at a block. */
const extents: fc.Arbitrary<Extent[]> = fc.array(
  fc.tuple(fc.array(chunks, { maxLength: 4 }), fc.option(fc.integer({ min: 16, max: 2 ** 20 }))),
  { maxLength: 3 },
).map(regions => {
  const list: Extent[] = []
  let size = 0
  for (const [region, holeBlocks] of regions) {
    for (const extent of region) {
      list.push(extent)
      size += extent.length
    }
    if (holeBlocks === null || list.at(-1)?.kind === 'hole') continue
    if (size % 4096 > 0) {
      list.push(chunk(4096 - size % 4096))
      size += 4096 - size % 4096
    }
    list.push(hole(4096 * holeBlocks))
    size += 4096 * holeBlocks
  }
  const last = list.at(-1)
  if (last?.kind === 'hole' && last.length % 3 === 0) last.length += 1 // ends the file inside a block
  return list
})

export type Entry = { file: FileRecord; hint: Hint } | { simple: SimpleRecord }

const entryAt = (path: Uint8Array): fc.Arbitrary<Entry> => {
  const plain = metadataOf(fc.constant(false))
  const simple = fc.oneof<fc.Arbitrary<SimpleRecord>[]>(
    fc.record({ type: oneOf('directory', 'fifo'), path: fc.constant(path), metadata: plain },
      { noNullPrototype: true }),
    fc.record({ type: fc.constant('symlink'), path: fc.constant(path), metadata: plain, target: nameBytes },
      { noNullPrototype: true }),
    fc.record({ type: oneOf('chardev', 'blockdev'), path: fc.constant(path), metadata: plain,
      major: u32, minor: u32 }, { noNullPrototype: true }))
  const file = fc.record({ type: fc.constant('file'), path: fc.constant(path),
    metadata: metadataOf(fc.boolean()), extents }, { noNullPrototype: true })
  return fc.oneof(
    { weight: 3, arbitrary: fc.tuple(file, hints).map(([file, hint]): Entry => ({ file, hint })) },
    { weight: 1, arbitrary: simple.map((simple): Entry => ({ simple })) })
}

/** Entries in archive order: `0000`, `0001`, …, each a directory or what may stand in its place. */
export const entries: fc.Arbitrary<Entry[]> = fc.integer({ min: 1, max: 40 }).chain(count =>
  fc.tuple(...Array.from({ length: count }, (_, i) =>
    entryAt(joinPath(bytes('d'), bytes(String(i).padStart(4, '0')))))))
