/**
 * Reading many whole files into one buffer: through libc, by address, where koffi reaches it. That leaves out
 * what Node does around each call, a fifth of what it takes to open, read and close a small file.
 */
import fs from 'node:fs'
import { libc, type Libc } from './libc.ts'

// What has become a symlink meanwhile is not followed, what has become a FIFO not waited for.
const OPEN_FLAGS = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOFOLLOW

/** @returns bytes read: less than `length` only at the end of the file */
export function readFully(fd: number, into: Uint8Array, position: number): number {
  let done = 0
  while (done < into.length) {
    const count = fs.readSync(fd, into, done, into.length - done, position + done)
    if (count === 0) break
    done += count
  }
  return done
}

export class FileReader {
  readonly paths: Buffer
  readonly #into: Buffer
  readonly #libc: Libc | null
  readonly #pathsAddress: number
  readonly #intoAddress: number
  /** The descriptor that Node opened: it closes what it opened itself in a thread when that ends, and must know that it is closed. */
  #ofNode = -1

  /**
   * @param paths each ends with a NUL
   * @param into where the files go
   */
  constructor(paths: Buffer, into: Buffer) {
    this.paths = paths
    this.#into = into
    this.#libc = libc()
    this.#pathsAddress = this.#libc?.addressOf(paths) ?? 0
    this.#intoAddress = this.#libc?.addressOf(into) ?? 0
  }

  /**
   * @param start of the path in `paths`
   * @param end after its NUL
   * @returns a descriptor, to be closed with `close` before the next is opened
   * @throws Node's system error
   */
  open(start: number, end: number): number {
    const fd = this.#libc?.open(this.#pathsAddress + start, OPEN_FLAGS) ?? -1
    if (fd >= 0) return fd
    // Node's own call says what is wrong, or is luckier.
    return (this.#ofNode = fs.openSync(this.paths.subarray(start, end - 1), OPEN_FLAGS))
  }

  /**
   * Reads from the start of the file.
   * @param offset into the buffer
   * @returns bytes read: less than `length` only at the end of the file
   * @throws Node's system error
   */
  read(fd: number, offset: number, length: number): number {
    const count = this.#libc?.pread(fd, this.#intoAddress + offset, length, 0) ?? -1
    if (count === length) return count
    return readFully(fd, this.#into.subarray(offset, offset + length), 0)
  }

  close(fd: number): void {
    if (fd !== this.#ofNode) this.#libc!.close(fd)
    else {
      this.#ofNode = -1
      fs.closeSync(fd)
    }
  }
}
