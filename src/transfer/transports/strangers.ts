/** Sockets of TCP that were accepted by the system and wait for their handshake: nothing is read from them yet. */
import type { Socket } from 'node:net'
import { HANDSHAKE_MS } from './accept-queue.ts'

/** Handshakes of one listener that may be under way. */
export const MAX_HANDSHAKES = 32

/** Sockets that wait for one; all beyond are refused. */
const MAX_STRANGERS = 512

export class Strangers {
  readonly #waiting = new Map<Socket, NodeJS.Timeout>()
  #takers: ((socket: Socket | null) => void)[] = []
  #isClosed = false

  add(socket: Socket): void {
    // What goes wrong with it shows when it is closed.
    socket.on('error', () => {})
    const taker = this.#takers.shift()
    if (taker) return taker(socket)
    if (this.#isClosed || this.#waiting.size >= MAX_STRANGERS) {
      socket.resetAndDestroy()
      return
    }
    this.#waiting.set(socket, setTimeout(() => this.#drop(socket), HANDSHAKE_MS))
  }

  /** Whose turn it is; null once it is closed. */
  next(): Promise<Socket | null> {
    for (const [socket, timer] of this.#waiting) {
      clearTimeout(timer)
      this.#waiting.delete(socket)
      return Promise.resolve(socket)
    }
    if (this.#isClosed) return Promise.resolve(null)
    return new Promise((resolve) => this.#takers.push(resolve))
  }

  /** Refuses who waits. */
  close(): void {
    this.#isClosed = true
    for (const socket of this.#waiting.keys()) this.#drop(socket)
    for (const taker of this.#takers.splice(0)) taker(null)
  }

  #drop(socket: Socket): void {
    clearTimeout(this.#waiting.get(socket))
    this.#waiting.delete(socket)
    socket.destroy()
  }
}
