/** Options and results of the library's verbs. */
import type { StageTimes } from '../base/stages.ts'
import type { Readable } from 'node:stream'
import type { WarpError } from '../base/errors.ts'
import type { Identity } from '../codec/identity.ts'
import type { Compression } from '../engine/block.ts'
import type { EntryType, Metadata } from '../format/entry.ts'

export type { Compression, EntryType, Identity, Metadata }

/** Work in progress, a few times a second. */
export interface Progress {
  /** Bytes of file content done. */
  bytes: number
  /** Bytes of file content in all; null while it is not known. */
  totalBytes: number | null
  entries: number
  totalEntries: number | null
  /** Path that was last begun, for display. */
  path?: string
}

/** Something that went wrong with one entry while the rest went on. */
export interface Problem {
  /** 'unreadable' and 'unstable' concern input, 'unrestored' output, 'damaged' the archive; 'note' costs nothing. */
  kind: 'unreadable' | 'unstable' | 'unrestored' | 'damaged' | 'note'
  message: string
  /** For display: control characters escaped. */
  path?: string
}

export interface Watch {
  signal?: AbortSignal
  onProgress?: (progress: Progress) => void
  /** Called once for each problem as it is met; all of them are counted in the result. */
  onProblem?: (problem: Problem) => void
}

export interface Resources {
  /** Worker threads; default: one for each processor. */
  threads?: number
  /** Memory budget in bytes; default 512 MiB. */
  memory?: number
}

/** What opens an encrypted archive. */
export interface Keys {
  passphrase?: Uint8Array | string
  /** Asked once if the archive has a passphrase slot and nothing else is given that opens it. */
  askPassphrase?: () => Promise<Uint8Array | string | null>
  /** Identities as read from their files by `readIdentityFile`. */
  identities?: Identity[]
}

/** Where the content of a thin archive is read from. */
export interface BaseOptions {
  /** The archive that it refers to; default: the file beside it that has its id and ends in `.warp`. */
  base?: string
  /** What opens it; default: what opens the archive itself. */
  baseKeys?: Keys
}

export type Input =
  /** A file or tree; `path` as given by the user, bytes or UTF-8. */
  | { path: string | Uint8Array }
  /** A stream that becomes one regular file. */
  | { stream: Readable; name: string | Uint8Array }

export interface CreateOptions extends Watch, Resources {
  inputs: Input[]
  /** A path, or an open descriptor such as 1 (written to, not closed). */
  output: string | { fd: number }
  /** Default 'auto'. */
  compress?: Compression
  /** zstd level, 1 … 19; default 3, and with `auto` up to 9 while a pipe is slower than the threads. */
  level?: number
  /** Average chunk size in bytes, a power of two; default by §4.1. */
  chunkSize?: number
  /** gitignore patterns, matched against archive paths. */
  exclude?: string[]
  oneFileSystem?: boolean
  followSymlinks?: boolean
  reproducible?: boolean
  passphrase?: Uint8Array | string
  /** Argon2id cost; default 3 iterations, 64 MiB. */
  passphraseCost?: { iterations: number; memoryKib: number }
  /** X25519 public keys, 32 bytes each. */
  recipients?: Uint8Array[]
  /** Identity whose Ed25519 key signs the archive. */
  signWith?: Identity
  /**
   * An archive of an earlier state of the inputs: what is unchanged since is taken over from it and not read.
   * Both are encrypted or neither is; the chunk size is that of the base.
   */
  base?: string
  /** What opens the base; default: `passphrase`. */
  baseKeys?: Keys
  /** Refer to chunks that the base holds instead of storing them: reading the archive then needs the base. */
  thin?: boolean
  /** Where the index of chunks goes past its share of the memory; default: the system's. */
  tempDir?: string
  /** What cuts, hashes, compresses and seals; default 'auto': the GPU where it is faster and the job is large. */
  engine?: 'auto' | 'cpu' | 'gpu'
  /** Device memory for batches, bytes; default 1 GiB. */
  gpuMemory?: number
  /** For tests: another worker for the GPU, or less patience with it. */
  gpuClient?: { entry?: URL; watchdogMs?: number }
  /** For tests: the archive key instead of a random one. */
  archiveKey?: Uint8Array
}

export interface Totals {
  entries: number
  /** Sum of the sizes of all regular files. */
  logicalBytes: number
  chunkRefs: number
  /** Bytes in frames before compression: what deduplication left. */
  frameBytes: number
  frames: number
  pages: number
  archiveBytes: number
}

export interface CreateResult extends Totals {
  root: Uint8Array
  archiveId: Uint8Array
  /** Inputs that were not stored, or changed while they were read. */
  problems: number
  /** Regular files that were taken over from the base without being read, and their bytes. */
  kept: { files: number; bytes: number }
  durationMs: number
  /** Milliseconds in each stage: of the calling thread, and of each thread of the pool from its start on. Not of a recovery. */
  stages?: { caller: StageTimes; threads: StageTimes[] }
  /** The GPU, if one was used: batches that it took, and how many of them the CPU did again after a failure. Null: none was. */
  gpu: { adapter: string; batches: number; replayed: number } | null
}

