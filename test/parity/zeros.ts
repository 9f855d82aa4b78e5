import t, { type Test } from 'tap'
import { HOLE_ALIGN_BYTES as BLOCK, HOLE_MIN_BYTES as HOLE } from '../../src/base/limits.ts'
import { findZeroRuns } from '../../src/codec/zeros.ts'
import { Device } from '../../src/gpu/device.ts'
import { Zeros, flagWords, zeroRuns, type ZerosRegion } from '../../src/gpu/zeros.ts'
import { xorshift } from '../codec/fixtures/xorshift.ts'
import { compute, download, storage, whyNoGpu } from '../support/gpu.ts'
import { narrowPass, type WrapPass } from '../support/narrow-pass.ts'

const skip = (await whyNoGpu()) ?? false
const gpu = skip === false ? await Device.open() : null
const kernel = gpu && (await Zeros.create(gpu))
t.teardown(() => gpu?.destroy())

/** What stands in the flags before, and behind them afterwards. */
const OLD = 0xa5

function byTwin(bytes: Uint8Array, regions: ZerosRegion[]): number[][] {
  return regions.map(({ offset, length, fileOffset, isEnd }) => {
    const out: number[] = []
    findZeroRuns(bytes.subarray(offset, offset + length), fileOffset, isEnd, out)
    return out
  })
}

async function byKernel(bytes: Uint8Array, regions: ZerosRegion[], wrap: WrapPass): Promise<{ runs: number[][]; flags: Buffer }> {
  const maxBytes = regions.reduce((sum, { length }) => sum + length, 0)
  const words = flagWords(regions.length, maxBytes)
  const buffer = await storage(gpu!, Buffer.concat([bytes, Buffer.alloc(16 - (bytes.length % 16), 0xff)]))
  const flags = await storage(gpu!, Buffer.alloc(words * 4 + 8, OLD))
  const pass = await kernel!.bind({ bytes: buffer, flags, maxRegions: regions.length, maxBytes })
  compute(gpu!, (recorder) => pass.encode(wrap(recorder), regions))
  const result = await download(gpu!, flags)
  pass.destroy()
  buffer.destroy()
  flags.destroy()
  return { runs: zeroRuns(new Uint32Array(result.buffer, result.byteOffset, result.length / 4), regions), flags: result }
}

/** @returns how many pairs there are */
async function check(t: Test, name: string, bytes: Uint8Array, regions: ZerosRegion[], wrap: WrapPass = (pass) => pass): Promise<number> {
  const expected = byTwin(bytes, regions)
  const { runs, flags } = await byKernel(bytes, regions, wrap)
  t.equal(JSON.stringify(runs), JSON.stringify(expected), name)
  t.ok(flags.subarray(-8).every((byte) => byte === OLD), `${name}: nothing behind the flags`)
  return expected.flat().length / 2
}

/** Random numbers below `limit`, always the same ones. */
function numbers(seed: number): (limit: number) => number {
  const noise = Buffer.from(xorshift(seed, 1 << 18).buffer)
  let at = 0
  return (limit) => noise.readUInt32LE((at += 4) - 4) % limit
}

t.test('all zeros, all kinds of lengths, offsets and ends', { skip }, async (t) => {
  const bytes = new Uint8Array(10 * BLOCK)
  const regions: ZerosRegion[] = []
  // 16: a vector. Around a block, where the shorter last one comes and goes.
  for (const length of [0, 1, 15, 16, 17, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK, 3 * BLOCK + 5]) {
    for (const fileOffset of [0, 1, 15, 16, BLOCK - 16, BLOCK - 1, BLOCK, 5 * 2 ** 40 + 77]) {
      for (const isEnd of [true, false]) regions.push({ offset: regions.length % 37, fileOffset, length, isEnd })
    }
  }
  t.ok(await check(t, 'zeros', bytes, regions) > 50)
  t.equal(await check(t, 'ones', bytes.fill(1), regions), 0)
})

t.test('every byte of a block counts, and none before or behind it', { skip }, async (t) => {
  // Each in a region of one block, between bytes that are not zero; starts and ends at every alignment in a vector.
  // One byte of every vector, and the first and the last ones.
  const places = [1, 3, 4, ...Array.from({ length: BLOCK / 16 }, (_, i) => 16 * i + ((7 * i) % 16)), 4093, 4094, 4095]
  const stride = BLOCK + 33
  const regions = places.flatMap((_, i) => [
    { offset: i * stride + 1, fileOffset: 0, length: BLOCK, isEnd: false },
    // Without the byte, and so of all zeros if it is an end.
    { offset: i * stride + 1, fileOffset: 0, length: places[i], isEnd: true },
  ])
  const bytes = new Uint8Array(places.length * stride + 1).fill(0xff)
  for (const [i, place] of places.entries()) {
    bytes.fill(0, i * stride + 1, i * stride + 1 + BLOCK)
    bytes[i * stride + 1 + place] = 1 << (i % 8)
  }
  t.equal(await check(t, 'places', bytes, regions), places.length - 1)
  // A last block of few bytes may start and end within one vector.
  const short: ZerosRegion[] = []
  for (let i = 0; i < 40; i++) {
    const offset = i * 64
    bytes.fill(0xff, offset, offset + 64).fill(0, offset + 8 + (i % 9), offset + 8 + (i % 9) + 1 + (i % 11))
    short.push({ offset: offset + 8 + (i % 9), fileOffset: 0, length: 1 + (i % 11) + (i % 2), isEnd: true })
  }
  t.equal(await check(t, 'short blocks', bytes, short), 20)
})

