/**
 * Checks an archive as it passes by, in pieces of any size: its header, every block header, the tags of what is not
 * encrypted, the footer and what it counts (format-spec/warp-archive.md §5, §10). Encrypted blocks cannot be checked
 * without a key, beyond their headers.
 */
import { WarpError, atOffset } from '../../base/errors.ts'
import { BLOCK_HEADER_BYTES, FOOTER_BLOCK_BYTES, FOOTER_BODY_BYTES, HEADER_BYTES, MAX_FRAMES_BETWEEN_PAGES_BYTES, TAG_BYTES } from '../../base/limits.ts'
import { checkFooter } from '../../archive/footer-check.ts'
import { Hasher, hash } from '../../codec/blake3.ts'
import { BLOCK_OVERHEAD_BYTES, blockBytes, readBlockHeaderOf } from '../../engine/block.ts'
import { KIND, type BlockHeader } from '../../format/block.ts'
import { equalBytes } from '../../format/cursor.ts'
import { readFooter } from '../../format/footer.ts'
import { readHeader, readHeaderSize, type Header } from '../../format/header.ts'
import type { ArchiveOffer } from './archive-messages.ts'
import { brokenProtocol } from '../channel/credit.ts'

/** What is known between two blocks. */
export interface CheckedSoFar {
  /** Bytes; everything before is checked. */
  position: number
  /** Ordinal of the next block. */
  ordinal: number
  frames: number
  pages: number
  /** Plain bytes of the frames, and of those since the last page. */
  frameBytes: number
  openFrameBytes: number
}

export const NOTHING_CHECKED: CheckedSoFar = { position: 0, ordinal: 0, frames: 0, pages: 0, frameBytes: 0, openFrameBytes: 0 }

/** The shortest file that is an archive. */
export const MIN_ARCHIVE_BYTES = HEADER_BYTES + FOOTER_BLOCK_BYTES

export class ArchiveCheck {
  readonly #offer: ArchiveOffer
  readonly #hasher = new Hasher()
  #header: Header | null = null
  #soFar = { ...NOTHING_CHECKED }
  /** Bytes that were pushed. */
  #arrived = 0
  /** Of what is read as a whole: the archive's header, a block's, a tag, the footer. */
  #gathered = Buffer.alloc(HEADER_BYTES)
  #gatheredBytes = 0
  #block: BlockHeader | null = null
  #footerHeader = Buffer.alloc(0)
  /** Bytes of the block's payload that are still to come; that of a footer is gathered with its tag. */
  #payloadLeft = 0
  #isComplete = false

  constructor(offer: ArchiveOffer) {
    this.#offer = offer
  }

  /**
   * Goes on after a block.
   * @param head the first bytes of the archive, at least its header and key slots
   * @throws {WarpError} it is not the header of what is offered
   */
  static resume(offer: ArchiveOffer, head: Uint8Array, soFar: CheckedSoFar): ArchiveCheck {
    const check = new ArchiveCheck(offer)
    check.#takeHead(head.subarray(0, readHeaderSize(head)))
    check.#soFar = { ...soFar }
    check.#arrived = soFar.position
    check.#isComplete = soFar.position === offer.length
    return check
  }

  /** Where the last complete block ends. */
  get soFar(): Readonly<CheckedSoFar> {
    return this.#soFar
  }

  /** Bytes that were pushed, those before a resumed position included. */
  get arrived(): number {
    return this.#arrived
  }

