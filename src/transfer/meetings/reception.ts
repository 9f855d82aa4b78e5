/**
 * What the listening side of every meeting does: greets all who connect, many at once, and hands out those who have
 * authenticated themselves. A stranger that fails, stalls or goes away costs its own connection and nothing else.
 *
 * One transfer has one session: if its peer comes again while the session is thought alive, the network has changed
 * under it. The old connection is closed, and the new one is handed out once the old one was released.
 */
import { WarpError } from '../../base/errors.ts'
import type { Connection } from '../transports/connection.ts'
import type { Authenticated } from '../handshake/handshake.ts'
import { placeOf, type Met } from './met.ts'
import { interruption } from './retry.ts'

/** Handshakes under way at once. */
export const MAX_GREETED = 16
/** Sessions at once, those included that nobody has taken yet. */
export const MAX_SESSIONS = 256

export interface Greeting {
  authenticated: Authenticated
  peerName: string | null
}

export interface ReceptionOptions {
  /** Next connection; null when there will be none. */
  accept(): Promise<Connection | null>
  /** Authenticates who has connected; has a deadline of its own. What it throws ends that connection only. */
  greet(connection: Connection): Promise<Greeting>
  signal: AbortSignal | undefined
}

interface Session {
  met: Met
  /** Came while `met` was not released yet. */
  successor: Session | null
}

interface Taker {
  resolve(met: Met): void
  reject(error: WarpError): void
}

export class Reception {
  readonly #options: ReceptionOptions
  readonly #sessions = new Map<string, Session>()
  #ready: Met[] = []
  #takers: Taker[] = []
  readonly #greeted = new Set<Connection>()
  /** Why nobody is received any more. */
  #end: WarpError | null = null
  readonly #onAbort = (): void => this.close(interruption(this.#options.signal!))

  constructor(options: ReceptionOptions) {
    this.#options = options
    const { signal } = options
    if (signal?.aborted) this.#onAbort()
    else signal?.addEventListener('abort', this.#onAbort, { once: true })
    void this.#receive()
  }

  get isFull(): boolean {
    return this.#sessions.size >= MAX_SESSIONS
  }

  /** Whether there is a session that was not released. */
  get hasSessions(): boolean {
    return this.#sessions.size > 0
  }

  /** Greets who has come another way than by `accept`. */
  connect(connection: Connection): void {
    if (this.#end !== null || this.#greeted.size >= MAX_GREETED) connection.close()
    else void this.#greet(connection)
  }

  /**
   * The next who has authenticated itself.
   * @param late what to throw after `waitMs`; null: waits as long as it is open
   */
  next(late: { waitMs: number; error: () => WarpError } | null): Promise<Met> {
    const ready = this.#ready.shift()
    if (ready) return Promise.resolve(ready)
    if (this.#end) return Promise.reject(this.#end)
    return new Promise((resolve, reject) => {
      const taker: Taker = {
        resolve: (met) => {
          clearTimeout(timer)
          resolve(met)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      }
      const timer = late === null ? undefined : setTimeout(() => {
        this.#takers.splice(this.#takers.indexOf(taker), 1)
        reject(late.error())
      }, late.waitMs)
      this.#takers.push(taker)
    })
  }

  /** Makes who waits in `next` fail; others may come. */
  disappoint(error: WarpError): void {
    for (const taker of this.#takers.splice(0)) taker.reject(error)
  }

  #arrive({ authenticated, peerName }: Greeting): void {
    const { connection, peerTransferId } = authenticated
    if (this.#end) return connection.close()
    const key = Buffer.from(peerTransferId).toString('hex')
    const met: Met = { authenticated, peerName: peerName ?? placeOf(authenticated), release: () => this.#release(key, session) }
    const session: Session = { met, successor: null }
    const old = this.#sessions.get(key)
    if (!old) return this.#admit(key, session)
    old.met.authenticated.connection.close()
    old.successor?.met.authenticated.connection.close()
    old.successor = session
    // Nobody has taken it yet who could release it.
    const waiting = this.#ready.indexOf(old.met)
    if (waiting < 0) return
    this.#ready.splice(waiting, 1)
    old.met.release()
  }

  /** Receives nobody any more; `error` ends who waits. What was handed out is its owner's. */
  close(error: WarpError = new WarpError('ERR_WARP_INTERRUPTED', 'the meeting was closed')): void {
    if (this.#end) return
    this.#end = error
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    for (const connection of this.#greeted) connection.close()
    for (const met of this.#ready.splice(0)) met.authenticated.connection.close()
    for (const { successor } of this.#sessions.values()) successor?.met.authenticated.connection.close()
    this.disappoint(error)
  }

  /** Closes, and ends all sessions. */
  expel(error: WarpError): void {
    this.close(error)
    for (const { met } of this.#sessions.values()) met.authenticated.connection.close()
  }

  async #receive(): Promise<void> {
    for (;;) {
      const connection = await this.#options.accept().catch(() => null)
      if (connection === null) return
      this.connect(connection)
    }
  }

  async #greet(connection: Connection): Promise<void> {
    this.#greeted.add(connection)
    try {
      this.#arrive(await this.#options.greet(connection))
    } catch {
      connection.close()
    } finally {
      this.#greeted.delete(connection)
    }
  }

  #admit(key: string, session: Session): void {
    this.#sessions.set(key, session)
    const taker = this.#takers.shift()
    if (taker) taker.resolve(session.met)
    else this.#ready.push(session.met)
  }

  #release(key: string, session: Session): void {
    if (this.#sessions.get(key) !== session) return
    this.#sessions.delete(key)
    if (session.successor && !this.#end) this.#admit(key, session.successor)
  }
}
