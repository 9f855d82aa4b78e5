/** The messages of a transfer: what is written is read, in one encoding, and of anything else nothing is believed. */
import t from 'tap'
import { MAX_OWNER_NAME_BYTES, MAX_PAGE_BYTES } from '../../src/base/limits.ts'
import { ByteWriter } from '../../src/format/cursor.ts'
import {
  KIND, MAX_HAVE, broken, readAccept, readFinish, readHave, readListing, readOffer, readReport, readSame, readWant, writeAccept, writeFinish, writeHave,
  writeListing, writeOffer, writeReport, writeSame, writeWant, type WantedFrame,
} from '../../src/transfer/messages.ts'
import { seeded } from './support/channels.ts'

const PROTOCOL = { code: 'ERR_WARP_PEER_PROTOCOL' }
const LARGEST = Number.MAX_SAFE_INTEGER
/** Mutations of each sample. */
const ITERATIONS = 2000
/** Chunk references of the listing that every WANT here is about. */
const REFS = 300

const filled = (length: number, value: number): Buffer => Buffer.alloc(length, value)

interface Reader {
  /** Reads, and writes what was read. */
  rewrite: (bytes: Uint8Array) => Uint8Array
  samples: Uint8Array[]
}

const wants: WantedFrame[][] = [
  [], [[[0, 1]]], [[[0, REFS]]], [[[REFS - 1, 1]]], [[[0, 10], [12, 1]], [[13, 1]], [[14, 100], [200, 100]]],
  Array.from({ length: REFS }, (_, i): WantedFrame => [[i, 1]]),
]

const readers: Record<string, Reader> = {
  OFFER: {
    rewrite: (bytes) => writeOffer(readOffer(bytes)),
    samples: [
      { kind: KIND.tree, offerId: filled(16, 1), average: 65_536, name: filled(0, 0), totals: null },
      { kind: KIND.tree, offerId: filled(16, 255), average: 4096, name: filled(0, 0), totals: { bytes: LARGEST, entries: 300 } },
      { kind: KIND.archive, offerId: filled(16, 0), average: 0, name: Buffer.from('ä.warp'), totals: { bytes: 0, entries: 1 } },
      { kind: KIND.stream, offerId: filled(16, 2), average: 4 * 2 ** 20, name: filled(MAX_OWNER_NAME_BYTES, 65), totals: null },
    ].map((offer) => writeOffer(offer)),
  },
  ACCEPT: {
    rewrite: (bytes) => writeAccept(readAccept(bytes)),
    samples: [
      { kind: KIND.tree, average: 4096, chunkIdKey: null, have: 0 }, { kind: KIND.tree, average: 65_536, chunkIdKey: filled(32, 7), have: LARGEST },
      { kind: KIND.archive, average: 0, chunkIdKey: null, have: 0 },
    ].map((accept) => writeAccept(accept)),
  },
  HAVE: { rewrite: (bytes) => writeHave(readHave(bytes)), samples: [1, 2, MAX_HAVE].map((count) => filled(32 * count, 3)) },
  LISTING: {
    rewrite: (bytes) => {
      const { number, content } = readListing(bytes)
      return Buffer.concat(writeListing(number, content))
    },
    samples: [0, 127, 128, LARGEST].map((number) => Buffer.concat(writeListing(number, filled(number % 100, 9)))),
  },
  SAME: { rewrite: (bytes) => writeSame(readSame(bytes)), samples: [0, 127, 128, LARGEST].map((number) => writeSame(number)) },
  WANT: {
    rewrite: (bytes) => {
      const { number, frames } = readWant(bytes, () => REFS)
      return writeWant(number, frames)
    },
    samples: wants.map((frames, number) => writeWant(number, frames)),
  },
  FINISH: {
    rewrite: (bytes) => writeFinish(readFinish(bytes)),
    samples: [[0, 0, 0, 0], [1, 128, LARGEST, 2 ** 32]].map(([listings, entries, bytes, problems]) =>
      writeFinish({ root: filled(32, 4), listings: listings!, entries: entries!, bytes: bytes!, problems: problems! })),
  },
  PROGRESS: {
    rewrite: (bytes) => writeReport(readReport(bytes)),
    samples: [0, 1, 2].map((i) => writeReport({ bytes: i * 2 ** 40, entries: i * 200, reusedBytes: i })),
  },
}

/** Whether `bytes` are read and have this one encoding, or are refused as they must be; else what came. */
function judge({ rewrite }: Reader, bytes: Uint8Array): unknown {
  try {
    return Buffer.from(rewrite(bytes)).equals(bytes) || 'another encoding'
  } catch (error) {
    return (error as { code?: string }).code === PROTOCOL.code || error
  }
}

