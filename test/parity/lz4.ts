import fs from 'node:fs'
import t, { type Test } from 'tap'
import fc from 'fast-check'
import { LZ4_PART_BYTES as PART } from '../../src/base/limits.ts'
import { chosen, decodeInto, encodeInto, native, portable } from '../../src/codec/lz4.ts'
import { Device } from '../../src/gpu/device.ts'
import { Lz4, type Lz4Frame, type Lz4Pass } from '../../src/gpu/lz4.ts'
import { xorshift } from '../codec/fixtures/xorshift.ts'
import { compute, download, storage, whyNoGpu } from '../support/gpu.ts'

const MAX_PARTS = 64
const MAX_FRAMES = 64
const GUARD = 0x5a
const skip = (await whyNoGpu()) ?? false
const decoders = [native(), portable()].filter((lz4) => lz4 !== null)

interface Bench {
  gpu: Device
  buffers: Record<'plain' | 'scratch' | 'blocks' | 'lengths', GPUBuffer>
  lz4: Lz4
  pass: Lz4Pass
}

interface Packed {
  /** 0: stored */
  length: number
  /** The payload, or the plaintext of a stored frame. */
  bytes: Buffer
}

let opened: Promise<Bench> | undefined

function bench(): Promise<Bench> {
  opened ??= (async () => {
    const gpu = await Device.open()
    const buffers = {
      plain: await storage(gpu, MAX_PARTS * PART), scratch: await storage(gpu, MAX_PARTS * PART),
      blocks: await storage(gpu, MAX_PARTS * PART), lengths: await storage(gpu, MAX_FRAMES * 4),
    }
    const lz4 = await Lz4.create(gpu)
    const pass = await lz4.bind({ ...buffers, maxParts: MAX_PARTS, maxFrames: MAX_FRAMES })
    return { gpu, buffers, lz4, pass }
  })()
  return opened
}

t.teardown(async () => {
  if (!opened) return
  const { gpu, pass } = await opened
  pass.destroy()
  gpu.destroy()
})

/** Frames one after the other, each at the next part that is free; in `blocks` each at the next multiple of 64. */
function place(list: Uint8Array[], stores: (index: number) => boolean): Lz4Frame[] {
  let plainOffset = 0
  let blockOffset = 64
  return list.map(({ length }, i) => {
    const frame = { plainOffset, plainLength: length, blockOffset, store: stores(i) }
    plainOffset += Math.ceil(length / PART) * PART
    blockOffset += Math.ceil(length / 64) * 64 + 64
    return frame
  })
}

/** Packs frames over buffers full of `dirt`, and checks that nothing else is written to `blocks`. */
async function packAt(t: Test, list: Uint8Array[], frames: Lz4Frame[], dirt = GUARD): Promise<Packed[]> {
  const { gpu, buffers, pass } = await bench()
  const { queue } = gpu.device
  const end = Math.max(...frames.map(({ blockOffset, plainLength }) => blockOffset + plainLength)) + 64
  queue.writeBuffer(buffers.blocks, 0, new Uint8Array(Math.ceil(end / 4) * 4).fill(GUARD))
  for (const [i, { plainOffset, plainLength }] of frames.entries()) {
    // What follows a frame must not matter.
    const padded = new Uint8Array(Math.ceil(plainLength / PART) * PART).fill(dirt)
    padded.set(list[i])
    queue.writeBuffer(buffers.plain, plainOffset, padded)
  }
  compute(gpu, (recorded) => pass.encode(recorded, frames))
  const lengths = await download(gpu, buffers.lengths, frames.length * 4)
  const blocks = await download(gpu, buffers.blocks, end)
  const packed = frames.map(({ blockOffset, plainLength }, i) => {
    const length = lengths.readUInt32LE(4 * i)
    const bytes = Buffer.from(blocks.subarray(blockOffset, blockOffset + (length || plainLength)))
    const padded = Math.ceil(bytes.length / 4) * 4
    const rest = blocks.subarray(blockOffset + bytes.length, blockOffset + padded)
    if (!rest.equals(Buffer.alloc(rest.length))) t.fail(`frame ${i}: its last word is not filled with 0`)
    blocks.fill(GUARD, blockOffset, blockOffset + padded)
    return { length, bytes }
  })
  t.ok(blocks.equals(Buffer.alloc(end, GUARD)), 'nothing else is written')
  return packed
}

