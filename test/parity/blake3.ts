import t, { type Test } from 'tap'
import { hashChunks } from '../../src/codec/blake3.ts'
import { Blake3, type Blake3Pass } from '../../src/gpu/blake3.ts'
import { Device } from '../../src/gpu/device.ts'
import { xorshift } from '../codec/fixtures/xorshift.ts'
import { compute, download, storage, whyNoGpu } from '../support/gpu.ts'

const skip = (await whyNoGpu()) ?? false
const IN_SHORT = process.env['WARP_LONG'] !== '1' && 'WARP_LONG is not set'
const KEY = new TextEncoder().encode('whats the Elvish word for friend')

// The first 32 bytes of hash and keyed_hash of the official test_vectors.json.
const VECTORS: [number, string, string][] = [
  [0, // one leaf of one block of no bytes
    'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262',
    '92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26'],
  [1,
    '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213',
    '6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b'],
  [1023,
    '10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11',
    'c951ecdf03288d0fcc96ee3413563d8a6d3589547f2c2fb36d9786470f1b9d6e'],
  [1024, // one leaf, full
    '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7',
    '75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4'],
  [1025, // the first parent
    'd00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444',
    '357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69'],
  [2048,
    'e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a',
    '879cf1fa2ea0e79126cb1063617a05b6ad9d0b696d0d757cf053439f60a99dd1'],
  [2049, // the first odd node
    '5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030',
    '9f29700902f7c86e514ddc4df1e3049f258b2472b6dd5267f61bf13983b78dd5'],
  [3073,
    '7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e1cd3',
    '68dede9bef00ba89e43f31a6825f4cf433389fedae75c04ee9f0cf16a427c95a'],
  [4097, // a node that is odd at two levels
    '9b4052b38f1c5fc8b1f9ff7ac7b27cd242487b3d890d15c96a1c25b8aa0fb995',
    '00df940cd36bb9fa7cbbc3556744e0dbc8191401afe70520ba292ee3ca80abbc'],
  [5121,
    '628bd2cb2004694adaab7bbd778a25df25c47b9d4155a55f8fbd79f2fe154cff',
    '6ccf1c34753e7a044db80798ecd0782a8f76f33563accaddbfbb2e0ea4b2d024'],
  [6145,
    'f1323a8631446cc50536a9f705ee5cb619424d46887f3c376c695b70e0f0507f',
    '9ac301e9e39e45e3250a7e3b3df701aa0fb6889fbd80eeecf28dbc6300fbc539'],
  [7169,
    'a003fc7a51754a9b3c7fae0367ab3d782dccf28855a03d435f8cfe74605e7817',
    'ed9b1a922c046fdb3d423ae34e143b05ca1bf28b710432857bf738bcedbfa511'],
  [8193,
    'bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b',
    '954a2a75420c8d6547e3ba5b98d963e6fa6491addc8c023189cc519821b4a1f5'],
  [16_384,
    'f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4',
    '9e9fc4eb7cf081ea7c47d1807790ed211bfec56aa25bb7037784c13c4b707b0d'],
  [31_744,
    '62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47',
    'efa53b389ab67c593dba624d898d0f7353ab99e4ac9d42302ee64cbf9939a419'],
  [102_400,
    'bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085',
    '1c35d1a5811083fd7119f5d5d1ba027b4d01c0c6c49fb6ff2cf75393ea5db4a7'],
]

