// The integers and strings of §3.1, read strictly from a byte array, and comparisons of byte arrays.
import {malformed} from './errors.mjs'

/** Compares two byte arrays byte by byte. */
export const equalBytes = (a, b) => Buffer.compare(a, b) === 0

export const isZero = bytes => bytes.every(byte => byte === 0)

export const toHex = bytes => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')

/** Reads one structure from its first byte to its last; every method throws "malformed". */
export class Cursor {
  #view

  /** @param what name of the structure, for messages */
  constructor(bytes, what) {
    this.bytes = bytes
    this.what = what
    this.position = 0
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  fail(message) {
    return malformed(`${this.what}: ${message}`)
  }

  take(length) {
    if (length > this.bytes.length - this.position) throw this.fail('ends too early')
    this.position += length
    return this.bytes.subarray(this.position - length, this.position)
  }

  rest() {
    return this.take(this.bytes.length - this.position)
  }

  end() {
    if (this.position !== this.bytes.length) throw this.fail('bytes are left over')
  }

  expect(bytes, name) {
    if (!equalBytes(this.take(bytes.length), bytes)) throw this.fail(`wrong ${name}`)
  }

  reserved(length) {
    if (!isZero(this.take(length))) throw this.fail('reserved bytes are not zero')
  }

  u8() {
    return this.take(1)[0]
  }

  u16() {
    this.take(2)
    return this.#view.getUint16(this.position - 2, true)
  }

  u32() {
    this.take(4)
    return this.#view.getUint32(this.position - 4, true)
  }

  /** A u64 of the full range, as inode and device numbers are (§3.1). */
  bigU64() {
    this.take(8)
    return this.#view.getBigUint64(this.position - 8, true)
  }

  u64() {
    const value = Number(this.bigU64())
    if (value > Number.MAX_SAFE_INTEGER) throw this.fail('a number is above 2^53-1')
    return value
  }

  varint(limit = Number.MAX_SAFE_INTEGER) {
    let value = 0
    for (let count = 0; count < 8; count++) {
      const byte = this.u8()
      // Exact up to 2^53-1; a larger sum may be rounded, but never to 2^53-1 or below.
      value += (byte & 0x7f) * 2 ** (7 * count)
      if (byte >= 0x80) continue
      if (byte === 0 && count > 0) throw this.fail('a varint is not the shortest')
      if (value > limit) throw this.fail(`the number ${value} is above its limit ${limit}`)
      return value
    }
    throw this.fail('a varint is longer than 8 bytes')
  }

  zigzag() {
    // The largest magnitude is 2^52-1, so 2^53-1 stands for nothing.
    const value = this.varint(Number.MAX_SAFE_INTEGER - 1)
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  string(limit) {
    return this.take(this.varint(limit))
  }
}
