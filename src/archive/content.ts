/** Reads what files hold, chunk by chunk, each held against its id before its bytes are released. */
import { WarpError, asWarpError } from '../base/errors.ts'
import { hash, keyedHash } from '../codec/blake3.ts'
import type { PlacedExtents } from './assemble.ts'
import { readOwnFrame } from './frame-reader.ts'
import type { FrameSources } from './frame-sources.ts'

/** A piece of a file: null stands for `length` zeros. */
export interface Piece {
  position: number
  length: number
  bytes: Uint8Array | null
}

export class ContentReader {
  readonly #frames: FrameSources
  readonly #chunkIdKey: Uint8Array | null
  #frame: { at: number; bytes: Uint8Array } | null = null

  constructor(frames: FrameSources, chunkIdKey: Uint8Array | null) {
    this.#frames = frames
    this.#chunkIdKey = chunkIdKey
  }

  /**
   * Bytes from `from` up to `end`, positions in the file, of a run of extents.
   * @param run `fileOffset`: bytes of the file before it
   * @throws {WarpError} class damaged or malformed; of a thin archive, class base
   */
  async *pieces({ extents, frames, offsets, fileOffset }: PlacedExtents & { fileOffset: number }, from = 0, end = Infinity): AsyncGenerator<Piece> {
    let position = fileOffset
    let chunk = -1
    for (const extent of extents) {
      const start = position
      position += extent.length
      if (extent.kind === 'chunk') chunk++
      const first = Math.max(from, start)
      const last = Math.min(end, position)
      if (first >= last) continue
      if (extent.kind === 'hole') {
        yield { position: first, length: last - first, bytes: null }
        continue
      }
      const frame = frames[chunk]!
      const bytes = (await this.#frameAt(frame)).subarray(offsets[chunk]!, offsets[chunk]! + extent.length)
      const id = this.#chunkIdKey ? keyedHash(this.#chunkIdKey, bytes) : hash(bytes)
      if (bytes.length < extent.length || Buffer.compare(id, extent.id) !== 0) {
        throw asWarpError(this.#frames.explain(frame, new WarpError('ERR_WARP_CHUNK_DAMAGED', 'a chunk is not what its id says', { offset: Math.abs(frame) })))
      }
      yield { position: first, length: last - first, bytes: bytes.subarray(first - start, last - start) }
    }
  }

  /** The plaintext of a frame: kept, since the next chunk, or the next file, is likely to lie in it too. */
  async #frameAt(at: number): Promise<Uint8Array> {
    if (this.#frame?.at === at) return this.#frame.bytes
    const { fd, offset, sealing } = await this.#frames.at(at)
    try {
      this.#frame = { at, bytes: readOwnFrame(fd, offset, sealing) }
    } catch (error) {
      throw this.#frames.explain(at, error)
    }
    return this.#frame.bytes
  }
}