  /**
   * @param bytes that follow those before; borrowed until it returns
   * @throws {WarpError} class malformed, unsupported or damaged: what is wrong with the archive; ERR_WARP_PEER_PROTOCOL: it is not
   *   what was offered
   */
  push(bytes: Uint8Array): void {
    if (bytes.length > this.#offer.length - this.#arrived) throw brokenProtocol('the archive is longer than it says')
    for (let at = 0; at < bytes.length; ) {
      const used = this.#payloadLeft > 0 ? this.#passPayload(bytes, at) : this.#gather(bytes, at)
      at += used
      this.#arrived += used
    }
  }

  /** All was pushed. @throws {WarpError} ERR_WARP_TRUNCATED: it is not a whole archive */
  finish(): void {
    if (this.#isComplete && this.#arrived === this.#offer.length) return
    throw new WarpError('ERR_WARP_TRUNCATED', 'the archive ends before its footer', { offset: this.#arrived })
  }

  #passPayload(bytes: Uint8Array, at: number): number {
    const piece = bytes.subarray(at, at + this.#payloadLeft)
    if (!this.#header!.encrypted) this.#hasher.update(piece)
    this.#payloadLeft -= piece.length
    return piece.length
  }

  /** Gathers what is read as a whole; @returns bytes used */
  #gather(bytes: Uint8Array, at: number): number {
    const wanted = this.#wantedBytes()
    const piece = bytes.subarray(at, at + wanted - this.#gatheredBytes)
    this.#gathered.set(piece, this.#gatheredBytes)
    this.#gatheredBytes += piece.length
    if (this.#gatheredBytes === wanted) this.#use(this.#gathered.subarray(0, wanted))
    return piece.length
  }

  #wantedBytes(): number {
    if (!this.#header) {
      if (this.#gatheredBytes < HEADER_BYTES) return HEADER_BYTES
      const size = atOffset(0, () => readHeaderSize(this.#gathered))
      if (size > this.#gathered.length) this.#gathered = Buffer.concat([this.#gathered], size)
      return size
    }
    if (!this.#block) return BLOCK_HEADER_BYTES
    return this.#block.kind === KIND.footer ? FOOTER_BODY_BYTES + TAG_BYTES : TAG_BYTES
  }

  #use(whole: Buffer): void {
    if (!this.#header) {
      // Slots may follow what is there.
      if (whole.length < readHeaderSize(whole)) return
      this.#takeHead(whole)
      this.#soFar.position = whole.length
    } else if (!this.#block) this.#openBlock(whole)
    else this.#closeBlock(this.#block, whole)
    this.#gatheredBytes = 0
  }

  #takeHead(head: Uint8Array): void {
    const bytes = Uint8Array.from(head)
    const { header } = atOffset(0, () => readHeader(bytes, hash))
    if (!equalBytes(header.archiveId, this.#offer.archiveId) || !equalBytes(hash(head), this.#offer.headDigest)) {
      throw brokenProtocol('the archive is another than the one that is offered')
    }
    this.#header = header
  }

  #openBlock(bytes: Buffer): void {
    const { position, ordinal } = this.#soFar
    if (this.#isComplete) throw new WarpError('ERR_WARP_TRAILING_BYTES', 'bytes follow the archive', { offset: position })
    const header = readBlockHeaderOf({ archiveId: this.#offer.archiveId, sealingKey: null }, bytes, position, { ordinal })
    const left = this.#offer.length - position - blockBytes(header)
    if (left < (header.kind === KIND.footer ? 0 : FOOTER_BLOCK_BYTES)) {
      throw new WarpError('ERR_WARP_TRUNCATED', 'the archive ends inside a block, or without a footer', { offset: position })
    }
    if (header.kind === KIND.footer && left > 0) throw new WarpError('ERR_WARP_TRAILING_BYTES', 'bytes follow the archive', { offset: position + FOOTER_BLOCK_BYTES })
    this.#hasher.reset().update(bytes)
    if (header.kind === KIND.footer) this.#footerHeader = Buffer.from(bytes)
    this.#payloadLeft = header.kind === KIND.footer ? 0 : header.storedLength
    this.#block = header
  }

  #closeBlock(header: BlockHeader, end: Buffer): void {
    const soFar = this.#soFar
    const offset = soFar.position
    const body = end.subarray(0, end.length - TAG_BYTES)
    const isFooter = header.kind === KIND.footer
    if (!this.#header!.encrypted) {
      const digest = isFooter ? hash(Buffer.concat([this.#footerHeader, body])) : this.#hasher.digest()
      if (!equalBytes(digest.subarray(0, TAG_BYTES), end.subarray(body.length))) {
        throw new WarpError('ERR_WARP_BLOCK_DAMAGED', 'a block is damaged', { offset })
      }
    }
    soFar.ordinal++
    soFar.position += header.storedLength + BLOCK_OVERHEAD_BYTES
    this.#block = null
    if (header.kind === KIND.frame) {
      soFar.frames++
      soFar.frameBytes += header.plainLength
      soFar.openFrameBytes += header.plainLength
      if (soFar.openFrameBytes > MAX_FRAMES_BETWEEN_PAGES_BYTES) throw malformed('there is no page where one must be', offset)
    } else if (header.kind === KIND.page) {
      soFar.pages++
      soFar.openFrameBytes = 0
    } else if (isFooter) this.#end(body, offset)
  }

  #end(body: Buffer, offset: number): void {
    const { frames, pages, frameBytes, openFrameBytes, position } = this.#soFar
    if (openFrameBytes > 0) throw malformed('frames follow the last page', offset)
    if (!this.#header!.encrypted) {
      const footer = atOffset(offset, () => readFooter(Buffer.from(body)))
      if (footer.frames !== frames || footer.pages !== pages || footer.frameBytes !== frameBytes || footer.archiveLength !== position) {
        throw new WarpError('ERR_WARP_COUNT_MISMATCH', 'the footer counts something else than the archive holds', { offset })
      }
      checkFooter(footer, this.#header!)
    }
    this.#isComplete = true
  }
}

function malformed(message: string, offset: number): WarpError {
  return new WarpError('ERR_WARP_MALFORMED', message, { offset })
}
