/** SIGINT and SIGTERM as an AbortSignal. A second one ends the process at once. */
import { EXIT } from '../base/errors.ts'

/** @returns aborted by the first signal, its reason the signal's name */
export function abortOnSignals(): AbortSignal {
  const controller = new AbortController()
  const stop = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted)
    controller.abort(name)
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  return controller.signal
}
