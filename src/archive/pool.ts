/** The pool of an archive's job: threads, or none for a small one. */
import { InlinePool, WorkerPool, type Pool } from '../engine/pool.ts'
import type { ArchiveSource } from './source.ts'
import { tasks } from './worker.ts'

/** Bytes below which starting threads takes longer than the work. */
export const SMALL_JOB_BYTES = 2 * 1024 * 1024

/** @param bytes what there is to do; Infinity if unknown */
export function poolFor(bytes: number, threads: number): Pool {
  if (bytes < SMALL_JOB_BYTES) return new InlinePool(tasks)
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  return new WorkerPool(new URL(`./worker${extension}`, import.meta.url), threads)
}

/** The pool for reading `source`: a stream is small if it ends before what makes a small job. */
export async function poolForSource(source: ArchiveSource, threads: number): Promise<Pool> {
  await source.reach(SMALL_JOB_BYTES)
  return poolFor(source.length ?? Infinity, threads)
}
