/** What an archive says of one file system object (§2, §8): the values that pages hold. */

export type EntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'fifo' | 'chardev' | 'blockdev'

export interface Xattr {
  /** u8[1 … 255], no NUL */
  name: Uint8Array
  /** u8[0 … 65,536] */
  value: Uint8Array
}

export interface Metadata {
  /** The file changed while it was read. Files only. */
  unstable: boolean
  /** Permissions, set-uid, set-gid, sticky: at most 0o7777. */
  mode: number
  uid: number
  gid: number
  /** u8[0 … 255], no NUL; empty if unknown */
  user: Uint8Array
  /** u8[0 … 255], no NUL; empty if unknown */
  group: Uint8Array
  /** Since 1970-01-01 UTC. */
  mtimeSeconds: number
  /** 0 … 999,999,999 */
  mtimeNanoseconds: number
  /** Names strictly ascending as bytes. */
  xattrs: Xattr[]
}

export interface ChunkExtent {
  kind: 'chunk'
  /** Bytes: 1 … max (§4.1). */
  length: number
  /** u8[32] */
  id: Uint8Array
}

export interface HoleExtent {
  kind: 'hole'
  /** Bytes, all zero. */
  length: number
}

export type Extent = ChunkExtent | HoleExtent

/** Extents of a file that goes on in the next page. */
export interface PartRecord {
  type: 'part'
  path: Uint8Array
  extents: Extent[]
}

/** A file, or the last part of one. */
export interface FileRecord {
  type: 'file'
  path: Uint8Array
  metadata: Metadata
  extents: Extent[]
}

/** An entry of which there is nothing more to say than its metadata. */
export interface PlainRecord {
  type: 'directory' | 'fifo'
  path: Uint8Array
  metadata: Metadata
}

export interface SymlinkRecord {
  type: 'symlink'
  path: Uint8Array
  metadata: Metadata
  /** u8[1 … 4,095], no NUL */
  target: Uint8Array
}

export interface HardlinkRecord {
  type: 'hardlink'
  path: Uint8Array
  /** Number of the entry that it is another name of. */
  targetEntry: number
}

export interface DeviceRecord {
  type: 'chardev' | 'blockdev'
  path: Uint8Array
  metadata: Metadata
  major: number
  minor: number
}

/** A record that has no extents. */
export type SimpleRecord = PlainRecord | SymlinkRecord | HardlinkRecord | DeviceRecord

export type Record = PartRecord | FileRecord | SimpleRecord

/** What recognises a file as unchanged, as it was when it was read (§8.2). */
export interface Hint {
  ctimeSeconds: number
  ctimeNanoseconds: number
  inode: bigint
  device: bigint
}
