/** SIGINT and SIGTERM as an AbortSignal; a second one ends the process at once. A write beyond a file size limit is an error, no signal. */
import { WarpError } from '../base/errors.ts'

export function abortOnSignals(): AbortSignal {
  const controller = new AbortController()
  const stop = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      // By the signal itself: an exit would wait for threads, and Dawn ends the process when one goes that waits for its device.
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
    }
    controller.abort(new WarpError('ERR_WARP_INTERRUPTED', 'interrupted'))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  // By default it ends the process; ignored, the write fails with EFBIG and is told of.
  process.on('SIGXFSZ', () => {})
  return controller.signal
}
