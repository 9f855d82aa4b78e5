/** The UDP half of the proxy: as a NAT does, each client gets a port of its own towards the target. */
import dgram from 'node:dgram'
import { isIPv6 } from 'node:net'
import { Bottleneck, newCounters, randomSequence, REORDER_MS, type Counters, type Impairment } from './line.ts'
import { Schedule } from './schedule.ts'

/** The system may grant less. A burst that finds it full is lost without being counted. */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024

/** One direction of one client. */
type Way = (datagram: Buffer, send: (datagram: Buffer) => void) => void

interface Client {
  socket: dgram.Socket
  up: Way
  send: (datagram: Buffer) => void
}

export class DatagramRelay {
  readonly up = newCounters()
  readonly down = newCounters()
  isOpen = true
  readonly #schedule = new Schedule()
  readonly #socket: dgram.Socket
  readonly #target: { host: string, port: number }
  readonly #impairment: Impairment
  readonly #seed: number
  readonly #narrow: { up: Bottleneck, down: Bottleneck }
  readonly #clients = new Map<string, Client>()
  #clientCount = 0

  private constructor(socket: dgram.Socket, target: { host: string, port: number }, impairment: Impairment, seed: number) {
    this.#socket = socket
    this.#target = target
    this.#impairment = impairment
    this.#seed = seed
    this.#narrow = { up: new Bottleneck(impairment), down: new Bottleneck(impairment) }
    socket.on('message', (datagram, from) => this.#receive(datagram, from))
    socket.on('error', () => {}) // a client that is gone
  }

  /** @throws {Error} EADDRINUSE */
  static async open(
    host: string, port: number, target: { host: string, port: number }, impairment: Impairment, seed: number,
  ): Promise<DatagramRelay> {
    const socket = newSocket(host)
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind(port, host, resolve)
    })
    socket.removeAllListeners('error')
    widen(socket)
    return new DatagramRelay(socket, target, impairment, seed)
  }

  get clients(): number {
    return this.#clients.size
  }

  /** Clients that come again get other ports, as behind a NAT that was restarted. */
  forgetClients(): void {
    this.#schedule.clear()
    for (const { socket } of this.#clients.values()) socket.close()
    this.#clients.clear()
  }

  async close(): Promise<void> {
    this.forgetClients()
    await new Promise<void>(resolve => this.#socket.close(resolve))
  }

  #receive(datagram: Buffer, from: dgram.RemoteInfo): void {
    if (!this.isOpen) return
    const key = `${from.address} ${from.port}`
    let client = this.#clients.get(key)
    if (client === undefined) {
      client = this.#newClient(from)
      this.#clients.set(key, client)
    }
    client.up(datagram, client.send)
  }

  #newClient({ address, port }: dgram.RemoteInfo): Client {
    const number = this.#clientCount++
    const socket = newSocket(this.#target.host)
    const early: Buffer[] = []
    let isConnected = false
    const send = (datagram: Buffer) => void (isConnected ? socket.send(datagram) : early.push(datagram))
    const down = this.#way(this.down, this.#narrow.down, number, 1)
    const reply = (datagram: Buffer) => this.#socket.send(datagram, port, address)
    socket.on('error', () => {}) // nobody listens there
    socket.on('message', datagram => {
      if (this.isOpen) down(datagram, reply)
    })
    socket.connect(this.#target.port, this.#target.host, () => {
      isConnected = true
      widen(socket)
      early.forEach(send)
    })
    return { socket, up: this.#way(this.up, this.#narrow.up, number, 0), send }
  }

  /** The fate of the n-th datagram of a client is fixed by the seed. */
  #way(counters: Counters, narrow: Bottleneck, client: number, direction: number): Way {
    const random = randomSequence(this.#seed, client, direction)
    const { delayMs, jitterMs, lossPercent, reorderPercent } = this.#impairment
    let lastDueMs = 0
    return (datagram, send) => {
      counters.packets++
      const isLost = random() * 100 < lossPercent
      const isReordered = random() * 100 < reorderPercent
      const jitter = random() * jitterMs
      if (isLost) {
        counters.lost++
        return
      }
      const nowMs = performance.now()
      if (narrow.isFullFor(datagram.length, nowMs)) {
        counters.overflowed++
        return
      }
      counters.bytes += datagram.length
      let dueMs = narrow.pass(datagram.length, nowMs) + delayMs + jitter
      if (isReordered) {
        counters.reordered++
        dueMs += REORDER_MS
      } else {
        dueMs = lastDueMs = Math.max(lastDueMs, dueMs)
      }
      this.#schedule.at(dueMs, () => {
        if (this.isOpen) send(datagram)
      })
    }
  }
}

function newSocket(host: string): dgram.Socket {
  const family = isIPv6(host) ? 6 : 4
  // An address needs no lookup, which would be put off to the next tick for each datagram.
  return dgram.createSocket({ type: `udp${family}`, lookup: (name, _options, give) => give(null, name, family) })
}

function widen(socket: dgram.Socket): void {
  socket.setRecvBufferSize(SOCKET_BUFFER_BYTES)
  socket.setSendBufferSize(SOCKET_BUFFER_BYTES)
}
