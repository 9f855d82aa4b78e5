import t, { type Test } from 'tap'
import { readFileSync, readdirSync } from 'node:fs'
import { MAX_FRAME_BYTES } from '../../src/base/limits.ts'
import { compressInto, decompressInto, native, portable } from '../../src/codec/zstd.ts'
import { Device } from '../../src/gpu/device.ts'
import { BLOCK_ALIGNMENT, PART_BYTES, Zstd, type ZstdFrame } from '../../src/gpu/zstd.ts'
import { xorshift } from '../codec/fixtures/xorshift.ts'
import { compute, download, storage, whyNoGpu } from '../support/gpu.ts'

// Nothing here is bit-exact to a twin: what counts is that both decoders give back the plain, and that the frame is
// one that §7 allows, which decompressInto checks first.
const decoders = [native(), portable()].filter((decoder) => decoder !== null)

const skip = (await whyNoGpu()) ?? false
const gpu = skip === false ? await Device.open() : null
t.teardown(() => gpu?.destroy())
const kernel = gpu && await Zstd.create(gpu)

interface Input { name: string, bytes: Uint8Array, store?: boolean }

const UNTOUCHED = 0xaa

/** Compresses all in one submission; each is put at the next place that its alignment allows, `gap` bytes left free before. */
async function press(inputs: Input[], gap = 0): Promise<Buffer[]> {
  const frames: ZstdFrame[] = []
  let [plainBytes, blockBytes, maxParts] = [0, 0, 0]
  for (const { bytes, store = false } of inputs) {
    blockBytes += gap
    frames.push({ plainOffset: plainBytes, plainLength: bytes.length, blockOffset: blockBytes, store })
    const parts = Math.ceil(bytes.length / PART_BYTES)
    maxParts += parts
    plainBytes += parts * PART_BYTES
    blockBytes += Math.ceil(bytes.length / BLOCK_ALIGNMENT) * BLOCK_ALIGNMENT
  }
  const all = xorshift(9, plainBytes)
  for (const [i, { bytes }] of inputs.entries()) all.set(bytes, frames[i]!.plainOffset)
  const plain = await storage(gpu!, all)
  const scratch = await storage(gpu!, Zstd.scratchBytes(maxParts))
  const blocks = await storage(gpu!, new Uint8Array(blockBytes).fill(UNTOUCHED))
  const lengths = await storage(gpu!, 4 * frames.length)
  const pass = await kernel!.bind({ plain, scratch, blocks, lengths, maxParts, maxFrames: frames.length })
  compute(gpu!, (encoder) => pass.encode(encoder, frames))
  const out = await download(gpu!, blocks)
  const sizes = await download(gpu!, lengths)
  pass.destroy()
  for (const buffer of [plain, scratch, blocks, lengths]) buffer.destroy()
  return frames.map(({ plainLength, blockOffset }, i) => {
    const size = sizes.readUInt32LE(4 * i)
    const length = size || plainLength
    const next = frames[i + 1]?.blockOffset ?? blockBytes
    // Whole words are written, and nothing beyond them.
    const words = blockOffset + Math.ceil(length / 4) * 4
    if (!out.subarray(blockOffset + length, words).every((byte) => byte === 0)) throw new Error('not zero after the payload')
    if (!out.subarray(words, next).every((byte) => byte === UNTOUCHED)) throw new Error('written beyond the payload')
    return size === 0 ? Buffer.alloc(0) : out.subarray(blockOffset, blockOffset + size)
  })
}

/** Compresses and proves: what is stored lies there as it was, and all else decodes to its plain. */
async function check(t: Test, inputs: Input[], gap = 0): Promise<Buffer[]> {
  const frames = await press(inputs, gap)
  for (const [i, { name, bytes, store }] of inputs.entries()) {
    const frame = frames[i]!
    if (store) t.equal(frame.length, 0, `${name}: stored`)
    if (frame.length === 0) continue
    if (frame.length >= bytes.length) t.fail(`${name}: grew`)
    for (const decoder of decoders) {
      const out = Buffer.alloc(bytes.length)
      try {
        decompressInto(frame, out, decoder)
      } catch (error) {
        t.fail(`${name}: ${(error as Error).message}`)
        continue
      }
      if (Buffer.compare(out, bytes) !== 0) t.fail(`${name}: other bytes`)
    }
  }
  t.ok(true, `${inputs.length} frames`)
  return frames
}

