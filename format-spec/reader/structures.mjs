// The fixed structures: header and key slots (§5.1, §5.2), block header (§5.3), footer (§10).
import {Cursor, equalBytes, isZero} from './bytes.mjs'
import {hash} from './crypto.mjs'
import {malformed, unsupported} from './errors.mjs'

const MIB = 1024 * 1024
const HEADER_BYTES = 256
const SLOT_BYTES = 96
const MAX_SLOTS = 64
const MAX_PASSPHRASE_SLOTS = 8
const MAX_ARGON2_ITERATIONS = 16
const MAX_ARGON2_MEMORY_KIB = 1_048_576
const MAX_ARGON2_COST_KIB = 16_777_216
const FOOTER_PLAIN_BYTES = 232

export const BLOCK_HEADER_BYTES = 64
export const TAG_BYTES = 16
export const FOOTER_BLOCK_BYTES = BLOCK_HEADER_BYTES + FOOTER_PLAIN_BYTES + TAG_BYTES

export const FRAME = 1
export const PAGE = 2
export const INDEX_PAGE = 3
export const FOOTER = 4

const MAGIC = Buffer.from('89574152500d0a1a', 'hex')
const BLOCK_MAGIC = Buffer.from('c7777270626c6b0a', 'hex')

const PLAIN_LIMITS = {
  [FRAME]: [1, 16 * MIB],
  [PAGE]: [1, 4 * MIB],
  [INDEX_PAGE]: [1, 4 * MIB],
  [FOOTER]: [FOOTER_PLAIN_BYTES, FOOTER_PLAIN_BYTES]
}
const CODECS = {[FRAME]: [0, 1, 2], [PAGE]: [0, 2], [INDEX_PAGE]: [0, 2], [FOOTER]: [0]}

/**
 * Reads header and slots, in the order of checks of §5.1.
 * @returns {length, version, slots, isEncrypted, isPartial, isThin, average, archiveId, segmentSalt,
 *   commitment, inheritance (bytes or null), mac, macInput}; length covers the slots
 */
export function readHeader(source) {
  if (source.length < HEADER_BYTES) throw malformed('too short for an archive')
  const fixed = source.read(0, HEADER_BYTES)
  const cursor = new Cursor(fixed, 'header')
  cursor.expect(MAGIC, 'magic')
  const version = cursor.u16()
  const slotCount = cursor.u16()
  if (slotCount > MAX_SLOTS) throw cursor.fail('too many key slots')
  const length = HEADER_BYTES + SLOT_BYTES * slotCount
  if (source.length < length) throw cursor.fail('ends in its key slots')
  const slotBytes = source.read(HEADER_BYTES, length - HEADER_BYTES)
  if (!equalBytes(hash(fixed.subarray(0, 240), slotBytes).subarray(0, 16), fixed.subarray(240))) {
    throw cursor.fail('wrong checksum')
  }
  if (version !== 1) throw unsupported(`format version ${version}`)
  const incompat = cursor.u32()
  if (incompat > 7) throw unsupported(`feature bits ${incompat}`)
  const isEncrypted = (incompat & 1) !== 0
  const hasBaseKey = (incompat & 2) !== 0
  const isThin = (incompat & 4) !== 0
  const isPartial = (cursor.u32() & 1) === 1
  const average = cursor.u32()
  if (average < 4096 || average > 4 * MIB || Math.log2(average) % 1 !== 0) throw cursor.fail('wrong average')
  const archiveId = cursor.take(16)
  const segmentSalt = cursor.take(32)
  const commitment = cursor.take(32)
  const inheritance = cursor.take(96)
  cursor.reserved(8)
  const mac = cursor.take(32)
  if (!isEncrypted && !(isZero(segmentSalt) && isZero(commitment) && isZero(mac))) {
    throw cursor.fail('key material in an archive that is not encrypted')
  }
  if (hasBaseKey ? !isEncrypted : isEncrypted && isThin) throw cursor.fail('feature bits do not fit each other')
  const hasBase = hasBaseKey || isThin
  if (!hasBase && !isZero(inheritance)) throw cursor.fail('an inheritance without a base')
  if (!isEncrypted && !isZero(inheritance.subarray(80))) throw cursor.fail('a seal in an archive that is not encrypted')
  if (isEncrypted !== slotCount > 0) throw cursor.fail('key slots do not fit the encryption bit')
  return {
    length, version, isEncrypted, isPartial, isThin, average, archiveId, segmentSalt, commitment, mac,
    inheritance: hasBase ? inheritance : null,
    slots: readSlots(slotBytes), macInput: Buffer.concat([fixed.subarray(0, 208), slotBytes])
  }
}