for (const [name, reader] of Object.entries(readers)) {
  t.test(`${name} is read as it was written`, async (t) => {
    for (const sample of reader.samples) t.ok(Buffer.from(reader.rewrite(sample)).equals(sample))
  })

  t.test(`${name} that is cut, or goes on`, async (t) => {
    for (const sample of reader.samples) {
      const ends = sample.length > 1000 ? [0, 1, 31, 32, 33, sample.length - 1] : sample.keys()
      for (const end of ends) {
        const result = judge(reader, sample.subarray(0, end))
        if (result !== true) t.fail(`${end} bytes: ${result}`)
      }
      const result = judge(reader, Buffer.concat([sample, filled(1, 0)]))
      if (result !== true) t.fail(`a byte more: ${result}`)
    }
  })

  t.test(`${name}, mutated`, async (t) => {
    const random = seeded(name.length)
    const below = (n: number): number => Math.floor(random() * n)
    for (let i = 0; i < ITERATIONS; i++) {
      const bytes = Buffer.from(reader.samples[below(reader.samples.length)]!).subarray(0, 4096)
      for (let changes = 1 + below(4); changes > 0 && bytes.length > 0; changes--) {
        const at = below(Math.min(bytes.length, 64))
        bytes[at] = [0, 1, 0x7f, 0x80, 0xff, below(256)][below(6)]!
      }
      const cut = random() < 0.2 ? bytes.subarray(0, below(bytes.length + 1)) : bytes
      const result = judge(reader, cut)
      if (result !== true) return t.fail(`${cut.toString('hex')}: ${result}`)
    }
  })
}

t.test('values that there are not', async (t) => {
  const offer = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(readers.OFFER!.samples[0]!)
    change(bytes)
    return bytes
  }
  for (const kind of [0, 4, 255]) t.throws(() => readOffer(offer((bytes) => (bytes[0] = kind))), PROTOCOL, `kind ${kind}`)
  for (const average of [0, 1, 2048, 4097, 8 * 2 ** 20, 2 ** 32 - 1]) {
    t.throws(() => readOffer(offer((bytes) => bytes.writeUInt32LE(average, 17))), PROTOCOL, `a tree in chunks of ${average}`)
    const accept = writeAccept({ kind: KIND.tree, average, chunkIdKey: null, have: 0 })
    t.throws(() => readAccept(accept), PROTOCOL, `a tree taken in chunks of ${average}`)
  }
  const long = { kind: KIND.stream, offerId: filled(16, 2), average: 4096, name: filled(MAX_OWNER_NAME_BYTES + 1, 65), totals: null }
  t.throws(() => readOffer(writeOffer(long)), PROTOCOL)
  t.throws(() => readHave(filled(0, 0)), PROTOCOL)
  t.throws(() => readHave(filled(32 * (MAX_HAVE + 1), 0)), PROTOCOL)
  t.throws(() => readListing(Buffer.concat(writeListing(0, filled(MAX_PAGE_BYTES + 1, 0)))), PROTOCOL)
})

t.test('wishes for what there is not', async (t) => {
  const want = (...numbers: number[]): Uint8Array => {
    const writer = new ByteWriter()
    for (const number of numbers) writer.varint(number)
    return writer.take()
  }
  const read = (bytes: Uint8Array) => readWant(bytes, () => REFS)
  for (const [what, bytes] of Object.entries({
    'a frame of nothing': want(0, 1, 0), 'a run of nothing': want(0, 1, 1, 0, 0), 'one beyond the last': want(0, 1, 1, REFS, 1),
    'more than are left': want(0, 1, 1, 1, REFS), 'two runs that are one': want(0, 1, 2, 0, 1, 0, 1),
    'more frames than references': want(0, REFS + 1), 'more runs than references': want(0, 1, REFS + 1), 'a count of 2^53-1': want(0, LARGEST),
    'runs to 2^53-1': want(0, 1, LARGEST), 'first at 2^53-1': want(0, 1, 1, LARGEST, 1), 'a run of 2^53-1': want(0, 1, 1, 0, LARGEST),
  })) t.throws(() => read(bytes), PROTOCOL, what)
  t.same(read(want(0, 2, 1, 0, 1, 1, 0, 1)).frames, [[[0, 1]], [[1, 1]]], 'frames may lie side by side')
  t.throws(() => readWant(want(5, 0), () => { throw broken('an answer that nobody waits for') }), PROTOCOL)
})

t.test('what is claimed is not allocated', async (t) => {
  const varints = (...numbers: number[]) => numbers.reduce((writer, number) => writer.varint(number), new ByteWriter()).take()
  const before = process.memoryUsage()
  for (let i = 0; i < 100; i++) {
    t.throws(() => readWant(varints(0, 2 ** 20), () => LARGEST), PROTOCOL)
    t.throws(() => readWant(varints(0, 1, 2 ** 40), () => LARGEST), PROTOCOL)
    t.throws(() => readOffer(Buffer.concat([readers.OFFER!.samples[0]!.subarray(0, 21), varints(2 ** 31)])), PROTOCOL)
  }
  const after = process.memoryUsage()
  t.ok(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers < 32 * 2 ** 20)
})
