/** Where an archive is written: a temporary file that takes its final name at the end, or a descriptor. */
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { randomBytes } from 'node:crypto'
import { WarpError, asWarpError } from '../base/errors.ts'
import { MAX_NAME_BYTES } from '../base/limits.ts'
import { Writeback } from './writeback.ts'

const writev = promisify(fs.writev)
const fsync = promisify(fs.fsync)

export interface Sink {
  /** Bytes written so far. */
  readonly length: number
  /** Whether it is a pipe or a socket: somebody takes it at a pace of their own. */
  readonly isPipe: boolean
  /** Whether `restart` can be called. */
  readonly canRestart: boolean
  /** Time spent in `write` so far, milliseconds. */
  readonly busyMs: number
  /** `device:inode` of what is written to, and of the file that it will replace. */
  readonly identities: string[]
  /** Writes all of the buffers; they are borrowed until it returns. */
  write(buffers: Uint8Array[]): Promise<void>
  /** Forgets what was written. This sink takes no more. @returns one that begins anew */
  restart(): Promise<Sink>
  /** Makes what was written durable, under its final name. */
  commit(): Promise<void>
  /**
   * Gives up.
   * @param keep leave what was written where it is, under its temporary name
   * @returns the path of what was left
   */
  abandon(keep: boolean): Promise<string | null>
}

/** An output error in warp's terms. */
export function outputError(error: unknown, name: string): WarpError {
  const { code, message } = error as NodeJS.ErrnoException
  if (error instanceof WarpError) return error
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return new WarpError('ERR_WARP_NO_SPACE', `${name}: no space left to write`, { cause: error, path: name, hint: 'free some space or write elsewhere' })
  }
  if (code === 'EPIPE') return new WarpError('ERR_WARP_PIPE_CLOSED', `${name}: the reader of the pipe has gone`, { cause: error })
  if (code === undefined) return asWarpError(error)
  return new WarpError('ERR_WARP_OUTPUT', `${name}: ${message}`, { cause: error, path: name })
}

abstract class DescriptorSink implements Sink {
  length = 0
  readonly canRestart: boolean = false
  readonly isPipe: boolean
  readonly identities: string[]
  protected readonly name: string
  readonly #fd: number
  #isClosed = false
  #busyMs = 0
  /** Since when it is written. */
  #busySince: number | null = null
  /** The write under way, if any; never rejects. */
  #writing: Promise<unknown> = Promise.resolve()

  constructor(fd: number, name: string) {
    this.#fd = fd
    this.name = name
    const stat = fs.fstatSync(fd, { bigint: true })
    this.isPipe = stat.isFIFO() || stat.isSocket()
    this.identities = [`${stat.dev}:${stat.ino}`]
  }

  get busyMs(): number {
    return this.#busyMs + (this.#busySince === null ? 0 : performance.now() - this.#busySince)
  }

  async write(buffers: Uint8Array[]): Promise<void> {
    this.#busySince = performance.now()
    try {
      let left = buffers.filter((buffer) => buffer.length > 0)
      while (left.length > 0) {
        let written: number
        try {
          const writing = writev(this.fd, left.slice(0, 64))
          this.#writing = writing.catch(() => {})
          written = (await writing).bytesWritten
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
          // Standard output may be a pipe that another process made non-blocking.
          await new Promise((resolve) => setTimeout(resolve, 1))
          continue
        }
        this.length += written
        left = dropFirst(left, written)
      }
    } catch (error) {
      throw outputError(error, this.name)
    } finally {
      this.#busyMs = this.busyMs
      this.#busySince = null
    }
  }

  restart(): Promise<Sink> {
    return Promise.reject(new WarpError('ERR_WARP_INTERNAL', `${this.name} cannot be written anew`))
  }

  abstract commit(): Promise<void>
  abstract abandon(keep: boolean): Promise<string | null>

