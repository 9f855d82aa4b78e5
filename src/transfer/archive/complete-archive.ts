/** Tells an archive that is complete from one that was cut short, without a key: by its header and its footer. */
import { WarpError } from '../../base/errors.ts'
import { BLOCK_HEADER_BYTES, FOOTER_BLOCK_BYTES, HEADER_BYTES } from '../../base/limits.ts'
import type { FileSource } from '../../archive/source.ts'
import { hash } from '../../codec/blake3.ts'
import { openBlock, readBlockHeaderOf, type Sealing } from '../../engine/block.ts'
import { KIND, type BlockHeader } from '../../format/block.ts'
import { readFooter } from '../../format/footer.ts'
import { readHeader, readHeaderSize } from '../../format/header.ts'

export interface CompleteArchive {
  /** Bytes. */
  length: number
  /** u8[16] */
  archiveId: Uint8Array
  /** BLAKE3 of the header and the key slots, u8[32]. */
  headDigest: Uint8Array
}

/**
 * Reads what makes an archive complete; the blocks between are the receiver's to check.
 * @throws {WarpError} class malformed, unsupported or damaged: it is no archive, or not a complete one
 */
export async function checkComplete(source: FileSource): Promise<CompleteArchive> {
  const head = await source.read(0, readHeaderSize(await source.read(0, HEADER_BYTES)))
  const { header } = readHeader(head, hash)
  const sealing = { archiveId: header.archiveId, sealingKey: null }
  const offset = source.length - FOOTER_BLOCK_BYTES
  const footer = offset < head.length ? null : await source.read(offset, FOOTER_BLOCK_BYTES)
  const block = footer && footerHeader(sealing, footer, offset)
  if (!footer || !block) {
    throw new WarpError('ERR_WARP_TRUNCATED', 'the archive does not end with its footer: it was cut short, or something follows it', {
      offset: source.length, hint: 'what it holds so far can be read with: warp recover',
    })
  }
  if (!header.encrypted && readFooter(openBlock(sealing, block, footer, offset)).archiveLength !== source.length) {
    throw new WarpError('ERR_WARP_COUNT_MISMATCH', 'the archive has another length than its footer says', { offset })
  }
  return { length: source.length, archiveId: header.archiveId, headDigest: hash(head) }
}

function footerHeader(sealing: Sealing, bytes: Uint8Array, offset: number): BlockHeader | null {
  try {
    return readBlockHeaderOf(sealing, bytes.subarray(0, BLOCK_HEADER_BYTES), offset, { kind: KIND.footer })
  } catch {
    return null
  }
}
