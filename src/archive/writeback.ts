/** Has the disk begin with what is written to a file while more is, so that a sync at the end has little to wait for. */
import { MIB } from '../base/limits.ts'
import { libc } from './os/libc.ts'

/** What is written before the disk is told. */
const STEP_BYTES = 8 * MIB

export class Writeback {
  readonly #fd: number
  #begunBytes: number
  #telling: Promise<unknown> = Promise.resolve()
  #isClosed = false

  /** @param position everything before it was written earlier */
  constructor(fd: number, position = 0) {
    this.#fd = fd
    this.#begunBytes = position
  }

  /** Everything before `position` is written. */
  reach(position: number): void {
    const bytes = position - this.#begunBytes
    if (bytes < STEP_BYTES || this.#isClosed) return
    const telling = libc()?.startWriteback(this.#fd, this.#begunBytes, bytes)
    // The result of one all would else hold that of all before.
    this.#telling = Promise.all([this.#telling, telling]).then(() => {})
    this.#begunBytes = position
  }

  /** Tells the disk nothing more; resolves when the descriptor is not in use, never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#telling
  }
}
