/** The CPU engine's tasks: what a worker thread does on a slab. Twins of the compute shaders. */
import { copyShared } from '../base/copy.ts'
import { ID_BYTES, MAX_FRAME_BYTES } from '../base/limits.ts'
import { STAGE, enter } from '../base/stages.ts'
import { hashChunks } from '../codec/blake3.ts'
import { KIND } from '../format/block.ts'
import { BLOCK_OVERHEAD_BYTES, sealBlock, type Compression, type Sealing } from './block.ts'
import type { Tasks } from './pool.ts'

export interface HashRequest {
  slab: SharedArrayBuffer
  /** [offset, length] pairs. */
  chunks: Uint32Array
  key: Uint8Array | null
}

export interface SealRequest {
  slab: SharedArrayBuffer
  /** [offset, length] pairs, `plainLength` bytes together. */
  pieces: Uint32Array
  plainLength: number
  out: SharedArrayBuffer
  outOffset: number
  sealing: Sealing
  ordinal: number
  compression: Compression
  level: number
}

let gathered = Buffer.alloc(0)

/** The pieces as one run of bytes: those of the slab itself where they lie side by side. */
function gather(slab: SharedArrayBuffer, pieces: Uint32Array, plainLength: number): Uint8Array {
  const bytes = Buffer.from(slab)
  let at = 0
  for (let i = 0; i < pieces.length; ) {
    const start = pieces[i]!
    let end = start
    for (; i < pieces.length && pieces[i] === end; i += 2) end += pieces[i + 1]!
    const run = bytes.subarray(start, end)
    if (run.length === plainLength) return run
    // At once, since each time it grew it would be fresh memory again; what is not touched costs nothing.
    if (gathered.length < plainLength) gathered = Buffer.allocUnsafeSlow(MAX_FRAME_BYTES)
    copyShared(gathered.subarray(at), run)
    at += run.length
  }
  return gathered.subarray(0, plainLength)
}

export const engineTasks: Tasks = {
  hash({ slab, chunks, key }: HashRequest) {
    enter(STAGE.hash)
    const ids = new Uint8Array((chunks.length / 2) * ID_BYTES)
    hashChunks(Buffer.from(slab), chunks, key, ids)
    return { ids }
  },

  seal({ slab, pieces, plainLength, out, outOffset, sealing, ordinal, compression, level }: SealRequest) {
    enter(STAGE.compress)
    const plain = gather(slab, pieces, plainLength)
    const block = Buffer.from(out, outOffset, plainLength + BLOCK_OVERHEAD_BYTES)
    return { length: sealBlock(sealing, { kind: KIND.frame, ordinal, compression, level }, plain, block) }
  },
}
