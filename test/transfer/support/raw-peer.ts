/** The far end of a channel under test: sends what it likes, and shows what the channel says. */
import type { Connection } from '../../../src/transfer/transports/connection.ts'
import { FrameParser, frameHeader } from '../../../src/transfer/channel/frame-parser.ts'

export interface Frame {
  type: number
  payload: Buffer
}

export class RawPeer {
  readonly connection: Connection
  readonly #parser: FrameParser
  readonly #frames: Frame[] = []

  constructor(connection: Connection) {
    this.connection = connection
    this.#parser = new FrameParser({ admit: () => undefined, deliver: (type, payload) => this.#frames.push({ type, payload }) })
  }

  async send(type: number, payload: Uint8Array = new Uint8Array()): Promise<void> {
    await this.connection.write([frameHeader(type, payload.length), payload])
  }

  async credit(total: number | bigint): Promise<void> {
    const payload = Buffer.alloc(8)
    payload.writeBigUInt64LE(BigInt(total))
    await this.send(0, payload)
  }

  /** The next message of one of the types; others are skipped. Null at the end, or when the connection broke. */
  async next(...types: number[]): Promise<Frame | null> {
    for (;;) {
      const frame = this.#frames.shift()
      if (frame && types.includes(frame.type)) return frame
      if (frame) continue
      const bytes = await this.connection.read().catch(() => null)
      if (bytes === null) return null
      this.#parser.push(bytes)
    }
  }

  /** Number and text of the CLOSE that comes. */
  async nextClose(): Promise<{ number: number; text: string } | null> {
    const close = await this.next(3)
    return close && { number: close.payload.readUInt16LE(), text: close.payload.toString('utf8', 2) }
  }
}