/** Packs any number of frames, and checks each. */
async function pack(t: Test, list: Uint8Array[], stores: (index: number) => boolean = () => false): Promise<Packed[]> {
  const packed: Packed[] = []
  for (let first = 0; first < list.length;) {
    let parts = 0
    let next = first
    while (next < list.length && next - first < MAX_FRAMES && parts + Math.ceil(list[next].length / PART) < MAX_PARTS) {
      parts += Math.ceil(list[next++].length / PART)
    }
    const some = list.slice(first, next)
    packed.push(...await packAt(t, some, place(some, (i) => stores(first + i))))
    first = next
  }
  const faults = packed.map((found, i) => ({ index: i, bytes: list[i].length, what: fault(list[i], found, stores(i)) }))
  t.same(faults.filter(({ what }) => what !== null), [])
  return packed
}

/** What is wrong with a packed frame. */
function fault(plain: Uint8Array, { length, bytes }: Packed, store: boolean): string | null {
  if (length === 0) {
    if (!bytes.equals(plain)) return 'not stored as it is'
    return !store && encodeInto(plain, Buffer.alloc(plain.length * 0.9)) > 0 ? 'stored, though it shrinks' : null
  }
  if (store) return 'not stored'
  if (length >= plain.length) return 'longer than the plaintext'
  for (const decoder of decoders) {
    const decoded = Buffer.alloc(plain.length)
    try {
      decodeInto(bytes, decoded, decoder)
    } catch (error) {
      return String((error as Error).cause ?? error)
    }
    if (!decoded.equals(plain)) return 'decoded to other bytes'
  }
  return bodies(plain.length, bytes).map(endFault).find((found) => found !== null) ?? null
}

/** The blocks in a payload, those of stored parts left out, and the bytes that each decodes to. */
function bodies(plainLength: number, payload: Buffer): { block: Buffer, plainLength: number }[] {
  const count = Math.ceil(plainLength / PART)
  let at = 4 * count
  return Array.from({ length: count }, (_, i) => {
    const word = payload.readUInt32LE(4 * i)
    const block = payload.subarray(at, at += word & 0x7fff_ffff)
    return { block: word < 0x8000_0000 ? block : null, plainLength: Math.min(PART, plainLength - i * PART) }
  }).filter((body): body is { block: Buffer, plainLength: number } => body.block !== null)
}

/** The rules for the end of a block, which decoders do not check. */
function endFault({ block, plainLength }: { block: Buffer, plainLength: number }): string | null {
  const list = sequences(block)
  if (list.at(-1)!.match !== 0 || list.at(-1)!.literals < 5) return 'the last five bytes are not literals'
  const last = list.at(-2)
  return last && last.end - last.match > plainLength - 12 ? 'a match starts in the last twelve bytes' : null
}

/** Literals, match length, offset, and the position after each sequence. */
function sequences(block: Uint8Array): { literals: number, match: number, offset: number, end: number }[] {
  const list = []
  let end = 0
  for (let at = 0; at < block.length;) {
    const token = block[at++]
    const extended = (nibble: number) => {
      let length = nibble
      if (nibble === 15) do length += block[at]; while (block[at++] === 255)
      return length
    }
    const literals = extended(token >>> 4)
    at += literals
    end += literals
    const isLast = at === block.length
    const offset = isLast ? 0 : block[at++] | block[at++] << 8
    const match = isLast ? 0 : extended(token & 15) + 4
    end += match
    list.push({ literals, match, offset, end })
  }
  return list
}

function text(seed: number, length: number): Uint8Array {
  return xorshift(seed, length).map((byte) => 97 + (byte & byte >> 4 & 7))
}

function periodic(period: number, length: number): Uint8Array {
  const once = xorshift(period, period)
  return new Uint8Array(length).map((_, i) => once[i % period])
}

