/**
 * LZ4 blocks: a greedy, deterministic compressor, and a decoder that checks every bound.
 * Source: LZ4 block format, https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md.
 */
import { WarpError } from '../base/errors.ts'

const MIN_MATCH = 4
const MAX_OFFSET = 65_535
/** The last match starts at least this far from the end of a block. */
const MATCH_START_LIMIT = 12
/** The last bytes of a block are literals. */
const LAST_LITERALS = 5
const HASH_BITS = 13
/** A match is looked for at fewer and fewer positions while none is found: a step more each 64 tries. */
const SKIP_SHIFT = 6

/** Last position of each hash, plus `tableBase`; older entries are void, so that nothing must be cleared. */
const table = new Int32Array(1 << HASH_BITS)
let tableBase = 1

/**
 * Compresses one block. The output depends on `src` alone.
 * @returns the length written to `dst`, or 0 if the block does not fit there
 */
export function compressBlock(src: Uint8Array, dst: Uint8Array): number {
  if (tableBase > 0x7fff_ffff - src.length) {
    table.fill(0)
    tableBase = 1
  }
  const base = tableBase
  tableBase += src.length
  const startLimit = src.length - MATCH_START_LIMIT
  const endLimit = src.length - LAST_LITERALS
  let anchor = 0
  let at = 0
  let written = 0
  let tries = 1 << SKIP_SHIFT
  while (at <= startLimit) {
    const word = readWord(src, at)
    const slot = slotOf(word)
    let match = table[slot] - base
    table[slot] = at + base
    if (match < 0 || at - match > MAX_OFFSET || readWord(src, match) !== word) {
      at += tries++ >>> SKIP_SHIFT
      continue
    }
    tries = 1 << SKIP_SHIFT
    while (at > anchor && match > 0 && src[at - 1] === src[match - 1]) {
      at--
      match--
    }
    let end = at + MIN_MATCH
    for (let from = match + MIN_MATCH; end < endLimit && src[end] === src[from]; from++) end++
    written = writeSequence(src, anchor, at, at - match, end - at, dst, written)
    if (written < 0) return 0
    at = end
    anchor = end
    // A position inside the match, for what comes next.
    if (at <= startLimit) table[slotOf(readWord(src, at - 2))] = at - 2 + base
  }
  written = writeSequence(src, anchor, src.length, 0, 0, dst, written)
  return Math.max(0, written)
}

function slotOf(word: number): number {
  return Math.imul(word, 0x9e37_79b1) >>> 32 - HASH_BITS
}

function readWord(bytes: Uint8Array, at: number): number {
  return bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24
}

/** Writes literals and, unless `matchLength` is 0, a match; the new length of `dst`, or −1 if it is full. */
function writeSequence(
  src: Uint8Array, from: number, to: number, offset: number, matchLength: number,
  dst: Uint8Array, at: number,
): number {
  const literals = to - from
  // Token, its two extensions with a byte to end each, literals, offset.
  const room = 1 + literals / 255 + 1 + literals + 2 + matchLength / 255 + 1
  if (at + room > dst.length && at + exactLength(literals, matchLength) > dst.length) return -1
  const extra = matchLength - MIN_MATCH
  dst[at++] = Math.min(literals, 15) << 4 | (matchLength === 0 ? 0 : Math.min(extra, 15))
  if (literals >= 15) at = writeExtension(literals - 15, dst, at)
  if (literals < 32) for (let i = from; i < to; i++) dst[at++] = src[i]
  else {
    dst.set(src.subarray(from, to), at)
    at += literals
  }
  if (matchLength === 0) return at
  dst[at++] = offset & 255
  dst[at++] = offset >>> 8
  return extra >= 15 ? writeExtension(extra - 15, dst, at) : at
}

function exactLength(literals: number, matchLength: number): number {
  const extension = (length: number) => length < 15 ? 0 : 1 + Math.floor((length - 15) / 255)
  return 1 + extension(literals) + literals + (matchLength === 0 ? 0 : 2 + extension(matchLength - MIN_MATCH))
}

function writeExtension(length: number, dst: Uint8Array, at: number): number {
  for (; length >= 255; length -= 255) dst[at++] = 255
  dst[at++] = length
  return at
}

/**
 * Decodes one block, which must fill `dst` exactly. It may end with a match, which a compressor must
 * not do: other decoders differ in whether they mind.
 * @throws {WarpError} ERR_WARP_MALFORMED
 */
export function decompressBlock(src: Uint8Array, dst: Uint8Array): void {
  const srcEnd = src.length
  const dstEnd = dst.length
  let from = 0
  let to = 0
  if (srcEnd === 0) throw malformed('block cut short')
  while (from < srcEnd) {
    const token = src[from++]
    let literals = token >>> 4
    if (literals === 15) {
      let byte = 255
      while (byte === 255) {
        if (from >= srcEnd) throw malformed('block cut short')
        byte = src[from++]
        literals += byte
      }
    }
    if (literals > srcEnd - from) throw malformed('block cut short')
    if (literals > dstEnd - to) throw malformed('block too long')
    if (literals < 32) for (const end = to + literals; to < end;) dst[to++] = src[from++]
    else {
      dst.set(src.subarray(from, from + literals), to)
      from += literals
      to += literals
    }
    if (from === srcEnd) break
    if (srcEnd - from < 2) throw malformed('block cut short')
    const offset = src[from] | src[from + 1] << 8
    from += 2
    if (offset === 0 || offset > to) throw malformed('match before the start of the block')
    let length = (token & 15) + MIN_MATCH
    if (length === 15 + MIN_MATCH) {
      let byte = 255
      while (byte === 255) {
        if (from >= srcEnd) throw malformed('block cut short')
        byte = src[from++]
        length += byte
      }
    }
    if (length > dstEnd - to) throw malformed('block too long')
    if (length >= 64 && offset >= length) {
      dst.copyWithin(to, to - offset, to - offset + length)
      to += length
    } else for (const end = to + length; to < end; to++) dst[to] = dst[to - offset]
  }
  if (to !== dstEnd) throw malformed('block too short')
}

function malformed(what: string): WarpError {
  return new WarpError('ERR_WARP_MALFORMED', `LZ4: ${what}`)
}
