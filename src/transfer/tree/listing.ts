/** A listing as a receiver reads it, and what it wants of it. */
import { ID_BYTES, maxChunkBytes } from '../../base/limits.ts'
import type { ChunkIndex } from '../../archive/chunk-index.ts'
import { ID_WORDS } from '../../archive/chunk-index.ts'
import { divide } from '../../archive/frame-plan.ts'
import { readPageContent, type PageContent } from '../../format/page.ts'
import type { WantedFrame } from '../messages.ts'

export interface ReadListing extends PageContent {
  /** Chunk references. */
  refs: number
  /** 8 words for each reference. */
  words: Uint32Array
}

/** @throws {WarpError} as `readPageContent` */
export function readListingContent(content: Uint8Array, average: number): ReadListing {
  const page = readPageContent(content, { maxChunk: maxChunkBytes(average), midway: true })
  const refs = page.lengths.length
  const ids = new Uint8Array(refs * ID_BYTES)
  let ref = 0
  for (const record of page.records) {
    if (record.type !== 'file' && record.type !== 'part') continue
    for (const extent of record.extents) if (extent.kind === 'chunk') ids.set(extent.id, ID_BYTES * ref++)
  }
  return { ...page, refs, words: new Uint32Array(ids.buffer) }
}

/** Where the chunk of a reference comes from. */
export const ORIGIN = { inPlace: 0, wanted: 1, located: 2, local: 3 } as const

/** The chunk stands where it belongs, and can be copied from there. */
export const IN_PLACE = 1
/** What stands there is kept, whatever it holds. */
export const NOT_WANTED = 2

export interface Plan {
  /** One of ORIGIN for each reference. */
  origins: Uint8Array
  /** Of a wanted one: index into `frames`, and offset in that frame's plaintext. */
  frameOf: Uint32Array
  offsetOf: Uint32Array
  /** Of a located one: the listing and the reference that have it, as they stand in the index. */
  listingOf: Uint32Array
  refOf: Uint32Array
  /** What is asked for, and the plaintext length of each. */
  frames: WantedFrame[]
  plainLengths: number[]
}

/**
 * Decides for each reference of listing `number` where its chunk comes from, and makes it known to the index.
 * @param isInPlace for each reference: IN_PLACE, NOT_WANTED or 0
 * @param isLocal for each reference that is not in place: whether a file on this side has the chunk
 */
export function planListing(
  index: ChunkIndex, listing: ReadListing, number: number, isInPlace: Uint8Array, isLocal: (ref: number) => boolean,
): Plan {
  const { refs, words, lengths } = listing
  const plan: Plan = {
    origins: new Uint8Array(refs), frameOf: new Uint32Array(refs), offsetOf: new Uint32Array(refs),
    listingOf: new Uint32Array(refs), refOf: new Uint32Array(refs), frames: [], plainLengths: [],
  }
  const fresh: number[] = []
  let freshBytes = 0
  for (let ref = 0; ref < refs; ref++) {
    const slot = index.find(words, ref * ID_WORDS)
    if (isInPlace[ref]) {
      plan.origins[ref] = ORIGIN.inPlace
      if (slot < 0 && isInPlace[ref] === IN_PLACE) index.set(words, ref * ID_WORDS, number, ref)
      continue
    }
    if (isLocal(ref)) {
      plan.origins[ref] = ORIGIN.local
      if (slot < 0) index.set(words, ref * ID_WORDS, number, ref)
      continue
    }
    if (slot < 0) {
      index.set(words, ref * ID_WORDS, number, ref)
      plan.origins[ref] = ORIGIN.wanted
      fresh.push(ref)
      freshBytes += lengths[ref]!
      continue
    }
    plan.origins[ref] = ORIGIN.located
    plan.listingOf[ref] = index.frameAt(slot)
    plan.refOf[ref] = index.offsetAt(slot)
  }
  const chunks = new Uint32Array(2 * refs)
  lengths.forEach((length, ref) => (chunks[2 * ref + 1] = length))
  const { frames, freshFrame, freshOffset } = divide(chunks, fresh, freshBytes, 0)
  plan.plainLengths = frames.map(({ plainLength }) => plainLength)
  plan.frames = frames.map(() => [])
  fresh.forEach((ref, n) => {
    plan.frameOf[ref] = freshFrame[n]!
    plan.offsetOf[ref] = freshOffset[n]!
    const runs = plan.frames[freshFrame[n]!]!
    const last = runs.at(-1)
    if (last && last[0] + last[1] === ref) last[1]++
    else runs.push([ref, 1])
  })
  // What occurs twice in a listing lies in the frame that comes anyway; what a local file has, it has twice.
  for (let ref = 0; ref < refs; ref++) {
    if (plan.origins[ref] !== ORIGIN.located || plan.listingOf[ref] !== number) continue
    const first = plan.refOf[ref]!
    if (plan.origins[first] !== ORIGIN.wanted) continue
    plan.origins[ref] = ORIGIN.wanted
    plan.frameOf[ref] = plan.frameOf[first]!
    plan.offsetOf[ref] = plan.offsetOf[first]!
  }
  return plan
}
