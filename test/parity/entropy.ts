import t, { type Test } from 'tap'
import { LZ4_PART_BYTES, MAX_FRAME_BYTES } from '../../src/base/limits.ts'
import { countBytes, countRepeats, judgeBinary, judgeIncompressible, isBinary, looksIncompressible } from '../../src/codec/entropy.ts'
import { Device } from '../../src/gpu/device.ts'
import { ENTROPY_REPEATS, ENTROPY_WORDS, Entropy, type EntropyFrame } from '../../src/gpu/entropy.ts'
import { xorshift } from '../codec/fixtures/xorshift.ts'
import { compute, download, storage, whyNoGpu } from '../support/gpu.ts'
import { narrowPass, type WrapPass } from '../support/narrow-pass.ts'

const skip = (await whyNoGpu()) ?? false
const gpu = skip === false ? await Device.open() : null
const kernel = gpu && (await Entropy.create(gpu))
t.teardown(() => gpu?.destroy())

/** What stands in the counts before, and behind them afterwards. */
const OLD = 0xa5a5_a5a5

/** Counts of contents that lie in one buffer, with noise between them. */
async function count(contents: Uint8Array[], wrap: WrapPass): Promise<Uint32Array> {
  let end = 0
  const frames = contents.map(({ length }) => {
    const frame = { plainOffset: end, plainLength: length }
    end += Math.ceil(length / LZ4_PART_BYTES) * LZ4_PART_BYTES
    return frame
  })
  const bytes = new Uint8Array(Math.max(4, end))
  const noise = xorshift(9, LZ4_PART_BYTES)
  contents.forEach((content, i) => {
    const { plainOffset, plainLength } = frames[i]
    bytes.set(noise.subarray(0, -plainLength & (LZ4_PART_BYTES - 1)), plainOffset + plainLength)
    bytes.set(content, plainOffset)
  })
  const plain = await storage(gpu!, bytes)
  const counts = await storage(gpu!, new Uint8Array(new Uint32Array((contents.length + 1) * ENTROPY_WORDS).fill(OLD).buffer))
  const pass = await kernel!.bind({ plain, counts, maxFrames: contents.length })
  compute(gpu!, (recorder) => pass.encode(wrap(recorder), frames))
  const result = await download(gpu!, counts)
  pass.destroy()
  plain.destroy()
  counts.destroy()
  return new Uint32Array(result.buffer, result.byteOffset, result.length / 4)
}

async function check(t: Test, cases: [name: string, content: Uint8Array][], wrap: WrapPass = (pass) => pass): Promise<void> {
  const counts = await count(cases.map(([, content]) => content), wrap)
  for (const [i, [name, content]] of cases.entries()) {
    const words = counts.subarray(i * ENTROPY_WORDS, (i + 1) * ENTROPY_WORDS)
    const values = words.subarray(0, 256)
    const expected = [...countBytes(content), countRepeats(content)].join(' ')
    t.equal(words.join(' '), expected, name)
    const incompressible = judgeIncompressible(content.length, values, () => words[ENTROPY_REPEATS])
    t.equal(incompressible, looksIncompressible(content), `${name}: incompressible`)
    t.equal(judgeBinary(content.length, values), isBinary(content), `${name}: binary`)
  }
  t.ok(counts.subarray(-ENTROPY_WORDS).every((word) => word === OLD), 'nothing behind the counts')
}

/** `block` over and over. */
function periodic(block: Uint8Array, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => block[i % block.length])
}

// 4: a word. 256: a slice. 4,096: judged from here on. 16,384: a sample, read whole up to here. 65,536: where frames start.
const LENGTHS = [
  0, 1, 2, 3, 4, 5, 47, 48, 63, 64, 65, 255, 256, 257, 258, 259, 260, 511, 512, 513, 1023, 1024, 1025, 2047, 2048, 2049,
  4095, 4096, 4097, 16_127, 16_128, 16_129, 16_383, 16_384, 16_385, 16_386, 16_639, 16_640, 65_535, 65_536, 65_537, 300_001,
]

t.test('random bytes of all lengths', { skip }, async (t) => {
  await check(t, LENGTHS.map((length) => [`${length}`, xorshift(length + 1, length)]))
})

t.test('the same byte, at all lengths', { skip }, async (t) => {
  await check(t, LENGTHS.map((length) => [`${length}`, new Uint8Array(length).fill(length)]))
})

