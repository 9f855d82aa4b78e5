import t, { type Test } from 'tap'
import { MAX_AVERAGE_BYTES, MIN_AVERAGE_BYTES } from '../../src/base/limits.ts'
import { TABLE, WINDOW, digestAt } from '../../src/codec/buzhash.ts'
import { Scanner } from '../../src/engine/load.ts'
import { Buzhash, WINDOW_BYTES, candidatesOfBitmap, candidatesOfList, type BuzhashRegion } from '../../src/gpu/buzhash.ts'
import { Device } from '../../src/gpu/device.ts'
import { xorshift } from '../codec/fixtures/xorshift.ts'
import { compute, download, storage, whyNoGpu } from '../support/gpu.ts'

const skip = (await whyNoGpu()) ?? false
const IN_SHORT = process.env['WARP_LONG'] !== '1' && 'WARP_LONG is not set'
const MIB = 1024 * 1024
// What one thread and one workgroup of the shader look at, bytes.
const STRIP = 128
const TILE = 64 * STRIP

/** What the CPU finds. */
function expected(bytes: Uint8Array, { offset, warmup, length }: BuzhashRegion, average: number): number[] {
  const scanner = new Scanner(average)
  scanner.scan(bytes.subarray(offset - warmup, offset + length), warmup, 0, false)
  return [...scanner.take().candidates]
}

/** What there is with a table of zeros, by which every digest is 0: borders show, digests do not. */
function everyPosition({ warmup, length }: BuzhashRegion): number[] {
  const first = warmup > 0 ? 1 : 48
  return Array.from({ length: Math.max(0, length - first + 1) }, (_, i) => first + i)
}

/** Some bytes of text-like repetition. */
function text(length: number): Uint8Array {
  const words = ['the ', 'of ', 'archive ', 'frame\n', 'chunk, ', 'window ', 'is ', '0 ', '  return ', '}\n']
  const random = xorshift(11, length)
  let all = ''
  for (let i = 0; all.length < length; i++) all += words[random[i] % words.length]
  return Buffer.from(all.slice(0, length), 'latin1')
}

/** Regions side by side over [0, length), each but the first with the bytes before it as its warm-up. */
function sideBySide(cuts: number[], length: number): BuzhashRegion[] {
  const ends = [...cuts, length]
  return ends.map((end, i) => {
    const offset = ends[i - 1] ?? 0
    return { offset, warmup: offset >= 48 ? 48 : 0, length: end - offset }
  })
}

