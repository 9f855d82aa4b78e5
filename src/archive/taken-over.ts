/**
 * What a new archive takes over from its base while it is written: whole frames, chunks out of others, and
 * the places of chunks that may come again.
 */
import { inBase } from '../base/errors.ts'
import { ID_BYTES, MIB } from '../base/limits.ts'
import type { Sealing } from '../engine/block.ts'
import type { Pool } from '../engine/pool.ts'
import type { BaseFrame, BaseFrames } from './base-frames.ts'
import type { CopyRequest, UnpackRequest } from './base-tasks.ts'
import type { Batch, Kept, OldChunks, Unpack } from './batch.ts'
import { ChunkIndex } from './chunk-index.ts'
import { packIds } from './frame-jobs.ts'

const ID_WORDS = ID_BYTES / 4
/** Copied blocks that are not written yet. */
const COPIES_BYTES = 64 * MIB
/** Frames that are being copied. */
const MAX_RUNNING = 4
/** In the index of a thin archive, frames of the base have numbers from here on. */
const BASE_FRAMES = 2 ** 31
/** Memory for old chunks, of which the most recent are remembered, bytes; twice that is taken. */
const OLD_INDEX_BYTES = 8 * MIB

export interface TakenOverOptions {
  fd: number
  /** Of the base. */
  sealing: Sealing
  chunkIdKey: Uint8Array | null
  frames: BaseFrames
  plainLengthOf: (offset: number) => number
  /** Frames of the base are referred to, not copied. */
  thin: boolean
  pool: Pool
  /** Of the new archive. */
  to: Sealing
}

/** Gives a frame of the new archive its number and ordinal. */
export type NewFrame = (plainLength: number) => { number: number; ordinal: number }

export class TakenOver {
  readonly #options: TakenOverOptions
  readonly #copies: CopyQueue
  /** Two generations of old chunks: number of the base's frame, and offset in it. */
  #old: [ChunkIndex, ChunkIndex] = [new ChunkIndex(OLD_INDEX_BYTES), new ChunkIndex(OLD_INDEX_BYTES)]
  readonly #id = new Uint32Array(ID_WORDS)
  readonly #idBytes = new Uint8Array(this.#id.buffer)

  constructor(options: TakenOverOptions) {
    this.#options = options
    this.#copies = new CopyQueue((offset, ordinal) => this.#copy(offset, ordinal))
  }

  /** Puts the chunks that a batch wants unpacked into its slab. */
  async unpack(slab: SharedArrayBuffer, wanted: Unpack[]): Promise<void> {
    const { fd, sealing, chunkIdKey, pool } = this.#options
    const byFrame = new Map<number, Unpack[]>()
    for (const chunk of wanted) {
      const chunks = byFrame.get(chunk.place)
      if (chunks) chunks.push(chunk)
      else byFrame.set(chunk.place, [chunk])
    }
    await Promise.all(Array.from(byFrame, async ([offset, chunks]) => {
      const request: UnpackRequest = {
        fd, offset, sealing, chunkIdKey, chunks: Uint32Array.from(chunks.flatMap((chunk) => [chunk.offset, chunk.length])),
        ids: packIds(chunks.map(({ id }) => id)), slab, slabOffsets: Uint32Array.from(chunks, ({ slabOffset }) => slabOffset),
      }
      await pool.run('unpack', request).catch((error: unknown) => {
        throw inBase(error)
      })
    }))
  }

