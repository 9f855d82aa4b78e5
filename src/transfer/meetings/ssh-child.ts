/** The far side of ssh, as the near side sees it: a child process that gives a ticket, and then is a pipe. */
import { spawn, type ChildProcess } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { WarpError } from '../../base/errors.ts'
import type { Connection } from '../transports/connection.ts'
import { pipeConnection } from '../transports/pipe.ts'
import { readLine } from './lines.ts'

/** What a shell there may print before the ticket, lines. */
const MAX_NOISE_LINES = 100
/** How long the far side may take to finish, milliseconds. */
export const FINISH_MS = 10_000
/** How long it may take to end when nothing good is expected of it any more. */
export const DROP_MS = 500

export class SshChild {
  readonly #destination: string
  readonly #child: ChildProcess
  readonly #input: Writable
  readonly #output: Readable
  readonly #exited: Promise<{ status: number | null; signal: NodeJS.Signals | null; error: Error | null }>
  #isGone = false
  #isPipe = false

  /** @param args of ssh, the far command last */
  constructor(program: string, args: string[], destination: string) {
    this.#destination = destination
    // ssh asks for passwords on the terminal, and says there what went wrong.
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#input = this.#child.stdin!
    this.#output = this.#child.stdout!
    this.#input.on('error', () => {})
    this.#output.on('error', () => {})
    this.#exited = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve({ status: null, signal: null, error }))
      this.#child.once('exit', (status, signal) => resolve({ status, signal, error: null }))
    })
    void this.#exited.then(() => (this.#isGone = true))
  }

  /** Whether it can still be asked for a connection. */
  get isUsable(): boolean {
    return !this.#isGone && !this.#isPipe
  }

  /**
   * The ticket of the far side.
   * @throws {WarpError} ERR_WARP_PEER_UNREACHABLE, ERR_WARP_PEER_FAILED: what ssh ended with instead
   */
  async ticket(signal: AbortSignal | undefined): Promise<string> {
    for (let i = 0; i < MAX_NOISE_LINES; i++) {
      const line = await readLine(this.#output, signal)
      if (line === null) break
      // A shell may greet before it runs the command.
      if (line.startsWith('warp1')) return line.trim()
    }
    signal?.throwIfAborted()
    await this.close(FINISH_MS)
    throw await this.#failure()
  }

  /** The channel of ssh itself as a connection, after the far side was told so; once. */
  async pipe(): Promise<Connection> {
    this.#isPipe = true
    await new Promise<void>((resolve, reject) => {
      this.#input.write('pipe\n', (error) => {
        if (error) reject(new WarpError('ERR_WARP_PEER_LOST', `ssh to ${this.#destination} has ended`, { cause: error }))
        else resolve()
      })
    })
    return pipeConnection({ readable: this.#output, writable: this.#input, isInitiator: true, remoteAddress: this.#destination })
  }

  /** Ends it, by the end of its input, or by force where it does not heed that within `patienceMs`. */
  async close(patienceMs: number): Promise<void> {
    this.#input.end()
    // What nobody reads would keep the far side from ending.
    if (!this.#isPipe) this.#output.resume()
    const timer = setTimeout(() => this.#child.kill('SIGTERM'), patienceMs)
    await this.#exited
    clearTimeout(timer)
    // A process that ssh has left behind may hold the other end.
    if (!this.#isPipe) this.#output.destroy()
  }

  async #failure(): Promise<WarpError> {
    const { status, signal, error } = await this.#exited
    const name = this.#destination
    if (error) {
      return new WarpError('ERR_WARP_PEER_UNREACHABLE', `ssh cannot be run: ${error.message}`, { cause: error, hint: 'install OpenSSH, or meet by a ticket' })
    }
    if (status === 255) {
      return new WarpError('ERR_WARP_PEER_UNREACHABLE', `ssh could not log in to ${name}`, { hint: `ssh says why above; see whether this works: ssh ${name} true` })
    }
    if (status === 127 || status === 126) {
      return new WarpError('ERR_WARP_PEER_FAILED', `warp was not found on ${name}`, {
        hint: 'install it there, so that a shell without a terminal finds it, or name its path with --warp-command',
      })
    }
    const how = signal ? `was ended by ${signal}` : `ended with status ${status}`
    return new WarpError('ERR_WARP_PEER_FAILED', `warp on ${name} ${how} before it gave a ticket`, { hint: 'it says why above; both sides need the same version' })
  }
}
