/**
 * The TCP half of the proxy. Between the two real connections, both on this machine, it plays the line: what a
 * sender may have under way is bounded by a congestion window, and a lost segment holds back all that comes after
 * it for the round trip that sending it again takes.
 */
import net from 'node:net'
import { Bottleneck, newCounters, randomSequence, type Counters, type Impairment } from './line.ts'
import { Schedule } from './schedule.ts'
import { CubicWindow, fixedWindow, SEGMENT_BYTES, type Window } from './window.ts'

/** What sending again takes where there is no delay. */
const MIN_RTT_MS = 1

interface Line {
  schedule: Schedule
  impairment: Impairment
  narrow: Bottleneck
  counters: Counters
  isOpen: () => boolean
}

export class StreamRelay {
  readonly up = newCounters()
  readonly down = newCounters()
  connections = 0
  #state: 'open' | 'stalled' | 'cut' = 'open'
  readonly #schedule = new Schedule()
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()
  readonly #flows = new Set<Flow>()
  readonly #lines: { up: Line, down: Line }

  private constructor(server: net.Server, target: { host: string, port: number }, impairment: Impairment, seed: number) {
    this.#server = server
    const line = (counters: Counters) => ({
      schedule: this.#schedule, impairment, narrow: new Bottleneck(impairment), counters, isOpen: () => this.#state === 'open',
    })
    this.#lines = { up: line(this.up), down: line(this.down) }
    server.on('connection', client => this.#connect(client, target, impairment.delayMs, seed))
  }

  /** @throws {Error} EADDRINUSE */
  static async open(
    host: string, port: number, target: { host: string, port: number }, impairment: Impairment, seed: number,
  ): Promise<StreamRelay> {
    const server = net.createServer({ allowHalfOpen: true, noDelay: true })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, resolve)
    })
    return new StreamRelay(server, target, impairment, seed)
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port
  }

  /** Nothing moves any more, and nobody is told. */
  stall(): void {
    this.#state = 'stalled'
    this.#schedule.pause()
  }

  /** Resets every connection, and each that comes. */
  cut(): void {
    this.#state = 'cut'
    this.#schedule.clear()
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  restore(): void {
    this.#state = 'open'
    this.#schedule.resume()
    for (const flow of this.#flows) flow.pump()
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #connect(client: net.Socket, target: { host: string, port: number }, delayMs: number, seed: number): void {
    if (this.#state === 'cut') {
      client.resetAndDestroy()
      return
    }
    const number = this.connections++
    const server = net.connect({ ...target, allowHalfOpen: true, noDelay: true })
    const acceptedMs = performance.now()
    // The three segments that open a connection; then what either side says first.
    const flows = [
      new Flow(client, server, this.#lines.up, [seed, number, 2], acceptedMs + 2 * delayMs),
      new Flow(server, client, this.#lines.down, [seed, number, 3], acceptedMs + 3 * delayMs),
    ]
    for (const flow of flows) {
      this.#sockets.add(flow.from)
      this.#flows.add(flow)
      flow.from.on('close', () => {
        this.#sockets.delete(flow.from)
        this.#flows.delete(flow)
      })
    }
  }
}

/** One direction of a connection. */
class Flow {
  readonly from: net.Socket
  readonly #to: net.Socket
  readonly #line: Line
  readonly #fates: () => number
  readonly #jitter: () => number
  readonly #window: Window
  readonly #rttMs: number
  /** Read, and not under way yet. */
  readonly #waiting: (Buffer | 'end' | 'reset')[] = []
  #sentBytes = 0
  /** Under way, or not taken by the other side. */
  #openBytes = 0
  /** Given to the other side, which has enough for now. */
  #heldBytes = 0
  #lastDueMs = 0
  #isConnected = false
  #isPumping = false
  #isOver = false

  constructor(from: net.Socket, to: net.Socket, line: Line, seeds: number[], notBeforeMs: number) {
    this.from = from
    this.#to = to
    this.#line = line
    this.#fates = randomSequence(...seeds)
    this.#jitter = randomSequence(...seeds, 1)
    const { delayMs, rate } = line.impairment
    this.#rttMs = Math.max(MIN_RTT_MS, 2 * delayMs)
    this.#window = delayMs > 0 || rate !== Infinity ? new CubicWindow(this.#rttMs) : fixedWindow()
    from.on('data', (piece: Buffer) => this.#take(piece))
    from.on('end', () => this.#take('end'))
    from.on('error', () => this.#take('reset'))
    from.on('close', () => void (this.#isOver || this.#take('reset')))
    to.on('drain', () => {
      this.#acknowledge(this.#heldBytes)
      this.#heldBytes = 0
    })
    line.schedule.at(notBeforeMs, () => {
      this.#isConnected = true
      this.pump()
    })
  }

  /** Puts under way what the window allows, and lets the source go on when nothing waits. */
  pump(): void {
    if (this.#isPumping || !this.#isConnected || !this.#line.isOpen()) return
    this.#isPumping = true
    while (this.#waiting.length > 0) {
      const piece = this.#waiting[0]
      const room = this.#window.bytes - this.#openBytes
      if (typeof piece === 'string') {
        this.#later(() => void (piece === 'end' ? this.#to.end() : this.#to.resetAndDestroy()))
      } else if (room < Math.min(piece.length, SEGMENT_BYTES)) {
        break
      } else if (piece.length > room) {
        this.#waiting[0] = piece.subarray(room)
        this.#launch(piece.subarray(0, room))
        continue
      } else {
        this.#launch(piece)
      }
      this.#waiting.shift()
    }
    this.#isPumping = false
    if (this.#waiting.length === 0) this.from.resume()
  }

  #take(piece: Buffer | 'end' | 'reset'): void {
    if (this.#to.destroyed) return
    this.#isOver ||= typeof piece === 'string'
    this.#waiting.push(piece)
    this.pump()
    if (this.#waiting.length > 0) this.from.pause()
  }

  /** In order, after all that is under way. */
  #later(run: () => void): void {
    const { schedule, impairment } = this.#line
    schedule.at(this.#lastDueMs = Math.max(this.#lastDueMs, performance.now() + impairment.delayMs), run)
  }

  /** Cuts where a segment is lost: what is before it is not held back. Which ones are lost is fixed by the seed. */
  #launch(bytes: Buffer): void {
    const { lossPercent } = this.#line.impairment
    const { counters } = this.#line
    this.#openBytes += bytes.length
    let begun = 0
    let isLost = false
    for (let at = -this.#sentBytes % SEGMENT_BYTES; at < bytes.length; at += SEGMENT_BYTES) {
      if (at < 0) continue // its fate is known
      counters.packets++
      if (this.#fates() * 100 >= lossPercent) continue
      counters.lost++
      if (at > begun) this.#send(bytes.subarray(begun, at), isLost)
      begun = at
      isLost = true
    }
    if (bytes.length > begun) this.#send(bytes.subarray(begun), isLost)
    this.#sentBytes += bytes.length
    counters.bytes += bytes.length
  }

  #send(bytes: Buffer, isLost: boolean): void {
    const { schedule, impairment, narrow, counters } = this.#line
    const nowMs = performance.now()
    const isFull = narrow.isFullFor(bytes.length, nowMs)
    if (isFull) counters.overflowed++
    if (isLost || isFull) this.#window.lost(nowMs)
    const arriveMs = narrow.pass(bytes.length, nowMs) + impairment.delayMs + this.#jitter() * impairment.jitterMs
    this.#lastDueMs = Math.max(this.#lastDueMs, arriveMs + (isLost ? this.#rttMs : 0))
    schedule.at(this.#lastDueMs, () => this.#deliver(bytes))
  }

  #deliver(bytes: Buffer): void {
    if (this.#to.destroyed || this.#to.writableEnded) return
    if (this.#to.write(bytes)) this.#acknowledge(bytes.length)
    else this.#heldBytes += bytes.length
  }

  #acknowledge(bytes: number): void {
    this.#line.schedule.at(performance.now() + this.#line.impairment.delayMs, () => {
      this.#openBytes -= bytes
      this.#window.acknowledged(bytes, performance.now())
      this.pump()
    })
  }
}
