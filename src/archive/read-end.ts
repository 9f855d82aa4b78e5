/** The end of an archive file: the footer, where all reading at random begins. */
import { WarpError } from '../base/errors.ts'
import { BLOCK_HEADER_BYTES, FOOTER_BLOCK_BYTES } from '../base/limits.ts'
import { openBlock, readBlockHeaderOf } from '../engine/block.ts'
import { KIND } from '../format/block.ts'
import { readFooter } from '../format/footer.ts'
import { checkFooter, type CheckedFooter } from './footer-check.ts'
import type { FileSource } from './source.ts'
import type { Unlocked } from './unlock.ts'

/** Reads the footer of a complete archive file. */
export async function readEnd(source: FileSource, unlocked: Unlocked): Promise<CheckedFooter> {
  const offset = source.length - FOOTER_BLOCK_BYTES
  const cutShort = () =>
    new WarpError('ERR_WARP_TRUNCATED', 'the archive does not end with its footer: it was cut short, or something follows it', {
      offset: source.length, hint: 'what it holds so far can be read with: warp recover',
    })
  if (offset < unlocked.firstBlock) throw cutShort()
  const bytes = await source.read(offset, FOOTER_BLOCK_BYTES)
  let header
  try {
    header = readBlockHeaderOf(unlocked.sealing, bytes.subarray(0, BLOCK_HEADER_BYTES), offset, { kind: KIND.footer })
  } catch (error) {
    throw error instanceof WarpError && error.class === 'malformed' ? cutShort() : error
  }
  const footer = readFooter(openBlock(unlocked.sealing, header, bytes, offset))
  if (footer.archiveLength !== source.length) {
    throw new WarpError('ERR_WARP_COUNT_MISMATCH', 'the archive has another length than its footer says', { offset })
  }
  return checkFooter(footer, unlocked.header)
}
