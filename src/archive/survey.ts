/**
 * What is known before the first byte is read: how much there is (for the chunk size of §4.1 and the
 * progress bar), and what a reproducible archive takes its id from.
 */
import { ARCHIVE_ID_BYTES, GIB, KIB, MIB, TIB } from '../base/limits.ts'
import { Hasher } from '../codec/blake3.ts'
import { toBytes, type Root } from './inputs.ts'
import type { Found, Walk } from './walk.ts'

/** Objects that are remembered from the survey; of a larger tree the rest is walked a second time. */
const MAX_REMEMBERED = 150_000

export interface Survey {
  bytes: number
  entries: number
  hasStream: boolean
  /** Digest of paths, kinds, sizes and times: the archive id of a reproducible archive. */
  id: Uint8Array
  /** The walk, from its start. */
  found(): Iterable<Found>
}

/** @param onBytes called now and then with the bytes found so far */
export function survey(walk: Walk, roots: Root[], options: { identify: boolean; onBytes: (bytes: number) => void }): Survey {
  let remembered: Found[] | null = []
  let bytes = 0
  let entries = 0
  let hasStream = false
  const hasher = options.identify ? new Hasher() : null
  for (const found of walk.of(roots)) {
    bytes += found.size
    entries++
    if (found.kind === 'stream') hasStream = true
    if (hasher) hasher.update(toBytes(`${found.kind} ${found.size} ${found.mtimeMs} ${found.path}\0`))
    if (remembered && remembered.length < MAX_REMEMBERED) remembered.push(found)
    else remembered = null
    if (entries % 1024 === 0) options.onBytes(bytes)
  }
  options.onBytes(bytes)
  const id = hasher ? hasher.digest().subarray(0, ARCHIVE_ID_BYTES) : new Uint8Array(ARCHIVE_ID_BYTES)
  return { bytes, entries, hasStream, id, found: () => remembered ?? walk.of(roots) }
}

/** Average chunk size for `total` bytes of regular files. Source: §4.1. */
export function averageFor(total: number): number {
  if (total < 64 * GIB) return 64 * KIB
  if (total < 128 * GIB) return 128 * KIB
  if (total < 256 * GIB) return 256 * KIB
  if (total < 1 * TIB) return 512 * KIB
  if (total < 16 * TIB) return 1 * MIB
  return 4 * MIB
}