t.test('short frames', { skip }, async (t) => {
  // 12: too short for a match; 13: the shortest that may have one; 16: the first payload that is smaller than its plaintext.
  const lengths = [1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 31, 63, 64, 65, 127, 255, 256, 257]
  await pack(t, lengths.flatMap((length) => [new Uint8Array(length), text(5, length), xorshift(6, length)]))
  const [zeros] = await pack(t, [new Uint8Array(65)])
  // Table, token, 1 literal, offset, length, token, 5 literals.
  t.equal(zeros.length, 4 + 1 + 1 + 2 + 1 + 1 + 5)
})

t.test('around the length of a part', { skip }, async (t) => {
  const list = [PART - 1, PART, PART + 1].flatMap((length) => [text(1, length), periodic(1, length), xorshift(1, length)])
  const packed = await pack(t, list)
  t.ok(packed[2].length === 0 && packed[5].length === 0 && packed[8].length === 0, 'what is random is stored')
  t.ok(packed[1].length < 400 && packed[4].length < 400, 'a whole part is one match')
})

t.test('parts of many kinds in one frame, and many frames at once', { skip }, async (t) => {
  const parts = [xorshift(2, PART), new Uint8Array(PART), text(2, PART), xorshift(3, PART)]
  const frame = (order: number[], tail: Uint8Array) => Buffer.concat([...order.map((i) => parts[i]), tail])
  const list = [
    // Tails of one to three bytes: a word with bytes of two bodies, or of three.
    frame([1, 0], xorshift(9, 1)), frame([1, 2], xorshift(9, 2)), frame([0, 1], xorshift(9, 3)), frame([2, 1], new Uint8Array(700)),
    frame([0, 3], new Uint8Array(100)), frame([1, 1], new Uint8Array(0)), text(4, 1000), frame([0, 3], xorshift(9, 77)), frame([1], text(4, 5001)),
  ]
  const packed = await pack(t, list, (i) => i === 3 || i === 6)
  t.same(packed.map(({ length }) => length === 0), [false, false, false, true, false, false, true, true, false])
  const payload = packed[0].bytes
  t.equal(payload.readUInt32LE(4), 0x8000_0000 + PART, 'a part that does not shrink')
  t.equal(payload.readUInt32LE(8), 0x8000_0001)
})

t.test('anywhere in the buffers', { skip }, async (t) => {
  const list = [text(7, 3000), text(8, 70_001), xorshift(8, 501)]
  const frames = [
    { plainOffset: 5 * PART, plainLength: 3000, blockOffset: 6400, store: false },
    { plainOffset: 1 * PART, plainLength: 70_001, blockOffset: 1_000_000, store: false },
    { plainOffset: 63 * PART, plainLength: 501, blockOffset: 0, store: false },
  ]
  const packed = await packAt(t, list, frames)
  t.same(packed.map((found, i) => fault(list[i], found, false)), [null, null, null])
  const elsewhere = await pack(t, list)
  t.ok(packed.every(({ bytes }, i) => bytes.equals(elsewhere[i].bytes)), 'the same bytes')
})

t.test('the output depends on the input alone', { skip }, async (t) => {
  // The end of the frame agrees with two places alike, but for what follows it: 42 bytes are compared to two bytes beyond their end.
  const once = xorshift(6, 42)
  const undecided = Buffer.concat([xorshift(1, 100), once, Buffer.alloc(8, 0), xorshift(2, 370), once, Buffer.alloc(8, 255), xorshift(3, 30), once])
  const list = [Buffer.concat([text(3, 40_000), xorshift(3, 5000), text(3, 20_000)]), text(9, 700), xorshift(3, 65_000), periodic(7, 9001), undecided]
  const frames = place(list, () => false)
  const first = await packAt(t, list, frames, 0)
  await pack(t, [text(99, PART), new Uint8Array(PART)])
  // What lies behind the frames, and what the scratch buffer holds, is another now.
  const second = await packAt(t, list, frames, 255)
  t.ok(first.every(({ bytes }, i) => bytes.equals(second[i].bytes)))
})

t.test('periods', { skip }, async (t) => {
  // From one byte to more than a step of the search, and around a tile of it.
  const periods = [...Array.from({ length: 60 }, (_, i) => i + 1), 127, 128, 129, 254, 255, 256, 257, 258, 300, 1023, 1024, 1025]
  const list = periods.map((period) => periodic(period, 2 * period + 333))
  const packed = await pack(t, list)
  for (const [i, { length }] of packed.entries()) {
    if (length > periods[i] * 1.02 + 60) t.fail(`period ${periods[i]}: ${length} bytes`)
  }
})