const BLOCK_TYPES = ['raw', 'rle', 'compressed'] as const

interface Block { type: typeof BLOCK_TYPES[number], literals?: string, literalCount?: number, sequences?: number, modes?: string, tree?: string }

/** What kinds of section a frame is made of, RFC 8878 §3.1.1. */
function blocksOf(frame: Buffer): Block[] {
  const found: Block[] = []
  let at = 5 + [1, 2, 4][frame[4]! >>> 6]!
  for (let last = false; !last;) {
    const word = frame.readUIntLE(at, 3)
    last = (word & 1) === 1
    const type = BLOCK_TYPES[word >>> 1 & 3]!
    at += 3
    if (type !== 'compressed') {
      found.push({ type })
      at += type === 'rle' ? 1 : word >>> 3
      continue
    }
    const block = frame.subarray(at, at + (word >>> 3))
    at += word >>> 3
    const kind = block[0]! & 3
    const format = block[0]! >>> 2 & 3
    let [head, count, size] = [0, 0, 0]
    if (kind < 2) {
      head = [1, 2, 1, 3][format]!
      count = block.readUIntLE(0, head) >>> [3, 4, 3, 4][format]!
      size = kind === 1 ? 1 : count
    } else {
      head = [3, 3, 4, 5][format]!
      const bits = [10, 10, 14, 18][format]!
      const field = Number(Buffer.concat([block.subarray(0, head), Buffer.alloc(8)]).readBigUInt64LE(0) >> 4n)
      count = field % 2 ** bits
      size = Math.floor(field / 2 ** bits)
    }
    const tree = kind < 2 ? undefined : block[head]! < 128 ? 'coded' : 'direct'
    const list = block.subarray(head + size)
    const sequences = list[0]! < 128 ? list[0]! : list[0]! - 128 << 8 | list[1]!
    const modes = list[list[0]! < 128 ? 1 : 2]
    found.push({
      type, tree, literalCount: count, sequences, literals: ['raw', 'rle', 'huffman'][kind]! + (kind < 2 ? '' : format),
      modes: sequences === 0 ? '' : [6, 4, 2].map((shift) => modes! >>> shift & 3).join(''),
    })
  }
  return found
}

const WORDS = 'the of and frame block length match offset literal table state bits code window header archive chunk page root key'.split(' ')

/** Words, more of the first ones, numbers between them. */
function text(length: number, seed = 5): Uint8Array {
  const random = xorshift(seed, 2 * length)
  const out: string[] = []
  for (let at = 0, i = 0; at < length; i += 2) {
    const word = random[i]! < 40 ? String(random[i + 1]! * 7) : WORDS[random[i + 1]! * random[i]! % 401 % WORDS.length]!
    out.push(word)
    at += word.length + 1
  }
  return Buffer.from(out.join(' ')).subarray(0, length)
}

const random = (length: number, seed = 1): Uint8Array => xorshift(seed, length)
const zeros = (length: number): Uint8Array => new Uint8Array(length)
const periodic = (length: number, period: number): Uint8Array => {
  const once = random(period, period)
  return new Uint8Array(length).map((_, i) => once[i % period]!)
}
/** 64 kinds of byte and next to no matches. */
const sixBits = (length: number): Uint8Array => random(length, 77).map((byte) => byte & 63)
const concat = (...pieces: Uint8Array[]): Uint8Array => Buffer.concat(pieces)

