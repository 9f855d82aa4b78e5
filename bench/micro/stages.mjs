/**
 * The heavy stages of the tool, one by one: what each does to a sample, natively and portably, and a check
 * that both come to the same. A stage gets the sample as u8[] and handles `length` bytes of it a pass.
 */
import { copyShared } from '../../dist/base/copy.js'
import { FRAME_TARGET_BYTES, KIB, MIB, TAG_BYTES } from '../../dist/base/limits.js'
import * as aead from '../../dist/codec/aead.js'
import * as blake3 from '../../dist/codec/blake3.js'
import { WINDOW, digestAt, findCandidates } from '../../dist/codec/buzhash.js'
import { looksIncompressible } from '../../dist/codec/entropy.js'
import * as lz4 from '../../dist/codec/lz4.js'
import { findZeroRuns } from '../../dist/codec/zeros.js'
import * as zstd from '../../dist/codec/zstd.js'
import { Scanner } from '../../dist/engine/load.js'
import { noise } from '../support/synthetic.mjs'

/**
 * @typedef {'native' | 'portable'} Implementation
 * @typedef {object} Stage
 * @property {string} name
 * @property {boolean} [hasPortable] a second implementation, on @noble or WebAssembly
 * @property {(sample: Uint8Array, implementation: Implementation) => (() => void)} open one pass over the sample
 * @property {(sample: Uint8Array) => boolean} [agree] whether the implementations come to the same
 */

const AVERAGE = 64 * KIB
const KEY = Buffer.alloc(32, 7)
const NONCE = aead.nonceOf(1)
const AAD = Buffer.alloc(64, 1)

/** @param {number} length @param {number} step @returns {[number, number][]} start and end of each piece */
function pieces(length, step) {
  return Array.from({ length: Math.ceil(length / step) }, (_, i) => [i * step, Math.min((i + 1) * step, length)])
}

/** @param {object} codec @param {Implementation} implementation @throws {Error} the native package does not load */
function pick(codec, implementation) {
  const picked = codec[implementation]()
  if (picked === null) throw new Error(`there is no ${implementation} implementation: npm ci installs the native packages`)
  return picked
}

/** @param {string} name @param {number} chunkBytes @returns {Stage} */
function ids(name, chunkBytes) {
  const digests = (/** @type {Uint8Array} */ sample, /** @type {Implementation} */ implementation) => {
    const parts = pieces(sample.length, chunkBytes)
    const out = new Uint8Array(parts.length * 32)
    const chunks = Uint32Array.from(parts.flatMap(([start, end]) => [start, end - start]))
    const portable = blake3.portable()
    const run = implementation === 'native'
      ? () => blake3.hashChunks(sample, chunks, KEY, out)
      : () => parts.forEach(([start, end], i) => out.set(portable.keyedHash(KEY, sample.subarray(start, end)), i * 32))
    return { run, out }
  }
  return {
    name, hasPortable: true,
    open: (sample, implementation) => digests(sample, implementation).run,
    agree: (sample) => {
      const [a, b] = ['native', 'portable'].map((implementation) => digests(sample, /** @type {Implementation} */ (implementation)))
      a.run()
      b.run()
      return Buffer.compare(a.out, b.out) === 0
    },
  }
}

/**
 * @param {string} name
 * @param {typeof zstd | typeof lz4} codec
 * @param {(plain: Uint8Array, out: Uint8Array, implementation: object) => number} encode
 * @param {(payload: Uint8Array, plain: Uint8Array, implementation: object) => void} decode
 * @returns {Stage[]} both directions
 */
function compressor(name, codec, encode, decode) {
  const encodedFrames = (/** @type {Uint8Array} */ sample, /** @type {Implementation} */ implementation) =>
    pieces(sample.length, FRAME_TARGET_BYTES).map(([start, end]) => {
      const out = Buffer.alloc(end - start + KIB)
      return { plain: sample.subarray(start, end), payload: out.subarray(0, encode(sample.subarray(start, end), out, pick(codec, implementation))) }
    })
  return [
    {
      name, hasPortable: true,
      open: (sample, implementation) => {
        const frames = pieces(sample.length, FRAME_TARGET_BYTES)
        const out = Buffer.alloc(FRAME_TARGET_BYTES)
        const picked = pick(codec, implementation)
        return () => {
          for (const [start, end] of frames) encode(sample.subarray(start, end), out, picked)
        }
      },
      // They may choose other matches: each must read what the other wrote.
      agree: (sample) => [['native', 'portable'], ['portable', 'native']].every(([writer, reader]) =>
        encodedFrames(sample, /** @type {Implementation} */ (writer)).every(({ plain, payload }) => {
          const decoded = Buffer.alloc(plain.length)
          decode(payload, decoded, pick(codec, /** @type {Implementation} */ (reader)))
          return decoded.equals(plain)
        })),
    },
    {
      name: `${name}, decode`, hasPortable: true,
      open: (sample, implementation) => {
        const frames = encodedFrames(sample, 'native')
        const plain = Buffer.alloc(FRAME_TARGET_BYTES)
        const picked = pick(codec, implementation)
        return () => {
          for (const frame of frames) decode(frame.payload, plain.subarray(0, frame.plain.length), picked)
        }
      },
    },
  ]
}