t.test('BLAKE3 on the GPU', { skip }, async (t) => {
  const gpu = await Device.open()
  t.teardown(() => gpu.destroy())
  const blake3 = await Blake3.create(gpu)

  /** What chunks of `bytes` hash to, as hex; the pass is made for just as many as there are. */
  async function hashed(bytes: Uint8Array, pairs: ArrayLike<number>, key: Uint8Array | null): Promise<string[]> {
    const chunks = Uint32Array.from(pairs)
    const count = chunks.length / 2
    const maxBytes = chunks.reduce((sum, word, i) => sum + (i % 2 === 1 ? word : 0), 0)
    const buffer = await storage(gpu, bytes)
    const digests = await storage(gpu, 32 * count)
    const pass = await blake3.bind({ bytes: buffer, digests, maxChunks: count, maxBytes })
    compute(gpu, (encoder) => pass.encode(encoder, chunks, key))
    const found = hexes(await download(gpu, digests))
    pass.destroy()
    buffer.destroy()
    digests.destroy()
    return found
  }

  function expected(bytes: Uint8Array, pairs: ArrayLike<number>, key: Uint8Array | null): string[] {
    const out = Buffer.alloc(16 * pairs.length)
    hashChunks(bytes, Uint32Array.from(pairs), key, out)
    return hexes(out)
  }

  /** Names the first digest that differs, where comparing thousands would take minutes to print. */
  async function check(t: Test, bytes: Uint8Array, pairs: ArrayLike<number>, key: Uint8Array | null, message = 'digests'): Promise<void> {
    const wanted = expected(bytes, pairs, key)
    const found = await hashed(bytes, pairs, key)
    t.equal(found.length, wanted.length, message)
    t.equal(found.findIndex((digest, i) => digest !== wanted[i]), -1, message)
  }

  await t.test('official vectors, in one batch', async (t) => {
    const chunks: number[] = []
    const bytes: number[] = []
    for (const [length] of VECTORS) {
      chunks.push(bytes.length, length)
      for (let i = 0; i < length; i++) bytes.push(i % 251)
    }
    t.same(await hashed(Uint8Array.from(bytes), chunks, null), VECTORS.map(([, plain]) => plain))
    t.same(await hashed(Uint8Array.from(bytes), chunks, KEY), VECTORS.map(([, , keyed]) => keyed))
  })

  await t.test('each length by itself, at the end of the buffer', async (t) => {
    for (const [length, plain] of VECTORS) {
      const bytes = new Uint8Array(length + 3).map((_, i) => (i + 248) % 251)
      t.same(await hashed(bytes, [3, length], null), [plain], `${length}`)
    }
  })

  await t.test('lengths around words, blocks, leaves and groups of leaves, at all alignments', async (t) => {
    const bytes = xorshift(1, 300_000)
    const lengths = [
      ...Array.from({ length: 131 }, (_, i) => i), // words and blocks
      ...[960, 961, 1023, 1024, 1025, 1087, 1088, 1089, 2047, 2048, 2049, 3071, 3072, 3073], // first parents
      // Workgroups of leaves, and of parents.
      ...[63, 64, 65, 127, 128, 129, 255, 256, 257].flatMap((leaves) => [1024 * leaves - 1, 1024 * leaves, 1024 * leaves + 1]),
    ]
    for (let alignment = 0; alignment < 4; alignment++) {
      const chunks = lengths.flatMap((length, i) => [4 * i + alignment, length])
      for (const key of [null, KEY]) await check(t, bytes, chunks, key, `${alignment}`)
    }
  })

  await t.test('every number of leaves to 200', async (t) => {
    const bytes = xorshift(2, 201 * 1024)
    const chunks = Array.from({ length: 200 }, (_, i) => [i, 1024 * i + 1 + (i * 37) % 1024]).flat()
    await check(t, bytes, chunks, KEY)
  })

  await t.test('uniform and periodic bytes', async (t) => {
    const bytes = new Uint8Array(40_000)
    bytes.fill(0xff, 10_000, 20_000)
    bytes.set(bytes.subarray(20_000).map((_, i) => i % 48), 20_000)
    const chunks = [0, 10_000, 10_000, 10_000, 20_000, 20_000, 9999, 2, 0, 40_000]
    await check(t, bytes, chunks, null)
  })

  await t.test('8,192 chunks of a few bytes', async (t) => {
    const bytes = xorshift(3, 70_000)
    const chunks = Uint32Array.from({ length: 16_384 }, (_, i) => (i % 2 === 0 ? 4 * i + i % 7 : (i * 7) % 23))
    await check(t, bytes, chunks, null)
  })

  await t.test('more chunks than one dimension of a dispatch holds', async (t) => {
    const bytes = xorshift(9, 1500)
    const chunks = Array.from({ length: 33_000 }, (_, i) => [i % 200, i % 50]).flat()
    chunks.splice(100, 0, 1, 1100, 2, 0, 3, 1100) // of one leaf and of more, mixed
    await check(t, bytes, chunks, null)
  })

  await t.test('more chunks to merge than one dimension of a dispatch holds', { skip: IN_SHORT }, async (t) => {
    const bytes = xorshift(10, 40_000)
    const chunks = Array.from({ length: 33_000 }, (_, i) => [i, 1025 + i % 64]).flat()
    await check(t, bytes, chunks, null)
  })

  await t.test('chunks of random lengths side by side', async (t) => {
    const bytes = xorshift(4, 2 * 1024 * 1024)
    const random = new Uint32Array(xorshift(5, 4096).buffer)
    const chunks: number[] = []
    for (let at = 1, i = 0; ; i++) {
      const length = random[i % random.length] % 32_768
      if (at + length > bytes.length) break
      chunks.push(at, length)
      at += length
    }
    t.ok(chunks.length > 2 * 64)
    for (const key of [null, KEY]) await check(t, bytes, chunks, key)
  })

  await t.test('one chunk of 16 MiB and 64 bytes, the longest block', async (t) => {
    const bytes = xorshift(6, 16 * 1024 * 1024 + 66)
    const length = 16 * 1024 * 1024 + 64
    await check(t, bytes, [2, length], KEY)
    // One leaf and 64 bytes less: a perfect tree.
    await check(t, bytes, [1, length - 64], null)
  })

  await t.test('a pass is used again, with other chunks and another key', async (t) => {
    const bytes = xorshift(7, 20_000)
    const digests = await storage(gpu, 32 * 4)
    const pass = await blake3.bind({ bytes: await storage(gpu, bytes), digests, maxChunks: 4, maxBytes: 30_000 })
    for (const [chunks, key] of [
      [[0, 20_000, 5, 5000], null], [[1, 4000, 2, 3, 3, 0, 7, 19_000], KEY], [[5, 1025], KEY.toReversed()], [[5, 1025], null],
    ] as [number[], Uint8Array | null][]) {
      compute(gpu, (encoder) => pass.encode(encoder, Uint32Array.from(chunks), key))
      t.same(hexes(await download(gpu, digests, 16 * chunks.length)), expected(bytes, chunks, key))
    }
    const before = hexes(await download(gpu, digests))
    compute(gpu, (encoder) => pass.encode(encoder, new Uint32Array(), null))
    t.same(hexes(await download(gpu, digests)), before, 'no chunks, nothing written')
    pass.destroy()
  })

  await t.test('arguments in shared memory', async (t) => {
    const bytes = xorshift(8, 3000)
    const chunks = new Uint32Array(new SharedArrayBuffer(8))
    chunks.set([1, 2999])
    const key = new Uint8Array(new SharedArrayBuffer(32))
    key.set(KEY)
    const digests = await storage(gpu, 32)
    const pass = await blake3.bind({ bytes: await storage(gpu, bytes), digests, maxChunks: 1, maxBytes: 2999 })
    compute(gpu, (encoder) => pass.encode(encoder, chunks, key))
    t.same(hexes(await download(gpu, digests)), expected(bytes, chunks, KEY))
    pass.destroy()
  })

  await t.test('the key is overwritten', async (t) => {
    const digests = await storage(gpu, 32)
    const pass: Blake3Pass = await blake3.bind({ bytes: await storage(gpu, 100), digests, maxChunks: 1, maxBytes: 100 })
    compute(gpu, (encoder) => pass.encode(encoder, Uint32Array.of(0, 100), KEY))
    t.ok((await download(gpu, pass.parameters)).includes(Buffer.from(KEY)), 'it is there while it is needed')
    const digest = (await download(gpu, digests)).toString('hex')
    compute(gpu, (encoder) => pass.encode(encoder, Uint32Array.of(0, 100), KEY))
    pass.wipe()
    t.equal((await download(gpu, pass.parameters)).toString('hex'), '00'.repeat(pass.parameters.size))
    t.equal((await download(gpu, digests)).toString('hex'), digest, 'what was submitted before had it')
    pass.destroy()
  })

  await t.test('refuses what it cannot do', async (t) => {
    const bytes = await storage(gpu, 100)
    const digests = await storage(gpu, 64)
    await t.rejects(blake3.bind({ bytes, digests, maxChunks: 3, maxBytes: 100 }), RangeError)
    for (const count of [0, -1, 1.5]) await t.rejects(blake3.bind({ bytes, digests, maxChunks: count, maxBytes: 100 }), RangeError)
    for (const length of [-1, 0.5, NaN]) await t.rejects(blake3.bind({ bytes, digests, maxChunks: 1, maxBytes: length }), RangeError)
    await t.rejects(blake3.bind({ bytes, digests, maxChunks: 2, maxBytes: 2 ** 50 }), { code: 'ERR_WARP_GPU_FAILED' })
    const pass = await blake3.bind({ bytes, digests, maxChunks: 2, maxBytes: 120 })
    compute(gpu, (encoder) => {
      const encode = (chunks: number[], key: Uint8Array | null) => () => pass.encode(encoder, Uint32Array.from(chunks), key)
      t.throws(encode([0], null), RangeError, 'half a pair')
      t.throws(encode([0, 1, 0, 1, 0, 1], null), RangeError, 'three chunks')
      t.throws(encode([0, 101], null), RangeError, 'behind the end')
      t.throws(encode([0xffff_ffff, 1], null), RangeError, 'no wrap-around')
      t.throws(encode([0, 100, 0, 21], null), RangeError, 'more than maxBytes')
      t.throws(encode([0, 1], KEY.subarray(1)), RangeError, 'a key of 31 bytes')
    })
    pass.destroy()
  })
})

function hexes(digests: Buffer): string[] {
  return Array.from({ length: digests.length / 32 }, (_, i) => digests.toString('hex', 32 * i, 32 * i + 32))
}
