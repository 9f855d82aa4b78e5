/**
 * Checks the tags of an archive's blocks once they are written, in a worker thread, while more arrive: on the thread
 * that receives, hashing would take a sixth of the rate of TLS. What is encrypted has no tags that could be checked.
 */
import { MIB } from '../../base/limits.ts'
import { InlinePool, WorkerPool, type Pool } from '../../engine/pool.ts'
import { NOTHING_CHECKED, type CheckedSoFar } from './archive-check.ts'
import type { ArchiveOffer } from './archive-messages.ts'
import { checkTasks, type TagsRequest } from './check-worker.ts'

/** What is worth a message to the thread, bytes. */
const TASK_BYTES = 4 * MIB
/** Archives below this are hashed in less time than it takes to start a thread. */
const THREAD_BYTES = 256 * MIB

interface WrittenFile {
  readonly fd: number
  /** Resolves when all that was given to be written is there. */
  written(): Promise<unknown>
}

export class ArchiveTags {
  readonly #file: WrittenFile
  readonly #offer: ArchiveOffer
  readonly #onFailure: (error: unknown) => void
  readonly #pending = new Set<Promise<unknown>>()
  #pool: Pool | null = null
  #from: CheckedSoFar

  /**
   * @param from where the first block to be checked begins, or the beginning
   * @param onFailure called with the first block that is wrong
   */
  constructor(file: WrittenFile, offer: ArchiveOffer, from: CheckedSoFar, onFailure: (error: unknown) => void) {
    this.#file = file
    this.#offer = offer
    this.#from = { ...from }
    this.#onFailure = onFailure
  }

  /**
   * All before `soFar.position` is given to be written.
   * @param head as `ArchiveCheck.head`
   * @param atLeast bytes that are worth to begin a check
   */
  reach(soFar: CheckedSoFar, head: { bytes: Uint8Array; encrypted: boolean }, atLeast = TASK_BYTES): void {
    if (head.encrypted) return
    // The first position is behind the header.
    if (this.#from.position === 0) this.#from = { ...NOTHING_CHECKED, position: head.bytes.length }
    if (soFar.position - this.#from.position < atLeast) return
    const request: TagsRequest = { fd: this.#file.fd, offer: this.#offer, head: head.bytes, from: this.#from, to: soFar.position }
    this.#from = { ...soFar }
    const checking = this.#check(request).catch(this.#onFailure).finally(() => this.#pending.delete(checking))
    this.#pending.add(checking)
  }

  /** Resolves when all that was begun is checked. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending)
  }

  async close(): Promise<void> {
    await this.settled()
    await this.#pool?.close()
  }

  async #check(request: TagsRequest): Promise<void> {
    await this.#file.written()
    await this.#poolFor().run('tags', request)
  }

  #poolFor(): Pool {
    if (!this.#pool) {
      const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
      const isSmall = this.#offer.length < THREAD_BYTES
      this.#pool = isSmall ? new InlinePool(checkTasks) : new WorkerPool(new URL(`./check-worker${extension}`, import.meta.url), 1)
    }
    return this.#pool
  }
}
