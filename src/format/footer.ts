/** The footer (§10): the last block, which locates the top of the tree and counts everything. */
import { WarpError } from '../base/errors.ts'
import { FOOTER_BODY_BYTES, INDEX_FAN_OUT, KEY_BYTES } from '../base/limits.ts'
import { ByteReader, ByteWriter, isZero } from './cursor.ts'

export const SIGNATURE_BYTES = 64

export interface Footer {
  /** File offset of the block of the top; 0 if there is none. */
  topOffset: number
  /** 0 if the top is a page or if there is none */
  topLevel: number
  /** u8[32], zero if there is no top */
  topDigest: Uint8Array
  /** u8[32], zero if there is no top */
  topLocationDigest: Uint8Array
  /** Records other than parts. */
  entries: number
  /** Sum of the sizes of all regular files, holes included. */
  logicalBytes: number
  /** Chunk extents. */
  chunkRefs: number
  /** Sum of the plain lengths of all frames. */
  frameBytes: number
  frames: number
  pages: number
  /** Bytes of the whole archive. */
  archiveLength: number
  /** u8[32]: Ed25519 public key; null if not signed */
  signer: Uint8Array | null
  /** u8[64]; null if not signed */
  signature: Uint8Array | null
}

/**
 * Writes the plaintext of a footer, 232 bytes. Source: §10.
 * @throws {RangeError} a field has the wrong length
 */
export function writeFooter(footer: Footer): Uint8Array {
  const signer = footer.signer ?? new Uint8Array(KEY_BYTES)
  const signature = footer.signature ?? new Uint8Array(SIGNATURE_BYTES)
  const body = new ByteWriter(FOOTER_BODY_BYTES)
    .u64(footer.topOffset).u32(footer.topLevel).zeros(4).put(footer.topDigest).put(footer.topLocationDigest)
    .u64(footer.entries).u64(footer.logicalBytes).u64(footer.chunkRefs).u64(footer.frameBytes)
    .u64(footer.frames).u64(footer.pages).u64(footer.archiveLength).put(signer).put(signature)
    .take()
  if (body.length !== FOOTER_BODY_BYTES) throw new RangeError('a field of the footer has the wrong length')
  return body
}

/**
 * Reads the plaintext of a footer. That its counts are those of the archive is for the caller to check.
 * @param body u8[232]; borrowed by the footer returned
 * @throws {WarpError} ERR_WARP_MALFORMED
 */
export function readFooter(body: Uint8Array): Footer {
  const reader = new ByteReader(body)
  const topOffset = reader.u64()
  const topLevel = reader.u32()
  reader.zeros(4)
  const footer: Footer = {
    topOffset,
    topLevel,
    topDigest: reader.take(KEY_BYTES),
    topLocationDigest: reader.take(KEY_BYTES),
    entries: reader.u64(),
    logicalBytes: reader.u64(),
    chunkRefs: reader.u64(),
    frameBytes: reader.u64(),
    frames: reader.u64(),
    pages: reader.u64(),
    archiveLength: reader.u64(),
    signer: presentOrNull(reader.take(KEY_BYTES)),
    signature: presentOrNull(reader.take(SIGNATURE_BYTES)),
  }
  reader.done()
  checkFooter(footer)
  return footer
}

function checkFooter(footer: Footer): void {
  const { topOffset, topLevel, topDigest, topLocationDigest, entries, logicalBytes, chunkRefs } = footer
  const { frameBytes, frames, pages, signer, signature } = footer
  if (topOffset === 0) {
    const counts = topLevel + entries + logicalBytes + chunkRefs + frameBytes + frames + pages
    if (counts !== 0 || !isZero(topDigest) || !isZero(topLocationDigest)) {
      throw malformed('a footer counts something and names no top')
    }
  } else if (pages === 0 || entries === 0 || topLevel !== countLevels(pages)) {
    throw malformed('a footer names a top that does not fit its counts')
  }
  if ((signer === null) !== (signature === null)) throw malformed('a footer is signed by halves')
}

/** Level of the top over `pages` pages (§9.1). */
function countLevels(pages: number): number {
  let level = 0
  for (let nodes = pages; nodes > 1; nodes = Math.ceil(nodes / INDEX_FAN_OUT)) level++
  return level
}

function presentOrNull(field: Uint8Array): Uint8Array | null {
  return isZero(field) ? null : field
}

function malformed(message: string): WarpError {
  return new WarpError('ERR_WARP_MALFORMED', message)
}
