/** SIGINT and SIGTERM as an AbortSignal. A second one ends the process at once. */
import { EXIT, WarpError } from '../base/errors.ts'

export function abortOnSignals(): AbortSignal {
  const controller = new AbortController()
  const stop = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted)
    controller.abort(new WarpError('ERR_WARP_INTERRUPTED', 'interrupted'))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  return controller.signal
}
