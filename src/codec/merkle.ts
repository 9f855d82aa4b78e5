/** The digests of pages and index pages, and the root over them. Source: format-spec §9.3. */
import { ID_BYTES } from '../base/limits.ts'
import { deriveKey } from './blake3.ts'

const FORMAT_VERSION = 1

/** Content digest of a page, 32 bytes. */
export function pageDigest(content: Uint8Array): Uint8Array {
  return deriveKey('warp-archive 1 page content', content)
}

/** Content digest of an index page, 32 bytes. */
export function indexDigest(content: Uint8Array): Uint8Array {
  return deriveKey('warp-archive 1 index content', content)
}

/** Location digest of a page or an index page, 32 bytes. */
export function locationDigest(location: Uint8Array): Uint8Array {
  return deriveKey('warp-archive 1 location', location)
}

/** What the root binds. */
export interface RootParts {
  /** A of §4.1. */
  average: number
  entries: number
  logicalBytes: number
  chunkRefs: number
  /** 0 if the top is a page or there is none. */
  topLevel: number
  /** Content digest of the top, 32 bytes; zeros or null if there is none. */
  topDigest: Uint8Array | null
}

/** The root, 32 bytes. */
export function rootDigest(parts: RootParts): Uint8Array {
  const { average, entries, logicalBytes, chunkRefs, topLevel, topDigest } = parts
  const bytes = Buffer.alloc(2 + 4 + 3 * 8 + 4 + ID_BYTES)
  let at = bytes.writeUInt16LE(FORMAT_VERSION, 0)
  at = bytes.writeUInt32LE(average, at)
  at = bytes.writeBigUInt64LE(BigInt(entries), at)
  at = bytes.writeBigUInt64LE(BigInt(logicalBytes), at)
  at = bytes.writeBigUInt64LE(BigInt(chunkRefs), at)
  at = bytes.writeUInt32LE(topLevel, at)
  if (topDigest !== null) bytes.set(topDigest, at)
  return deriveKey('warp-archive 1 root', bytes)
}
