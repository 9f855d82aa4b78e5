import t, { type Test } from 'tap'
import { LZ4_PART_BYTES, MAX_FRAME_BYTES } from '../../src/base/limits.ts'
import { gather } from '../../src/codec/gather.ts'
import { Device } from '../../src/gpu/device.ts'
import { FRAME_PAD_BYTES, Gather, type GatherFrame, type GatherPass } from '../../src/gpu/gather.ts'
import { xorshift } from '../codec/fixtures/xorshift.ts'
import { compute, download, storage, whyNoGpu } from '../support/gpu.ts'
import { narrowPass, type WrapPass } from '../support/narrow-pass.ts'

const skip = (await whyNoGpu()) ?? false
const gpu = skip === false ? await Device.open() : null
const kernel = gpu && (await Gather.create(gpu))
t.teardown(() => gpu?.destroy())

const SOURCE_BYTES = 1 << 20
const slab = new SharedArrayBuffer(SOURCE_BYTES)
const bytes = Buffer.from(slab)
bytes.set(xorshift(1, SOURCE_BYTES))

/** What stands in the target before. */
const OLD = 0xee

/** Frames of these lists of pieces, each as soon after the one before as it may be. */
function place(lists: number[][]): GatherFrame[] {
  let plainOffset = 0
  return lists.map((list) => {
    const plainLength = list.reduce((sum, length, i) => sum + (i % 2 === 1 ? length : 0), 0)
    const frame = { pieces: Uint32Array.from(list), plainOffset, plainLength }
    plainOffset += Math.ceil(plainLength / LZ4_PART_BYTES) * LZ4_PART_BYTES
    return frame
  })
}

/** What the target must hold afterwards, by the twin. */
function expectedTarget(size: number, source: SharedArrayBuffer, frames: GatherFrame[]): Buffer {
  const target = Buffer.alloc(size, OLD)
  for (const { pieces, plainOffset, plainLength } of frames) {
    target.fill(0, plainOffset, plainOffset + Math.ceil(plainLength / FRAME_PAD_BYTES) * FRAME_PAD_BYTES)
    target.set(gather(source, pieces, plainLength), plainOffset)
  }
  return target
}

async function check(t: Test, name: string, frames: GatherFrame[], source = slab, wrap: WrapPass = (pass) => pass): Promise<void> {
  const last = frames.at(-1)!
  const size = last.plainOffset + Math.ceil((last.plainLength + 1) / LZ4_PART_BYTES) * LZ4_PART_BYTES
  const from = await storage(gpu!, new Uint8Array(source))
  const target = await storage(gpu!, Buffer.alloc(size, OLD))
  const maxPieces = frames.reduce((sum, { pieces }) => sum + pieces.length / 2, 0)
  const pass = await kernel!.bind({ source: from, target, maxPieces, maxFrames: frames.length })
  compute(gpu!, (recorder) => pass.encode(wrap(recorder), frames))
  const result = await download(gpu!, target)
  const expected = expectedTarget(size, source, frames)
  if (!t.ok(result.equals(expected), name)) t.comment(`first difference at ${result.findIndex((byte, i) => byte !== expected[i])}`)
  pass.destroy()
  from.destroy()
  target.destroy()
}

/** Random numbers below `limit`, always the same ones. */
function numbers(seed: number): (limit: number) => number {
  const noise = Buffer.from(xorshift(seed, 1 << 18).buffer)
  let at = 0
  return (limit) => noise.readUInt32LE((at += 4) - 4) % limit
}

t.test('one piece, at every alignment, of lengths around those of words, vectors, pads and tiles', { skip }, async (t) => {
  // 4: a word. 16: what a thread writes. 64: padding. 16,384: a tile. 65,536: frames start at multiples of it.
  const around = [1, 2, 3, 4, 5, 15, 16, 17, 47, 48, 63, 64, 65, 1023, 1024, 1025, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537]
  await check(t, 'lengths', place(around.map((length, i) => [1000 + i, length])))
  await check(t, 'alignments', place(Array.from({ length: 17 }, (_, i) => [i, 100])))
  await check(t, 'the ends of the source', place([[0, 1], [0, 16], [SOURCE_BYTES - 1, 1], [SOURCE_BYTES - 17, 17], [0, SOURCE_BYTES]]))
})

t.test('pieces that meet inside of words and vectors', { skip }, async (t) => {
  const lists: number[][] = []
  // Where the second starts in a vector, its alignment in the source, and how much of it there is before a third.
  for (const first of [1, 3, 4, 5, 12, 15, 16, 17]) {
    for (const start of [0, 1, 2, 3, 7, 13]) for (const length of [1, 2, 5, 11, 16, 40]) lists.push([500, first, start, length, 777, 30])
  }
  await check(t, 'three pieces', place(lists))
})

