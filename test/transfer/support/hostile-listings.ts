/** Listings written record by record, whether or not a reader takes them, and the root over those that it takes. */
import { createHash } from 'node:crypto'
import { hash } from '../../../src/codec/blake3.ts'
import { RootBuilder } from '../../../src/archive/page-stream.ts'
import { ByteWriter } from '../../../src/format/cursor.ts'
import type { Metadata, Record } from '../../../src/format/entry.ts'
import { writeExtent, writeRecordStart } from '../../../src/format/record.ts'
import { readPageContent } from '../../../src/format/page.ts'
import { maxChunkBytes } from '../../../src/base/limits.ts'

/** The smallest there is: chunks of up to 16 KiB. */
export const AVERAGE = 4096

const PLAIN: Metadata = {
  unstable: false, mode: 0o644, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, user: Buffer.alloc(0), group: Buffer.alloc(0),
  mtimeSeconds: 1_700_000_000, mtimeNanoseconds: 1, xattrs: [],
}

/** A chunk that is as it says; a hole of so many bytes; or a chunk that claims what it likes. */
export type Piece = Buffer | number | { length: number; id: Uint8Array; data: Buffer }

export interface Row {
  bytes: Buffer
  /** What its chunks hold. */
  chunks: Buffer[]
}

function row(type: Record['type'], path: string, metadata: Partial<Metadata> | null, more: (writer: ByteWriter) => void = () => {}): Row {
  const writer = new ByteWriter()
  writeRecordStart(writer, type, Buffer.from(path, 'latin1'), metadata && { ...PLAIN, ...metadata })
  more(writer)
  return { bytes: Buffer.from(writer.take()), chunks: [] }
}

function withExtents(start: Row, pieces: Piece[]): Row {
  const writer = new ByteWriter().put(start.bytes).varint(pieces.length)
  const chunks: Buffer[] = []
  for (const piece of pieces) {
    if (typeof piece === 'number') {
      writeExtent(writer, piece, null)
      continue
    }
    const { length, id, data } = Buffer.isBuffer(piece) ? { length: piece.length, id: hash(piece), data: piece } : piece
    writeExtent(writer, length, id)
    chunks.push(data)
  }
  return { bytes: Buffer.from(writer.take()), chunks }
}

export const file = (path: string, pieces: Piece[] = [], metadata: Partial<Metadata> = {}): Row => withExtents(row('file', path, metadata), pieces)
export const part = (path: string, pieces: Piece[]): Row => withExtents(row('part', path, null), pieces)
export const directory = (path: string, metadata: Partial<Metadata> = {}): Row => row('directory', path, { mode: 0o755, ...metadata })
export const symlink = (path: string, target: string): Row => row('symlink', path, {}, (writer) => writer.string(Buffer.from(target)))
export const hardlink = (path: string, entry: number): Row => row('hardlink', path, null, (writer) => writer.varint(entry))
export const fifo = (path: string): Row => row('fifo', path, {})

export interface Listing {
  content: Buffer
  chunks: Buffer[]
}

/** @param count of records that it states */
export function listing(rows: Row[], count = rows.length): Listing {
  const head = new ByteWriter().varint(count).take()
  return { content: Buffer.concat([head, ...rows.map(({ bytes }) => bytes)]), chunks: rows.flatMap(({ chunks }) => chunks) }
}

/** The root of a tree of these listings, as an honest sender tells it. */
export function rootOf(listings: Listing[]): { root: Uint8Array; entries: number; bytes: number } {
  const builder = new RootBuilder(AVERAGE)
  for (const { content } of listings) {
    for (const record of readPageContent(content, { maxChunk: maxChunkBytes(AVERAGE), midway: true }).records) {
      if (record.type !== 'file' && record.type !== 'part') {
        builder.add(record)
        continue
      }
      builder.goOn(record.path)
      for (const extent of record.extents) {
        if (extent.kind === 'hole') builder.hole(extent.length)
        else builder.chunk(extent.length, extent.id)
      }
      if (record.type === 'file') builder.endFile(record.metadata)
    }
  }
  return { root: builder.root(), entries: builder.entries, bytes: builder.logicalBytes }
}

/** Bytes that are no chunk's of another name. */
export function bytesOf(name: string, length: number): Buffer {
  return Buffer.alloc(length, createHash('sha512').update(name).digest())
}
