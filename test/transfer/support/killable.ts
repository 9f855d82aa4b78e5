/**
 * A transfer of a tree between two processes of the built program, through the proxy, whose sides can be killed and
 * run again with the same command line. What went through is counted by the proxy, not by the code under test.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { Test } from 'tap'
import { decodeTicket, encodeTicket, type NetworkTransport } from '../../../src/transfer/meetings/ticket.ts'
import { makeDirectory } from '../../archive/support/trees.ts'
import { side, type Side } from '../../cli/support/sides.ts'
import type { Ended } from '../../cli/support/run.ts'
import { startProxy, type Proxy, type ProxyOptions } from '../../support/impaired-proxy.ts'

export type Role = 'send' | 'receive'

export const otherRole = (role: Role): Role => role === 'send' ? 'receive' : 'send'

export interface KillableOptions {
  /** What is sent, by its base name. */
  source: string
  /** What listens, and is known by its ticket to the other. */
  listener: Role
  transport: NetworkTransport
  network?: Omit<ProxyOptions, 'target'>
  /** More options of a command. */
  args?: Partial<Record<Role, string[]>>
  /** Where it goes; default: a new directory. */
  target?: string
}

const POLL_MS = 2

export class KillableTransfer {
  /** The directory that is received into. */
  readonly target: string
  readonly proxy: Proxy
  readonly #folder: string
  readonly #options: KillableOptions
  readonly #sides: Partial<Record<Role, Side>> = {}
  readonly #ends: Partial<Record<Role, Ended>> = {}
  readonly #listenerTicket: string
  readonly #dialerTicket: string
  #hasOneTicket = true

  private constructor(folder: string, options: KillableOptions, proxy: Proxy, listening: Side, ticket: string) {
    this.#folder = folder
    this.#options = options
    this.target = targetOf(folder, options)
    this.proxy = proxy
    this.#listenerTicket = ticket
    const address = { host: proxy.host, port: proxy.port, transports: [options.transport] }
    this.#dialerTicket = encodeTicket({ ...decodeTicket(ticket), addresses: [address] })
    this.#watch(options.listener, listening)
  }

  /** Starts both sides. */
  static async open(t: Test, options: KillableOptions): Promise<KillableTransfer> {
    const folder = makeDirectory(t)
    for (const name of ['state', 'temporary']) fs.mkdirSync(path.join(folder, name))
    fs.mkdirSync(targetOf(folder, options), { recursive: true })
    const listening = startSide(folder, options, options.listener, null)
    const ticket = await listening.firstLine
    const { port } = decodeTicket(ticket).addresses.find(({ transports }) => transports.includes(options.transport))!
    const proxy = await startProxy({ target: { host: '127.0.0.1', port }, ...options.network })
    const transfer = new KillableTransfer(folder, options, proxy, listening, ticket)
    t.teardown(async () => {
      for (const role of ['send', 'receive'] as const) await transfer.kill(role)
      await proxy.close()
    })
    transfer.start(otherRole(options.listener))
    return transfer
  }

  /** Bytes that went through the proxy, both ways, headers of packets not counted. */
  get carriedBytes(): number {
    const { datagrams, streams } = this.proxy.stats()
    return [datagrams, streams].reduce((sum, kind) => sum + (kind ? kind.up.bytes + kind.down.bytes : 0), 0)
  }

  /** How a side that runs no more has ended, unless it was killed. */
  endOf(role: Role): Ended | undefined {
    return this.#ends[role]
  }

  /** Whether every run of the listener told the same ticket. */
  get hasOneTicket(): boolean {
    return this.#hasOneTicket
  }

  get isOver(): boolean {
    return this.#sides.send === undefined && this.#sides.receive === undefined
  }

  /** Until so many bytes went through, or a side has ended by itself. True for the former. */
  async reach(bytes: number): Promise<boolean> {
    while (this.carriedBytes < bytes) {
      if (this.#ends.send || this.#ends.receive) return false
      await new Promise(resolve => setTimeout(resolve, POLL_MS))
    }
    return true
  }

  /** SIGKILL. Nothing happens to a side that does not run. */
  async kill(role: Role): Promise<void> {
    const running = this.#sides[role]
    if (running === undefined) return
    running.child.kill('SIGKILL')
    await running.ended
  }

  /** Runs the command of a side, the same each time. */
  start(role: Role): void {
    if (this.#sides[role] !== undefined) throw new Error(`${role} runs`)
    delete this.#ends[role]
    const { listener } = this.#options
    this.#watch(role, startSide(this.#folder, this.#options, role, role === listener ? null : this.#dialerTicket))
  }

  /** Until neither side runs. */
  async over(): Promise<Partial<Record<Role, Ended>>> {
    while (!this.isOver) await Promise.all([this.#sides.send?.ended, this.#sides.receive?.ended])
    return { ...this.#ends }
  }

  /** Names that a transfer which is over must not have left: in the target, and where temporary files go. */
  leftovers(): string[] {
    const inTarget = fs.readdirSync(this.target).filter(name => name !== path.basename(this.#options.source))
    return [...inTarget, ...fs.readdirSync(path.join(this.#folder, 'temporary'))]
  }

  #watch(role: Role, running: Side): void {
    this.#sides[role] = running
    running.firstLine.then(line => {
      if (role === this.#options.listener && line !== this.#listenerTicket) this.#hasOneTicket = false
    }, () => {})
    void running.ended.then(ended => {
      delete this.#sides[role]
      if (ended.signal !== 'SIGKILL') this.#ends[role] = ended
    })
  }
}

function targetOf(folder: string, { target }: KillableOptions): string {
  return target ?? path.join(folder, 'target')
}

function startSide(folder: string, options: KillableOptions, role: Role, ticket: string | null): Side {
  const { source, transport, args } = options
  const what = role === 'send' ? [path.basename(source)] : ['-C', targetOf(folder, options)]
  const meeting = ticket === null ? ['--listen', '127.0.0.1:0'] : []
  return side([role, ...what, '--transport', transport, ...meeting, ...args?.[role] ?? []], {
    cwd: path.dirname(source),
    env: {
      WARP_TICKET: ticket ?? undefined, TMPDIR: path.join(folder, 'temporary'),
      XDG_STATE_HOME: path.join(folder, 'state'), XDG_CONFIG_HOME: path.join(folder, 'config'),
    },
  })
}
