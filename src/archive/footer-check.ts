/** What the footer vouches for: the root, and who signed it (§9.3, §10). */
import { WarpError } from '../base/errors.ts'
import { rootDigest } from '../codec/merkle.ts'
import { signedMessage, verifySignature } from '../codec/signature.ts'
import type { Footer } from '../format/footer.ts'
import type { Header } from '../format/header.ts'

export interface CheckedFooter extends Footer {
  root: Uint8Array
}

/** @throws {WarpError} ERR_WARP_SIGNATURE: it is signed and the signature does not hold */
export function checkFooter(footer: Footer, header: Header): CheckedFooter {
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
