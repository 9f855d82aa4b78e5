/** What the worker thread of a receiver runs: the check of tags, which would hold up what arrives. */
import { isMainThread } from 'node:worker_threads'
import { MIB } from '../../base/limits.ts'
import { readFully } from '../../archive/load-task.ts'
import { serveTasks, type Tasks } from '../../engine/pool.ts'
import { ArchiveCheck, type CheckedSoFar } from './archive-check.ts'
import type { ArchiveOffer } from './archive-messages.ts'

const READ_BYTES = 1 * MIB

/** Blocks of an archive that are written. */
export interface TagsRequest {
  fd: number
  offer: ArchiveOffer
  /** The archive's header and key slots. */
  head: Uint8Array
  /** Where the first of them begins, and where the last ends. */
  from: CheckedSoFar
  to: number
}

export const checkTasks: Tasks = {
  /** @throws {WarpError} what is wrong with the first that is wrong */
  tags({ fd, offer, head, from, to }: TagsRequest): void {
    const check = ArchiveCheck.resume(offer, head, from, true)
    const buffer = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, to - from.position))
    while (check.arrived < to) {
      const piece = buffer.subarray(0, Math.min(buffer.length, to - check.arrived))
      // What is missing would be found to be wrong.
      piece.fill(0, readFully(fd, piece, check.arrived))
      check.push(piece)
    }
  },
}

if (!isMainThread) serveTasks(checkTasks)
