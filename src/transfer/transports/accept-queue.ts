/** Connections that came in and that nobody has taken yet, bounded in number. */
import type { Connection } from './connection.ts'

/** Connections that wait in `accept`. */
export const MAX_WAITING = 64

/** Milliseconds that a stranger may take for the handshake of the transport. */
export const HANDSHAKE_MS = 10_000

export class AcceptQueue {
  #waiting: Connection[] = []
  #takers: ((connection: Connection | null) => void)[] = []
  #stalled: (() => void)[] = []
  #isClosed = false

  /** Gives `connection` to who waits; closes it where too many wait already. */
  offer(connection: Connection): void {
    const taker = this.#takers.shift()
    if (taker) taker(connection)
    else if (this.#isClosed || this.#waiting.length >= MAX_WAITING) connection.close()
    else this.#waiting.push(connection)
  }

  /** Resolves when fewer than `count` wait, or it is closed: for bindings that can leave strangers outside. */
  async room(count: number): Promise<void> {
    while (!this.#isClosed && this.#waiting.length >= count) await new Promise<void>((resolve) => this.#stalled.push(resolve))
  }

  /** Next connection; null once it is closed. */
  take(): Promise<Connection | null> {
    const connection = this.#waiting.shift()
    for (const resume of this.#stalled.splice(0)) resume()
    if (connection) return Promise.resolve(connection)
    if (this.#isClosed) return Promise.resolve(null)
    return new Promise((resolve) => this.#takers.push(resolve))
  }

  /** Closes what waits. */
  close(): void {
    this.#isClosed = true
    for (const connection of this.#waiting.splice(0)) connection.close()
    for (const taker of this.#takers.splice(0)) taker(null)
    for (const resume of this.#stalled.splice(0)) resume()
  }
}
