/**
 * Paths of entries: bytes, components joined by `/` (§8.1). Their order, what makes one unsafe, and
 * how one is shown to a person.
 */
import { WarpError } from '../base/errors.ts'
import { MAX_NAME_BYTES, MAX_PATH_BYTES } from '../base/limits.ts'

const SLASH = 0x2f
const DOT = 0x2e

/**
 * Compares paths component by component as bytes: as bytes, with `/` below every other byte.
 * Source: §8.1 Order.
 * @returns negative, 0 or positive
 */
export function comparePaths(a: Uint8Array, b: Uint8Array): number {
  const end = Math.min(a.length, b.length)
  for (let i = 0; i < end; i++) {
    const x = a[i]
    const y = b[i]
    if (x !== y) {
      if (x === SLASH) return -1
      if (y === SLASH) return 1
      return x < y ? -1 : 1
    }
  }
  return a.length === b.length ? 0 : a.length < b.length ? -1 : 1
}

/** Whether `path` lies below `ancestor` (and is not `ancestor` itself). */
export function isBeneath(path: Uint8Array, ancestor: Uint8Array): boolean {
  const n = ancestor.length
  if (n === 0) return path.length > 0
  if (path.length <= n || path[n] !== SLASH) return false
  for (let i = n - 1; i >= 0; i--) if (path[i] !== ancestor[i]) return false
  return true
}

/** `name` inside the directory `parent`; the empty parent is the root. Nothing is checked. */
export function joinPath(parent: Uint8Array, name: Uint8Array): Uint8Array {
  if (parent.length === 0) return name
  const path = new Uint8Array(parent.length + 1 + name.length)
  path.set(parent)
  path[parent.length] = SLASH
  path.set(name, parent.length + 1)
  return path
}

/**
 * Throws unless `path` keeps the rules of §8.1 Paths.
 * @param allowEmpty the empty path, which is the root directory, passes
 * @throws {WarpError} ERR_WARP_PATH_UNSAFE, its `path` escaped
 */
export function checkPath(path: Uint8Array, allowEmpty = false): void {
  const end = path.length
  if (end === 0) {
    if (allowEmpty) return
    throw unsafe(path, 'is empty')
  }
  if (end > MAX_PATH_BYTES) throw unsafe(path.subarray(0, MAX_NAME_BYTES), 'is too long')
  let start = 0
  for (let i = 0; i <= end; i++) {
    const byte = i === end ? SLASH : path[i]
    if (byte === 0) throw unsafe(path, 'holds NUL')
    if (byte !== SLASH) continue
    const length = i - start
    if (length === 0) throw unsafe(path, 'is absolute or has an empty component')
    if (length > MAX_NAME_BYTES) throw unsafe(path, 'has a component that is too long')
    if (length <= 2 && path[start] === DOT && path[i - 1] === DOT) {
      throw unsafe(path, 'has a component . or ..')
    }
    start = i + 1
  }
}

function unsafe(path: Uint8Array, why: string): WarpError {
  return new WarpError('ERR_WARP_PATH_UNSAFE', `the path of an entry ${why}`, { path: displayPath(path) })
}

const ESCAPES = new Map([
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0d, '\\r'],
  [0x5c, '\\\\'],
])

/**
 * `path` for display: UTF-8 as it is, everything that could act on a terminal or reorder text, and what
 * is not UTF-8, as escaped bytes. Different paths look different; the empty path is `.`.
 */
export function displayPath(path: Uint8Array): string {
  if (path.length === 0) return '.'
  if (isPlain(path)) return Buffer.from(path.buffer, path.byteOffset, path.length).toString('latin1')
  let text = ''
  let at = 0
  while (at < path.length) {
    const size = sizeCharacter(path, at)
    const code = size === 0 ? -1 : decodeCharacter(path, at, size)
    const next = at + (size === 0 ? 1 : size)
    const escape = ESCAPES.get(code)
    if (escape !== undefined) text += escape
    else if (code >= 0 && !isControl(code)) text += String.fromCodePoint(code)
    else for (let i = at; i < next; i++) text += `\\x${path[i].toString(16).padStart(2, '0')}`
    at = next
  }
  return text
}

/** Whether all of it is printable ASCII that stands for itself. */
function isPlain(path: Uint8Array): boolean {
  for (let i = 0; i < path.length; i++) {
    const byte = path[i]
    if (byte < 0x20 || byte > 0x7e || byte === 0x5c) return false
  }
  return true
}

/** Bytes of the well-formed UTF-8 character at `at`, 0 if there is none (RFC 3629 §4). */
function sizeCharacter(path: Uint8Array, at: number): number {
  const first = path[at]
  if (first < 0x80) return 1
  const size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
  if (first < 0xc2 || first > 0xf4 || at + size > path.length) return 0
  for (let i = 1; i < size; i++) if ((path[at + i] & 0xc0) !== 0x80) return 0
  const second = path[at + 1]
  if (first === 0xe0 && second < 0xa0) return 0 // overlong
  if (first === 0xed && second > 0x9f) return 0 // surrogate
  if (first === 0xf0 && second < 0x90) return 0 // overlong
  if (first === 0xf4 && second > 0x8f) return 0 // above U+10FFFF
  return size
}

function decodeCharacter(path: Uint8Array, at: number, size: number): number {
  if (size === 1) return path[at]
  let code = path[at] & (0xff >> (size + 1))
  for (let i = 1; i < size; i++) code = (code << 6) | (path[at + i] & 0x3f)
  return code
}

/** C0, DEL, C1, line and paragraph separator, and the characters of Unicode UAX #9 §2 that reorder text. */
function isControl(code: number): boolean {
  if (code < 0x20) return true
  if (code < 0x7f) return false
  return code <= 0x9f
    || code === 0x061c
    || code === 0x200e
    || code === 0x200f
    || (code >= 0x2028 && code <= 0x202e)
    || (code >= 0x2066 && code <= 0x2069)
}

/** The components of a path; none for the root. */
export function splitPath(path: Uint8Array): Buffer[] {
  return path.length === 0 ? [] : Buffer.from(path).toString('latin1').split('/').map((name) => Buffer.from(name, 'latin1'))
}
