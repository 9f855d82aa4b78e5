// The three codecs of §7, decoding only.
import {createRequire} from 'node:module'
import {Cursor} from './bytes.mjs'
import {malformed} from './errors.mjs'

const PART_BYTES = 65_536
const MAX_WINDOW_BYTES = 16 * 1024 * 1024

// zstd-codec's own entry point loads its WebAssembly build, whose memory is 16 MiB and cannot be more:
// too little for a frame of the largest size. Its asm.js build takes the size it is told.
const loadZstd = createRequire(import.meta.url)('zstd-codec/lib/zstd-codec-binding.js')
const {zstd} = await new Promise(resolve => {
  const module = {TOTAL_MEMORY: 64 * 1024 * 1024, onRuntimeInitialized: () => resolve({zstd: module})}
  loadZstd(module)
})

/** Decodes the payload of a block whose tag was checked. @returns exactly plainLength bytes */
export function decode(codec, encoded, plainLength) {
  if (codec === 0) return encoded
  return codec === 1 ? decodeLz4(encoded, plainLength) : decodeZstd(encoded, plainLength)
}

/** §7, codec 1: n words, then n bodies. */
function decodeLz4(encoded, plainLength) {
  const cursor = new Cursor(encoded, 'LZ4 payload')
  const plain = Buffer.alloc(plainLength)
  const words = Array.from({length: Math.ceil(plainLength / PART_BYTES)}, () => cursor.u32())
  words.forEach((word, index) => {
    const part = plain.subarray(index * PART_BYTES, (index + 1) * PART_BYTES)
    const isStored = word >= 2 ** 31
    const length = isStored ? word - 2 ** 31 : word
    if (isStored ? length !== part.length : length >= part.length) {
      throw cursor.fail('wrong length of a body')
    }
    const body = cursor.take(length)
    if (isStored) part.set(body)
    else decodeLz4Block(body, part)
  })
  cursor.end()
  return plain
}

/** Decodes one LZ4 block; it must give exactly output.length bytes from exactly its own. */
function decodeLz4Block(block, output) {
  const input = new Cursor(block, 'LZ4 block')
  const extend = length => {
    if (length < 15) return length
    let byte
    do length += byte = input.u8()
    while (byte === 255)
    return length
  }
  let position = 0
  for (;;) {
    const token = input.u8()
    const literals = extend(token >> 4)
    if (literals > output.length - position) throw input.fail('decodes to too much')
    output.set(input.take(literals), position)
    position += literals
    if (input.position === block.length) break
    const distance = input.u16()
    const length = extend(token & 15) + 4
    if (distance === 0 || distance > position) throw input.fail('a match lies before the part')
    if (length > output.length - position) throw input.fail('decodes to too much')
    // Byte by byte, since a match may overlap what it makes.
    for (let i = 0; i < length; i++) output[position + i] = output[position + i - distance]
    position += length
  }
  if (position !== output.length) throw input.fail('decodes to too little')
}

/** §7, codec 2: walks the frame to its last byte (RFC 8878 §3.1.1), then lets zstd decode it. */
function decodeZstd(encoded, plainLength) {
  checkZstdFrame(encoded, plainLength)
  const plain = Buffer.alloc(plainLength)
  let length = 0
  const stream = new zstd.ZstdDecompressStreamBinding()
  try {
    const collect = piece => {
      if (length + piece.length <= plainLength) plain.set(piece, length)
      length += piece.length
    }
    const isDone = stream.begin() && stream.transform(encoded, collect) && stream.end(collect)
    if (isDone && length === plainLength) return plain
  } finally {
    stream.delete()
  }
  throw malformed('zstd payload: does not decode to its length')
}

function checkZstdFrame(encoded, plainLength) {
  const cursor = new Cursor(encoded, 'zstd payload')
  if (cursor.u32() !== 0xfd2fb528) throw cursor.fail('is no zstd frame')
  const descriptor = cursor.u8()
  if (descriptor & 0x08) throw cursor.fail('a reserved bit is set')
  if (descriptor & 0x03) throw cursor.fail('names a dictionary')
  const isSingleSegment = (descriptor & 0x20) !== 0
  if (!isSingleSegment) {
    const window = cursor.u8()
    const base = 2 ** (10 + (window >> 3))
    if (base + base / 8 * (window & 7) > MAX_WINDOW_BYTES) throw cursor.fail('the window is too large')
  }
  const sizeField = descriptor >> 6
  if (sizeField === 0 && !isSingleSegment) throw cursor.fail('the content size is missing')
  const contentSize = [() => cursor.u8(), () => cursor.u16() + 256, () => cursor.u32(), () => cursor.u64()]
  if (contentSize[sizeField]() !== plainLength) throw cursor.fail('the content size is not the plain length')
  for (let isLast = false; !isLast;) {
    const word = cursor.take(3)
    const header = word[0] | word[1] << 8 | word[2] << 16
    isLast = (header & 1) === 1
    const type = header >> 1 & 3
    if (type === 3) throw cursor.fail('a reserved block type')
    cursor.take(type === 1 ? 1 : header >> 3)
  }
  if (descriptor & 0x04) cursor.take(4)
  cursor.end()
}
