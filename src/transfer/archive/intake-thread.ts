/**
 * The receiver's side of the thread that checks and writes an archive: memory that it shares with the thread, into which the
 * channel puts what arrives, so that the thread that receives copies a byte once and never waits for the disk.
 */
import { MIB, TAG_BYTES } from '../../base/limits.ts'
import { InlinePool, WorkerPool, type Pool } from '../../engine/pool.ts'
import type { CheckedSoFar } from './archive-check.ts'
import type { IntakeStart } from './archive-intake.ts'
import { ARCHIVE_DATA_BYTES } from './archive-messages.ts'
import { intakeTasks } from './intake-worker.ts'

/** Archives below this are taken in less time than it takes to start a thread. */
const THREAD_BYTES = 8 * MIB
/** Of a message of data as it is on the wire, which may be sealed. */
const PIECE_BYTES = ARCHIVE_DATA_BYTES + TAG_BYTES

export class IntakeThread {
  readonly #pool: Pool
  readonly #onFailure: (error: unknown) => void
  /** Memory of pieces that were taken. What is in use, the channel's window bounds. */
  readonly #free: SharedArrayBuffer[] = []
  #last: Promise<unknown>

  /** @param onFailure called with everything that goes wrong; the first is what was wrong */
  constructor(start: IntakeStart, onFailure: (error: unknown) => void) {
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
    const isSmall = start.offer.length < THREAD_BYTES
    this.#pool = isSmall ? new InlinePool(intakeTasks()) : new WorkerPool(new URL(`./intake-worker${extension}`, import.meta.url), 1)
    this.#onFailure = onFailure
    this.#last = this.#run('begin', start)
  }

  /** Memory for a message of `lengthBytes`; `take` gives it back. */
  memoryFor(lengthBytes: number): Buffer {
    // A small one would waste the most of a piece.
    if (lengthBytes > PIECE_BYTES || lengthBytes < PIECE_BYTES / 2) return Buffer.from(new SharedArrayBuffer(lengthBytes))
    return Buffer.from(this.#free.pop() ?? new SharedArrayBuffer(PIECE_BYTES), 0, lengthBytes)
  }

  /**
   * Takes the bytes that follow those before.
   * @param bytes in memory of `memoryFor`, which is free again when it resolves
   * @returns null: it failed, and `onFailure` was called
   */
  async take(bytes: Buffer): Promise<CheckedSoFar | null> {
    const taking = this.#run('take', bytes) as Promise<CheckedSoFar | null>
    this.#last = taking
    const soFar = await taking
    const { buffer } = bytes as { buffer: ArrayBufferLike }
    if (buffer instanceof SharedArrayBuffer && buffer.byteLength === PIECE_BYTES) this.#free.push(buffer)
    return soFar
  }

  /** Resolves when nothing is being taken any more. */
  async settled(): Promise<void> {
    await this.#last
  }

  /** Resolves when all was taken and found to be a whole archive; else `onFailure` was called. */
  async finish(): Promise<void> {
    this.#last = this.#run('finish', null)
    await this.#last
  }

  async close(): Promise<void> {
    await this.settled()
    await this.#pool.close()
  }

  async #run(name: string, args: unknown): Promise<unknown> {
    try {
      return await this.#pool.run(name, args)
    } catch (error) {
      this.#onFailure(error)
      return null
    }
  }
}
