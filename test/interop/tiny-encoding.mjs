// What the tiny writer encodes with: the integers of §3.1, the chunks and holes of §4, the codecs of §7.
import {createRequire} from 'node:module'
import {blake3} from '@noble/hashes/blake3.js'

const {ZstdCodec} = createRequire(import.meta.url)('zstd-codec')
const zstd = await new Promise(resolve => {
  ZstdCodec.run(codecs => resolve({simple: new codecs.Simple()}))
})

const MIB = 1024 * 1024

export const bytesOf = value => Buffer.isBuffer(value) ? value : Buffer.from(value)

export function u(size, value) {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
  return bytes.subarray(0, size)
}

/** §3.1; a number above 2^53-1 may be given as a BigInt. */
export function varint(value) {
  if (value < 128) return Buffer.from([Number(value)])
  const bytes = []
  let left = BigInt(value)
  for (; left >= 0x80n; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80)
  bytes.push(Number(left))
  return Buffer.from(bytes)
}

export const zigzag = value => varint(value >= 0 ? 2n * BigInt(value) : -2n * BigInt(value) - 1n)
export function string(value) {
  const bytes = bytesOf(value)
  return Buffer.concat([varint(bytes.length), bytes])
}

// §4: chunks and holes

const table = new Uint32Array(256)
{
  const bytes = Buffer.from(blake3(Buffer.from('warp-archive 1 buzhash table'), {dkLen: 1024}))
  for (let i = 0; i < 256; i++) table[i] = bytes.readUInt32LE(4 * i)
}
const rotate = (value, count) => count === 0 ? value : value << count | value >>> 32 - count

/** §4.2, by its definition: slow and plain. */
function digestAt(bytes, position) {
  let digest = 0
  for (let i = 0; i < 48; i++) digest ^= rotate(table[bytes[position - 1 - i]], i % 32)
  return digest
}

/** §4.3. @returns [{start, end, isHole}] that cover the file */
function splitHoles(bytes) {
  const regions = []
  let start = 0
  for (let at = 0; at < bytes.length;) {
    let end = at
    while (end < bytes.length && isZeroBlock(bytes, end)) end = Math.min(end + 4096, bytes.length)
    if (end - at >= 65_536) {
      if (at > start) regions.push({start, end: at, isHole: false})
      regions.push({start: at, end, isHole: true})
      start = end
    }
    at = end === at ? Math.min(at + 4096, bytes.length) : end
  }
  if (start < bytes.length) regions.push({start, end: bytes.length, isHole: false})
  return regions
}

const isZeroBlock = (bytes, at) => bytes.subarray(at, at + 4096).every(byte => byte === 0)

/** §4.4. @returns the ends of the chunks of one data region [start, end) */
function cutRegion(bytes, start, end, average) {
  const least = average / 2, most = average * 4, cuts = []
  for (let s = start; s < end;) {
    let cut = end
    if (end - s > least) {
      cut = Math.min(s + most, end)
      for (let c = s + least; c < cut; c++) {
        if ((digestAt(bytes, c) & average / 2 - 1) === 0) cut = c
      }
    }
    cuts.push(cut)
    s = cut
  }
  return cuts
}

/** The extents of a file as pieces: {data} and {hole}. */
export function cut(bytes, average) {
  return splitHoles(bytes).flatMap(({start, end, isHole}) => {
    if (isHole) return [{hole: end - start}]
    return cutRegion(bytes, start, end, average).map((to, i, cuts) =>
      ({data: bytes.subarray(i === 0 ? start : cuts[i - 1], to)}))
  })
}

// §7: codecs

/** A greedy LZ4 block; keeps to the last-5-literals and 12-byte rules. */
export function compressLz4Block(input) {
  const out = []
  const seen = new Map()
  const extend = length => {
    for (; length >= 255; length -= 255) out.push(255)
    out.push(length)
  }
  const sequence = (from, to, distance, length) => {
    const literals = to - from
    const extra = length - 4
    out.push(Math.min(literals, 15) << 4 | (length > 0 ? Math.min(extra, 15) : 0))
    if (literals >= 15) extend(literals - 15)
    for (let i = from; i < to; i++) out.push(input[i])
    if (length === 0) return
    out.push(distance & 255, distance >> 8)
    if (extra >= 15) extend(extra - 15)
  }
  let anchor = 0
  for (let at = 0; at + 12 < input.length;) {
    const key = input.readUInt32LE(at)
    const match = seen.get(key)
    seen.set(key, at)
    if (match === undefined || at - match > 65_535) {
      at++
      continue
    }
    let length = 4
    while (at + length < input.length - 5 && input[match + length] === input[at + length]) length++
    sequence(anchor, at, at - match, length)
    anchor = at += length
  }
  sequence(anchor, input.length, 0, 0)
  return Buffer.from(out)
}

function encodeLz4(plain) {
  const words = [], bodies = []
  for (let at = 0; at < plain.length; at += 65_536) {
    const part = plain.subarray(at, at + 65_536)
    const block = compressLz4Block(part)
    const isSmaller = block.length < part.length
    words.push(u(4, isSmaller ? block.length : part.length + 2 ** 31))
    bodies.push(isSmaller ? block : part)
  }
  return Buffer.concat([...words, ...bodies])
}

/** zstd-codec holds 16 MiB in all, so what is large is stored. */
const encodeZstd = plain => plain.length > 2 * MIB ? plain : Buffer.from(zstd.simple.compress(plain, 3))

/** Stores what does not shrink. */
export function encode(codec, plain) {
  const encoded = codec === 0 ? plain : codec === 1 ? encodeLz4(plain) : encodeZstd(plain)
  return encoded.length < plain.length ? {codec, encoded} : {codec: 0, encoded: plain}
}