t.test('the largest offsets', { skip }, async (t) => {
  const once = xorshift(2, 20)
  // The last bytes of a part with nothing but a long match before them, and that much too far away, in the next part.
  const far = Buffer.concat([once, new Uint8Array(PART - 40), once])
  const [reached] = await pack(t, [far])
  const [{ block }] = bodies(PART, reached.bytes)
  t.equal(sequences(block).at(-2)!.offset, PART - 20)
  const apart = [periodic(65_535, 2 * PART), periodic(PART, 2 * PART)]
  t.ok((await pack(t, apart)).every(({ length }) => length === 0))
})

t.test('literal and match lengths around their extensions', { skip }, async (t) => {
  const lengths = [14, 15, 16, 15 + 254, 15 + 255, 15 + 256, 15 + 509, 15 + 510, 15 + 511]
  const literals = lengths.map((length) => Buffer.concat([xorshift(length, length), new Uint8Array(60)]))
  const found = await pack(t, literals)
  for (const [i, length] of lengths.entries()) {
    // The first of the zeros is a literal too.
    t.equal(sequences(found[i].bytes.subarray(4))[0].literals, length + 1)
  }
  const matches = lengths.map((length) => Buffer.concat([Buffer.alloc(length + 5, 7), xorshift(9, 12)]))
  const packed = await pack(t, matches)
  for (const [i, length] of lengths.entries()) t.equal(sequences(packed[i].bytes.subarray(4))[0].match, length + 4)
})

t.test('matches around the length that all threads measure together', { skip }, async (t) => {
  // 68: LONG_MATCH of the shader; 1,024: what all threads reach in a turn.
  const lengths = [66, 67, 68, 69, 70, 71, 72, 68 + 1023, 68 + 1024, 68 + 1025]
  for (const gap of [0, 1, 300]) {
    const packed = await pack(t, lengths.map((length) => {
      const once = xorshift(length, length)
      return Buffer.concat([once, xorshift(1, gap), once, xorshift(7, 13)])
    }))
    for (const [i, length] of lengths.entries()) t.ok(sequences(packed[i].bytes.subarray(4))[0].match >= length)
  }
})

t.test('the end of a block', { skip }, async (t) => {
  // A match that ends at the fifth last byte, before it, or could go on; one that starts at the twelfth last, or later.
  const list = []
  for (let rest = 0; rest < 16; rest++) list.push(Buffer.concat([new Uint8Array(50), xorshift(4, rest)]))
  for (let again = 4; again < 20; again++) list.push(Buffer.concat([xorshift(5, 100), xorshift(5, again)]))
  await pack(t, list)
})

t.test('data with repeats of many lengths and distances', { skip }, async (t) => {
  const repetitive = fc.array(fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => ({ bytes, times: 1 })),
    fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 6 }), times: fc.integer({ min: 1, max: 300 }) }),
  ), { minLength: 1, maxLength: 12 }).map((list) => Buffer.concat(list.flatMap(({ bytes, times }) => Array<Uint8Array>(times).fill(bytes))))
  await pack(t, fc.sample(repetitive, { seed: 20_261_121, numRuns: 120 }))
  // The same pieces again in another order: short matches, near and far.
  const pieces = Array.from({ length: 64 }, (_, i) => xorshift(i + 1, 3 + i % 20))
  const order = xorshift(77, 6000)
  const shuffled = Buffer.concat([...order].map((byte) => pieces[byte & 63])).subarray(0, PART)
  const [{ length }] = await pack(t, [shuffled])
  t.ok(length > 0 && length < PART / 2)
})

