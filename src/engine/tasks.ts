/** The CPU engine's tasks: what a worker thread does on a slab. Twins of the compute shaders. */
import { BLOCK_HEADER_BYTES, ID_BYTES } from '../base/limits.ts'
import { STAGE, enter } from '../base/stages.ts'
import { hashChunks } from '../codec/blake3.ts'
import { gather } from '../codec/gather.ts'
import { KIND } from '../format/block.ts'
import { BLOCK_OVERHEAD_BYTES, openBlock, readBlockHeaderOf, sealBlock, type Compression, type Sealing } from './block.ts'
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

/** A sealed frame, and what must come out of it. */
export interface CheckSealedRequest {
  slab: SharedArrayBuffer
  offset: number
  length: number
  sealing: Sealing
  ordinal: number
  /** Bytes of each chunk, in order. */
  lengths: Uint32Array
  ids: Uint8Array
  key: Uint8Array | null
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

  /** @returns whether the block opens and holds the chunks that it must hold */
  checkSealed({ slab, offset, length, sealing, ordinal, lengths, ids, key }: CheckSealedRequest): boolean {
    enter(STAGE.seal)
    // It is decrypted in place.
    const block = Buffer.from(Buffer.from(slab, offset, length))
    let plain: Uint8Array
    try {
      const header = readBlockHeaderOf(sealing, block.subarray(0, BLOCK_HEADER_BYTES), offset, { kind: KIND.frame, ordinal })
      plain = openBlock(sealing, header, block, offset)
    } catch {
      return false
    }
    const chunks = new Uint32Array(2 * lengths.length)
    let end = 0
    lengths.forEach((bytes, i) => {
      chunks.set([end, bytes], 2 * i)
      end += bytes
    })
    if (end !== plain.length) return false
    const found = new Uint8Array(ids.length)
    hashChunks(plain, chunks, key, found)
    return Buffer.compare(found, ids) === 0
  },
}