t.test('lengths where a field of the frame or of its first block grows', { skip }, async (t) => {
  const lengths = [
    1, 2, 3, 4, 5, // nothing that could shrink
    8, 9, // as many bytes as a position needs to be entered, one more
    31, 32, 33, // literals header of 2 bytes
    63, 64, 65, // Huffman is tried
    255, 256, 257, // Frame_Content_Size of 2 bytes; a tile
    1023, 1024, 1025, // 10 bits in the literals header
  ]
  const kinds = { text, random, zeros, sixBits, periodic: (length: number) => periodic(length, 7) }
  const inputs = Object.entries(kinds).flatMap(([name, make]) => lengths.map((length) => ({ name: `${name} ${length}`, bytes: make(length) })))
  const frames = await check(t, inputs)
  for (const [i, { name }] of inputs.entries()) if (name.startsWith('random')) t.equal(frames[i]!.length, 0, `${name} is stored`)
  t.ok(frames[inputs.findIndex(({ name }) => name === 'zeros 1024')]!.length < 20)
})

t.test('lengths about those of blocks', { skip }, async (t) => {
  const lengths = [65_535, 65_536, 65_537, 65_791, 65_792, 131_071, 131_072, 131_073] // 65,792: Frame_Content_Size of 4 bytes
  await check(t, lengths.flatMap((length) => [
    // Tens of thousands of bytes in one match cost next to nothing.
    { name: `text ${length}`, bytes: concat(text(9000), new Uint8Array(length - 9300).fill(32), text(300)) },
  ]).concat([65_537, 131_072].flatMap((length) => [
    { name: `zeros ${length}`, bytes: zeros(length) },
    { name: `random at the end ${length}`, bytes: concat(zeros(length - 100), random(100)) },
  ])))
})

t.test('literals: every header, one stream and four, both descriptions of the tree', { skip }, async (t) => {
  // Counts as of Fibonacci's numbers make the deepest tree: its depth must be cut to 11.
  const fibonacci = [1, 1]
  while (fibonacci.length < 18) fibonacci.push(fibonacci.at(-1)! + fibonacci.at(-2)!)
  const deep = Buffer.concat(fibonacci.map((count, symbol) => Buffer.alloc(count, 200 - symbol)))
  const order = random(4 * deep.length, 3)
  const shuffled = Buffer.from([...deep].map((byte, i) => [new DataView(order.buffer).getUint32(4 * i), byte] as const)
    .sort(([a], [b]) => a - b).map(([, byte]) => byte))
  const inputs = [
    // 18 bits in the header from 16,384 on. 255: one stream up to there.
    ...[63, 64, 100, 255, 256, 1023, 1024, 4095, 16_383, 16_384].map((length) => ({ name: `six bits ${length}`, bytes: sixBits(length) })),
    { name: 'all bytes, skewed', bytes: random(20_000, 8).map((byte, i) => i % 5 === 0 ? byte : byte & 31) },
    { name: 'symbols 0 and 128', bytes: random(3000, 8).map((byte) => byte > 60 ? 0 : 128) },
    { name: 'symbols 0 and 1', bytes: random(3000, 8).map((byte) => byte > 60 ? 0 : 1) },
    { name: 'deep tree', bytes: shuffled },
    // Only the literals are uniform: matches of all but one byte.
    { name: 'literals of one kind', bytes: concat(...Array.from({ length: 40 }, (_, i) => concat(new Uint8Array(1).fill(120), new Uint8Array(300).fill(i * 3)))) },
    { name: 'raw literals', bytes: concat(random(5000), random(5000)) },
  ]
  const frames = await check(t, inputs)
  const blocks = frames.filter((frame) => frame.length > 0).flatMap(blocksOf)
  for (const kind of ['huffman0', 'huffman1', 'huffman2', 'huffman3', 'raw']) t.ok(blocks.some(({ literals }) => literals === kind), kind)
  for (const kind of ['coded', 'direct']) t.ok(blocks.some(({ tree }) => tree === kind), kind)
})