function readSlots(bytes) {
  const cursor = new Cursor(bytes, 'key slots')
  const slots = []
  while (cursor.position < bytes.length) slots.push(readSlot(cursor))
  const passphraseSlots = slots.filter(slot => slot.type === 1)
  if (passphraseSlots.length > MAX_PASSPHRASE_SLOTS) throw cursor.fail('too many passphrases')
  const cost = passphraseSlots.reduce((sum, slot) => sum + slot.iterations * slot.memory, 0)
  if (cost > MAX_ARGON2_COST_KIB) throw cursor.fail('the passphrases cost too much to try')
  return slots
}

function readSlot(cursor) {
  const type = cursor.u8()
  cursor.reserved(3)
  if (type === 1) {
    const iterations = cursor.u32()
    const memory = cursor.u32()
    if (iterations < 1 || iterations > MAX_ARGON2_ITERATIONS) throw cursor.fail('wrong iterations')
    if (memory < 8 || memory > MAX_ARGON2_MEMORY_KIB) throw cursor.fail('wrong memory')
    cursor.reserved(4)
    const salt = cursor.take(16)
    cursor.reserved(16)
    return {type, iterations, memory, salt, wrapped: cursor.take(48)}
  }
  if (type !== 2) throw cursor.fail(`slot type ${type}`)
  cursor.reserved(12)
  return {type, share: cursor.take(32), wrapped: cursor.take(48)}
}

/**
 * Reads what an archive takes over from its base (§6.5), opened.
 * @returns {chunkIdKey, base: {archiveId, root} | null}
 */
export function parseInheritance(plain, {archiveId, isEncrypted, isThin}) {
  const cursor = new Cursor(plain, 'inheritance')
  const chunkIdKey = cursor.take(32)
  const base = {archiveId: cursor.take(16), root: cursor.take(32)}
  cursor.end()
  if (!isEncrypted && !isZero(chunkIdKey)) throw cursor.fail('a key in an archive that is not encrypted')
  if (!isThin && !(isZero(base.archiveId) && isZero(base.root))) throw cursor.fail('a base of an archive that is not thin')
  if (isThin && equalBytes(base.archiveId, archiveId)) throw cursor.fail('the archive is its own base')
  return {chunkIdKey, base: isThin ? base : null}
}

/**
 * Reads the 64 bytes before a payload and checks all that can be checked without the payload.
 * @returns {bytes, ordinal, kind, codec, plainLength, storedLength}
 */
export function parseBlockHeader(bytes, archiveId) {
  const cursor = new Cursor(bytes, 'block header')
  cursor.expect(BLOCK_MAGIC, 'magic')
  if (!equalBytes(hash(bytes.subarray(0, 48)).subarray(0, 16), bytes.subarray(48))) {
    throw cursor.fail('wrong checksum')
  }
  cursor.expect(archiveId, 'archive id')
  const ordinal = cursor.u64()
  const kind = cursor.u8()
  const codec = cursor.u8()
  cursor.reserved(2)
  const plainLength = cursor.u32()
  const storedLength = cursor.u32()
  cursor.reserved(4)
  if (!PLAIN_LIMITS[kind]) throw cursor.fail(`kind ${kind}`)
  const [least, most] = PLAIN_LIMITS[kind]
  if (plainLength < least || plainLength > most) throw cursor.fail('plain length out of range')
  if (!CODECS[kind].includes(codec)) throw cursor.fail(`codec ${codec} in a block of kind ${kind}`)
  if (codec === 0 ? storedLength !== plainLength : storedLength >= plainLength) {
    throw cursor.fail('stored length does not fit the codec')
  }
  return {bytes, ordinal, kind, codec, plainLength, storedLength}
}

/** Reads the footer's plaintext (§10). */
export function parseFooter(plain) {
  const cursor = new Cursor(plain, 'footer')
  const topOffset = cursor.u64()
  const topLevel = cursor.u32()
  cursor.reserved(4)
  const footer = {
    topOffset, topLevel,
    topDigest: cursor.take(32),
    topLocationDigest: cursor.take(32),
    entries: cursor.u64(),
    logicalBytes: cursor.u64(),
    chunkRefs: cursor.u64(),
    frameBytes: cursor.u64(),
    frames: cursor.u64(),
    pages: cursor.u64(),
    archiveLength: cursor.u64(),
    signer: cursor.take(32),
    signature: cursor.take(64)
  }
  cursor.end()
  if (topLevel > 8) throw cursor.fail('too many levels')
  const isEmpty = topLevel === 0 && isZero(footer.topDigest) && isZero(footer.topLocationDigest)
  if (topOffset === 0 && !isEmpty) throw cursor.fail('a top without an offset')
  footer.isSigned = !isZero(footer.signer)
  if (!footer.isSigned && !isZero(footer.signature)) throw cursor.fail('a signature without a signer')
  return footer
}
