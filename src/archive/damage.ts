/** What verification found damaged, and the names of all files that it concerns. */
import type { WarpError } from '../base/errors.ts'
import { displayPath } from '../format/path.ts'
import type { PlacedExtents } from './assemble.ts'
import type { VerifyResult } from './types.ts'

/** Paths named for one damaged frame. */
const MAX_NAMED = 100

interface DamagedFrame {
  error: WarpError
  /** The chunks that are wrong; null: all that lie in the frame. */
  chunks: Set<string> | null
  paths: string[]
  more: number
  /** Whom the last name counted was of: a file goes on over pages. */
  last: Uint8Array | null
}

export class Damage {
  /** By file offset of the block; chunks of a frame may be looked at in several turns. */
  readonly #frames = new Map<number, DamagedFrame[]>()

  get isEmpty(): boolean {
    return this.#frames.size === 0
  }

  /** @param chunks as `chunkKey` gives them; null: all of the frame */
  add(frame: number, error: WarpError, chunks: string[] | null): void {
    const of = this.#frames.get(frame) ?? []
    // A frame that cannot be opened is found so each time that it is wanted.
    if (chunks === null && of.some((known) => known.chunks === null)) return
    of.push({ error, chunks: chunks && new Set(chunks), paths: [], more: 0, last: null })
    this.#frames.set(frame, of)
  }

  /** Notes the damage that a file, or a part of one, has; to be called for all of them, in archive order. */
  name(path: Uint8Array, { extents, frames, offsets }: PlacedExtents): void {
    let chunk = -1
    for (const extent of extents) {
      if (extent.kind === 'hole') continue
      chunk++
      for (const frame of this.#frames.get(frames[chunk]!) ?? []) {
        if (frame.last && Buffer.compare(frame.last, path) === 0) continue
        if (frame.chunks && !frame.chunks.has(chunkKey(offsets[chunk]!, extent.length, extent.id))) continue
        frame.last = path
        if (frame.paths.length < MAX_NAMED) frame.paths.push(displayPath(path))
        else frame.more++
      }
    }
  }

  list(): VerifyResult['damage'] {
    const all = [...this.#frames.values()].flat()
    return all.map(({ error, paths, more }) => ({ error, paths, more })).sort((a, b) => a.error.offset! - b.error.offset!)
  }
}

/** What a reference says of a chunk: two may say different things of the same place. */
export function chunkKey(offset: number, length: number, id: Uint8Array): string {
  return `${offset} ${length} ${Buffer.from(id).toString('latin1')}`
}
