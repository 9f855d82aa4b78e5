/**
 * Finds cut-point candidates with a windowed rolling hash whose digest at a position depends on the
 * bytes of one window alone, so that any range of a file can be searched by itself.
 */
import { MAX_AVERAGE_BYTES, MIN_AVERAGE_BYTES, candidateMask } from '../base/limits.ts'

/** Bytes that a digest looks back (§4.2). */
export const WINDOW = 48

// §4.2: the first 1,024 bytes of the extended output for the label, as base64.
const TABLE_BASE64 = [
  'ZY5Mgs7WhdcxNAKCqtP9c8P0YnPGRL9z48/ovHLeqehBlFOi3shJP/8pPLxT1dC0Et9HmukcBgsVuzdvjgHof5r5MgQGptVS',
  'tHKYUbmjslCiTKQt5OyFxVQ/N+btdaZYl7pU6m6ZbiQHBi+O9tY5rcQN1iOOEQuuK+bMANW7AWVT7hVy728Gy9+Vi5+/AQ0w',
  'D6yaCpyIRXCbrJh4k6no56dvlVg7A+1TK0Qx8cRJl6fpTuRBvvVz6PPOE5o9jfO+jwBVZkDZ/oHxQxDVNPDOUhpTaWwDF5jH',
  'PKUt1HmSMzYz/D1A1KKCD8rqgZXdYQqL2ZolGPnitw5suPLBTvdPcFBkHeqssFXB1WtGjcKhLTqh/6jrRaDCs/58eHdBl50U',
  'BcYcArpIgGE8LIve6gOSZ05JIFNGKV8b0IEGCo2sS54nj4q+QTv618+sHyg1vR+pFY0YqBeis33NiLERO9juryDRwN7RxsjB',
  'w2HxWHdIF2TMf2GWcB7HBV3SnvroyMnMX93rOJ+70hFG1HuhB6xb0GVOTzWiGRWP7gaQ2slj6HwTDtYnUMtqkcJwEpPVx/cZ',
  'FCnhV+wjWavZizHyHm9NeF9G76c9150e1RU7yi9MxfE3UontJ+g0qE5Dkn+DD+CbOgqSLDv2tQtltr0tbHY/xocOOz+rbir3',
  'svhs3OVZBFP6z68cBfsAsOd7oN6I2EfOVn5MBlKddcHGuvIwvuOVSBKhyLAFQhskedV1uXHcSznSUWPEhsn/d4DuKqV+0rqK',
  '30mh5Z3nMs60fiVsYq8k1kfCD6B5cl0MvtRgp41Q1U4KyYlNzVY4qPvHWyUt4c71mzYP1mvJ5pOANlo5b6DG2fLn8vlTxB93',
  'tn6aIV+MRvdZVYx/qsp3XWhB/WbtcP5RWDCmBf16aa0BSW/D/bILh+oXC+Jnunr4g8M74euTZhX8uQTJH9xeDBuZVi+Bmacs',
  'C8YV5h7mGEiWIqTh4cOKQBGaPsxfvUrd+/2q1M0C56zcey8bRtzccHbQtDvDIJQtmMWSidYuZcoIY5dMG5axWkBNvyUh628s',
  'Khxk11f5QxoJRKD9lbejeiG4zPnvqfTg9WSoFsplvdReABzQL/XVhHrVkiurmNtfqZkz5Wq1QaPiE7pviSvi97I/IMRM0aNg',
  'n2ILSMFOcvcoVGHLpVidi1r8jMCwgV3K6h07q4S1SUNijwib/5WT/wHD4rbcLsySEHEui80964OiUaktLqXVUwt/yuBNEh17',
  'yb3Amp8L4QOOtDIWcDHL2ynpVfhggX5E5tyU++rUR07mg7rki3eM9aQYEV87dX7eI2iuxHgUF6TFXpW+sV0euIWAEhNFv9y7',
  'My7wSb64W9+qqEzAo/0ANg==',
].join('')

/** The table T of §4.2: 256 u32. */
export const TABLE = readTable()

// Signed words: the loop below is a third slower on unsigned ones (Node 20).
const ENTERING = Int32Array.from(TABLE)
/** T, each word rotated as it is when it leaves the window. */
const LEAVING = ENTERING.map((word) => rotate(word, WINDOW % 32))

function readTable(): Uint32Array {
  const bytes = Buffer.from(TABLE_BASE64, 'base64')
  return Uint32Array.from({ length: 256 }, (_, i) => bytes.readUInt32LE(4 * i))
}

function rotate(word: number, by: number): number {
  return word << by | word >>> (32 - by)
}

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
  const count = roll(bytes, first, to, candidateMask(average), out)
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
  return first >= to ? -1 : rollToFirst(bytes, first, to, candidateMask(average))
}

/** Whether `average` is one that §4.1 allows. */
export function isAverage(average: number): boolean {
  return average >= MIN_AVERAGE_BYTES && average <= MAX_AVERAGE_BYTES && (average & (average - 1)) === 0
}

/** The inner loop; what is written past the end of `out` is lost, so the count alone tells of overflow. */
function roll(bytes: Uint8Array, first: number, to: number, mask: number, out: Uint32Array): number {
  const enter = ENTERING
  const leave = LEAVING
  let d = digestAt(bytes, first) | 0
  let count = 0
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
  }
  for (; p < last; p++) {
    d = (d << 1 | d >>> 31) ^ (enter[bytes[p]] ^ leave[bytes[p - 48]])
    if ((d & mask) === 0) out[count++] = p + 1
  }
  return count
}

/** `roll` that ends at the first candidate. */
function rollToFirst(bytes: Uint8Array, first: number, to: number, mask: number): number {
  const enter = ENTERING
  const leave = LEAVING
  let d = digestAt(bytes, first) | 0
  if ((d & mask) === 0) return first
  let p = first
  const last = to - 1
  for (const end = last - 3; p < end; p += 4) {
    d = (d << 1 | d >>> 31) ^ (enter[bytes[p]] ^ leave[bytes[p - 48]])
    if ((d & mask) === 0) return p + 1
    d = (d << 1 | d >>> 31) ^ (enter[bytes[p + 1]] ^ leave[bytes[p - 47]])
    if ((d & mask) === 0) return p + 2
    d = (d << 1 | d >>> 31) ^ (enter[bytes[p + 2]] ^ leave[bytes[p - 46]])
    if ((d & mask) === 0) return p + 3
    d = (d << 1 | d >>> 31) ^ (enter[bytes[p + 3]] ^ leave[bytes[p - 45]])
    if ((d & mask) === 0) return p + 4
  }
  for (; p < last; p++) {
    d = (d << 1 | d >>> 31) ^ (enter[bytes[p]] ^ leave[bytes[p - 48]])
    if ((d & mask) === 0) return p + 1
  }
  return -1
}
