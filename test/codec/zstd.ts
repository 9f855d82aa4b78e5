import t from 'tap'
import { Worker } from 'node:worker_threads'
import { loadNative } from '../../src/codec/native.ts'
import { MAX_LEVEL, compressInto, native, openStreams, portable, type NativePackage } from '../../src/codec/zstd.ts'
import { openLibrary } from '../../src/codec/zstd-library.ts'
import { readZstdFrame } from '../../src/codec/zstd-frame.ts'
import { compress, decompress } from './fixtures/codecs.ts'
import { xorshift } from './fixtures/xorshift.ts'

/** Letters with a skewed distribution: shrinks to about a third. */
function text(length: number): Uint8Array {
  return xorshift(3, length).map((byte) => 97 + (byte & byte >> 4 & 7))
}

const addon = loadNative('zstd') as NativePackage | null
const all = [['library', openLibrary()], ['streams', addon && openStreams(addon)], ['portable', portable()]] as const

t.test('the library is what is used where it can be reached', { skip: openLibrary() === null && 'not here' }, async (t) => {
  const bytes = text(3 << 20)
  t.ok(compress(bytes, 3, native()!).equals(compress(bytes, 3, openLibrary()!)))
  // Its tables for the default level and its wide window set it apart from the streams.
  t.notOk(compress(bytes, 3, native()!).equals(compress(bytes, 3, openStreams(addon!))))
})

t.test('text and binary data in turn, at several levels', async (t) => {
  const binary = new Uint8Array(new Uint32Array(300_000).map((_, i) => Math.imul(i % 5000, 0x9e37_79b1) >>> 3).buffer)
  const kinds = [text(1 << 20), binary]
  for (const [name, zstd] of all) {
    if (zstd === null) continue
    const frames = [3, 1, 3, 5, 3].map((level) => kinds.map((bytes) => compress(bytes, level, zstd)))
    for (const [i, bytes] of kinds.entries()) {
      for (const round of frames) t.equal(Buffer.compare(decompress(round[i]!, bytes.length, zstd), bytes), 0, name)
      for (const again of [2, 4]) t.ok(frames[again]![i]!.equals(frames[0]![i]!), `${name}, again`)
    }
  }
})

for (const [name, zstd] of all) {
  t.test(name, { skip: zstd === null && 'no native package here' }, async (t) => {
    if (zstd === null) return
    // Widths of the content size field, the size of a zstd block, and more than two pieces of a stream.
    for (const length of [1, 2, 255, 256, 65_791, 65_792, 131_072, 131_073, 700_000]) {
      for (const bytes of [text(length), xorshift(1, length), new Uint8Array(length)]) {
        const frame = compress(bytes, 3, zstd)
        readZstdFrame(frame, length)
        for (const [, other] of all) {
          if (other !== null) t.equal(Buffer.compare(decompress(frame, length, other), bytes), 0)
        }
      }
    }
    const pressed = compress(text(5000), 3, zstd)
    for (const room of [0, 1, pressed.length - 1]) t.equal(compressInto(text(5000), 3, Buffer.alloc(room), zstd), 0, `room for ${room}`)
    t.equal(compressInto(text(5000), 3, Buffer.alloc(4999), zstd), pressed.length)
    for (const level of [1, 9, MAX_LEVEL]) {
      const bytes = text(100_000)
      const frame = compress(bytes, level, zstd)
      t.ok(frame.length < 50_000)
      t.equal(Buffer.compare(decompress(frame, bytes.length, zstd), bytes), 0)
      t.equal(Buffer.compare(compress(bytes, level, zstd), frame), 0, 'again')
    }
    // The longest block that §5.3 allows: does not fit the memory that zstd-codec asks for by itself.
    const longest = new Uint8Array(16 << 20).map((_, i) => i >>> 9 ^ i * 5)
    t.equal(Buffer.compare(decompress(compress(longest, 3, zstd), longest.length, zstd), longest), 0)

    t.test('damage', async (t) => {
      const bytes = text(5000)
      const frame = Buffer.from(compress(bytes, 3, zstd))
      const failed = { code: /^ERR_WARP_(MALFORMED|BLOCK_DAMAGED)$/ }
      t.throws(() => decompress(frame, 4999, zstd), { code: 'ERR_WARP_MALFORMED' })
      t.throws(() => decompress(Buffer.concat([frame, frame]), 5000, zstd), { code: 'ERR_WARP_MALFORMED' })
      let rejected = 0
      for (let at = 0; at < frame.length; at += 7) {
        t.throws(() => decompress(frame.subarray(0, at), 5000, zstd), failed)
        const flipped = Buffer.from(frame)
        flipped[at] ^= 0x10
        try {
          t.equal(decompress(flipped, 5000, zstd).length, 5000)
        } catch (error) {
          t.match(error, failed)
          rejected++
        }
      }
      t.ok(rejected > 0)
      t.equal(Buffer.compare(decompress(frame, 5000, zstd), bytes), 0, 'works after failures')
    })

    t.test('a frame that decodes to more than it declares', async (t) => {
      // Content size 20,000 rewritten to 300 in a frame of one compressed block.
      const frame = Buffer.from(compress(text(20_000), 3, zstd))
      frame.writeUInt16LE(300 - 256, 5)
      t.throws(() => decompress(frame, 300, zstd), { code: /^ERR_WARP_(MALFORMED|BLOCK_DAMAGED)$/ })
      // The same with a window that lets the block pass the walk, and bytes to come.
      const wide = Buffer.concat([frame.subarray(0, 4), Uint8Array.of(0x40, 0x58, 44, 0), frame.subarray(7)])
      readZstdFrame(wide, 300)
      t.throws(() => decompress(wide, 300, zstd), { code: 'ERR_WARP_BLOCK_DAMAGED' })
    })
  })
}