t.test('a large frame', { skip }, async (t) => {
  const { gpu, buffers, lz4 } = await bench()
  // 130: the last turn of the sum of lengths counts.
  const parts = process.env['WARP_LONG'] === '1' ? 256 : 130
  const length = parts * PART
  const large = { ...buffers, plain: await storage(gpu, length), scratch: await storage(gpu, length), blocks: await storage(gpu, length) }
  const pass = await lz4.bind({ ...large, maxParts: parts, maxFrames: 1 })
  // Long matches and random bytes: quick to pack.
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < parts; i++) {
    bytes.set(xorshift(i + 1, i), i * PART)
    gpu.device.queue.writeBuffer(large.plain, i * PART, bytes, i * PART, PART)
  }
  compute(gpu, (recorded) => pass.encode(recorded, [{ plainOffset: 0, plainLength: length, blockOffset: 0, store: false }]))
  const payloadLength = (await download(gpu, large.lengths, 4)).readUInt32LE(0)
  const payload = await download(gpu, large.blocks, payloadLength)
  t.equal(fault(bytes, { length: payloadLength, bytes: payload }, false), null)
  pass.destroy()
  for (const buffer of [large.plain, large.scratch, large.blocks]) buffer.destroy()
})

t.test('about as small as on the CPU', { skip }, async (t) => {
  const root = new URL('../../', import.meta.url)
  const sources = (folder: string) => Buffer.concat(fs.readdirSync(new URL(folder, root)).sort()
    .filter((name) => name.endsWith('.ts')).map((name) => fs.readFileSync(new URL(folder + name, root))))
  const program = Buffer.alloc(4 * PART)
  const fd = fs.openSync(process.execPath, 'r')
  fs.readSync(fd, program, 0, program.length, 12 * PART)
  fs.closeSync(fd)
  const log = Array.from({ length: 2000 }, (_, i) => {
    const [a, b, c] = xorshift(i + 1, 3)
    const time = `2026-11-${10 + (i >> 8)}T${10 + (i >> 6) % 14}:${10 + i % 50}:${10 + a % 50}`
    return `${time} host${b & 3} warp[${1000 + (c & 15)}]: wrote frame ${i * 7} of ${a * 100} bytes\n`
  })
  for (const [name, bytes] of [
    ['text', fs.readFileSync(new URL('format-spec/warp-archive.md', root))],
    ['source code', sources('src/archive/').subarray(0, 3 * PART)],
    ['JSON', fs.readFileSync(new URL('package-lock.json', root)).subarray(0, 3 * PART)],
    ['log', Buffer.from(log.join('')).subarray(0, 2 * PART)],
    ['program', program],
  ] as [string, Buffer][]) {
    const [{ length }] = await pack(t, [bytes])
    const expected = encodeInto(bytes, Buffer.alloc(bytes.length * 2), chosen())
    t.comment(`${name}: ${bytes.length} bytes, ${length} on the GPU, ${expected} on the CPU`)
    t.ok((length || bytes.length) < expected * 1.1, name)
  }
})

t.test('arguments out of range', { skip }, async (t) => {
  const { gpu, buffers, lz4, pass } = await bench()
  const good = { plainOffset: 0, plainLength: 100, blockOffset: 0, store: false }
  const encode = (...frames: Lz4Frame[]) => () => compute(gpu, (recorded) => pass.encode(recorded, frames))
  t.doesNotThrow(encode())
  for (const bad of [
    { plainLength: 0 }, { plainLength: (16 << 20) + 1 }, { plainOffset: 100 }, { plainOffset: -PART }, { plainOffset: MAX_PARTS * PART },
    { plainOffset: (MAX_PARTS - 1) * PART, plainLength: PART + 1 }, { blockOffset: 32 }, { blockOffset: -64 },
    { blockOffset: MAX_PARTS * PART }, { blockOffset: MAX_PARTS * PART - 64 }, { plainLength: NaN },
  ]) t.throws(encode({ ...good, ...bad }), RangeError, JSON.stringify(bad))
  t.throws(encode(...Array<Lz4Frame>(MAX_FRAMES + 1).fill(good)), RangeError)
  t.throws(encode(...Array<Lz4Frame>(2).fill({ ...good, plainLength: 40 * PART })), RangeError)
  for (const bad of [{ maxParts: 0 }, { maxFrames: 0 }, { maxParts: MAX_PARTS + 1 }, { maxFrames: MAX_FRAMES + 1 }, { maxFrames: 32_769 }]) {
    await t.rejects(lz4.bind({ ...buffers, maxParts: 1, maxFrames: 1, ...bad }), RangeError)
  }
})
