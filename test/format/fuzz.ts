/**
 * Mutates valid encodings of every structure. Whatever the bytes: a read succeeds, and then writing what
 * was read gives the same bytes, or it throws a WarpError of class malformed or unsupported.
 */
import t from 'tap'
import { blake3 } from '@noble/hashes/blake3.js'
import { WarpError } from '../../src/base/errors.ts'
import { CODEC, KIND, readBlockHeader, writeBlockHeader } from '../../src/format/block.ts'
import type { Record } from '../../src/format/entry.ts'
import { readFooter, writeFooter } from '../../src/format/footer.ts'
import { readHeader, writeHeader } from '../../src/format/header.ts'
import type { Header } from '../../src/format/header.ts'
import { readIndexPage, writeIndexPage } from '../../src/format/index-page.ts'
import { readSlot, writeSlot } from '../../src/format/key-slot.ts'
import type { KeySlot } from '../../src/format/key-slot.ts'
import { PageBuilder, RecordOrder, joinParts, readPage, splitParts } from '../../src/format/page.ts'
import { MAX_CHUNK, bytes, directory, hint, metadata, rewritePage, writePage } from './support/samples.ts'

/** Mutations of each sample. */
const ITERATIONS = Number(process.env.WARP_FUZZ_ITERATIONS ?? 5000)

interface Structure {
  samples: Uint8Array[]
  /** Makes checksums right again, so that what they cover is reached. */
  repair?: (bytes: Uint8Array) => void
  /** Content and location are also mutated one by one, under a right content_length. */
  hasParts?: boolean
  /** Reads, and writes what was read. */
  rewrite: (bytes: Uint8Array) => Uint8Array
}

const filled = (length: number, value: number) => new Uint8Array(length).fill(value)

const passphraseSlot: KeySlot =
  { type: 1, iterations: 3, memoryKib: 65_536, salt: filled(16, 1), wrapped: filled(48, 2) }
const recipientSlot: KeySlot = { type: 2, share: filled(32, 3), wrapped: filled(48, 4) }

const plainHeader: Header = {
  archiveId: filled(16, 5), average: 65_536, encrypted: false, partial: false,
  segmentSalt: filled(32, 0), commitment: filled(32, 0), mac: filled(32, 0), thin: false, inheritance: null, slots: [],
}
const sealedHeader: Header = {
  ...plainHeader, encrypted: true, partial: true, segmentSalt: filled(32, 6), commitment: filled(32, 7),
  mac: filled(32, 8), slots: [passphraseSlot, recipientSlot],
}
const putHeader = (header: Header) => writeHeader(header, blake3, () => header.mac)

function putBlockHeader(header: Parameters<typeof writeBlockHeader>[1]): Uint8Array {
  const out = new Uint8Array(64)
  writeBlockHeader(out, header, blake3)
  return out
}

/** Pages with every type of record, with a part at the end and with one at the start. */
function samplePages(): Uint8Array[] {
  const builder = new PageBuilder()
  const xattrs = ['user.a', 'user.b'].map(name => ({ name: bytes(name), value: filled(200, 1) }))
  const simple: Exclude<Record, { type: 'part' | 'file' }>[] = [
    directory(''),
    { type: 'blockdev', path: bytes('a'), metadata, major: 8, minor: 300 },
    { type: 'chardev', path: bytes('b'), metadata, major: 1, minor: 3 },
    { type: 'directory', path: bytes('c'), metadata: { ...metadata, xattrs } },
    { type: 'fifo', path: bytes('c/d'), metadata },
    { type: 'symlink', path: bytes('e'), metadata, target: bytes('../x') },
    { type: 'hardlink', path: bytes('f'), targetEntry: 4 },
  ]
  simple.forEach(record => builder.add(record))
  builder.beginFile(bytes('g'))
  builder.chunk(4096, filled(32, 1), 1, 0)
  builder.hole(65_536)
  builder.chunk(1000, filled(32, 2), 1, 4096)
  builder.chunk(4096, filled(32, 1), 0, 99)
  builder.endFile({ ...metadata, unstable: true, mtimeSeconds: -5 }, hint)
  builder.beginFile(bytes('h'))
  for (let i = 0; !builder.chunk(MAX_CHUNK - 1, filled(32, i), i, 0); i++) continue
  const first = writePage(builder.close())
  builder.endFile(metadata, hint)
  return [first, writePage(builder.close())]
}

const children = ['', 'a', 'a', 'b/c'].map((path, i) => ({
  digest: filled(32, i), firstPath: bytes(path), firstOffset: i === 2 ? 1000 : 0, entries: 100 * i,
  offset: 256 + 1000 * i, locationDigest: filled(32, 50 + i),
}))

const footer = {
  topOffset: 10_000, topLevel: 1, topDigest: filled(32, 1), topLocationDigest: filled(32, 2), entries: 9000,
  logicalBytes: 2 ** 33, chunkRefs: 70_000, frameBytes: 2 ** 32, frames: 1024, pages: 100,
  archiveLength: 2 ** 31, signer: filled(32, 3), signature: filled(64, 4),
}
const emptyFooter = {
  ...footer, topOffset: 0, topLevel: 0, topDigest: filled(32, 0), topLocationDigest: filled(32, 0),
  entries: 0, logicalBytes: 0, chunkRefs: 0, frameBytes: 0, frames: 0, pages: 0,
  signer: null, signature: null,
}

