/**
 * Tells data that no compressor shrinks, and text, from the rest, by a fixed sample of it. Integer counts of the
 * sample decide, none of which depends on the order of counting: any engine that counts the same decides the same.
 * Twin: shaders/entropy.wgsl, the same counts.
 */

const SLICES = 64
const SLICE_BYTES = 256
const SAMPLE_BYTES = SLICES * SLICE_BYTES
/** Entropy of the sample, bits per byte, above which its bytes pass for random; what is expected is 7.99. */
const RANDOM_BITS = 7.9
/** Random bytes of fewer than this fall below RANDOM_BITS too often. */
const MIN_JUDGED_BYTES = 4096

const WORD_BYTES = 4
/** Words that lie in a slice. */
const SLICE_WORDS = SLICE_BYTES - WORD_BYTES + 1
/** One in so many positions may repeat a word of four bytes; in random data next to none does. */
const MAX_REPEATS_SHARE = 128

/** Of binary data, one byte in so many is none of text: in the Linux tree a quarter at most, in programs half and more. */
const BINARY_SHARE = 3

/** For each value of the first 12 bits of a hash: a position, from 1 on, and the last 18 bits of the hash there. */
const seen = new Int32Array(4096)

function sampleBytes(length: number): number {
  return Math.min(length, SAMPLE_BYTES)
}

/** Where slices follow each other, words lie across their borders too. */
function sampleWords(length: number): number {
  return length > SAMPLE_BYTES ? SLICES * SLICE_WORDS : Math.max(0, length - WORD_BYTES + 1)
}

/** Where slice i of the sample starts: spread evenly; slice by slice, all of the input, where it is small. */
function sliceStart(i: number, length: number): number {
  return length > SAMPLE_BYTES ? Math.floor(i * (length - SLICE_BYTES) / (SLICES - 1)) : i * SLICE_BYTES
}

/** @returns u32[256]: how often each byte value occurs in the sample */
export function countBytes(bytes: Uint8Array): Uint32Array {
  const { length } = bytes
  const counts = new Uint32Array(256)
  for (let slice = 0; slice * SLICE_BYTES < sampleBytes(length); slice++) {
    const start = sliceStart(slice, length)
    const end = Math.min(start + SLICE_BYTES, length)
    for (let i = start; i < end; i++) counts[bytes[i]]++
  }
  return counts
}

/**
 * How many positions of the sample hold a word of four bytes that comes back, which single bytes cannot show. All
 * slices share a table of slots by the hash of the word. Each position is compared with one other: with the last
 * of its own slice in its slot, or, where it is that itself, with the last of the slices before.
 */
export function countRepeats(bytes: Uint8Array): number {
  const { length } = bytes
  const total = sampleWords(length)
  seen.fill(0)
  let repeats = 0
  for (let base = 0; base < total; base += SLICE_BYTES) {
    const start = sliceStart(base / SLICE_BYTES, length)
    const count = length > SAMPLE_BYTES ? SLICE_WORDS : Math.min(SLICE_BYTES, total - base)
    let word = bytes[start + count] | bytes[start + count + 1] << 8 | bytes[start + count + 2] << 16
    // Backwards, so that what a slot holds of this slice is the last of it.
    for (let i = count - 1; i >= 0; i--) {
      word = word << 8 | bytes[start + i]
      const hash = Math.imul(word, 0x9e37_79b1)
      const slot = hash >>> 20
      const other = seen[slot]
      if (((other ^ hash) & 0x3_ffff) === 0 && other !== 0) repeats++
      if (other >>> 18 <= base) seen[slot] = base + i + 1 << 18 | hash & 0x3_ffff
    }
  }
  return repeats
}

/** Shannon entropy, bits per byte, 0 … 8; 0 for no bytes. */
function entropyOf(length: number, counts: Uint32Array): number {
  const total = sampleBytes(length)
  let bits = 0
  for (const count of counts) if (count > 0) bits -= count / total * Math.log2(count / total)
  return bits
}

/**
 * Decides what `looksIncompressible` does, by counts.
 * @param length bytes of the input, of which `counts` are those of `countBytes`
 * @param repeats gives what `countRepeats` does; called only where it matters
 */
export function judgeIncompressible(length: number, counts: Uint32Array, repeats: () => number): boolean {
  return length >= MIN_JUDGED_BYTES && entropyOf(length, counts) >= RANDOM_BITS
    && repeats() * MAX_REPEATS_SHARE <= sampleWords(length)
}

/** Decides what `isBinary` does, by counts. Parameters as for `judgeIncompressible`. */
export function judgeBinary(length: number, counts: Uint32Array): boolean {
  let count = 0
  for (let value = 0; value < 256; value++) if (value < 0x09 || value > 0x7e) count += counts[value]
  return count * BINARY_SHARE > sampleBytes(length)
}

/**
 * Shannon entropy of the byte values of a sample.
 * @returns bits per byte, 0 … 8; 0 for no bytes
 */
export function estimateEntropy(bytes: Uint8Array): number {
  return entropyOf(bytes.length, countBytes(bytes))
}

/** Whether trying to compress `bytes` is a waste: true only for what looks random through and through. */
export function looksIncompressible(bytes: Uint8Array): boolean {
  return bytes.length >= MIN_JUDGED_BYTES && judgeIncompressible(bytes.length, countBytes(bytes), () => countRepeats(bytes))
}

/** Whether much of `bytes` is none that text has: control characters, and all beyond ASCII. */
export function isBinary(bytes: Uint8Array): boolean {
  return judgeBinary(bytes.length, countBytes(bytes))
}
