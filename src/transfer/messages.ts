/** The messages of a transfer: what is offered, what is wanted of it, and its end. Source: format-spec/warp-transfer.md §8. */
import { WarpError } from '../base/errors.ts'
import { ID_BYTES, KEY_BYTES, MAX_FRAME_BYTES, MAX_OWNER_NAME_BYTES, MAX_PAGE_BYTES } from '../base/limits.ts'
import { ByteReader, ByteWriter } from '../format/cursor.ts'
import { isAverage } from '../format/header.ts'

export const MESSAGE = {
  offer: 16, accept: 17, have: 18, listing: 19, same: 20, want: 21, frame: 22, finish: 23, done: 24, progress: 25,
} as const

/** What is offered. */
export const KIND = { tree: 1, archive: 2, stream: 3 } as const
export type Kind = (typeof KIND)[keyof typeof KIND]

export const OFFER_ID_BYTES = 16
/** Digests of listings in one HAVE. */
export const MAX_HAVE = 4096
/** Chunk references of a listing: more than a page has. */
const MAX_REFS = 1 << 20
/** Of the largest payload: a frame's block. */
export const MAX_MESSAGE_BYTES = MAX_FRAME_BYTES + 4096
/** Listings that are offered and not answered. */
export const MAX_OPEN_LISTINGS = 64
/** Frames that a sender may owe: of more batches than any memory holds. */
export const MAX_EXPECTED_FRAMES = 1024

export interface Offer {
  kind: Kind
  /** The same whenever the same is sent again. */
  offerId: Uint8Array
  /** Average chunk size that the sender would take; 0 for what has no chunks. */
  average: number
  /** What a stream or an archive is called; empty for a tree. */
  name: Uint8Array
  /** Null while they are not known. */
  totals: { bytes: number; entries: number } | null
}

export interface Accept {
  /** What the receiver takes it as: a tree, an archive or a stream as it is; a stream may be taken as a tree of one file. */
  kind: Kind
  average: number
  /** Key of chunk ids; null: they are not keyed. */
  chunkIdKey: Uint8Array | null
  /** Listings whose digests follow in HAVE. */
  have: number
}

/** Chunk references of a listing that make one frame: runs, each its first and how many, ascending over all frames of the listing. */
export type WantedFrame = [first: number, count: number][]

export interface Finish {
  root: Uint8Array
  listings: number
  entries: number
  bytes: number
  /** Inputs that were not sent, or changed while they were read. */
  problems: number
}

/** All of it is in its place. */
export interface Done {
  root: Uint8Array
  /** Entries that the receiver could not restore, or only in part. */
  problems: number
}

/** How far the receiver is. */
export interface Report {
  bytes: number
  entries: number
  reusedBytes: number
}

export function writeOffer({ kind, offerId, average, name, totals }: Offer): Uint8Array {
  const writer = new ByteWriter().u8(kind).put(offerId).u32(average).string(name).u8(totals ? 1 : 0)
  if (totals) writer.varint(totals.bytes).varint(totals.entries)
  return writer.take()
}

/** @throws {WarpError} ERR_WARP_PEER_PROTOCOL, as all that read here */
export function readOffer(bytes: Uint8Array): Offer {
  return reading(bytes, (reader) => {
    const kind = kindOf(reader.u8())
    const offerId = Buffer.from(reader.take(OFFER_ID_BYTES))
    const average = averageOf(kind, reader.u32())
    const name = Buffer.from(reader.string(MAX_OWNER_NAME_BYTES, 'a name'))
    const totals = flag(reader.u8()) ? { bytes: reader.varint(), entries: reader.varint() } : null
    return { kind, offerId, average, name, totals }
  })
}

export function writeAccept({ kind, average, chunkIdKey, have }: Accept): Uint8Array {
  const writer = new ByteWriter().u8(kind).u32(average).u8(chunkIdKey ? 1 : 0)
  if (chunkIdKey) writer.put(chunkIdKey)
  return writer.varint(have).take()
}

export function readAccept(bytes: Uint8Array): Accept {
  return reading(bytes, (reader) => {
    const kind = kindOf(reader.u8())
    const average = averageOf(kind, reader.u32())
    const chunkIdKey = flag(reader.u8()) ? Buffer.from(reader.take(KEY_BYTES)) : null
    return { kind, average, chunkIdKey, have: reader.varint() }
  })
}

export function writeHave(digests: Uint8Array[]): Uint8Array {
  return Buffer.concat(digests)
}

export function readHave(bytes: Uint8Array): Uint8Array[] {
  const count = bytes.length / ID_BYTES
  if (!Number.isInteger(count) || count < 1 || count > MAX_HAVE) throw broken('digests that are no digests')
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * ID_BYTES, (i + 1) * ID_BYTES))
}

