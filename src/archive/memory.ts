/** Divides the memory budget: what Node and its threads take anyway, batches in flight, the chunk index. */
import { MIB } from '../base/limits.ts'

export const DEFAULT_MEMORY_BYTES = 512 * MIB

/** Below this, what Node, its threads and one batch take cannot be kept within the budget. */
export const MIN_MEMORY_BYTES = 384 * MIB

/** Resident size of the process before any work, and of each thread with its compressor; measured. */
const PROCESS_BYTES = 80 * MIB
const THREAD_BYTES = 32 * MIB

/** How many of `threads` can read frames at once: each holds one as stored and as plaintext, at most 16 MiB each. */
export function threadsWithin(memory = DEFAULT_MEMORY_BYTES, threads: number): number {
  return Math.max(1, Math.min(threads, Math.floor((memory - PROCESS_BYTES) / (2 * THREAD_BYTES))))
}

/** With less, the index of chunks would spill every few batches. */
const LEAST_INDEX_BYTES = 8 * MIB

export interface MemoryPlan {
  /** Batches in flight: a slab of input and one of output each. */
  slabs: number
  indexBytes: number
}

/**
 * @param hasLz4 whether LZ4 compresses: its package makes a buffer for each 64 KiB, and a job takes hundreds of MB more than
 *   with zstd (npm run bench:compare)
 */
export function planMemory(memory = DEFAULT_MEMORY_BYTES, slabBytes: number, threads: number, hasLz4 = false): MemoryPlan {
  const left = Math.max(0, memory - PROCESS_BYTES - threads * THREAD_BYTES)
  const indexBytes = Math.max(left / 4, LEAST_INDEX_BYTES)
  const slabs = Math.min(Math.floor((left - indexBytes) / (2 * slabBytes)), threads + 1)
  return { slabs: Math.max(1, hasLz4 ? slabs - 1 : slabs), indexBytes }
}
