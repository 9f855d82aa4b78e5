/**
 * Tells data that no compressor shrinks, and text, from the rest, by a fixed sample of it. Integer counts of the
 * sample decide, so that any engine that counts the same sample decides the same.
 */

const SLICES = 64
const SLICE_BYTES = 256
const SAMPLE_BYTES = SLICES * SLICE_BYTES
/** Entropy of the sample, bits per byte, above which its bytes pass for random; what is expected is 7.99. */
const RANDOM_BITS = 7.9
/** Random bytes of fewer than this fall below RANDOM_BITS too often. */
const MIN_JUDGED_BYTES = 4096
const WORD_SLOTS = 4096
/** One in so many positions may repeat a word of four bytes; in random data next to none does. */
const MAX_REPEATS_SHARE = 128

/** Of binary data, one byte in so many is none of text: in the Linux tree a quarter at most, in programs half and more. */
const BINARY_SHARE = 3

/** Start and length of slice i of the sample: spread evenly, the whole input where it is small. */
function* slices(length: number): Generator<[start: number, end: number]> {
  if (length <= SAMPLE_BYTES) {
    yield [0, length]
    return
  }
  for (let i = 0; i < SLICES; i++) {
    const start = Math.floor(i * (length - SLICE_BYTES) / (SLICES - 1))
    yield [start, start + SLICE_BYTES]
  }
}

/**
 * Shannon entropy of the byte values of a sample.
 * @returns bits per byte, 0 … 8; 0 for no bytes
 */
export function estimateEntropy(bytes: Uint8Array): number {
  const counts = new Uint32Array(256)
  for (const [start, end] of slices(bytes.length)) for (let i = start; i < end; i++) counts[bytes[i]]++
  const total = Math.min(bytes.length, SAMPLE_BYTES)
  let bits = 0
  for (const count of counts) if (count > 0) bits -= count / total * Math.log2(count / total)
  return bits
}

/** Whether trying to compress `bytes` is a waste: true only for what looks random through and through. */
export function looksIncompressible(bytes: Uint8Array): boolean {
  return bytes.length >= MIN_JUDGED_BYTES && estimateEntropy(bytes) >= RANDOM_BITS && !hasRepeats(bytes)
}

/** Whether much of `bytes` is none that text has: control characters, and all beyond ASCII. */
export function isBinary(bytes: Uint8Array): boolean {
  let count = 0
  for (const [start, end] of slices(bytes.length)) {
    for (let i = start; i < end; i++) if (bytes[i] < 0x09 || bytes[i] > 0x7e) count++
  }
  return count * BINARY_SHARE > Math.min(bytes.length, SAMPLE_BYTES)
}

/** Whether words of four bytes come back in the sample, which single bytes cannot show. */
function hasRepeats(bytes: Uint8Array): boolean {
  const seen = new Int32Array(WORD_SLOTS)
  let repeats = 0
  let positions = 0
  for (const [start, end] of slices(bytes.length)) {
    for (let i = start; i + 4 <= end; i++) {
      const word = bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16 | bytes[i + 3] << 24
      const slot = Math.imul(word, 0x9e37_79b1) >>> 20
      if (seen[slot] === word) repeats++
      seen[slot] = word
      positions++
    }
  }
  return repeats * MAX_REPEATS_SHARE > positions
}