t.test('shared memory', async (t) => {
  const bytes = new Uint8Array(new SharedArrayBuffer(10_000))
  bytes.set(text(10_000))
  const frame = compress(bytes, 3)
  const shared = new Uint8Array(new SharedArrayBuffer(frame.length))
  shared.set(frame)
  t.equal(Buffer.compare(decompress(shared, 10_000), bytes), 0)
})

t.test('arguments out of range', async (t) => {
  t.throws(() => compress(new Uint8Array(0), 3), RangeError)
  t.throws(() => compress(new Uint8Array((16 << 20) + 1), 3), RangeError)
  for (const level of [0, MAX_LEVEL + 1, 1.5]) t.throws(() => compress(text(10), level), RangeError)
  t.throws(() => decompress(new Uint8Array(10), 0), RangeError)
  t.throws(() => decompress(new Uint8Array(10), (16 << 20) + 1), RangeError)
})

t.test('threads do not disturb each other', async (t) => {
  // A context shared by two threads makes the process crash within a few of these frames.
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    const run = async () => {
      for (const url of workerData.preloads) await import(url)
      const { compressInto, decompressInto } = await import(workerData.url)
      const bytes = new Uint8Array(1 << 20).map((_, i) => i * i >>> 7 & 15)
      const frame = new Uint8Array(bytes.length)
      const plain = new Uint8Array(bytes.length)
      let right = 0
      for (let i = 0; i < 10; i++) {
        decompressInto(frame.subarray(0, compressInto(bytes, 3, frame)), plain.fill(0))
        if (Buffer.compare(plain, bytes) === 0) right++
      }
      parentPort.postMessage(right)
    }
    run().catch((error) => { throw error })`
  // What makes this process read TypeScript does not reach its threads by itself.
  const preloads = process.execArgv.filter((flag) => flag.startsWith('--import=')).map((flag) => flag.slice(9))
  const url = new URL('../../src/codec/zstd.ts', import.meta.url).href
  const results = await Promise.all([0, 1].map(() => new Promise((resolve, reject) => {
    const worker = new Worker(code, { eval: true, execArgv: [], workerData: { preloads, url } })
    worker.on('message', resolve).on('error', reject)
  })))
  t.same(results, [10, 10])
})
