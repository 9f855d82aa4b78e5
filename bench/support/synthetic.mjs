/** Data that is made from a seed: the same bytes on every machine. */
import { createCipheriv } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'

const PIECE_BYTES = 4 * 1024 * 1024

/** A sequence of numbers by xorshift32. Source: Marsaglia, "Xorshift RNGs", 2003. */
export class Random {
  #state

  /** @param {number} seed 1 … 2³²−1 */
  constructor(seed) {
    this.#state = seed
    // The first numbers of small seeds are small.
    for (let i = 0; i < 16; i++) this.below(1)
  }

  /** A whole number from 0 to `limit` − 1. @param {number} limit at most 2³² */
  below(limit) {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x >>> 0
    return Math.floor(this.#state / 2 ** 32 * limit)
  }

  /** A word of 2 to 9 letters; some come far more often than others, as in text. */
  word() {
    const rank = Math.floor((this.below(1_000) * this.below(1_000) * this.below(1_000)) / 200_000)
    return (rank * 7_919 + 1_299_709).toString(26).replace(/\d/g, (digit) => 'etaoinshrd'[Number(digit)]).slice(0, 2 + rank % 8)
  }
}

/** Bytes that no compressor shrinks: a key stream. @param {number} length @param {number} seed 0 … 255 */
export function noise(length, seed) {
  return createCipheriv('aes-256-ctr', Buffer.alloc(32, seed), Buffer.alloc(16)).update(Buffer.alloc(length))
}

/** @param {string} file @param {number} length */
export function writeNoise(file, length) {
  const cipher = createCipheriv('aes-256-ctr', Buffer.alloc(32, 1), Buffer.alloc(16))
  const zeros = Buffer.alloc(PIECE_BYTES)
  const fd = openSync(file, 'w')
  for (let left = length; left > 0; left -= PIECE_BYTES) writeSync(fd, cipher.update(zeros.subarray(0, Math.min(left, PIECE_BYTES))))
  closeSync(fd)
}

/**
 * Adds lines such as a web server writes.
 * @param {string} file
 * @param {number} length bytes, at least
 * @param {number} seed
 */
export function appendLines(file, length, seed) {
  const random = new Random(seed)
  const fd = openSync(file, 'a')
  let time = 1_700_000_000_000 + seed * 86_400_000
  for (let written = 0; written < length; ) {
    let piece = ''
    while (piece.length < PIECE_BYTES && written + piece.length < length) {
      time += random.below(300)
      const address = `10.${random.below(4)}.${random.below(256)}.${random.below(256)}`
      const page = `/${random.word()}/${random.word()}?id=${random.below(100_000)}`
      const status = random.below(20) === 0 ? 404 : 200
      piece += `${address} - - [${new Date(time).toISOString()}] "GET ${page} HTTP/1.1" ${status} ${random.below(60_000)}\n`
    }
    writeSync(fd, piece)
    written += piece.length
  }
  closeSync(fd)
}
