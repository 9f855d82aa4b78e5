/** What the worker thread of a receiver runs: the intake of one archive, which would hold up what arrives. */
import { isMainThread } from 'node:worker_threads'
import { serveTasks, type Tasks } from '../../engine/pool.ts'
import type { CheckedSoFar } from './archive-check.ts'
import { ArchiveIntake, type IntakeStart } from './archive-intake.ts'

/** Tasks of one archive: `begin` once, `take` for its pieces in order, `finish`. */
export function intakeTasks(): Tasks {
  let intake: ArchiveIntake | null = null
  return {
    begin(start: IntakeStart): void {
      intake = new ArchiveIntake(start)
    },
    take: (bytes: Uint8Array): CheckedSoFar => intake!.take(bytes),
    finish: (): void => intake!.finish(),
  }
}

if (!isMainThread) serveTasks(intakeTasks())