/** One entry of an archive as a reader sees it. */
export interface Entry extends Metadata {
  /** Entry number (§8.1). */
  number: number
  /** Raw bytes. */
  path: Uint8Array
  type: EntryType
  /** Bytes; 0 for anything but a regular file. */
  size: number
  /** Symlinks only. */
  target?: Uint8Array
  /**
   * Hard links only: number of the entry that it is another name of. Read from a file, the metadata is
   * that entry's; in a stream, empty.
   */
  link?: number
  /** Hard links only: path of that entry; not known in a stream. */
  linkPath?: Uint8Array
  /** Devices only. */
  major?: number
  minor?: number
}

/** An archive file, or a stream that is read once from start to end. */
export type Source = string | { stream: Readable }

export interface SelectOptions {
  /** Paths of the archive; each selects itself and all beneath. Default: everything. */
  paths?: (string | Uint8Array)[]
  /** gitignore patterns; if any is given, only what matches one is taken. */
  include?: string[]
  /** gitignore patterns. */
  exclude?: string[]
}

export interface ExtractOptions extends Watch, Resources, Keys, BaseOptions, SelectOptions {
  /** Directory to restore into; made if missing. */
  target: string
  /** Default 'never': existing files are kept and reported. */
  overwrite?: 'never' | 'always' | 'newer'
  stripComponents?: number
  /** Restore owners; default: only as root. */
  sameOwner?: boolean
  /** Take uid and gid as stored, without looking at names. */
  numericOwner?: boolean
  /** Where a stream's frames are kept until they are no longer needed; default: the system's. */
  tempDir?: string
}

export interface ExtractResult {
  root: Uint8Array
  /** Entries that were restored; that of the root, which is the target itself, does not count. */
  entries: number
  bytes: number
  problems: number
  durationMs: number
}

export interface VerifyOptions extends Watch, Resources, Keys, BaseOptions {
  /** Structure and Merkle pages only, no frames. */
  quick?: boolean
  /** Demand a signature by this Ed25519 public key. */
  signedBy?: Uint8Array
  tempDir?: string
}

export interface VerifyResult extends Totals {
  root: Uint8Array
  archiveId: Uint8Array
  encrypted: boolean
  partial: boolean
  signer: Uint8Array | null
  /** Id of the archive that a thin one refers to; null if it is complete by itself. */
  baseId: Uint8Array | null
  /** Everything that is wrong; empty if the archive is good. */
  damage: {
    error: WarpError
    /** Files that it concerns, in the order of the archive, for display; not all of very many. */
    paths: string[]
    /** How many others it concerns. */
    more: number
  }[]
  unstable: number
  durationMs: number
}

export interface ArchiveInfo extends Totals {
  version: number
  archiveId: Uint8Array
  root: Uint8Array
  encrypted: boolean
  partial: boolean
  signer: Uint8Array | null
  /** Id of the archive that a thin one refers to; null if it is complete by itself. */
  baseId: Uint8Array | null
  /** Bytes that chunk references to the base stand for, each counted; 0 if complete by itself. */
  baseBytes: number
  average: number
  slots: ({ type: 'passphrase'; iterations: number; memoryKib: number } | { type: 'recipient' })[]
  byType: Record<EntryType, number>
  unstable: number
  holeBytes: number
  uniqueChunks: number
  /** Sum of chunk bytes that deduplication saved. */
  dedupSavedBytes: number
  /** For each codec: frames, bytes before and after. */
  codecs: { codec: 'store' | 'lz4' | 'zstd'; frames: number; plainBytes: number; storedBytes: number }[]
  /** Number of chunk references by size: upper bounds (bytes, powers of two) and counts. */
  chunkSizes: { upTo: number; count: number }[]
  metadataBytes: number
}

export interface Difference {
  kind: 'added' | 'removed' | 'changed'
  path: Uint8Array
  /** For 'changed': what differs. */
  what: ('type' | 'content' | 'size' | 'mode' | 'owner' | 'mtime' | 'xattrs' | 'target' | 'device' | 'link')[]
}

export interface RecoverOptions extends Watch, Resources, Keys, BaseOptions {
  archive: string
  output: string
  /** Keys of the new archive; by default it is not encrypted unless the damaged one was, then one must be given. */
  newPassphrase?: Uint8Array | string
  newRecipients?: Uint8Array[]
  passphraseCost?: { iterations: number; memoryKib: number }
  /** As of CreateOptions. */
  tempDir?: string
}

export interface RecoverResult {
  created: CreateResult
  /** Entries that could not be taken over: those that are known by name, and the extent of the rest. */
  lost: { path: string; reason: string }[]
  /** Byte ranges of the damaged archive that made no sense. */
  unreadable: { from: number; to: number }[]
  /** True if the archive ended before its footer. */
  truncated: boolean
}
