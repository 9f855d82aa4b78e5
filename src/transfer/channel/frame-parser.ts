/** Cuts the bytes of a connection into messages: `u32 length ‖ u8 type ‖ payload`, little-endian. Source: warp-transfer, framing. */
import { copyShared } from '../../base/copy.ts'

export const FRAME_HEADER_BYTES = 5

export interface FrameSink {
  /**
   * A message begins; nothing was allocated for it yet. Throws if it may not come.
   * @returns memory of `lengthBytes` to put its payload into; undefined: the parser allocates it
   */
  admit(type: number, lengthBytes: number): Buffer | undefined
  /**
   * A message is there.
   * @param payload in memory of its own, or in what `admit` gave
   * @param header 5 bytes, borrowed until it returns
   */
  deliver(type: number, payload: Buffer, header: Uint8Array): void
}

/** Writes the header of a message whose payload has `lengthBytes` bytes on the wire. */
export function frameHeader(type: number, lengthBytes: number): Buffer {
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES)
  header.writeUInt32LE(lengthBytes)
  header[4] = type
  return header
}

export class FrameParser {
  readonly #sink: FrameSink
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES)
  /** Bytes that are there, of the header or, once there is one, of the payload. */
  #filled = 0
  #payload: Buffer | null = null

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** True between two messages. */
  get isBetween(): boolean {
    return this.#payload === null && this.#filled === 0
  }

  /** Takes the next bytes, any number of them; borrowed until it returns. Throws what the sink throws. */
  push(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length) {
      const into = this.#payload ?? this.#header
      const count = Math.min(into.length - this.#filled, bytes.length - at)
      copyShared(this.#filled === 0 ? into : into.subarray(this.#filled), count === bytes.length ? bytes : bytes.subarray(at, at + count))
      at += count
      this.#filled += count
      if (this.#filled === into.length) this.#complete()
    }
  }

  #complete(): void {
    const type = this.#header[4]
    this.#filled = 0
    if (this.#payload === null) {
      const length = this.#header.readUInt32LE()
      // Not from Node's pool: one message must not keep the memory of others.
      this.#payload = this.#sink.admit(type, length) ?? Buffer.allocUnsafeSlow(length)
      if (length > 0) return
    }
    const payload = this.#payload
    this.#payload = null
    this.#sink.deliver(type, payload, this.#header)
  }
}
