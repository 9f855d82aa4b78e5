/** Asks for a passphrase on the terminal of the process, whatever its standard streams are, without echo. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { ReadStream } from 'node:tty'
import { WarpError } from '../base/errors.ts'

const CONTROL_C = 0x03
const CONTROL_D = 0x04
const BACKSPACE = 0x08
const LINE_FEED = 0x0a
const RETURN = 0x0d
const CONTROL_U = 0x15
const DELETE = 0x7f

/**
 * @returns the bytes typed up to Enter; undefined if the process has no terminal
 * @throws {WarpError} ERR_WARP_INTERRUPTED
 */
export async function askPassphrase(prompt: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
  let fd: number
  let input: ReadStream
  try {
    fd = openSync('/dev/tty', 'r+')
  } catch {
    return undefined
  }
  try {
    input = new ReadStream(fd)
  } catch {
    closeSync(fd)
    return undefined
  }
  try {
    input.setRawMode(true) // the terminal neither echoes nor turns Ctrl-C into a signal
    writeSync(fd, prompt)
    return await readLine(input, signal)
  } finally {
    input.setRawMode(false)
    writeSync(fd, '\n')
    input.destroy()
  }
}

function readLine(input: ReadStream, signal: AbortSignal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    let line: number[] = []
    const interrupt = () => reject(new WarpError('ERR_WARP_INTERRUPTED', 'interrupted'))
    signal.addEventListener('abort', interrupt, { once: true })
    input.once('error', reject)
    input.once('end', interrupt)
    input.on('data', (chunk: Buffer) => {
      for (const byte of chunk) {
        if (byte === CONTROL_C) interrupt()
        else if (byte === RETURN || byte === LINE_FEED || byte === CONTROL_D) resolve(Uint8Array.from(line))
        else if (byte === CONTROL_U) line = []
        else if (byte === DELETE || byte === BACKSPACE) {
          // one character of UTF-8: its continuation bytes, then its first
          while (line.length > 0 && (line.at(-1)! & 0xc0) === 0x80) line.pop()
          line.pop()
        } else line.push(byte)
      }
      chunk.fill(0)
    })
  })
}