t.test('lengths of literals and matches where codes grow', { skip }, async (t) => {
  const phrase = random(2100, 40)
  const literals = [0, 1, 15, 16, 17, 23, 24, 31, 32, 47, 48, 63, 64, 65, 127, 128, 129, 255, 256, 1023, 1024, 2047, 2048]
  // Less 3: 31, 32, … 127, 128; about CAP of the shader, and a round of all invocations more.
  const matches = [4, 5, 31, 32, 33, 34, 35, 36, 37, 42, 43, 50, 51, 66, 67, 98, 99, 130, 131, 132, 258, 259, 514, 515, 1055, 1056, 1057, 1058, 2050, 2051]
  const pieces: Uint8Array[] = [phrase]
  for (const [i, length] of matches.entries()) {
    pieces.push(random(literals[i % literals.length]!, 100 + i), phrase.subarray(0, length), random(1, 300 + i))
  }
  for (const [i, length] of literals.entries()) pieces.push(phrase.subarray(i, i + 40), random(length, 200 + i), phrase.subarray(0, 50))
  const all = concat(...pieces)
  const inputs: Input[] = [
    { name: 'borders', bytes: all },
    // As the literals' and the match's longest code: 65,536 bytes in one part.
    { name: 'a long run of literals', bytes: concat(random(60_000), random(60_000).subarray(0, 5536)) },
    { name: 'a long match', bytes: concat(random(8), new Uint8Array(65_528)) },
    { name: 'matches up to the end of the part', bytes: concat(random(65_536), random(65_536), random(10)) },
  ]
  const frames = await check(t, inputs)
  t.ok(frames[3]!.length < 65_536 + 200, 'what is in the part before is found')
})

t.test('numbers of sequences where their header grows, and more than are kept', { skip }, async (t) => {
  const phrase = random(64, 41)
  const withCopies = (copies: number): Uint8Array =>
    concat(phrase, ...Array.from({ length: copies }, (_, i) => concat(random(8, 1000 + i), phrase.subarray(i % 32, i % 32 + 12))), random(9, 3))
  const counts = [0, 1, 2, 3, 126, 127, 128, 129, 255, 256, 257] // 128: 2 bytes; 256: more than a round of all invocations
  const inputs = counts.map((count) => ({ name: `${count} sequences`, bytes: concat(withCopies(count), sixBits(2000)) }))
  // Words of 5 bytes out of 200: more than 8,192 matches in a part.
  const words = Array.from({ length: 200 }, (_, i) => random(5, 500 + i))
  inputs.push({ name: 'short words', bytes: concat(...Array.from(random(13_000, 6), (byte) => words[byte % 200]!)) })
  const frames = await check(t, inputs)
  for (const [i, count] of counts.entries()) t.equal(blocksOf(frames[i]!)[0]!.sequences, count)
  t.equal(blocksOf(frames.at(-1)!)[0]!.sequences, 8192)
})

t.test('tables of sequences: predefined, of their own, of one symbol', { skip }, async (t) => {
  const few = concat(random(500), random(300), random(200))
  // The bytes beside what is copied are never the same: all matches are 20 bytes.
  const copied = random(20, 42).map((byte) => byte | 128)
  const even = concat(...Array.from({ length: 100 }, (_, i) => concat(copied, Buffer.of(i, 1, 2, 127 - i))))
  const frames = await check(t, [{ name: 'few', bytes: few }, { name: 'even', bytes: even }, { name: 'text', bytes: text(30_000) }])
  const modes = frames.map((frame) => blocksOf(frame)[0]!.modes!)
  for (const mode of '012') t.ok(modes.join('').includes(mode), `mode ${mode} among ${modes.join(' ')}`)
})

t.test('periods', { skip }, async (t) => {
  // All about the 8 invocations that look at each other's words, and at what a position hashes; some about a tile.
  const periods = [...Array.from({ length: 40 }, (_, i) => i + 1), 47, 63, 64, 65, 100, 127, 128, 129, 191, 254, 255, 256, 257, 258, 299, 300]
  const frames = await check(t, periods.map((period) => ({ name: `period ${period}`, bytes: periodic(2 * period + 150, period) })))
  for (const [i, period] of periods.entries()) t.ok(frames[i]!.length > 0 && frames[i]!.length < period + 100, `period ${period}`)
})