t.test('runs around the length of a hole and across words of flags', { skip }, async (t) => {
  const random = numbers(1)
  const bytes = Buffer.alloc(8 << 20, 1)
  const regions: ZerosRegion[] = []
  let at = 0
  // 32 blocks are a word of flags.
  for (const blocks of [15, 16, 17, 31, 32, 33, 63, 64, 65]) {
    for (const before of [0, 1, 16, 31, 32]) {
      for (const behind of [0, 1, 40]) {
        const length = (before + blocks + behind) * BLOCK
        bytes.fill(0, at + before * BLOCK, at + (before + blocks) * BLOCK)
        regions.push({ offset: at, fileOffset: random(1000) * BLOCK, length, isEnd: behind === 0 })
        at = (at + length) % (4 << 20)
      }
    }
  }
  // Later regions overwrote earlier ones in part, which is as good.
  t.ok(await check(t, 'runs', bytes, regions) > 100)
})

t.test('files with holes, cut anywhere', { skip }, async (t) => {
  const random = numbers(2)
  const bytes = xorshift(3, 4 << 20)
  for (let at = random(BLOCK); at < bytes.length; at += random(60 * BLOCK)) {
    const start = at
    at += random(60 * BLOCK)
    bytes.fill(0, start, at)
  }
  const regions = Array.from({ length: 60 }, () => {
    const offset = random(bytes.length)
    return { offset, fileOffset: random(1 << 30), length: Math.min(random(1 << 20), bytes.length - offset), isEnd: random(2) === 1 }
  })
  t.ok(await check(t, 'cut anywhere', bytes, regions) > 100)
})

t.test('more words of flags than workgroups fit in a row', { skip }, async (t) => {
  const regions = Array.from({ length: 100 }, (_, i) => ({ offset: 13 * i, fileOffset: 0, length: 1 + i % 3, isEnd: true }))
  t.ok(await check(t, 'short files', xorshift(4, 1500).map((byte) => byte & 1), regions, narrowPass) > 10)
})

t.test('a pass is used again, for fewer regions', { skip }, async (t) => {
  const bytes = await storage(gpu!, 10 * BLOCK)
  const flags = await storage(gpu!, flagWords(3, 10 * BLOCK) * 4)
  const pass = await kernel!.bind({ bytes, flags, maxRegions: 3, maxBytes: 10 * BLOCK })
  const region = { offset: 0, fileOffset: 0, length: 2 * BLOCK, isEnd: true }
  compute(gpu!, (recorder) => pass.encode(recorder, [region, region, region]))
  gpu!.device.queue.writeBuffer(flags, 0, Buffer.alloc(flags.size, OLD))
  compute(gpu!, (recorder) => pass.encode(recorder, [region]))
  t.equal((await download(gpu!, flags)).toString('hex'), `03000000${'a5'.repeat(flags.size - 4)}`)
  compute(gpu!, (recorder) => pass.encode(recorder, []))
  pass.destroy()
})

t.test('misuse', { skip }, async (t) => {
  const [bytes, flags] = [await storage(gpu!, 10 * BLOCK), await storage(gpu!, 2 * 4)]
  const pass = await kernel!.bind({ bytes, flags, maxRegions: 2, maxBytes: 3 * BLOCK })
  const region = (offset: number, length: number) => ({ offset, fileOffset: 0, length, isEnd: true })
  for (const [name, regions] of [
    ['more regions than bound for', [region(0, 1), region(0, 1), region(0, 1)]],
    ['more bytes than bound for', [region(0, 2 * BLOCK), region(0, 2 * BLOCK)]],
    ['a region that ends outside of the buffer', [region(10 * BLOCK - 1, 2)]],
    ['a region that starts outside of the buffer', [region(-1, 2)]],
  ] as [string, ZerosRegion[]][]) compute(gpu!, (recorder) => t.throws(() => pass.encode(recorder, regions), RangeError, name))
  pass.destroy()
  t.rejects(kernel!.bind({ bytes: await storage(gpu!, 20), flags, maxRegions: 1, maxBytes: 20 }), RangeError, 'ragged')
  t.rejects(kernel!.bind({ bytes, flags, maxRegions: 3, maxBytes: 10 * BLOCK }), RangeError, 'no room for the flags')
  t.throws(() => zeroRuns(new Uint32Array(1), [region(0, 33 * BLOCK)]), RangeError, 'fewer flags than blocks')
})

t.test('runs from flags alone', async (t) => {
  const region = { offset: 0, fileOffset: 0, length: 100 * BLOCK, isEnd: true }
  t.same(zeroRuns(Uint32Array.of(0, 0, 0, 0), [region]), [[]])
  t.same(zeroRuns(Uint32Array.of(0xffff_fff0, 0x0fff, 0, 8), [region]), [[4 * BLOCK, 44 * BLOCK, 99 * BLOCK, 100 * BLOCK]])
  t.same(zeroRuns(Uint32Array.of(1, 0, 0, 0xffff_fff7), [region]), [[0, BLOCK]], 'what there are no blocks for')
  t.same(zeroRuns(Uint32Array.of(0xffff << 3, 0, 0, 0), [region]), [[3 * BLOCK, 3 * BLOCK + HOLE]])
  t.same(zeroRuns(Uint32Array.of(0x7fff << 3, 0, 0, 0), [region]), [[]])
})
