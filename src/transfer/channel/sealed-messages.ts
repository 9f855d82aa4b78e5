/**
 * Seals messages one by one, for connections whose TLS does not end at the peer: the nonce counts the messages of a
 * direction, so that one left out, repeated or put elsewhere does not open. Source: warp-transfer, sealing.
 */
import { WarpError } from '../../base/errors.ts'
import { TAG_BYTES } from '../../base/limits.ts'
import { nonceOf, openInto, sealInto } from '../../codec/aead.ts'

export class MessageSealer {
  readonly #key: Uint8Array
  #count = 0
  /** What was sealed since `reuse`, the first `#used` bytes. */
  #scratch = Buffer.alloc(0)
  #used = 0

  /** @param key 32 bytes, copied */
  constructor(key: Uint8Array) {
    this.#key = Uint8Array.from(key)
  }

  /** All that was sealed may be overwritten. */
  reuse(): void {
    this.#used = 0
  }

  /**
   * @param header whose length counts the tag
   * @param pieces of the payload
   * @returns payload as it goes on the wire; valid until `reuse`
   */
  seal(header: Uint8Array, pieces: Uint8Array[], lengthBytes: number): Uint8Array {
    const needed = lengthBytes + TAG_BYTES
    if (this.#scratch.length - this.#used < needed) {
      this.#scratch = Buffer.allocUnsafeSlow(Math.max(needed, 64 * 1024))
      this.#used = 0
    }
    const sealed = this.#scratch.subarray(this.#used, this.#used + needed)
    this.#used += needed
    const text = sealed.subarray(0, lengthBytes)
    let at = 0
    if (pieces.length > 1) {
      for (const piece of pieces) {
        text.set(piece, at)
        at += piece.length
      }
    }
    const plain = pieces.length === 1 ? pieces[0] : text
    sealInto(this.#key, nonceOf(this.#count++), header, plain, text, sealed.subarray(lengthBytes))
    return sealed
  }

  /** Forgets the key. */
  wipe(): void {
    this.#key.fill(0)
  }
}

export class MessageOpener {
  readonly #key: Uint8Array
  #count = 0

  /** @param key 32 bytes, copied */
  constructor(key: Uint8Array) {
    this.#key = Uint8Array.from(key)
  }

  /**
   * @param payload at least a tag; opened in place
   * @throws {WarpError} ERR_WARP_PEER_AUTH: it is not the next message of the peer, unchanged
   */
  open(header: Uint8Array, payload: Buffer): Buffer {
    const text = payload.subarray(0, payload.length - TAG_BYTES)
    if (!openInto(this.#key, nonceOf(this.#count++), header, text, payload.subarray(text.length), text)) {
      const hint = 'something between both sides changes what they send'
      throw new WarpError('ERR_WARP_PEER_AUTH', 'a message was not sent like this by the other side', { hint })
    }
    return text
  }

  /** Forgets the key. */
  wipe(): void {
    this.#key.fill(0)
  }
}
