import t from 'tap'
import {
  Hasher, chosen, deriveKey, hash, hashChunks, keyedHash, native, portable,
} from '../../src/codec/blake3.ts'
import { xorshift } from './fixtures/xorshift.ts'

const KEY = new TextEncoder().encode('whats the Elvish word for friend')
const CONTEXT = 'BLAKE3 2019-12-27 16:29:52 test vectors context'

// The first 32 bytes of hash, keyed_hash and derive_key of the official test_vectors.json.
const VECTORS: [number, string, string, string][] = [
  [0,
    'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262',
    '92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26',
    '2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d'],
  [1,
    '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213',
    '6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b',
    'b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c'],
  [1023,
    '10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11',
    'c951ecdf03288d0fcc96ee3413563d8a6d3589547f2c2fb36d9786470f1b9d6e',
    '74a16c1c3d44368a86e1ca6df64be6a2f64cce8f09220787450722d85725dea5'],
  [1024,
    '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7',
    '75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4',
    '7356cd7720d5b66b6d0697eb3177d9f8d73a4a5c5e968896eb6a689684302706'],
  [1025,
    'd00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444',
    '357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69',
    'effaa245f065fbf82ac186839a249707c3bddf6d3fdda22d1b95a3c970379bcb'],
  [2048,
    'e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a',
    '879cf1fa2ea0e79126cb1063617a05b6ad9d0b696d0d757cf053439f60a99dd1',
    '7b2945cb4fef70885cc5d78a87bf6f6207dd901ff239201351ffac04e1088a23'],
  [2049,
    '5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030',
    '9f29700902f7c86e514ddc4df1e3049f258b2472b6dd5267f61bf13983b78dd5',
    '2ea477c5515cc3dd606512ee72bb3e0e758cfae7232826f35fb98ca1bcbdf273'],
  [8193, // one past eight leaves
    'bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b',
    '954a2a75420c8d6547e3ba5b98d963e6fa6491addc8c023189cc519821b4a1f5',
    'af1e0346e389b17c23200270a64aa4e1ead98c61695d917de7d5b00491c9b0f1'],
  [16_384,
    'f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4',
    '9e9fc4eb7cf081ea7c47d1807790ed211bfec56aa25bb7037784c13c4b707b0d',
    '160e18b5878cd0df1c3af85eb25a0db5344d43a6fbd7a8ef4ed98d0714c3f7e1'],
  [31_744,
    '62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47',
    'efa53b389ab67c593dba624d898d0f7353ab99e4ac9d42302ee64cbf9939a419',
    '39772aef80e0ebe60596361e45b061e8f417429d529171b6764468c22928e28e'],
  [102_400,
    'bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085',
    '1c35d1a5811083fd7119f5d5d1ba027b4d01c0c6c49fb6ff2cf75393ea5db4a7',
    '4652cff7a3f385a6103b5c260fc1593e13c778dbe608efb092fe7ee69df6e9c6'],
]

function input(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i % 251)
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

for (const [name, open] of [['native', native], ['portable', portable]] as const) {
  const blake3 = open()
  t.test(`official vectors, ${name}`, { skip: blake3 === null && 'no native package here' }, async (t) => {
    if (blake3 === null) return
    for (const [length, hashed, keyed, derived] of VECTORS) {
      const bytes = input(length)
      t.equal(hex(blake3.hash(bytes)), hashed)
      t.equal(hex(blake3.keyedHash(KEY, bytes)), keyed)
      t.equal(hex(blake3.deriveKey(CONTEXT, bytes)), derived)
      for (const [key, expected] of [[null, hashed], [KEY, keyed]] as const) {
        const state = blake3.open(key)
        state.update(bytes.subarray(0, 1000))
        state.update(bytes.subarray(1000))
        t.equal(hex(state.digest()), expected, 'in two parts')
        t.equal(hex(state.digest()), expected, 'asked twice')
        state.reset()
        state.update(bytes)
        t.equal(hex(state.digest()), expected, 'after a reset the key is still there')
      }
    }
  })
}

t.test('both implementations agree', { skip: native() === null && 'no native package here' }, async (t) => {
  const [a, b] = [native()!, portable()]
  // Around a word, a block of 64, a leaf of 1,024 and the first parents.
  for (const length of [2, 3, 4, 5, 63, 64, 65, 127, 128, 129, 1023, 1024, 1025, 2047, 2048, 2049, 3073, 8192]) {
    const bytes = xorshift(length, length)
    t.equal(hex(a.hash(bytes)), hex(b.hash(bytes)))
    t.equal(hex(a.keyedHash(KEY, bytes)), hex(b.keyedHash(KEY, bytes)))
    t.equal(hex(a.deriveKey(CONTEXT, bytes)), hex(b.deriveKey(CONTEXT, bytes)))
  }
})

t.test('the functions use the chosen one', async (t) => {
  const bytes = input(1025)
  t.same(hash(bytes), chosen().hash(bytes))
  t.same(keyedHash(KEY, bytes), chosen().keyedHash(KEY, bytes))
  t.same(deriveKey(CONTEXT, bytes), chosen().deriveKey(CONTEXT, bytes))
  t.same(new Hasher().update(bytes).digest(), hash(bytes))
  t.same(new Hasher(KEY).update(input(3)).reset().update(bytes).digest(), keyedHash(KEY, bytes))
})

t.test('chunk ids of many chunks', async (t) => {
  const bytes = new Uint8Array(new SharedArrayBuffer(10_000))
  bytes.set(xorshift(7, bytes.length))
  const chunks = Uint32Array.of(0, 1, 1, 4000, 0, 10_000, 9999, 1)
  for (const key of [null, KEY]) {
    const out = new Uint8Array(4 * 32 + 1)
    hashChunks(bytes, chunks, key, out)
    for (let i = 0; i < 4; i++) {
      const chunk = bytes.slice(chunks[2 * i], chunks[2 * i] + chunks[2 * i + 1])
      t.same(hex(out.subarray(32 * i, 32 * i + 32)), hex(key === null ? hash(chunk) : keyedHash(key, chunk)))
    }
    t.equal(out[128], 0)
  }
  t.throws(() => hashChunks(bytes, chunks, null, new Uint8Array(127)), RangeError)
  t.throws(() => hashChunks(bytes, Uint32Array.of(9999, 2), null, new Uint8Array(32)), RangeError)
})
