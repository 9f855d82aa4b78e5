/** The bytes of a live stream that were read from the producer and are not acknowledged: to be sent, or sent again. */
import { brokenProtocol } from '../channel/credit.ts'

/** Pieces below this are gathered in memory of their own, so that a window of single bytes stays small. */
const SMALL_BYTES = 4096
const SLAB_BYTES = 64 * 1024

interface Block {
  /** Position of its first byte in the stream. */
  start: number
  bytes: Uint8Array
}

export class LiveWindow {
  /** Of the stream: first byte kept, next byte to send, end of what was read. */
  start = 0
  next = 0
  end = 0
  #blocks: Block[] = []
  /** Number of the block in which `next` lies. */
  #cursor = 0
  #slab = new Uint8Array(0)
  #slabUsed = 0

  /** Bytes that wait to be sent. */
  get waiting(): number {
    return this.end - this.next
  }

  /** Bytes that are kept. */
  get kept(): number {
    return this.end - this.start
  }

  /** Takes what follows in the stream. @param bytes of at least SMALL_BYTES are kept as they are, and must not change */
  push(bytes: Uint8Array): void {
    if (bytes.length >= SMALL_BYTES) this.#blocks.push({ start: this.end, bytes })
    else if (bytes.length > 0) this.#gather(bytes)
    this.end += bytes.length
  }

  /** The next bytes to send, at most `maxBytes`; valid until they are dropped. */
  take(maxBytes: number): Uint8Array[] {
    const pieces: Uint8Array[] = []
    for (let room = Math.min(maxBytes, this.waiting); room > 0; ) {
      const { start, bytes } = this.#blocks[this.#cursor]!
      const at = this.next - start
      const piece = bytes.subarray(at, at + room)
      // The last block may have grown since it was sent.
      if (piece.length > 0) pieces.push(piece)
      else this.#cursor++
      this.next += piece.length
      room -= piece.length
    }
    return pieces
  }

  /**
   * The peer has all before `position`.
   * @throws {WarpError} ERR_WARP_PEER_PROTOCOL: it was acknowledged before, or never sent
   */
  drop(position: number): void {
    if (position < this.start || position > this.next) throw brokenProtocol('it acknowledges what it cannot have')
    let count = 0
    while (count < this.#blocks.length && this.#endOf(count) <= position) count++
    // The last stays as long as it may grow.
    if (count === this.#blocks.length && count > 0) count--
    this.#blocks.splice(0, count)
    this.#cursor = Math.max(0, this.#cursor - count)
    this.start = position
  }

  /** What follows `position`, which is not dropped, is to be sent again. */
  rewind(position: number): void {
    this.next = position
    this.#cursor = 0
    while (this.#cursor < this.#blocks.length - 1 && this.#endOf(this.#cursor) <= position) this.#cursor++
  }

  #endOf(index: number): number {
    const { start, bytes } = this.#blocks[index]!
    return start + bytes.length
  }

  #gather(bytes: Uint8Array): void {
    const last = this.#blocks[this.#blocks.length - 1]
    const isRoom = this.#slabUsed + bytes.length <= this.#slab.length
    if (!isRoom) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.#slabUsed = 0
    }
    const from = this.#slabUsed
    this.#slab.set(bytes, from)
    this.#slabUsed += bytes.length
    const follows = isRoom && last !== undefined && last.bytes.buffer === this.#slab.buffer && last.bytes.byteOffset + last.bytes.length === from
    if (follows) last.bytes = this.#slab.subarray(last.bytes.byteOffset, this.#slabUsed)
    else this.#blocks.push({ start: this.end, bytes: this.#slab.subarray(from, this.#slabUsed) })
  }
}
