/**
 * Reading and writing of the scalar fields that all structures are made of: little-endian integers,
 * varints and strings (§3.1), with the checks that leave each value one encoding.
 */
import { WarpError } from '../base/errors.ts'

/** Largest |s| of a zigzag integer. Source: §3.1. */
export const MAX_ZIGZAG = 2 ** 52 - 1

const TWO_32 = 2 ** 32

/** Names that `ByteReader.name` compares with. */
const REMEMBERED_NAMES = 4

const wide = new BigUint64Array(1)
const halves = new Uint32Array(wide.buffer)
const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

function malformed(message: string): WarpError {
  return new WarpError('ERR_WARP_MALFORMED', message)
}

/**
 * Reads fields one after the other. All it returns are values or views of `bytes`, never copies.
 * Every method throws ERR_WARP_MALFORMED if the field is cut short or not in its one valid encoding.
 */
export class ByteReader {
  readonly bytes: Uint8Array
  position: number
  readonly #names: Uint8Array[] = []

  constructor(bytes: Uint8Array, position = 0) {
    this.bytes = bytes
    this.position = position
  }

  get remaining(): number {
    return this.bytes.length - this.position
  }

  u8(): number {
    return this.bytes[this.#advance(1)]
  }

  u16(): number {
    const at = this.#advance(2)
    return this.bytes[at] | (this.bytes[at + 1] << 8)
  }

  u32(): number {
    return this.#word(this.#advance(4))
  }

  /** A u64 field that holds a size, an offset or a count: at most 2⁵³−1 (§3.1). */
  u64(): number {
    const at = this.#advance(8)
    const value = this.#word(at) + this.#word(at + 4) * TWO_32
    if (value > Number.MAX_SAFE_INTEGER) throw malformed('a u64 is above 2^53-1')
    return value
  }

  /** A u64 field of any value: inode and device numbers. */
  rawU64(): bigint {
    const at = this.#advance(8)
    // Through memory, since every operation on a bigint makes another one.
    const low = isLittleEndian ? 0 : 1
    halves[low] = this.#word(at)
    halves[1 - low] = this.#word(at + 4)
    return wide[0]!
  }

  /** §3.1: unsigned LEB128, at most 8 bytes, shortest, at most 2⁵³−1. */
  varint(): number {
    const first = this.bytes[this.#advance(1)]
    if (first < 0x80) return first
    let value = first & 0x7f
    let scale = 128
    for (let i = 1; i < 8; i++) {
      const byte = this.bytes[this.#advance(1)]
      // Above 2⁵³ the sum may be rounded, but never to below 2⁵³.
      value += (byte & 0x7f) * scale
      scale *= 128
      if (byte < 0x80) {
        if (byte === 0) throw malformed('a varint is not in its shortest form')
        if (value > Number.MAX_SAFE_INTEGER) throw malformed('a varint is above 2^53-1')
        return value
      }
    }
    throw malformed('a varint is longer than 8 bytes')
  }

  /** A varint of at most `max`, else ERR_WARP_LIMIT naming `what`. */
  varintUpTo(max: number, what: string): number {
    const value = this.varint()
    if (value > max) throw new WarpError('ERR_WARP_LIMIT', `${what} is ${value}, above the limit of ${max}`)
    return value
  }

  zigzag(): number {
    const value = this.varint()
    if (value % 2 === 0) return value / 2
    if (value === Number.MAX_SAFE_INTEGER) throw malformed('a zigzag integer is out of range')
    return -(value + 1) / 2
  }

  /** View of the next `length` bytes. */
  take(length: number): Uint8Array {
    const at = this.#advance(length)
    return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + at, length)
  }

  /** View of a string of at most `max` bytes, else ERR_WARP_LIMIT naming `what`. */
  string(max: number, what: string): Uint8Array {
    return this.take(this.varintUpTo(max, `length of ${what}`))
  }

  /** Like `string`, of what mostly is one of a few: for the same bytes as one of the last, the same view. */
  name(max: number, what: string): Uint8Array {
    const length = this.varintUpTo(max, `length of ${what}`)
    const at = this.#advance(length)
    for (const name of this.#names) if (name.length === length && this.#isAt(name, at)) return name
    const name = new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + at, length)
    if (this.#names.push(name) > REMEMBERED_NAMES) this.#names.shift()
    return name
  }

  #isAt(name: Uint8Array, at: number): boolean {
    for (let i = 0; i < name.length; i++) if (name[i] !== this.bytes[at + i]) return false
    return true
  }

  /** Passes over `length` reserved bytes, which must be zero. */
  zeros(length: number): void {
    const at = this.#advance(length)
    if (!isZero(this.bytes, at, at + length)) throw malformed('reserved bytes are not zero')
  }

  /** Throws unless every byte was read. */
  done(): void {
    if (this.position !== this.bytes.length) {
      throw malformed(`${this.remaining} bytes are left over at the end of a structure`)
    }
  }

  #advance(length: number): number {
    const at = this.position
    if (length > this.bytes.length - at) throw malformed('a structure ends inside a field')
    this.position = at + length
    return at
  }

  #word(at: number): number {
    const { bytes } = this
    return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0
  }
}

