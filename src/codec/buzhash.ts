/**
 * Finds cut-point candidates with a windowed rolling hash whose digest at a position depends on the
 * bytes of one window alone, so that any range of a file can be searched by itself.
 */
import { copyShared } from '../base/copy.ts'
import { MAX_AVERAGE_BYTES, MIN_AVERAGE_BYTES, candidateMask } from '../base/limits.ts'
import { ENTERING, LEAVING, TABLE, WINDOW, rotate } from './buzhash-table.ts'
import { STRETCH_BYTES, UNROLLED, instantiate, type BuzhashWasm } from './buzhash-wasm.ts'

export { TABLE, WINDOW }

/**
 * The digest at a position, by the definition of §4.2.
 * @param position `WINDOW` … `bytes.length`
 * @returns u32
 */
export function digestAt(bytes: Uint8Array, position: number): number {
  let digest = 0
  for (let i = 0; i < WINDOW; i++) digest ^= rotate(TABLE[bytes[position - 1 - i]], i % 32)
  return digest >>> 0
}

/**
 * Finds every candidate (§4.2) p with `from` ≤ p < `to` whose window lies in `bytes`.
 * Twin: shaders/buzhash.wgsl, bit-exact.
 * @param to at most `bytes.length + 1`: the digest at p looks at bytes before p only
 * @param average A of §4.1, a power of two
 * @param out receives the positions, ascending
 * @returns the number of candidates
 * @throws {RangeError} range or average out of bounds, or more candidates than `out` holds
 */
export function findCandidates(
  bytes: Uint8Array, from: number, to: number, average: number, out: Uint32Array,
): number {
  if (!isAverage(average)) throw new RangeError('average is not a power of two within its limits')
  if (from < 0 || to > bytes.length + 1) throw new RangeError('range outside the buffer')
  const first = Math.max(from, WINDOW)
  if (first >= to) return 0
  const count = scan(bytes, first, to, candidateMask(average), out, Infinity)
  if (count > out.length) throw new RangeError('more candidates than there is room for')
  return count
}

/**
 * The smallest candidate p with `from` ≤ p < `to`; -1 if there is none. For chunks that are cut one after
 * the other, where what lies before the minimum need not be looked at.
 * @param to at most `bytes.length + 1`
 * @throws {RangeError} range or average out of bounds
 */
export function findFirstCandidate(bytes: Uint8Array, from: number, to: number, average: number): number {
  if (!isAverage(average)) throw new RangeError('average is not a power of two within its limits')
  if (from < 0 || to > bytes.length + 1) throw new RangeError('range outside the buffer')
  const first = Math.max(from, WINDOW)
  return first < to && scan(bytes, first, to, candidateMask(average), FOUND, 1) > 0 ? FOUND[0]! : -1
}

/** Whether `average` is one that §4.1 allows. */
export function isAverage(average: number): boolean {
  return average >= MIN_AVERAGE_BYTES && average <= MAX_AVERAGE_BYTES && (average & (average - 1)) === 0
}

const FOUND = new Uint32Array(1)

let wasm: BuzhashWasm | null | undefined

/** Candidates in one stretch above which calling WebAssembly for each costs more than it spares. */
const MANY = 16

/**
 * Writes the candidates in [first, to) to `out`, up to `limit`, and returns how many; what is written past
 * the end of `out` is lost, so the count alone tells of overflow.
 */
function scan(bytes: Uint8Array, first: number, to: number, mask: number, out: Uint32Array, limit: number): number {
  wasm = wasm === undefined ? instantiate(ENTERING, LEAVING) : wasm
  if (wasm === null) return roll(bytes, first, to, mask, out, 0, limit)
  let count = 0
  if ((digestAt(bytes, first) & mask) === 0) out[count++] = first
  // Positions up to p are looked at.
  for (let p = first; p < to - 1 && count < limit; ) {
    const length = Math.min(to - 1 - p, STRETCH_BYTES - WINDOW)
    const end = p + length
    copyShared(wasm.bytes, bytes.subarray(p - WINDOW, end))
    const base = p - WINDOW
    for (const most = count + MANY; end - p >= UNROLLED && count < limit && count < most; ) {
      const found = wasm.find(p - base, end - base, digestAt(bytes, p), mask)
      if (found >= 0) out[count++] = p = base + found
      else p = end - ((end - p) % UNROLLED)
    }
    if (p < end && count < limit) {
      count = roll(bytes, p + 1, end + 1, mask, out, count, limit)
      p = end
    }
  }
  return count
}

/** The same in plain JavaScript, for what is too short or too dense. @param count candidates in `out` already */
function roll(
  bytes: Uint8Array, first: number, to: number, mask: number, out: Uint32Array, count: number, limit: number,
): number {
  const enter = ENTERING
  const leave = LEAVING
  let d = digestAt(bytes, first) | 0
  if ((d & mask) === 0) out[count++] = first
  let p = first
  const last = to - 1
  for (const end = last - 7; p < end; p += 8) {
    d = (d << 1 | d >>> 31) ^ (enter[bytes[p]] ^ leave[bytes[p - 48]])
    if ((d & mask) === 0) out[count++] = p + 1
    d = (d << 1 | d >>> 31) ^ (enter[bytes[p + 1]] ^ leave[bytes[p - 47]])
    if ((d & mask) === 0) out[count++] = p + 2
    d = (d << 1 | d >>> 31) ^ (enter[bytes[p + 2]] ^ leave[bytes[p - 46]])
    if ((d & mask) === 0) out[count++] = p + 3
    d = (d << 1 | d >>> 31) ^ (enter[bytes[p + 3]] ^ leave[bytes[p - 45]])
    if ((d & mask) === 0) out[count++] = p + 4
    d = (d << 1 | d >>> 31) ^ (enter[bytes[p + 4]] ^ leave[bytes[p - 44]])
    if ((d & mask) === 0) out[count++] = p + 5
    d = (d << 1 | d >>> 31) ^ (enter[bytes[p + 5]] ^ leave[bytes[p - 43]])
    if ((d & mask) === 0) out[count++] = p + 6
    d = (d << 1 | d >>> 31) ^ (enter[bytes[p + 6]] ^ leave[bytes[p - 42]])
    if ((d & mask) === 0) out[count++] = p + 7
    d = (d << 1 | d >>> 31) ^ (enter[bytes[p + 7]] ^ leave[bytes[p - 41]])
    if ((d & mask) === 0) out[count++] = p + 8
    if (count >= limit) return limit
  }
  for (; p < last; p++) {
    d = (d << 1 | d >>> 31) ^ (enter[bytes[p]] ^ leave[bytes[p - 48]])
    if ((d & mask) === 0) out[count++] = p + 1
  }
  return Math.min(count, limit)
}
