/** Everything that is printed: results on stdout, the rest on stderr, each as text or as JSON. */
import { readFileSync } from 'node:fs'
import { getSystemErrorMap } from 'node:util'
import { asWarpError, WarpError } from '../base/errors.ts'
import type { Problem } from '../index.ts'

const FLUSH_BYTES = 64 * 1024

/** Lines of label and value; null is an empty line. */
export type Table = readonly (readonly [label: string, value: string] | null)[]

export class Output {
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
  /** Set while a progress bar stands on the last line: makes room, and says that it was used. */
  bar: { clear: () => void; resume: () => void } | undefined
  /** An archive goes to stdout: results go to stderr instead. */
  stdoutTaken = false
  #pending: (string | Uint8Array)[] = []
  #pendingBytes = 0
  #listening = false

  constructor(flags: { json: boolean; quiet: boolean; verbose: boolean }) {
    this.json = flags.json
    this.quiet = flags.quiet
    this.verbose = flags.verbose
    process.stderr.on('error', () => {}) // nobody is left to be told
  }

  /**
   * Writes to stdout, in pieces of some size; `flush` ends it.
   * @throws {WarpError} ERR_WARP_PIPE_CLOSED, ERR_WARP_NO_SPACE, ERR_WARP_OUTPUT
   */
  async print(data: string | Uint8Array): Promise<void> {
    this.#pending.push(data)
    this.#pendingBytes += data.length
    if (this.#pendingBytes >= FLUSH_BYTES) await this.flush()
  }

  async flush(): Promise<void> {
    if (this.#pending.length === 0) return
    const pieces = this.#pending.map(piece => typeof piece === 'string' ? Buffer.from(piece) : piece)
    this.#pending = []
    this.#pendingBytes = 0
    await this.#write(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces))
  }

  #write(bytes: Uint8Array): Promise<void> {
    if (!this.#listening) process.stdout.on('error', () => {}) // told to the callback below
    this.#listening = true
    this.bar?.clear()
    return new Promise((resolve, reject) => {
      process.stdout.write(bytes, error => {
        this.bar?.resume()
        if (error) reject(asOutputError(error))
        else resolve()
      })
    })
  }

  /** What a command found: `document` with --json, else `table` unless --quiet. */
  async result(document: object, table: Table, always = false): Promise<void> {
    let text: string
    if (this.json) {
      text = `${JSON.stringify(this.stdoutTaken ? { event: 'result', ...document } : document)}\n`
    } else if (this.quiet && !always) return
    else text = formatTable(table)
    if (this.stdoutTaken) this.#tell(text)
    else {
      await this.print(text)
      await this.flush()
    }
  }

  /** Something that costs nothing. */
  note(message: string): void {
    if (this.json) this.event({ event: 'note', message })
    else if (!this.quiet) this.#tell(`warp: ${message}\n`)
  }

  problem({ kind, path, message }: Problem): void {
    if (this.json) this.event({ event: 'problem', kind, path, message })
    else if (kind !== 'note' || !this.quiet) this.#tell(`warp: ${withPath(path, message)}\n`)
  }

  /** One line of NDJSON on stderr. */
  event(event: { event: string; [name: string]: unknown }): void {
    this.#tell(`${JSON.stringify(event)}\n`)
  }

  error(thrown: unknown): void {
    const error = asWarpError(thrown)
    const { code, message, hint, path, offset, exitCode } = error
    if (this.json) return this.event({ event: 'error', code, message, hint, path, offset, exitCode })
    let text = `warp: ${withPath(path, message)}${offset === undefined ? '' : ` (at byte ${offset})`}\n`
    if (hint !== undefined) text += `hint: ${hint}\n`
    const cause = error.cause instanceof Error ? error.cause : undefined
    if (error.class === 'internal') {
      text += `${(cause ?? error).stack}\n`
      text += 'hint: this is a fault of warp; please report it with the lines above\n'
    } else if (this.verbose) {
      text += `code: ${code}\n${error.stack}\n${cause === undefined ? '' : `cause: ${cause.stack}\n`}`
    }
    this.#tell(text)
  }

  #tell(text: string): void {
    this.bar?.clear()
    process.stderr.write(text)
    this.bar?.resume()
  }
}

/** `message` with the path that it is about before it, unless it names it. */
export function withPath(path: string | undefined, message: string): string {
  // of what Node says, what the system says: ENOENT: no such file or directory, lstat 'a'
  const plain = message.replace(/\bE[A-Z0-9]+: ([^,']+), \w+( '.*')?$/, '$1')
  if (path === undefined) return plain
  return ` ${plain}`.includes(` ${path}:`) || ` ${plain} `.includes(` ${path} `) ? plain : `${path}: ${plain}`
}

/** Columns: labels, then values. */
export function formatTable(table: Table): string {
  const width = Math.max(...table.map(row => row?.[0].length ?? 0))
  const lines = table.map(row => row === null ? '' : `${row[0].padEnd(width)}  ${row[1]}`.trimEnd())
  return lines.map(line => `${line}\n`).join('')
}

function asOutputError(error: NodeJS.ErrnoException): WarpError {
  const code = error.code === 'EPIPE' ? 'ERR_WARP_PIPE_CLOSED'
    : error.code === 'ENOSPC' ? 'ERR_WARP_NO_SPACE' : 'ERR_WARP_OUTPUT'
  return new WarpError(code, `cannot write to standard output: ${describe(error)}`, { cause: error })
}

/** What the system says of a failure, without Node's prefix. */
export function describe(error: unknown): string {
  const { errno, message } = error as NodeJS.ErrnoException
  return getSystemErrorMap().get(errno ?? 0)?.[1] ?? message
}

/** A file that an option names. */
export function readNamedFile(path: string, what: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    const message = `cannot read the ${what} ${path}: ${describe(error)}`
    throw new WarpError('ERR_WARP_USAGE', message, { cause: error })
  }
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/**
 * Bytes that are a name as JSON: `name` holds them as text, and `nameBase64` the bytes themselves if they
 * are not valid UTF-8, where the text holds U+FFFD instead.
 */
export function jsonName(name: string, bytes: Uint8Array): Record<string, string> {
  const text = Buffer.from(bytes).toString()
  if (Buffer.from(text).equals(bytes)) return { [name]: text }
  return { [name]: text, [`${name}Base64`]: Buffer.from(bytes).toString('base64') }
}