t.test('several frames, stored ones between, and what lies between them left alone', { skip }, async (t) => {
  const inputs: Input[] = [
    { name: 'text', bytes: text(70_001) },
    { name: 'text to be stored', bytes: text(66_003), store: true },
    { name: 'random', bytes: random(65_537) },
    { name: 'uniform', bytes: new Uint8Array(131_073).fill(9) },
    { name: 'random again', bytes: random(3) },
    { name: 'text again', bytes: text(1001) },
  ]
  const frames = await check(t, inputs, 192)
  t.same(frames.map(({ length }) => length === 0), [false, true, true, false, true, false])
  const once = await press(inputs, 64)
  const twice = await press(inputs, 64)
  t.ok(once.every((frame, i) => frame.equals(frames[i]!) && frame.equals(twice[i]!)), 'the same bytes each time, wherever they go')
})

t.test('the place of what is stored', { skip }, async (t) => {
  const bytes = random(65_539, 4)
  const plain = await storage(gpu!, bytes)
  const scratch = await storage(gpu!, Zstd.scratchBytes(2))
  const blocks = await storage(gpu!, 128 + 65_600)
  const lengths = await storage(gpu!, new Uint8Array([1, 2, 3, 4]))
  const pass = await kernel!.bind({ plain, scratch, blocks, lengths, maxParts: 2, maxFrames: 1 })
  compute(gpu!, (encoder) => pass.encode(encoder, [{ plainOffset: 0, plainLength: bytes.length, blockOffset: 128, store: true }]))
  t.equal(Buffer.compare((await download(gpu!, blocks)).subarray(128, 128 + bytes.length), bytes), 0)
  t.equal((await download(gpu!, lengths)).readUInt32LE(0), 0)
  const frame = { plainOffset: 0, plainLength: bytes.length, blockOffset: 128, store: false }
  for (const [what, frames] of Object.entries({
    'too many frames': [frame, frame],
    'no bytes': [{ ...frame, plainLength: 0 }],
    'too long': [{ ...frame, plainLength: MAX_FRAME_BYTES + 1 }],
    'odd place of the plain': [{ ...frame, plainOffset: 64 }],
    'odd place of the block': [{ ...frame, blockOffset: 32 }],
    'no room': [{ ...frame, blockOffset: 256 }],
  })) t.throws(() => compute(gpu!, (encoder) => pass.encode(encoder, frames)), RangeError, what)
  pass.destroy()
  await t.rejects(kernel!.bind({ plain, scratch, blocks, lengths, maxParts: 3, maxFrames: 1 }), RangeError)
  await t.rejects(kernel!.bind({ plain, scratch, blocks, lengths, maxParts: 0, maxFrames: 1 }), RangeError)
  const short = await kernel!.bind({ plain, scratch, blocks, lengths, maxParts: 1, maxFrames: 1 })
  t.throws(() => compute(gpu!, (encoder) => short.encode(encoder, [frame])), RangeError, 'too many parts')
  short.destroy()
  for (const hashBits of [12, 18, 14.5]) await t.rejects(Zstd.create(gpu!, { hashBits }), RangeError)
  for (const buffer of [plain, scratch, blocks, lengths]) buffer.destroy()
})

t.test('real files; the longest frame; no worse than zstd at level 1', { skip }, async (t) => {
  const folder = new URL('../../src/codec/', import.meta.url)
  const source = Buffer.concat(readdirSync(folder).filter((name) => name.endsWith('.ts')).sort().map((name) => readFileSync(new URL(name, folder))))
  const program = readFileSync(process.execPath).subarray(30_000_000, 30_100_000)
  const far = random(70_000, 12)
  const inputs = [
    { name: 'source', bytes: source.subarray(0, 120_000) },
    { name: 'program', bytes: program },
    { name: 'mixed', bytes: concat(text(20_000), random(50_000), zeros(100_000), program.subarray(0, 20_000), text(20_000)) },
    // The longest frame there is: 256 parts, and a match about as far back as one can be.
    { name: 'far', bytes: concat(far, zeros(MAX_FRAME_BYTES - 2 * far.length - 1000), far, text(1000)) },
  ]
  const frames = await check(t, inputs)
  const room = Buffer.alloc(1 << 18)
  for (const i of [0, 1]) t.ok(frames[i]!.length < 1.03 * compressInto(inputs[i]!.bytes, 1, room), inputs[i]!.name)
  t.ok(frames[3]!.length < 75_000)
})
