/** What the footer vouches for: the root, and who signed it (§9.3, §10). */
import { WarpError } from '../base/errors.ts'
import { PAGE_CLOSE_ENTRIES } from '../base/limits.ts'
import { rootDigest } from '../codec/merkle.ts'
import { signedMessage, verifySignature } from '../codec/signature.ts'
import { BLOCK_OVERHEAD_BYTES } from '../engine/block.ts'
import type { Footer } from '../format/footer.ts'
import type { Header } from '../format/header.ts'

export interface CheckedFooter extends Footer {
  root: Uint8Array
}

/**
 * @throws {WarpError} ERR_WARP_SIGNATURE: it is signed and the signature does not hold;
 *   ERR_WARP_COUNT_MISMATCH: more is counted than the archive can hold
 */
export function checkFooter(footer: Footer, header: Header): CheckedFooter {
  // Whoever reads on takes memory for what is counted here.
  if (footer.entries > footer.pages * PAGE_CLOSE_ENTRIES || footer.pages * BLOCK_OVERHEAD_BYTES > footer.archiveLength) {
    throw new WarpError('ERR_WARP_COUNT_MISMATCH', 'the footer counts more than an archive of this length can hold')
  }
  const root = rootDigest({ ...footer, average: header.average })
  if (footer.signer) {
    const { archiveId, commitment } = header
    const message = signedMessage({ archiveId, commitment, root, topLocationDigest: footer.topLocationDigest })
    if (!footer.signature || !verifySignature(footer.signer, message, footer.signature)) {
      throw new WarpError('ERR_WARP_SIGNATURE', 'the signature does not match the archive: it is forged or altered')
    }
  }
  return { ...footer, root }
}