  /** @throws {WarpError} ERR_WARP_INTERNAL: it was given up; its number may be another file's by now */
  protected get fd(): number {
    if (this.#isClosed) throw new WarpError('ERR_WARP_INTERNAL', `${this.name} is no longer written to`)
    return this.#fd
  }

  /** Takes no more writes; resolves when none is under way. */
  protected end(): Promise<unknown> {
    this.#isClosed = true
    return this.#writing
  }

  /** Closes the descriptor once nothing is written to it any more; may be called again. */
  protected async close(): Promise<void> {
    if (this.#isClosed) return
    await this.end()
    fs.closeSync(this.#fd)
  }
}

function dropFirst(buffers: Uint8Array[], count: number): Uint8Array[] {
  let i = 0
  while (i < buffers.length && count >= buffers[i]!.length) count -= buffers[i++]!.length
  if (i === buffers.length) return []
  return [buffers[i]!.subarray(count), ...buffers.slice(i + 1)]
}

/** Writes to a descriptor that somebody else owns. */
class BorrowedSink extends DescriptorSink {
  async commit(): Promise<void> {}

  async abandon(): Promise<null> {
    void this.end()
    return null
  }
}

/** Writes to an existing file that is not a regular one: a device, a FIFO. */
class DeviceSink extends DescriptorSink {
  commit(): Promise<void> {
    return this.close()
  }

  async abandon(): Promise<null> {
    // A write to a FIFO ends when its reader wants.
    void this.close()
    return null
  }
}

class FileSink extends DescriptorSink {
  override readonly canRestart = true
  readonly #temporary: string
  readonly #final: string
  readonly #writeback: Writeback

  constructor(fd: number, temporary: string, final: string) {
    super(fd, final)
    this.#temporary = temporary
    this.#final = final
    this.#writeback = new Writeback(fd)
    const old = fs.statSync(final, { bigint: true, throwIfNoEntry: false })
    if (old) this.identities.push(`${old.dev}:${old.ino}`)
  }

  override async write(buffers: Uint8Array[]): Promise<void> {
    await super.write(buffers)
    this.#writeback.reach(this.length)
  }

  protected override async end(): Promise<void> {
    await super.end()
    await this.#writeback.close()
  }

  override async restart(): Promise<Sink> {
    try {
      await this.close()
      // The same file: a walk passes over it by its inode.
      const fd = fs.openSync(this.#temporary, 'r+')
      fs.ftruncateSync(fd, 0)
      return new FileSink(fd, this.#temporary, this.#final)
    } catch (error) {
      throw outputError(error, this.name)
    }
  }

  async commit(): Promise<void> {
    try {
      await fsync(this.fd)
      await this.close()
      fs.renameSync(this.#temporary, this.#final)
      syncDirectory(path.dirname(this.#final))
    } catch (error) {
      throw outputError(error, this.name)
    }
  }

  async abandon(keep: boolean): Promise<string | null> {
    await this.close()
    if (keep) return this.#temporary
    fs.rmSync(this.#temporary, { force: true })
    return null
  }
}

/** Makes a rename in `directory` durable, where the platform can. */
export function syncDirectory(directory: string): void {
  try {
    const fd = fs.openSync(directory, 'r')
    try {
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
  } catch {
    // Windows and some file systems cannot sync a directory.
  }
}

/** A name beside `final` that nobody looks for. */
function temporaryFor(final: string): string {
  const suffix = `.partial-${randomBytes(4).toString('hex')}`
  const { dir, base } = path.parse(final)
  const characters = [...base]
  while (Buffer.byteLength(characters.join('')) + suffix.length > MAX_NAME_BYTES) characters.pop()
  return path.join(dir, characters.join('') + suffix)
}

/**
 * @param temporary where the file is written until it is complete; default: a name beside it that nobody looks for
 * @throws {WarpError} of class output: the file cannot be made
 */
export function openSink(output: string | { fd: number }, temporary?: string): Sink {
  if (typeof output !== 'string') return new BorrowedSink(output.fd, output.fd === 1 ? 'standard output' : `descriptor ${output.fd}`)
  try {
    const old = fs.statSync(output, { throwIfNoEntry: false })
    if (old?.isDirectory()) throw new WarpError('ERR_WARP_OUTPUT', `${output} is a directory`, { path: output, hint: 'name a file to write' })
    if (old && !old.isFile()) return new DeviceSink(fs.openSync(output, 'w'), output)
    const final = old ? fs.realpathSync(output) : output
    const name = temporary ?? temporaryFor(final)
    return new FileSink(fs.openSync(name, 'wx', temporary === undefined ? 0o666 : 0o600), name, final)
  } catch (error) {
    throw outputError(error, output)
  }
}