/** Writes fields one after the other into a buffer that grows. Throws RangeError on values out of range. */
export class ByteWriter {
  #bytes: Uint8Array
  #length = 0

  constructor(capacityBytes = 256) {
    this.#bytes = new Uint8Array(capacityBytes)
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): this {
    checkInteger(value, 0xff)
    const at = this.#grow(1)
    this.#bytes[at] = value
    return this
  }

  u16(value: number): this {
    checkInteger(value, 0xffff)
    const at = this.#grow(2)
    this.#bytes[at] = value
    this.#bytes[at + 1] = value >>> 8
    return this
  }

  u32(value: number): this {
    checkInteger(value, TWO_32 - 1)
    this.#word(this.#grow(4), value)
    return this
  }

  u64(value: number): this {
    checkInteger(value, Number.MAX_SAFE_INTEGER)
    const at = this.#grow(8)
    this.#word(at, value % TWO_32)
    this.#word(at + 4, Math.floor(value / TWO_32))
    return this
  }

  rawU64(value: bigint): this {
    if (value < 0n || value >= 1n << 64n) throw new RangeError(`${value} is not a u64`)
    const at = this.#grow(8)
    wide[0] = value
    const low = isLittleEndian ? 0 : 1
    this.#word(at, halves[low])
    this.#word(at + 4, halves[1 - low])
    return this
  }

  varint(value: number): this {
    checkInteger(value, Number.MAX_SAFE_INTEGER)
    let at = this.#grow(8)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[at++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    this.#bytes[at++] = rest
    this.#length = at
    return this
  }

  zigzag(value: number): this {
    if (!Number.isInteger(value) || Math.abs(value) > MAX_ZIGZAG) {
      throw new RangeError(`${value} is not an integer within ±(2^52-1)`)
    }
    return this.varint(value >= 0 ? 2 * value : -2 * value - 1)
  }

  put(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length)
    this.#bytes.set(bytes, at)
    return this
  }

  string(bytes: Uint8Array): this {
    return this.varint(bytes.length).put(bytes)
  }

  zeros(length: number): this {
    const at = this.#grow(length)
    this.#bytes.fill(0, at, at + length)
    return this
  }

  /** View of what was written so far, valid until the next write. */
  peek(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Copy of what was written; the writer is empty afterwards. */
  take(): Uint8Array {
    const bytes = this.#bytes.slice(0, this.#length)
    this.#length = 0
    return bytes
  }

  clear(): void {
    this.#length = 0
  }

  #grow(length: number): number {
    const at = this.#length
    const needed = at + length
    if (needed > this.#bytes.length) {
      const bytes = new Uint8Array(Math.max(needed, 2 * this.#bytes.length))
      bytes.set(this.#bytes.subarray(0, at))
      this.#bytes = bytes
    }
    this.#length = needed
    return at
  }

  #word(at: number, value: number): void {
    this.#bytes[at] = value
    this.#bytes[at + 1] = value >>> 8
    this.#bytes[at + 2] = value >>> 16
    this.#bytes[at + 3] = value >>> 24
  }
}

/** Whether bytes [start, end) are all zero. */
export function isZero(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== 0) return false
  return true
}

/** Whether two byte strings are equal; not in constant time. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

function checkInteger(value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new RangeError(`${value} is not an integer of 0 to ${max}`)
  }
}
