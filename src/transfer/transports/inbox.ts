/**
 * What has come from a peer and was not read yet: bytes in order, then an end or a failure. A binding that pushes
 * is told when the inbox is full and when it has room again.
 */
import { WarpError } from '../../base/errors.ts'

/** Bytes that wait to be read before the binding is asked to hold back. */
export const INBOX_BYTES = 256 * 1024

export class Inbox {
  #queue: Uint8Array[] = []
  #bytes = 0
  #isHeld = false
  #end: 'orderly' | WarpError | null = null
  #reader: { resolve(bytes: Uint8Array | null): void; reject(error: WarpError): void } | null = null
  readonly #hold: (isHeld: boolean) => void

  /** @param hold called with true when the binding should push no more, with false when it may again */
  constructor(hold: (isHeld: boolean) => void) {
    this.#hold = hold
  }

  get isEnded(): boolean {
    return this.#end !== null
  }

  /** Bytes that wait to be read. */
  get waitingBytes(): number {
    return this.#bytes
  }

  /** Takes `bytes`, which the reader then owns; what comes after an end is dropped. */
  push(bytes: Uint8Array): void {
    if (this.#end !== null || bytes.length === 0) return
    if (this.#reader) {
      const { resolve } = this.#reader
      this.#reader = null
      resolve(bytes)
      return
    }
    this.#queue.push(bytes)
    this.#bytes += bytes.length
    if (this.#isHeld || this.#bytes < INBOX_BYTES) return
    this.#isHeld = true
    this.#hold(true)
  }

  /** Nothing more will come; of several ends the first counts. What came before it can still be read. */
  end(how: 'orderly' | WarpError): void {
    if (this.#end !== null) return
    this.#end = how
    const reader = this.#reader
    this.#reader = null
    if (how === 'orderly') reader?.resolve(null)
    else reader?.reject(how)
  }

  /** Forgets what was not read, and fails every read from now on. */
  discard(error: WarpError): void {
    this.#queue = []
    this.#bytes = 0
    this.end(error)
    this.#end = error
  }

  /** Next bytes, null at the orderly end. One reader at a time. */
  read(): Promise<Uint8Array | null> {
    if (this.#reader) return Promise.reject(new WarpError('ERR_WARP_INTERNAL', 'two readers of one connection'))
    const bytes = this.#queue.shift()
    if (bytes !== undefined) {
      this.#bytes -= bytes.length
      // At half, so that the binding is not stopped and started for every piece.
      if (this.#isHeld && this.#bytes <= INBOX_BYTES / 2) {
        this.#isHeld = false
        this.#hold(false)
      }
      return Promise.resolve(bytes)
    }
    if (this.#end === 'orderly') return Promise.resolve(null)
    if (this.#end) return Promise.reject(this.#end)
    return new Promise((resolve, reject) => (this.#reader = { resolve, reject }))
  }
}
