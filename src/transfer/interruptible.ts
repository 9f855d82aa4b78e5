/** Waiting that an AbortSignal ends at once. */
import { WarpError } from '../base/errors.ts'

/**
 * What `work` gives, or a failure as soon as `signal` aborts. The work itself goes on; its end is then not looked at.
 * @throws {WarpError} ERR_WARP_INTERRUPTED
 */
export function interruptible<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (!signal) return work
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(new WarpError('ERR_WARP_INTERRUPTED', 'interrupted', { cause: signal.reason }))
    const settled = (): void => signal.removeEventListener('abort', stop)
    work.finally(settled).then(resolve, reject)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop)
  })
}
