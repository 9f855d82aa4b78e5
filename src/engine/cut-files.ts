/** Cuts files whose candidates and runs of zeros are known; `WholeFiles` finds them itself. */
import { ID_BYTES } from '../base/limits.ts'
import { Cutter } from '../codec/chunker.ts'
import type { FileExtents } from './whole-files.ts'

/** A file that lies in a slab from its first byte to its last. */
export interface ScannedFile {
  slabOffset: number
  length: number
  candidates: Uint32Array
  zeroRuns: number[]
}

/**
 * @param files null for a segment that is no whole file, or could not be read
 * @returns the extents of all, their ids still zeros
 */
export function cutFiles(files: (ScannedFile | null)[], average: number): FileExtents {
  const chunks: number[] = []
  const extents: number[] = []
  const extentEnds = new Uint32Array(files.length)
  files.forEach((file, i) => {
    if (file && file.length > 0) {
      const { slabOffset, length, candidates, zeroRuns } = file
      new Cutter(average).push(
        { start: 0, end: length, final: true, seenEnd: length, candidates, candidateCount: candidates.length, zeroRuns },
        (kind, offset, bytes) => {
          if (kind === 'hole') extents.push(-bytes)
          else extents.push(chunks.push(slabOffset + offset, bytes) / 2 - 1)
        },
      )
    }
    extentEnds[i] = extents.length
  })
  return { chunks: Uint32Array.from(chunks), ids: new Uint8Array((chunks.length / 2) * ID_BYTES), extents: Int32Array.from(extents), extentEnds }
}