t.test('pieces from anywhere', { skip }, async (t) => {
  const random = numbers(2)
  // As chunks are, as small files are, and the worst there can be.
  const kinds = [{ count: 10, max: 100_000 }, { count: 300, max: 4000 }, { count: 3000, max: 20 }, { count: 17_000, max: 1 }]
  await check(t, 'frames of all kinds', place(kinds.map(({ count, max }) => Array.from({ length: count }, () => {
    const length = 1 + random(max)
    return [random(SOURCE_BYTES - length), length]
  }).flat())))
  await check(t, 'backwards', place([Array.from({ length: 100 }, (_, i) => [SOURCE_BYTES - 1013 * (i + 1), 1013]).flat()]))
  await check(t, 'the same bytes again and again', place([Array(200).fill([12_345, 321]).flat() as number[]]))
})

t.test('frames without pieces, and pieces without bytes', { skip }, async (t) => {
  await check(t, 'among others', place([[], [5, 100], [], [9, 0], [3, 0, 70, 10, 1, 0, 80, 10, 4, 0]]))
  await check(t, 'alone', place([[]]))
  await check(t, 'gaps between frames', [
    { pieces: Uint32Array.of(10, 100), plainOffset: LZ4_PART_BYTES, plainLength: 100 },
    { pieces: Uint32Array.of(7, 70_000), plainOffset: 3 * LZ4_PART_BYTES, plainLength: 70_000 },
  ])
})

t.test('as much as a frame can have', { skip }, async (t) => {
  const source = new SharedArrayBuffer(MAX_FRAME_BYTES + 16)
  const words = new Uint32Array(source)
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 0x9e37_79b1)
  await check(t, 'one piece', place([[5, MAX_FRAME_BYTES]]), source)
})

t.test('more tiles than workgroups fit in a row', { skip }, async (t) => {
  await check(t, 'three frames', place([[1, 300_000], [5, 20_000, 90_001, 70_000], [7, 33]]), slab, narrowPass)
})

t.test('a pass is used again, for fewer frames', { skip }, async (t) => {
  const from = await storage(gpu!, bytes)
  const size = 4 * LZ4_PART_BYTES
  const target = await storage(gpu!, Buffer.alloc(size, OLD))
  const pass = await kernel!.bind({ source: from, target, maxPieces: 3, maxFrames: 2 })
  compute(gpu!, (recorder) => pass.encode(recorder, place([[100, 50_000, 0, 30_000], [9, 30_000]])))
  const frames = place([[77, 70_000]])
  gpu!.device.queue.writeBuffer(target, 0, Buffer.alloc(size, OLD))
  compute(gpu!, (recorder) => pass.encode(recorder, frames))
  t.ok((await download(gpu!, target)).equals(expectedTarget(size, slab, frames)))
  pass.destroy()
})

t.test('pieces side by side count as one', { skip }, async (t) => {
  const pass = await bindSmall()
  const pieces = Uint32Array.from(Array.from({ length: 100 }, (_, i) => [10 * i, 10]).flat())
  compute(gpu!, (recorder) => t.doesNotThrow(() => pass.encode(recorder, [{ pieces, plainOffset: 0, plainLength: 1000 }])))
  pass.destroy()
})

t.test('misuse', { skip }, async (t) => {
  const pass = await bindSmall()
  const frame = (plainOffset: number, plainLength: number, ...pieces: number[]) => ({ pieces: Uint32Array.from(pieces), plainOffset, plainLength })
  const unit = LZ4_PART_BYTES
  for (const [name, frames] of [
    ['more frames than bound for', [frame(0, 0), frame(0, 0), frame(0, 0), frame(0, 0)]],
    ['more pieces than bound for', [frame(0, 3, 0, 1, 5, 1, 9, 1)]],
    ['a piece outside of the source', [frame(0, 2, 9999, 2)]],
    ['a start between the allowed ones', [frame(unit / 2, 1, 0, 1)]],
    ['a frame outside of the target', [frame(2 * unit, 1, 0, 1)]],
    ['frames that overlap', [frame(unit, 1, 0, 1), frame(unit, 1, 0, 1)]],
    ['another length than that of the pieces', [frame(0, 2, 0, 1)]],
    ['a frame that is too long', [frame(0, MAX_FRAME_BYTES + 1, 0, 1)]],
  ] as [string, GatherFrame[]][]) compute(gpu!, (recorder) => t.throws(() => pass.encode(recorder, frames), RangeError, name))
  pass.destroy()
  const [whole, ragged] = [await storage(gpu!, 160), await storage(gpu!, 164)]
  t.rejects(kernel!.bind({ source: ragged, target: whole, maxPieces: 1, maxFrames: 1 }), RangeError)
  t.rejects(kernel!.bind({ source: whole, target: ragged, maxPieces: 1, maxFrames: 1 }), RangeError)
})

async function bindSmall(): Promise<GatherPass> {
  const [source, target] = [await storage(gpu!, 10_000), await storage(gpu!, 2 * LZ4_PART_BYTES)]
  return kernel!.bind({ source, target, maxPieces: 2, maxFrames: 3 })
}