  /**
   * The ids that `prepare` will look up or add, 8 words each.
   * @param own of the batch's slab
   */
  idsOf({ items, base }: Batch, own: Uint32Array): Uint32Array {
    const ids: Uint8Array[] = []
    for (const { kept } of items) for (const extent of kept?.extents ?? []) if (extent.kind === 'chunk') ids.push(extent.id)
    if (this.#options.thin) for (const { chunks } of base?.old ?? []) ids.push(...chunks.ids)
    if (ids.length === 0) return own
    const all = new Uint32Array(own.length + ids.length * ID_WORDS)
    all.set(own)
    const bytes = new Uint8Array(all.buffer)
    ids.forEach((id, i) => bytes.set(id, own.byteLength + i * ID_BYTES))
    return all
  }

  /**
   * To be called for each batch, in order, before its own chunks are deduplicated: then `index` knows what the
   * batch takes over.
   * @param ids 8 words for each chunk of the batch's slab
   * @param chunks [slab offset, length] pairs
   * @returns the blocks of frames that are copied, in the order of their numbers
   */
  prepare({ items, base }: Batch, ids: Uint32Array, chunks: Uint32Array, index: ChunkIndex, newFrame: NewFrame): Promise<Uint8Array>[] {
    const copies: Promise<Uint8Array>[] = []
    const use = (frame: BaseFrame) => {
      frame.isUsed = true
      if (frame.copiedAs >= 0) return
      const { number, ordinal } = newFrame(frame.plainLength)
      frame.copiedAs = number
      copies.push(this.#copies.add(frame.offset, ordinal))
    }
    for (const { kept } of items) if (kept) this.#keep(kept, index, use)
    for (const old of base?.old ?? []) this.#remember(old, index)
    if (!this.#options.thin) this.#findOld(ids, chunks, index, use)
    return copies
  }

  /** The name that the page builder knows a frame by: its number, or its negative offset in the base. */
  nameOf(frame: number): number {
    return frame >= BASE_FRAMES ? -this.#options.frames.numbered(frame - BASE_FRAMES)!.offset : frame
  }

  /** The same for a chunk of a kept file; null if it was unpacked. */
  nameOfKept({ frames, places }: Kept, chunk: number): number | null {
    if (!frames) return -places[chunk]!
    return frames[chunk]?.copiedAs ?? null
  }

  /** To be called when a copied block stands in the archive. */
  written(block: Uint8Array): void {
    this.#copies.done(block.length)
  }

  #keep({ extents, frames, places, offsets }: Kept, index: ChunkIndex, use: (frame: BaseFrame) => void): void {
    let chunk = -1
    for (const extent of extents) {
      if (extent.kind === 'hole') continue
      chunk++
      const frame = frames ? frames[chunk] : this.#known(places[chunk]!)
      if (!frame) continue
      if (frames) use(frame)
      this.#idBytes.set(extent.id)
      index.set(this.#id, 0, frames ? frame.copiedAs : BASE_FRAMES + frame.number, offsets[chunk]!)
    }
  }

  #known(offset: number): BaseFrame | null {
    const { frames, plainLengthOf } = this.#options
    return frames.at(offset) ?? frames.add(offset, plainLengthOf(offset))
  }

  #remember({ chunks: { ids, places, offsets } }: OldChunks, index: ChunkIndex): void {
    ids.forEach((id, i) => {
      const frame = this.#known(places[i]!)
      if (!frame) return
      this.#idBytes.set(id)
      if (this.#options.thin) {
        if (index.find(this.#id, 0) < 0) index.set(this.#id, 0, BASE_FRAMES + frame.number, offsets[i]!)
        return
      }
      const [current] = this.#old
      const before = current.size
      current.set(this.#id, 0, frame.number, offsets[i]!)
      if (current.size > before || current.find(this.#id, 0) >= 0) return
      this.#old = [new ChunkIndex(OLD_INDEX_BYTES), current]
      this.#old[0].set(this.#id, 0, frame.number, offsets[i]!)
    })
  }

  /** Of new content that the base held too, takes over the frames that it consists of wholly. */
  #findOld(ids: Uint32Array, chunks: Uint32Array, index: ChunkIndex, use: (frame: BaseFrame) => void): void {
    if (this.#old[0].size + this.#old[1].size === 0) return
    const found = new Map<BaseFrame, Map<number, number>>()
    for (let i = 0; i < chunks.length / 2; i++) {
      const at = i * ID_WORDS
      if (index.find(ids, at) >= 0) continue
      for (const old of this.#old) {
        const slot = old.find(ids, at)
        const frame = slot >= 0 ? this.#options.frames.numbered(old.frameAt(slot)) : undefined
        if (!frame) continue
        let places = found.get(frame)
        if (!places) found.set(frame, (places = new Map()))
        places.set(old.offsetAt(slot), i)
        break
      }
    }
    for (const [frame, places] of found) {
      let bytes = 0
      for (const i of places.values()) bytes += chunks[2 * i + 1]!
      if (frame.copiedAs < 0 && bytes < frame.plainLength) continue
      use(frame)
      for (const [offset, i] of places) index.set(ids, i * ID_WORDS, frame.copiedAs, offset)
    }
  }

  async #copy(offset: number, ordinal: number): Promise<Uint8Array> {
    const { fd, sealing: from, to, pool } = this.#options
    const request: CopyRequest = { fd, offset, from, to, ordinal }
    try {
      return ((await pool.run('copy', request)) as { block: Uint8Array }).block
    } catch (error) {
      throw inBase(error)
    }
  }
}

/** Bounds the blocks that are copied and not yet written. Both happen in the same order, so none waits for ever. */
class CopyQueue {
  readonly #copy: (offset: number, ordinal: number) => Promise<Uint8Array>
  readonly #waiting: (() => Promise<void>)[] = []
  #bytes = 0
  #running = 0

  constructor(copy: (offset: number, ordinal: number) => Promise<Uint8Array>) {
    this.#copy = copy
  }

  add(offset: number, ordinal: number): Promise<Uint8Array> {
    const block = new Promise<Uint8Array>((resolve, reject) => {
      this.#waiting.push(async () => {
        try {
          const copied = await this.#copy(offset, ordinal)
          this.#bytes += copied.length
          resolve(copied)
        } catch (error) {
          reject(error as Error)
        }
      })
    })
    block.catch(() => {})
    this.#start()
    return block
  }

  done(bytes: number): void {
    this.#bytes -= bytes
    this.#start()
  }

  #start(): void {
    // What runs is not counted yet: a few frames.
    while (this.#waiting.length > 0 && this.#running < MAX_RUNNING && this.#bytes < COPIES_BYTES) {
      this.#running++
      void this.#waiting.shift()!().finally(() => {
        this.#running--
        this.#start()
      })
    }
  }
}
