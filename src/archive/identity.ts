/** Identities: the key pairs that `keygen` makes. Source: format-spec/warp-archive.md §6.4. */
import { randomBytes } from 'node:crypto'
import { KEY_BYTES } from '../base/limits.ts'
import { encodeIdentity, identityFromSeed, readIdentityFile } from '../codec/identity.ts'
import type { Identity } from './types.ts'

export {
  decodeRecipient as parseRecipient,
  decodeSigner as parseSigner,
  encodeRecipient as formatRecipient,
  encodeSigner as formatSigner,
} from '../codec/identity.ts'

export function generateIdentity(): Identity {
  return identityFromSeed(randomBytes(KEY_BYTES))
}

/**
 * @param text content of an identity file
 * @throws {WarpError} ERR_WARP_USAGE: not an identity file
 */
export function readIdentity(text: string): Identity {
  return readIdentityFile(text)
}

/** The secret line of an identity file. */
export function formatIdentity(identity: Identity): string {
  return encodeIdentity(identity.seed)
}