const STRUCTURES: { [name: string]: Structure } = {
  slot: {
    samples: [writeSlot(passphraseSlot), writeSlot(recipientSlot)],
    rewrite: bytes => writeSlot(readSlot(bytes)),
  },
  header: {
    samples: [putHeader(plainHeader), putHeader(sealedHeader)],
    repair: bytes => {
      if (bytes.length < 256) return
      bytes.fill(0, 17, 20) // unknown compat bits are ignored, and so not written again
      bytes[16] &= 1
      bytes.set(blake3(Buffer.concat([bytes.subarray(0, 240), bytes.subarray(256)])).subarray(0, 16), 240)
    },
    rewrite: bytes => putHeader(readHeader(bytes, blake3).header),
  },
  'block header': {
    samples: [
      { kind: KIND.frame, codec: CODEC.lz4, plainLength: 70_000, storedLength: 5000 },
      { kind: KIND.page, codec: CODEC.store, plainLength: 5000, storedLength: 5000 },
      { kind: KIND.footer, codec: CODEC.store, plainLength: 232, storedLength: 232 },
    ].map(header => putBlockHeader({ ...header, archiveId: filled(16, 5), ordinal: 77 })),
    repair: bytes => {
      if (bytes.length >= 64) bytes.set(blake3(bytes.subarray(0, 48)).subarray(0, 16), 48)
    },
    rewrite: bytes => putBlockHeader(readBlockHeader(bytes, blake3)),
  },
  page: {
    samples: samplePages(),
    hasParts: true,
    rewrite: bytes => {
      const page = readPage(bytes, { maxChunk: MAX_CHUNK })
      checkOrder(page.records)
      return rewritePage(page)
    },
  },
  'index page': {
    samples: [{ level: 1, children }, { level: 3, children: children.slice(0, 1) }]
      .map(writeIndexPage).map(({ content, location }) => joinParts(content, location)),
    hasParts: true,
    rewrite: bytes => {
      const { content, location } = writeIndexPage(readIndexPage(bytes))
      return joinParts(content, location)
    },
  },
  footer: {
    samples: [writeFooter(footer), writeFooter(emptyFooter)],
    rewrite: bytes => writeFooter(readFooter(bytes)),
  },
}

/** What a page holds may break rules that hold between pages; it must do so with an error of ours. */
function checkOrder(records: Record[]): void {
  try {
    const order = new RecordOrder()
    for (const record of records) order.next(record)
    order.finish()
  } catch (error) {
    if (!(error instanceof WarpError) || error.class !== 'malformed') throw error
  }
}

/** mulberry32: small, seeded, the same everywhere. @returns integers of 0 … bound − 1 */
function randomOf(seed: number): (bound: number) => number {
  let state = seed
  return bound => {
    state = (state + 0x6d2b79f5) | 0
    let z = Math.imul(state ^ (state >>> 15), 1 | state)
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z
    return Math.floor((((z ^ (z >>> 14)) >>> 0) / 2 ** 32) * bound)
  }
}

/** Values at which encodings change their meaning. */
const EDGES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 0x2e, 0x2f, 0x40, 0x7f, 0x80, 0x81, 0xfe, 0xff]

function mutate(sample: Uint8Array, random: (bound: number) => number): Uint8Array {
  let result = Uint8Array.from(sample)
  for (let n = 1 + random(3); n > 0; n--) {
    const at = random(result.length)
    const length = 1 + random(8)
    switch (random(8)) {
      case 0:
      case 1:
        if (at < result.length) result[at] ^= 1 << random(8)
        break
      case 2:
      case 3:
        if (at < result.length) result[at] = EDGES[random(EDGES.length)]
        break
      case 4:
        result = result.slice(0, at)
        break
      case 5: // cut out
        result = Uint8Array.from([...result.subarray(0, at), ...result.subarray(at + length)])
        break
      case 6: // double
        result = Uint8Array.from([...result.subarray(0, at + length), ...result.subarray(at)])
        break
      case 7: // copy from elsewhere
        result.copyWithin(at, random(result.length), random(result.length))
    }
  }
  return result
}

function mutatePart(sample: Uint8Array, random: (bound: number) => number): Uint8Array {
  const { content, location } = splitParts(sample)
  return random(3) > 0
    ? joinParts(mutate(content, random), location)
    : joinParts(content, mutate(location, random))
}

for (const [name, { samples, repair, hasParts, rewrite }] of Object.entries(STRUCTURES)) {
  t.test(name, async t => {
    for (const sample of samples) t.equal(Buffer.compare(rewrite(sample), sample), 0, 'the sample itself')
    const random = randomOf(0x77617270)
    let accepted = 0
    const codes = new Map<string, number>()
    for (let i = 0; i < ITERATIONS * samples.length; i++) {
      const change = hasParts && random(2) > 0 ? mutatePart : mutate
      const mutated = change(samples[i % samples.length], random)
      // One in eight keeps its wrong checksum.
      if (i % 8 !== 0) repair?.(mutated)
      const given = Uint8Array.from(mutated)
      try {
        const again = rewrite(mutated)
        accepted++
        if (Buffer.compare(again, given) !== 0) {
          t.fail('two encodings of one value', { i, given: Buffer.from(given).toString('hex') })
        }
      } catch (error) {
        if (error instanceof WarpError && ['malformed', 'unsupported'].includes(error.class)) {
          codes.set(error.code, (codes.get(error.code) ?? 0) + 1)
        } else {
          t.fail('an error of another kind', { i, error, given: Buffer.from(given).toString('hex') })
        }
      }
      if (Buffer.compare(mutated, given) !== 0) t.fail('the input was written to', { i })
    }
    t.comment(`${accepted} accepted`, Object.fromEntries(codes))
    t.ok(codes.size > 0)
    t.ok(accepted > 0)
  })
}