/** @type {Stage[]} */
const sealing = [
  {
    name: 'ChaCha20-Poly1305, seal', hasPortable: true,
    open: (sample, implementation) => {
      const picked = pick(aead, implementation)
      const cipher = Buffer.alloc(MIB)
      const tag = Buffer.alloc(TAG_BYTES)
      const parts = pieces(sample.length, MIB)
      return () => {
        for (const [start, end] of parts) aead.sealInto(KEY, NONCE, AAD, sample.subarray(start, end), cipher.subarray(0, end - start), tag, picked)
      }
    },
    agree: (sample) => {
      const sealed = ['native', 'portable'].map((implementation) => {
        const out = Buffer.alloc(sample.length + TAG_BYTES)
        aead.sealInto(KEY, NONCE, AAD, sample, out.subarray(0, sample.length), out.subarray(sample.length), pick(aead, /** @type {Implementation} */ (implementation)))
        return out
      })
      return sealed[0].equals(sealed[1])
    },
  },
  {
    name: 'ChaCha20-Poly1305, open', hasPortable: true,
    open: (sample, implementation) => {
      const picked = pick(aead, implementation)
      const plain = Buffer.alloc(MIB)
      const parts = pieces(sample.length, MIB).map(([start, end]) => {
        const cipher = Buffer.alloc(end - start)
        const tag = Buffer.alloc(TAG_BYTES)
        aead.sealInto(KEY, NONCE, AAD, sample.subarray(start, end), cipher, tag)
        return { cipher, tag }
      })
      return () => {
        for (const { cipher, tag } of parts) {
          if (!aead.openInto(KEY, NONCE, AAD, cipher, tag, plain.subarray(0, cipher.length), picked)) throw new Error('a tag is wrong')
        }
      }
    },
  },
]

/** @type {Stage[]} */
const chunking = [
  {
    name: 'Buzhash candidates, every byte',
    open: (sample) => {
      const out = new Uint32Array(sample.length / KIB)
      return () => {
        findCandidates(sample, 0, sample.length + 1, AVERAGE, out)
      }
    },
    // The definition is slow: a piece of the sample will do.
    agree: (sample) => {
      const bytes = sample.subarray(0, 512 * KIB)
      const out = new Uint32Array(bytes.length)
      const found = out.subarray(0, findCandidates(bytes, 0, bytes.length + 1, 4 * KIB, out))
      const mask = (4 * KIB) / 2 - 1
      const expected = []
      for (let p = WINDOW; p <= bytes.length; p++) if ((digestAt(bytes, p) & mask) === 0) expected.push(p)
      return found.length === expected.length && expected.every((position, i) => found[i] === position)
    },
  },
  { name: 'cuts and holes, files of 1 MiB', open: (sample) => scanFiles(sample, MIB) },
  { name: 'cuts and holes, files of 16 MiB', open: (sample) => scanFiles(sample, 16 * MIB) },
  {
    name: 'zero runs',
    open: (sample) => () => {
      for (const [start, end] of pieces(sample.length, MIB)) findZeroRuns(sample.subarray(start, end), start, true, [])
    },
  },
]

/** As a worker scans files that lie in the slab whole, holes included. @param {Uint8Array} sample @param {number} fileBytes */
function scanFiles(sample, fileBytes) {
  return () => {
    const scanner = new Scanner(AVERAGE)
    for (const [start, end] of pieces(sample.length, fileBytes)) scanner.scan(sample.subarray(start, end), 0, 0, true)
    scanner.take()
  }
}

/** @type {Stage} */
const entropy = {
  name: 'entropy estimate',
  open: (sample) => () => {
    for (const [start, end] of pieces(sample.length, FRAME_TARGET_BYTES)) looksIncompressible(sample.subarray(start, end))
  },
  agree: (sample) => looksIncompressible(noise(MIB, 2)) && !looksIncompressible(sample),
}

/** @type {Stage} */
const memcpy = {
  name: 'memcpy',
  open: (sample) => {
    const copy = Buffer.alloc(sample.length)
    return () => copy.set(sample)
  },
}

/** @type {Stage} */
const sharedCopy = {
  name: 'copy of shared memory', hasPortable: true,
  open: (sample, implementation) => {
    const source = Buffer.from(new SharedArrayBuffer(sample.length))
    const target = Buffer.from(new SharedArrayBuffer(sample.length))
    source.set(sample)
    return implementation === 'native' ? () => copyShared(target, source) : () => target.set(source)
  },
  agree: (sample) => {
    const target = Buffer.from(new SharedArrayBuffer(sample.length))
    copyShared(target, sample)
    return target.equals(sample)
  },
}

const level = (/** @type {number} */ n) => compressor(`zstd -${n}`, zstd,
  (plain, out, implementation) => zstd.compressInto(plain, n, out, implementation), zstd.decompressInto)

/** @type {Stage[]} */
export const STAGES = [
  memcpy, sharedCopy, ...chunking, ids('BLAKE3 ids, 64 KiB chunks', 64 * KIB), ids('BLAKE3 ids, 2 KiB chunks', 2 * KIB),
  ...level(1), ...level(3), ...compressor('LZ4', lz4, lz4.encodeInto, lz4.decodeInto), ...sealing, entropy,
]

/** @param {string} name @returns {Stage} */
export function stageOf(name) {
  return STAGES.find((stage) => stage.name === name)
}
