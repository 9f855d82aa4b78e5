/** Two sides of a transfer as processes of their own, on the loopback. */
import type { ChildProcess } from 'node:child_process'
import { PROGRAM, start, type Ended, type Options } from './run.ts'

export interface Side {
  child: ChildProcess
  /** First line on standard output. Rejects if it ends without one. */
  firstLine: Promise<string>
  ended: Promise<Ended>
}

/** Starts `warp` with `args`, for what others need to do while it runs. */
export function side(args: readonly string[], options: Options = {}): Side {
  let child: ChildProcess | undefined
  const ended = start(process.execPath, [PROGRAM, ...args], {
    input: '',
    ...options,
    onStart: (started) => {
      child = started
      options.onStart?.(started)
    },
  })
  const firstLine = new Promise<string>((resolve, reject) => {
    let text = ''
    child!.stdout!.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const end = text.indexOf('\n')
      if (end >= 0) resolve(text.slice(0, end))
    })
    ended.then(({ status, stderr }) => reject(new Error(`ended with ${status} before a line: ${stderr}`)), reject)
  })
  firstLine.catch(() => {})
  return { child: child!, firstLine, ended }
}
