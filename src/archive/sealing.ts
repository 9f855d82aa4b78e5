/** Everything about a new archive's keys and header (§5.1, §6). */
import { randomBytes } from 'node:crypto'
import { WarpError } from '../base/errors.ts'
import { ARCHIVE_ID_BYTES, INHERITANCE_FIELD_BYTES, KEY_BYTES, MAX_SLOTS } from '../base/limits.ts'
import { hash, keyedHash } from '../codec/blake3.ts'
import { sealInheritance, subKeys, wrapForPassphrase, wrapForRecipient } from '../codec/keys.ts'
import type { Sealing } from '../engine/block.ts'
import { writeHeader } from '../format/header.ts'
import { writeInheritance, type Inheritance } from '../format/inheritance.ts'
import type { KeySlot } from '../format/key-slot.ts'

/** RFC 9106 §4 with the parallelism of the format: 3 passes over 64 MiB. */
export const DEFAULT_PASSPHRASE_COST = { iterations: 3, memoryKib: 65_536 }

export interface NewArchive {
  header: Uint8Array
  sealing: Sealing
  chunkIdKey: Uint8Array | null
  commitment: Uint8Array
  archiveId: Uint8Array
}

export interface NewArchiveOptions {
  average: number
  partial: boolean
  /** Instead of a random one. */
  archiveId?: Uint8Array
  passphrase?: Uint8Array | string
  passphraseCost?: { iterations: number; memoryKib: number }
  recipients?: Uint8Array[]
  archiveKey?: Uint8Array
  /** What is taken over from a base; borrowed. */
  inheritance?: Inheritance | null
}

export function newArchive(options: NewArchiveOptions): NewArchive {
  const archiveId = options.archiveId ?? randomBytes(ARCHIVE_ID_BYTES)
  const { average, partial, recipients = [], passphrase, inheritance = null } = options
  const encrypted = passphrase !== undefined || recipients.length > 0
  const none = new Uint8Array(KEY_BYTES)
  if (!encrypted) {
    const thin = Boolean(inheritance?.base)
    const header = writeHeader(
      { archiveId, average, encrypted, partial, segmentSalt: none, commitment: none, thin, inheritance: thin ? padded(inheritance!) : null, slots: [] },
      hash, () => null,
    )
    return { header, sealing: { archiveId, sealingKey: null }, chunkIdKey: null, commitment: none, archiveId }
  }
  if (recipients.length + 1 > MAX_SLOTS) throw new WarpError('ERR_WARP_USAGE', `an archive has at most ${MAX_SLOTS} key slots`)
  const archiveKey = options.archiveKey ? Uint8Array.from(options.archiveKey) : randomBytes(KEY_BYTES)
  const segmentSalt = randomBytes(KEY_BYTES)
  const slots: KeySlot[] = recipients.map((recipient) => wrapForRecipient({ archiveKey, archiveId, recipient, random: randomBytes }))
  if (passphrase !== undefined) {
    const { iterations, memoryKib } = options.passphraseCost ?? DEFAULT_PASSPHRASE_COST
    const bytes = Buffer.from(passphrase as Uint8Array)
    slots.unshift(wrapForPassphrase({ archiveKey, archiveId, passphrase: bytes, iterations, memoryKib, random: randomBytes }))
    bytes.fill(0)
  }
  const keys = subKeys(archiveKey, segmentSalt)
  const header = writeHeader(
    {
      archiveId, average, encrypted, partial, segmentSalt, commitment: keys.commitment, thin: Boolean(inheritance?.base),
      inheritance: inheritance && sealed(inheritance, keys.inheritance, archiveId), slots,
    },
    hash,
    (bytes) => keyedHash(keys.mac, bytes),
  )
  archiveKey.fill(0)
  keys.mac.fill(0)
  keys.inheritance.fill(0)
  let chunkIdKey = keys.chunkId
  if (inheritance) {
    keys.chunkId.fill(0)
    chunkIdKey = inheritance.chunkIdKey!.slice()
  }
  return { header, sealing: { archiveId, sealingKey: keys.sealing }, chunkIdKey, commitment: keys.commitment, archiveId }
}

function padded(inheritance: Inheritance): Uint8Array {
  const field = new Uint8Array(INHERITANCE_FIELD_BYTES)
  field.set(writeInheritance(inheritance))
  return field
}

function sealed(inheritance: Inheritance, key: Uint8Array, archiveId: Uint8Array): Uint8Array {
  const plain = writeInheritance(inheritance)
  const field = sealInheritance(key, archiveId, plain)
  plain.fill(0)
  return field
}