export function writeListing(number: number, content: Uint8Array): Uint8Array[] {
  return [new ByteWriter(8).varint(number).take(), content]
}

export function readListing(bytes: Uint8Array): { number: number; content: Uint8Array } {
  return reading(bytes, (reader) => {
    const number = reader.varint()
    if (reader.remaining > MAX_PAGE_BYTES) throw broken('a listing that is too long')
    return { number, content: reader.take(reader.remaining) }
  })
}

export function writeSame(number: number): Uint8Array {
  return new ByteWriter(8).varint(number).take()
}

export function readSame(bytes: Uint8Array): number {
  return reading(bytes, (reader) => reader.varint())
}

export function writeWant(number: number, frames: WantedFrame[]): Uint8Array {
  const writer = new ByteWriter().varint(number).varint(frames.length)
  let end = 0
  for (const runs of frames) {
    writer.varint(runs.length)
    for (const [first, count] of runs) {
      writer.varint(first - end).varint(count)
      end = first + count
    }
  }
  return writer.take()
}

/**
 * @param refsOf how many chunk references the listing of that number has; throws if there is none that waits
 */
export function readWant(bytes: Uint8Array, refsOf: (number: number) => number): { number: number; frames: WantedFrame[] } {
  return reading(bytes, (reader) => {
    const number = reader.varint()
    const refs = refsOf(number)
    const frameCount = reader.varintUpTo(Math.min(refs, MAX_REFS), 'a number of frames')
    const frames: WantedFrame[] = []
    // Ascending over all frames: nothing is wanted twice.
    let end = 0
    for (let i = 0; i < frameCount; i++) {
      const runs: WantedFrame = []
      const runCount = reader.varintUpTo(refs, 'a number of runs')
      if (runCount === 0) throw broken('a frame of nothing')
      for (let j = 0; j < runCount; j++) {
        const first = end + reader.varintUpTo(refs, 'a reference')
        const count = reader.varintUpTo(refs, 'a number of references')
        end = first + count
        if (count === 0 || end > refs || (j > 0 && first === runs[j - 1]![0] + runs[j - 1]![1])) throw broken('references that there are not')
        runs.push([first, count])
      }
      frames.push(runs)
    }
    return { number, frames }
  })
}

export function writeFinish({ root, listings, entries, bytes, problems }: Finish): Uint8Array {
  return new ByteWriter(64).put(root).varint(listings).varint(entries).varint(bytes).varint(problems).take()
}

export function readFinish(bytes: Uint8Array): Finish {
  return reading(bytes, (reader) => ({
    root: Buffer.from(reader.take(ID_BYTES)), listings: reader.varint(), entries: reader.varint(), bytes: reader.varint(), problems: reader.varint(),
  }))
}

export function writeDone({ root, problems }: Done): Uint8Array {
  return new ByteWriter(40).put(root).varint(problems).take()
}

export function readDone(bytes: Uint8Array): Done {
  return reading(bytes, (reader) => ({ root: Buffer.from(reader.take(ID_BYTES)), problems: reader.varint() }))
}

export function writeReport({ bytes, entries, reusedBytes }: Report): Uint8Array {
  return new ByteWriter(40).varint(bytes).varint(entries).varint(reusedBytes).take()
}

export function readReport(bytes: Uint8Array): Report {
  return reading(bytes, (reader) => ({
    bytes: reader.varint(), entries: reader.varint(), reusedBytes: reader.varint(),
  }))
}

function kindOf(value: number): Kind {
  if (value !== KIND.tree && value !== KIND.archive && value !== KIND.stream) throw broken('a kind of transfer that there is not')
  return value
}

/** Only an archive that goes as it is has no chunks. */
function averageOf(kind: Kind, value: number): number {
  if (!(kind === KIND.archive && value === 0) && !isAverage(value)) throw broken('an average chunk size that there is not')
  return value
}

function flag(value: number): boolean {
  if (value > 1) throw broken('a flag that is neither')
  return value === 1
}

export function broken(what: string): WarpError {
  return new WarpError('ERR_WARP_PEER_PROTOCOL', `the other side does not keep to the protocol: it sent ${what}`)
}

function reading<T>(bytes: Uint8Array, read: (reader: ByteReader) => T): T {
  try {
    const reader = new ByteReader(bytes)
    const value = read(reader)
    reader.done()
    return value
  } catch (cause) {
    if (cause instanceof WarpError && cause.code === 'ERR_WARP_PEER_PROTOCOL') throw cause
    throw new WarpError('ERR_WARP_PEER_PROTOCOL', `the other side does not keep to the protocol: ${(cause as Error).message}`, { cause })
  }
}
