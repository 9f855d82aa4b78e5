/** Reads the header of an archive and opens its key slots (§5.1, §6.2). */
import { timingSafeEqual } from 'node:crypto'
import { WarpError } from '../base/errors.ts'
import { HEADER_BYTES, INHERITANCE_BYTES, maxChunkBytes } from '../base/limits.ts'
import { hash, keyedHash } from '../codec/blake3.ts'
import { openInheritance, subKeys, unwrapWithIdentity, unwrapWithPassphrase } from '../codec/keys.ts'
import type { Sealing } from '../engine/block.ts'
import { readHeader, readHeaderSize, type Header } from '../format/header.ts'
import { readInheritance, type BaseReference } from '../format/inheritance.ts'
import type { PageOptions } from '../format/page.ts'
import type { ArchiveSource } from './source.ts'
import type { Keys } from './types.ts'

/** An archive whose header is read and whose keys are at hand. */
export interface Unlocked {
  header: Header
  /** Where the first block begins. */
  firstBlock: number
  sealing: Sealing
  chunkIdKey: Uint8Array | null
  /** The archive that a thin one needs; null if it is complete by itself. */
  base: BaseReference | null
  /** How its pages are read. */
  pageOptions: PageOptions
}

/**
 * @throws {WarpError} ERR_WARP_KEY_NEEDED, ERR_WARP_KEY_WRONG; ERR_WARP_COMMITMENT_MISMATCH: a slot opens
 *   and the header is not what its key vouches for; the errors of `readHeader`
 */
export async function unlock(source: ArchiveSource, keys: Keys): Promise<Unlocked> {
  const first = await source.read(0, HEADER_BYTES)
  const firstBlock = readHeaderSize(first)
  const { header, macInput } = readHeader(await source.read(0, firstBlock), hash)
  const { archiveId } = header
  const pageOptions = { maxChunk: maxChunkBytes(header.average), thin: header.thin }
  if (!header.encrypted) {
    const { base } = header.inheritance ? readInheritance(header.inheritance.subarray(0, INHERITANCE_BYTES), header) : { base: null }
    return { header, firstBlock, sealing: { archiveId, sealingKey: null }, chunkIdKey: null, base, pageOptions }
  }
  const archiveKey = await findArchiveKey(header, keys)
  const sub = subKeys(archiveKey, header.segmentSalt)
  archiveKey.fill(0)
  const isGenuine = timingSafeEqual(sub.commitment, header.commitment) && timingSafeEqual(keyedHash(sub.mac, macInput), header.mac)
  sub.mac.fill(0)
  if (!isGenuine) throw new WarpError('ERR_WARP_COMMITMENT_MISMATCH', 'the header was altered: it does not match the key')
  const { chunkIdKey, base } = inherited(header, sub.inheritance)
  sub.inheritance.fill(0)
  if (chunkIdKey) sub.chunkId.fill(0)
  return { header, firstBlock, sealing: { archiveId, sealingKey: sub.sealing }, chunkIdKey: chunkIdKey ?? sub.chunkId, base, pageOptions }
}

/** §6.5: the header's MAC was checked, so what does not open was made so by a holder of the key. */
function inherited(header: Header, key: Uint8Array): { chunkIdKey: Uint8Array | null; base: BaseReference | null } {
  if (!header.inheritance) return { chunkIdKey: null, base: null }
  const plain = openInheritance(key, header.archiveId, header.inheritance)
  if (!plain) throw new WarpError('ERR_WARP_COMMITMENT_MISMATCH', 'what the archive takes over from its base was altered')
  return readInheritance(plain, header)
}

async function findArchiveKey({ slots, archiveId }: Header, { passphrase, askPassphrase, identities = [] }: Keys): Promise<Uint8Array> {
  for (const { x25519Secret } of identities) {
    for (const slot of slots) {
      const key = slot.type === 2 ? unwrapWithIdentity(slot, archiveId, x25519Secret) : null
      if (key) return key
    }
  }
  const passphraseSlots = slots.filter((slot) => slot.type === 1)
  const given = passphrase ?? (passphraseSlots.length > 0 ? await askPassphrase?.() : null)
  if (given !== undefined && given !== null) {
    const bytes = Buffer.from(given as Uint8Array)
    try {
      for (const slot of passphraseSlots) {
        const key = unwrapWithPassphrase(slot, archiveId, bytes)
        if (key) return key
      }
    } finally {
      bytes.fill(0)
    }
    const others = slots.filter((slot) => slot.type !== 1)
    const hint = passphraseSlots.length === 0 || others.length > 0
      ? hintFor(others)
      : 'it counts as it is given, with blanks and upper case; of a file, the first line'
    throw new WarpError('ERR_WARP_KEY_WRONG', 'the passphrase does not open this archive', { hint })
  }
  if (identities.length > 0) throw new WarpError('ERR_WARP_KEY_WRONG', 'the identity does not open this archive', { hint: hintFor(slots) })
  throw new WarpError('ERR_WARP_KEY_NEEDED', 'the archive is encrypted', { hint: hintFor(slots) })
}

function hintFor(slots: Header['slots']): string {
  const ways: string[] = []
  if (slots.some((slot) => slot.type === 1)) ways.push('a passphrase (--passphrase-file FILE or WARP_PASSPHRASE)')
  if (slots.some((slot) => slot.type === 2)) ways.push('an identity (--identity FILE)')
  return `it opens with ${ways.join(' or ')}`
}
