/**
 * Threads that do not come back from native code. An ordinary exit would wait for them forever.
 */
import { loadKoffi } from './koffi.ts'

/** How many there are. */
export const stuckThreads = { count: 0 }

/** Ends the process without waiting for any thread. */
export function exitAtOnce(status: number): never {
  try {
    loadKoffi()?.load(null).func('void _exit(int status)')(status)
  } catch {
    // Then by force.
  }
  process.kill(process.pid, 'SIGKILL')
  throw new Error('unreachable')
}
