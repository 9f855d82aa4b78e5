/**
 * The listings that were answered and are not restored yet: which frames each waits for, those that were asked for and
 * those that are made of what stands on this side.
 */
import type { Failure } from '../../archive/failure.ts'
import { IN_PLACE } from '../../archive/restorer.ts'
import type { ReceivedListing } from './durable.ts'
import type { Existing, LocalChunk } from './existing.ts'
import { ORIGIN, type Plan, type ReadListing } from './listing.ts'
import type { LocalPiece, ReceivedFrames } from './received-frames.ts'
import type { ReceivedPaths } from './received-paths.ts'
import type { Reuse } from './reuse.ts'

/** Of a frame made of what is here. */
const LOCAL_FRAME_BYTES = 4 * 2 ** 20

export interface OpenListing extends ReceivedListing {
  /** Of each chunk reference, bytes. */
  lengths: Uint32Array
  /** Frames of which something is wanted and not restored. */
  pending: number
  /** Their numbers. */
  frames: number[]
  isTaken: boolean
  applied: Promise<void>
  apply: () => void
}

export interface OpenListingsOptions {
  frames: ReceivedFrames
  paths: ReceivedPaths
  existing: Existing
  reuse: Reuse | null
  failure: Failure
}

export class OpenListings {
  readonly #options: OpenListingsOptions
  /** By number; those that are done are gone. */
  readonly #open = new Map<number, OpenListing>()
  readonly #ofFrame = new Map<number, { listing: OpenListing; refs: number[] }>()

  constructor(options: OpenListingsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#open.size
  }

  /** Resolves when one more is done. */
  next(): Promise<void> {
    return Promise.race(Array.from(this.#open.values(), ({ applied }) => applied))
  }

  /**
   * @param done for each reference: 1 if it stands where it belongs; those that the plan has in place are set
   * @param localOf where a reference's chunk stands in the target
   * @returns for each reference also the number of its frame, or IN_PLACE
   */
  add(
    number: number, done: Uint8Array, plan: Plan, read: ReadListing, localOf: (ref: number) => LocalChunk | undefined,
  ): { listing: OpenListing; frameOf: Float64Array } {
    let apply = (): void => {}
    const applied = new Promise<void>((resolve) => (apply = resolve))
    const listing: OpenListing = { number, done, isComplete: false, lengths: read.lengths, pending: 0, frames: [], isTaken: false, applied, apply }
    this.#open.set(number, listing)
    plan.origins.forEach((origin, ref) => {
      if (origin === ORIGIN.inPlace) done[ref] = 1
    })
    return { listing, frameOf: this.#frameNumbers(listing, plan, read, localOf) }
  }

  /** All that is wanted of a frame is restored. */
  frameDone(frame: number): { listing: OpenListing; restoredBytes: number } {
    const { listing, refs } = this.#ofFrame.get(frame)!
    this.#ofFrame.delete(frame)
    let restoredBytes = 0
    for (const ref of refs) {
      listing.done[ref] = 1
      restoredBytes += listing.lengths[ref]!
    }
    listing.pending--
    return { listing, restoredBytes }
  }

  /** @returns whether all of it is restored, and so it is closed */
  close(listing: OpenListing): boolean {
    if (listing.pending > 0 || !listing.isTaken) return false
    listing.isComplete = true
    this.#open.delete(listing.number)
    return true
  }

  /** Gives the frames of a listing their numbers. @returns for each reference that of its frame */
  #frameNumbers(listing: OpenListing, plan: Plan, read: ReadListing, localOf: (ref: number) => LocalChunk | undefined): Float64Array {
    const frameOf = new Float64Array(read.refs)
    const wanted = plan.plainLengths.map((length) => this.#options.frames.addWanted(length))
    const refsOf = new Map<number, number[]>()
    let pieces: LocalPiece[] = []
    let local: number[] = []
    let bytes = 0
    const closeLocal = () => {
      if (local.length === 0) return
      const frame = this.#options.frames.addLocal(pieces)
      for (const ref of local) frameOf[ref] = frame
      refsOf.set(frame, local)
      pieces = []
      local = []
      bytes = 0
    }
    for (let ref = 0; ref < read.refs; ref++) {
      if (plan.origins[ref] === ORIGIN.inPlace) frameOf[ref] = IN_PLACE
      else if (plan.origins[ref] === ORIGIN.wanted) {
        const frame = (frameOf[ref] = wanted[plan.frameOf[ref]!]!)
        const refs = refsOf.get(frame)
        if (refs) refs.push(ref)
        else refsOf.set(frame, [ref])
      } else {
        const length = read.lengths[ref]!
        if (bytes + length > LOCAL_FRAME_BYTES) closeLocal()
        plan.offsetOf[ref] = bytes
        bytes += length
        local.push(ref)
        pieces.push(plan.origins[ref] === ORIGIN.local ? this.#localPiece(read, ref, length, localOf(ref)) : { length, open: this.#opener(plan.listingOf[ref]!, plan.refOf[ref]!, listing.number) })
      }
    }
    closeLocal()
    for (const [frame, refs] of refsOf) this.#ofFrame.set(frame, { listing, refs })
    listing.frames = [...refsOf.keys()]
    listing.pending = refsOf.size
    return frameOf
  }

  /** @param by the listing that wants it: what it has itself, and is not asked for, is in place */
  #opener(number: number, ref: number, by: number): () => Promise<{ fd: number; offset: number }> {
    return async () => {
      if (number !== by) await this.#options.failure.until(this.#open.get(number)?.applied ?? Promise.resolve())
      const { path, offset } = this.#options.paths.placeOf(number, ref)
      return { fd: this.#options.existing.open(path), offset }
    }
  }

  #localPiece({ words }: ReadListing, ref: number, length: number, inTarget: LocalChunk | undefined): LocalPiece {
    if (!inTarget) return this.#options.reuse!.piece(words, ref, length)
    return { length, open: async () => ({ fd: this.#options.existing.openTarget(inTarget.path), offset: inTarget.offset }) }
  }
}
