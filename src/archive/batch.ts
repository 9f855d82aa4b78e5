/** What a batch is: entries in path order, and what of them lies in a slab. */
import type { Segment } from '../engine/engine.ts'
import type { Extent, Hint, Metadata, SimpleRecord } from '../format/entry.ts'
import type { BaseFrame } from './base-frames.ts'
import type { LargeFile, Piece, StreamFile } from './open-file.ts'
import type { Found } from './walk.ts'

/** An entry that does not come from the file system: a stream, or what another archive held. */
export type Provided =
  | { kind: 'content'; path: string; inode: string | null; metadata: Metadata | (() => Metadata); content: AsyncIterable<Piece> }
  | { kind: 'record'; path: string; inode: string | null; record: SimpleRecord }
  /** Another name of the entry with the same `inode`. */
  | { kind: 'link'; path: string; inode: string }
  | KeptFile
  | OldChunks

/** A regular file, or a piece of one, that is as it is in the base: it is not read. */
export interface KeptFile extends Kept {
  kind: 'kept'
  path: string
  inode: string | null
  isFirst: boolean
  isLast: boolean
}

/** Extents whose chunks lie in the base. */
export interface Kept {
  extents: Extent[]
  /** For each chunk: file offset of its frame's block in the base, and offset in the frame's plaintext. */
  places: number[]
  offsets: number[]
  /**
   * For each chunk: the frame, if it goes on being used; null: the chunk is unpacked and stored anew. In a thin
   * archive null: all stay where they are.
   */
  frames: (BaseFrame | null)[] | null
  metadata: Metadata
  hint: Hint | null
  /** Bytes that chunks and holes stand for. */
  bytes: number
}

/** Chunks of what is gone from the tree or has changed since: what comes next may hold them again. */
export interface OldChunks {
  kind: 'old'
  path: string
  inode: null
  chunks: { ids: Uint8Array[]; places: number[]; offsets: number[]; lengths: number[] }
}

export type SourceEntry = Found | Provided

/** What one batch holds of one entry. */
export interface Item {
  path: Uint8Array
  /** What tells an object with several names from others. */
  inode: string | null
  /** The object has several names and an earlier one stands in the archive. */
  isLink: boolean
  /** No other name of it follows. */
  isLastName: boolean
  /** Anything but a regular file. */
  record: SimpleRecord | null
  /** It could not be read: why. */
  failure: string | null
  /** Index into the batch's segments; -1 for none. */
  segment: number
  /** What is taken over from the base instead of being read. */
  kept?: Kept
  /** A run of zeros that was not read, [start, end) in the file. */
  zeros: [start: number, end: number] | null
  /** The open file that the segment belongs to; null for one that is read whole. */
  file: LargeFile | StreamFile | null
  isFirst: boolean
  isLast: boolean
}

export interface Batch {
  /** Null if there is nothing to read. */
  slab: SharedArrayBuffer | null
  items: Item[]
  segments: Segment[]
  /** What there is to do with the base. */
  base?: BaseWork
}

export interface BaseWork {
  /** Chunks that are to be put into the slab, in the order of their items. */
  unpack: Unpack[]
  /** Chunks that may come again. */
  old: OldChunks[]
}

/** A chunk of the base, and where in the slab it goes. */
export interface Unpack {
  place: number
  offset: number
  length: number
  id: Uint8Array
  slabOffset: number
}