t.test('Buzhash on the GPU', { skip }, async (t) => {
  const gpu = await Device.open()
  t.teardown(() => gpu.destroy())
  const buzhash = await Buzhash.create(gpu, TABLE)
  const allZero = await Buzhash.create(gpu, new Uint32Array(256))

  interface Found {
    count: number
    list: Uint32Array[] | null
    bitmap: Uint32Array[]
  }

  async function search(kernel: Buzhash, bytes: Uint8Array, regions: BuzhashRegion[], average: number, capacity: number): Promise<Found> {
    const buffer = await storage(gpu, bytes)
    const list = await storage(gpu, 4 * (1 + capacity))
    const bitmap = await storage(gpu, new Uint8Array(4 * Math.ceil(bytes.length / 32)).fill(0xa5)) // what was there is overwritten
    const pass = await kernel.bind({ bytes: buffer, list, bitmap, maxRegions: Math.max(1, regions.length), maxBytes: bytes.length })
    compute(gpu, (encoder) => pass.encodeList(encoder, regions, average))
    const words = wordsOf(await download(gpu, list))
    const bits = wordsOf(await download(gpu, bitmap))
    for (const made of [pass, buffer, list, bitmap]) made.destroy()
    return { count: words[0], list: candidatesOfList(words, regions), bitmap: candidatesOfBitmap(bits, regions) }
  }

  /** Holds list and bitmap of every region against what is wanted of it; returns how many candidates there are. */
  async function check(
    t: Test, kernel: Buzhash, bytes: Uint8Array, regions: BuzhashRegion[], average: number, message: string,
  ): Promise<number> {
    const wanted = regions.map((region) => (kernel === allZero ? everyPosition(region) : expected(bytes, region, average)))
    const { count, list, bitmap } = await search(kernel, bytes, regions, average, bytes.length)
    t.equal(count, new Set(wanted.flatMap((positions, i) => positions.map((p) => regions[i].offset + p))).size, `${message}, none outside`)
    for (const [name, found] of [['list', list ?? []], ['bitmap', bitmap]] as const) {
      const wrong = wanted.findIndex((positions, i) => positions.join() !== found[i]?.join())
      t.equal(found.length, regions.length, `${message}, ${name}`)
      t.equal(wrong, -1, `${message}, ${name}`)
      if (wrong >= 0) t.same([...found[wrong]].slice(0, 20), wanted[wrong].slice(0, 20), JSON.stringify(regions[wrong]))
    }
    return wanted.reduce((sum, positions) => sum + positions.length, 0)
  }

  await t.test('the window is that of the twin', async (t) => {
    t.equal(WINDOW_BYTES, WINDOW)
  })

  await t.test('random bytes, at every average', async (t) => {
    const bytes = xorshift(1, MIB + 5)
    const regions = [{ offset: 3, warmup: 0, length: bytes.length - 3 }]
    const counts: number[] = []
    for (let average = MIN_AVERAGE_BYTES; average <= MAX_AVERAGE_BYTES; average *= 2) {
      counts.push(await check(t, buzhash, bytes, regions, average, `average ${average}`))
    }
    t.ok(counts[0] > 400 && counts[4] > 10, counts.join(' '))
  })

  await t.test('text, uniform and periodic bytes', async (t) => {
    await check(t, buzhash, text(200_000), [{ offset: 1, warmup: 0, length: 199_999 }], 4096, 'text')

    const uniform = Uint8Array.from({ length: 256 * 300 }, (_, i) => Math.floor(i / 300))
    const regions = Array.from({ length: 256 }, (_, value) => ({ offset: 300 * value, warmup: 0, length: 300 }))
    await check(t, buzhash, uniform, regions, 4096, 'uniform')
    await check(t, buzhash, uniform, regions.map(({ offset }) => ({ offset: offset + 48, warmup: 48, length: 252 })), 4096, 'uniform, warmed up')

    // Every 48th position of those is a candidate, or several of 48.
    let dense = 0
    for (let seed = 1; dense < 3; seed++) {
      const period = xorshift(seed, 48)
      const bytes = Uint8Array.from({ length: 3 * TILE }, (_, i) => period[i % 48])
      if (!period.some((_, p) => (digestAt(bytes, 48 + p) & 2047) === 0)) continue
      dense++
      const count = await check(t, buzhash, bytes, [{ offset: 0, warmup: 0, length: bytes.length }], 4096, `period of seed ${seed}`)
      t.ok(count >= bytes.length / 48 - 1)
    }
    for (const length of [1, 2, 3, 31, 32, 33, 47, 49, 64]) { // around the window and the words of the bitmap
      const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => (i % length) * 5)
      await check(t, buzhash, bytes, [{ offset: 7, warmup: 0, length: 19_990 }], 4096, `period ${length}`)
    }
  })

  await t.test('a uniform byte that is a candidate everywhere', async (t) => {
    // Such a value need not exist: one is made by a table, all entries of which are 0 but one.
    const table = new Uint32Array(256).fill(1, 0, 255)
    const kernel = await Buzhash.create(gpu, table)
    const bytes = new Uint8Array(20_000).fill(255, 5000, 15_000)
    const regions = [{ offset: 4000, warmup: 48, length: 12_000 }]
    const { list } = await search(kernel, bytes, regions, 4096, 20_000)
    // 48 ones, rotated by 0 … 31 and 0 … 15, are not 0 under the mask while one of them is in the low 11 bits.
    const digest = (p: number) => {
      let word = 0
      for (let i = 0; i < 48; i++) word ^= table[bytes[p - 1 - i]] << (i % 32) | table[bytes[p - 1 - i]] >>> (32 - i % 32)
      return word
    }
    const wanted = Array.from({ length: 12_000 }, (_, i) => i + 1).filter((p) => (digest(4000 + p) & 2047) === 0)
    t.ok(wanted.length >= 10_000 - 47)
    t.equal(list![0].join(), wanted.join())
    kernel.destroy()
  })

  await t.test('lengths around the window, words, strips and tiles', async (t) => {
    const around = (size: number) => [size - 1, size, size + 1, size + 47, size + 48, size + 49]
    const lengths = [0, 1, 31, 32, 33, 47, 48, 49, 50, 63, 64, 65, ...around(STRIP), ...around(TILE)]
    for (const offset of [48, 51, TILE - 1]) {
      for (const warmup of [0, 48]) {
        for (const length of lengths) {
          const bytes = new Uint8Array(offset + length) // ends with the buffer
          await check(t, allZero, bytes, [{ offset, warmup, length }], 4096, `${length} at ${offset} after ${warmup}`)
        }
      }
    }
  })

  await t.test('borders at and beside candidates', async (t) => {
    const bytes = xorshift(2, 200_000)
    const regions: BuzhashRegion[] = []
    for (const p of expected(bytes, { offset: 0, warmup: 0, length: 190_000 }, 4096).slice(5)) {
      for (const by of [-1, 0, 1]) {
        regions.push({ offset: p + by - 1000, warmup: 48, length: 1000 }, { offset: p + by - 1000, warmup: 0, length: 1000 }) // end there
        regions.push({ offset: p + by, warmup: 48, length: 3000 }, { offset: p + by - 48, warmup: 0, length: 3000 }) // start there
        regions.push({ offset: p + by - 1, warmup: 48, length: 1 }, { offset: p + by - 48, warmup: 0, length: 48 }) // have one position only
      }
    }
    t.ok(regions.length > 1000)
    const count = await check(t, buzhash, bytes, regions, 4096, 'overlapping and in no order')
    t.ok(count > 600)
    // Each by itself, so that no other makes its bits count.
    for (const region of regions.slice(0, 36)) await check(t, buzhash, bytes, [region], 4096, JSON.stringify(region))
  })

  await t.test('borders at all alignments to words of the bitmap', async (t) => {
    for (let shift = 0; shift < 32; shift++) {
      const regions = Array.from({ length: 30 }, (_, i) =>
        ({ offset: 48 + 110 * i + shift, warmup: i % 2 === 0 ? 48 : 0, length: 50 + (i * 7 + shift) % 33 }))
      await check(t, allZero, new Uint8Array(4000), regions, 4096, `${shift}`)
    }
  })

  await t.test('borders at and beside those of tiles', async (t) => {
    const bytes = new Uint8Array(4 * TILE)
    for (const start of [TILE - 1, TILE, TILE + 1]) {
      for (const end of [2 * TILE - 1, 2 * TILE, 2 * TILE + 1, 4 * TILE]) {
        await check(t, allZero, bytes, [{ offset: start, warmup: 48, length: end - start }], 4096, `${start} to ${end}`)
      }
    }
  })

  await t.test('more tiles than the sum has threads, all dense', async (t) => {
    const length = 260 * TILE
    const { count, list } = await search(allZero, new Uint8Array(length), [{ offset: 0, warmup: 0, length }], 4096, length)
    t.equal(count, length - 47)
    t.equal(list![0].findIndex((p, i) => p !== 48 + i), -1)
  })

  await t.test('adjacent regions', async (t) => {
    const bytes = xorshift(3, 100_000)
    const whole = expected(bytes, { offset: 0, warmup: 0, length: bytes.length }, 4096)
    const cuts = [48, 49, 81, 82, 4000, TILE - 1, TILE, TILE + 1, 20_000, 20_001, 20_002, 50_000, 99_999]
    for (const by of [-1, 0, 1]) cuts.push(whole[20] + by)
    cuts.sort((a, b) => a - b)
    const regions = sideBySide(cuts, bytes.length)
    const { list } = await search(buzhash, bytes, regions, 4096, 1000)
    t.equal(regions.flatMap(({ offset }, i) => [...list![i]].map((p) => p + offset)).join(), whole.join(), 'together they have what the whole has')
    await check(t, buzhash, bytes, regions, 4096, 'each by itself')
  })

  await t.test('thousands of regions of a few bytes', async (t) => {
    const many = (step: number, warmup: number, length: (i: number) => number) =>
      Array.from({ length: 3000 }, (_, i) => ({ offset: 48 + step * i, warmup, length: length(i) }))
    await check(t, allZero, new Uint8Array(10_000), many(3, 48, (i) => i % 3), 4096, 'up to two bytes, side by side') // several in a word
    await check(t, allZero, new Uint8Array(60_000), many(19, 0, (i) => 40 + i % 20), 4096, 'most without a position')
    const bytes = xorshift(4, 2 * MIB)
    await check(t, buzhash, bytes, many(600, 0, (i) => (i * 97) % 600), 4096, 'as small files lie')
  })

  await t.test('no region, or none with a position', async (t) => {
    for (const regions of [[], [{ offset: 5, warmup: 0, length: 47 }, { offset: 100, warmup: 48, length: 0 }]]) {
      const { count, list, bitmap } = await search(allZero, new Uint8Array(100), regions, 4096, 10)
      t.equal(count, 0)
      t.same(list?.map((positions) => positions.length), regions.map(() => 0))
      t.same(bitmap.map((positions) => positions.length), regions.map(() => 0))
    }
  })

  await t.test('a list without room for all', async (t) => {
    const bytes = new Uint8Array(3 * TILE)
    const regions = [{ offset: 50, warmup: 48, length: TILE }, { offset: 2 * TILE - 9, warmup: 48, length: TILE }]
    const wanted = regions.map((region) => everyPosition(region).join())
    for (const [capacity, fits] of [[0, false], [1, false], [TILE, false], [2 * TILE - 1, false], [2 * TILE, true], [2 * TILE + 1, true]] as const) {
      const { count, list, bitmap } = await search(allZero, bytes, regions, 4096, capacity)
      t.equal(count, 2 * TILE, 'the count is right in any case')
      t.equal(list !== null, fits, `${capacity}`)
      if (list) t.same(list.map((positions) => positions.join()), wanted)
      t.same(bitmap.map((positions) => positions.join()), wanted)
    }
  })

  await t.test('the list is ascending, and its start is there if it is cut off', async (t) => {
    const bytes = xorshift(5, MIB)
    const buffer = await storage(gpu, bytes)
    const bitmap = await storage(gpu, MIB / 8)
    const list = await storage(gpu, 4 * 101)
    const pass = await buzhash.bind({ bytes: buffer, list, bitmap, maxRegions: 1, maxBytes: MIB })
    compute(gpu, (encoder) => pass.encodeList(encoder, [{ offset: 48, warmup: 48, length: MIB - 48 }], 4096))
    const positions = wordsOf(await download(gpu, list)).subarray(1)
    const wanted = expected(bytes, { offset: 48, warmup: 48, length: MIB - 48 }, 4096)
    t.ok(wanted.length > 100)
    t.same([...positions], wanted.slice(0, 100).map((p) => p + 48))
    pass.destroy()
  })

  await t.test('a pass is used again, and for the bitmap alone', async (t) => {
    const bytes = xorshift(6, 10 * TILE)
    const buffer = await storage(gpu, bytes)
    const bitmap = await storage(gpu, bytes.length / 8)
    const list = await storage(gpu, 4 * 1001)
    const pass = await buzhash.bind({ bytes: buffer, list, bitmap, maxRegions: 3, maxBytes: bytes.length })
    for (const [regions, average] of [
      [[{ offset: 100, warmup: 48, length: 70_000 }], 4096],
      [[{ offset: 60_000, warmup: 48, length: 20_000 }, { offset: 0, warmup: 0, length: 500 }], 8192],
      [[], 4096],
      [[{ offset: 0, warmup: 0, length: bytes.length }], 4096],
    ] as [BuzhashRegion[], number][]) {
      const wanted = regions.map((region) => expected(bytes, region, average).join())
      compute(gpu, (encoder) => pass.encodeList(encoder, regions, average))
      t.same(candidatesOfList(wordsOf(await download(gpu, list)), regions)?.map((positions) => positions.join()), wanted)
      const before = (await download(gpu, list)).toString('hex')
      gpu.device.queue.writeBuffer(bitmap, 0, new Uint32Array(bitmap.size / 4).fill(0xffff_ffff))
      compute(gpu, (encoder) => pass.encodeBitmap(encoder, regions, average))
      t.same(candidatesOfBitmap(wordsOf(await download(gpu, bitmap)), regions).map((positions) => positions.join()), wanted)
      t.equal((await download(gpu, list)).toString('hex'), before, 'the list is left alone')
    }
    pass.destroy()
  })

  await t.test('more tiles than one dimension of a dispatch holds', { skip: IN_SHORT }, async (t) => {
    const size = 32_769 * TILE
    const buffer = await storage(gpu, size)
    const bitmap = await storage(gpu, size / 8)
    const list = await storage(gpu, 4 * 1001)
    const bytes = xorshift(7, 100_000)
    gpu.device.queue.writeBuffer(buffer, size - bytes.length, bytes)
    const regions = [{ offset: size - bytes.length, warmup: 0, length: bytes.length }, { offset: 1000, warmup: 48, length: 1 }]
    const pass = await buzhash.bind({ bytes: buffer, list, bitmap, maxRegions: 2, maxBytes: size })
    compute(gpu, (encoder) => pass.encodeList(encoder, regions, 4096))
    const found = candidatesOfList(wordsOf(await download(gpu, list)), regions)!
    t.equal(found[0].join(), expected(bytes, { offset: 0, warmup: 0, length: bytes.length }, 4096).join())
    t.equal(found[1].length, 0)
    for (const made of [pass, buffer, list, bitmap]) made.destroy()
  })

  await t.test('refuses what it cannot do', async (t) => {
    await t.rejects(Buzhash.create(gpu, TABLE.subarray(1)), RangeError)
    const [bytes, list, bitmap] = [await storage(gpu, 1000), await storage(gpu, 100), await storage(gpu, 128)]
    for (const maxRegions of [0, -1, 1.5]) await t.rejects(buzhash.bind({ bytes, list, bitmap, maxRegions, maxBytes: 1000 }), RangeError)
    for (const maxBytes of [-1, 0.5, NaN, 2 ** 32]) await t.rejects(buzhash.bind({ bytes, list, bitmap, maxRegions: 1, maxBytes }), RangeError)
    await t.rejects(buzhash.bind({ bytes, list, bitmap, maxRegions: 1, maxBytes: 1025 }), RangeError, 'a word of bitmap too few')
    await t.rejects(buzhash.bind({ bytes, list, bitmap, maxRegions: 2 ** 40, maxBytes: 1000 }), { code: 'ERR_WARP_GPU_FAILED' })
    const pass = await buzhash.bind({ bytes, list, bitmap, maxRegions: 2, maxBytes: 1024 })
    const region = { offset: 48, warmup: 48, length: 952 }
    compute(gpu, (encoder) => {
      for (const encode of [pass.encodeList.bind(pass), pass.encodeBitmap.bind(pass)]) {
        encode(encoder, [region], 4096)
        for (const average of [0, 2048, 4097, 8_388_608, NaN]) t.throws(() => encode(encoder, [region], average), RangeError)
        t.throws(() => encode(encoder, [region, region, region], 4096), RangeError)
        for (const bad of [
          { ...region, length: 953 }, { ...region, offset: 47 }, { ...region, offset: 49 }, { ...region, warmup: 47 }, { ...region, length: -1 },
          { ...region, offset: -1, warmup: 0 }, { ...region, length: 0.5 }, { ...region, offset: NaN },
        ]) t.throws(() => encode(encoder, [bad], 4096), RangeError, JSON.stringify(bad))
      }
    })
    pass.destroy()
  })

  buzhash.destroy()
  allZero.destroy()
})

function wordsOf(bytes: Buffer): Uint32Array {
  return new Uint32Array(Uint8Array.from(bytes).buffer)
}
