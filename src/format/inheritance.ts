/** What an archive takes over from its base (§6.5): the chunk-id key, and of a thin one, which base it needs. */
import { WarpError } from '../base/errors.ts'
import { ARCHIVE_ID_BYTES, INHERITANCE_BYTES, KEY_BYTES } from '../base/limits.ts'
import { ByteReader, ByteWriter, equalBytes, isZero } from './cursor.ts'

/** The archive that a thin one refers to. */
export interface BaseReference {
  /** u8[16] */
  archiveId: Uint8Array
  /** u8[32] */
  root: Uint8Array
}

export interface Inheritance {
  /** u8[32]; null if not encrypted */
  chunkIdKey: Uint8Array | null
  /** Null if the archive is complete by itself. */
  base: BaseReference | null
}

/** Writes it as u8[80]. Source: §6.5. */
export function writeInheritance({ chunkIdKey, base }: Inheritance): Uint8Array {
  const writer = new ByteWriter(INHERITANCE_BYTES)
  if (chunkIdKey) writer.put(chunkIdKey)
  else writer.zeros(KEY_BYTES)
  if (base) writer.put(base.archiveId).put(base.root)
  else writer.zeros(ARCHIVE_ID_BYTES + KEY_BYTES)
  return writer.take()
}

/**
 * @param bytes u8[80]; borrowed by the result
 * @param archive of the archive that holds it
 * @throws {WarpError} ERR_WARP_MALFORMED: what the feature bits do not allow, or an archive that is its own base
 */
export function readInheritance(bytes: Uint8Array, archive: { archiveId: Uint8Array; encrypted: boolean; thin: boolean }): Inheritance {
  const reader = new ByteReader(bytes)
  const chunkIdKey = reader.take(KEY_BYTES)
  const archiveId = reader.take(ARCHIVE_ID_BYTES)
  const root = reader.take(KEY_BYTES)
  reader.done()
  if (!archive.encrypted && !isZero(chunkIdKey)) throw malformed('an archive that is not encrypted has a chunk-id key')
  if (!archive.thin && !(isZero(archiveId) && isZero(root))) throw malformed('an archive that is complete by itself names a base')
  if (archive.thin && equalBytes(archiveId, archive.archiveId)) throw malformed('an archive is its own base')
  return { chunkIdKey: archive.encrypted ? chunkIdKey : null, base: archive.thin ? { archiveId, root } : null }
}

function malformed(message: string): WarpError {
  return new WarpError('ERR_WARP_MALFORMED', message)
}