t.test('blocks over and over', { skip }, async (t) => {
  const cases: [string, Uint8Array][] = []
  // Words come back within a slice, in the next one, and after so many others that few are still there.
  for (const period of [2, 3, 5, 16, 100, 250, 256, 257, 1000, 1024, 4096, 5000, 16_000]) {
    for (const length of [10_000, 16_384, 16_385, 200_000]) cases.push([`${length} of ${period}`, periodic(xorshift(period, period), length)])
  }
  await check(t, cases)
})

t.test('few words in any order', { skip }, async (t) => {
  const cases: [string, Uint8Array][] = []
  for (const words of [2, 10, 300, 5000]) {
    for (const length of [5000, 16_384, 100_001]) {
      const order = new Uint16Array(xorshift(words, length * 2).buffer)
      const list = xorshift(length, words * 3)
      cases.push([`${length} of ${words}`, Uint8Array.from({ length }, (_, i) => list[(order[Math.floor(i / 3)] % words) * 3 + (i % 3)])])
    }
  }
  await check(t, cases)
})

t.test('text, and a little that comes back around the threshold', { skip }, async (t) => {
  const text = new TextEncoder().encode(Array.from({ length: 20_000 }, (_, i) => `line ${(i * i) % 977} of it`).join('\n'))
  const cases: [string, Uint8Array][] = [['text', text], ['a short text', text.subarray(5, 700)]]
  for (const share of [40, 80, 120, 160, 200]) {
    const bytes = xorshift(share, 16_384)
    // Each copy of 8 bytes makes 5 words come back.
    for (let i = 0; i < share / 5; i++) bytes.copyWithin(200 * i + 300, 200 * i + 200, 200 * i + 208)
    cases.push([`${share} words`, bytes])
  }
  await check(t, cases)
})

t.test('as much as a frame can have', { skip }, async (t) => {
  const bytes = new Uint8Array(MAX_FRAME_BYTES)
  const words = new Uint32Array(bytes.buffer)
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i ^ (i >>> 7), 0x9e37_79b1)
  await check(t, [['all', bytes], ['one less', bytes.subarray(1)]])
})

t.test('more frames than workgroups fit in a row', { skip }, async (t) => {
  await check(t, Array.from({ length: 20 }, (_, i) => [`${i}`, xorshift(i + 1, 50 * i)]), narrowPass)
})

t.test('a pass is used again, for fewer frames', { skip }, async (t) => {
  const plain = await storage(gpu!, xorshift(1, 2 * LZ4_PART_BYTES))
  const counts = await storage(gpu!, 3 * ENTROPY_WORDS * 4)
  const pass = await kernel!.bind({ plain, counts, maxFrames: 3 })
  const frame = { plainOffset: LZ4_PART_BYTES, plainLength: 1000 }
  compute(gpu!, (recorder) => pass.encode(recorder, [frame, frame, frame]))
  gpu!.device.queue.writeBuffer(counts, 0, Buffer.alloc(counts.size, 0xa5))
  compute(gpu!, (recorder) => pass.encode(recorder, [frame]))
  compute(gpu!, (recorder) => pass.encode(recorder, []))
  const result = await download(gpu!, counts)
  const words = new Uint32Array(result.buffer, result.byteOffset, result.length / 4)
  t.equal(words.subarray(0, 256).reduce((sum, value) => sum + value), 1000)
  t.ok(words.subarray(ENTROPY_WORDS).every((word) => word === OLD))
  pass.destroy()
})

t.test('misuse', { skip }, async (t) => {
  const [plain, counts] = [await storage(gpu!, 2 * LZ4_PART_BYTES), await storage(gpu!, 2 * ENTROPY_WORDS * 4)]
  const pass = await kernel!.bind({ plain, counts, maxFrames: 2 })
  const frame = (plainOffset: number, plainLength: number) => ({ plainOffset, plainLength })
  for (const [name, frames] of [
    ['more frames than bound for', [frame(0, 1), frame(0, 1), frame(0, 1)]],
    ['a start between the allowed ones', [frame(4, 1)]],
    ['a frame outside of the buffer', [frame(LZ4_PART_BYTES, LZ4_PART_BYTES + 1)]],
    ['a frame that is too long', [frame(0, MAX_FRAME_BYTES + 1)]],
  ] as [string, EntropyFrame[]][]) compute(gpu!, (recorder) => t.throws(() => pass.encode(recorder, frames), RangeError, name))
  pass.destroy()
  t.rejects(kernel!.bind({ plain, counts, maxFrames: 3 }), RangeError, 'no room for the counts')
})
