/** Puts the chunks of a frame side by side. Source: format-spec §2. Twin: shaders/gather.wgsl, bit-exact. */
import { copyShared } from '../base/copy.ts'
import { MAX_FRAME_BYTES } from '../base/limits.ts'

let gathered = Buffer.alloc(0)

/**
 * The pieces as one run of bytes: those of the slab itself where they lie side by side.
 * @param pieces [offset, length] pairs in bytes, `plainLength` bytes together
 * @param plainLength 0 … MAX_FRAME_BYTES
 * @returns u8[plainLength], on loan until the next call
 */
export function gather(slab: SharedArrayBuffer, pieces: Uint32Array, plainLength: number): Uint8Array {
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
