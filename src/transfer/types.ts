/** Options and results of `send` and `receive`. */
import type { Readable, Writable } from 'node:stream'
import type { CreateOptions, ExtractOptions, Identity, Input, Keys, Problem, Resources } from '../archive/types.ts'
import type { TransportKind } from './transports/connection.ts'

/** How the two sides find each other and prove that they are meant. */
export type Meet =
  /** This side listens, and tells its ticket; the other side is given it. */
  | {
      way: 'listen'
      /** '' is any address. */
      host: string
      /** 0: the system picks one. */
      port: number
      /** How long the ticket is good; default 24 h. */
      expiresMs?: number
      /** Serve further transfers until the signal aborts or the ticket expires. */
      keep?: boolean
      onTicket: (ticket: string) => void
    }
  | { way: 'ticket'; ticket: string }
  /** A code phrase on one LAN. The side without one makes it, and tells it. */
  | { way: 'code'; code: string | null; onCode?: (code: string) => void }
  /** The far side is started through ssh; `path` is its directory, or what it sends. */
  | { way: 'ssh'; destination: string; path: string; warpCommand?: string; sshOptions?: string[] }
  /** The far side of ssh: the meeting is told, and if nothing else passes carried, over a pair of streams. */
  | { way: 'pipe'; input: Readable; output: Writable }

/**
 * What the limit is at the moment, as this side sees it: its disk, its CPU, the network, or, of a sender, the window of flow
 * control, which the other side does not open.
 */
export type Bottleneck = 'disk' | 'cpu' | 'network' | 'window'

export interface TransferProgress {
  /** 'waiting' for the peer, 'connected', 'transferring', 'finishing'. */
  state: 'waiting' | 'connected' | 'transferring' | 'finishing'
  /** Bytes of content restored or found in place at the receiver so far, and in all if known. */
  bytes: number
  totalBytes: number | null
  entries: number
  totalEntries: number | null
  path?: string
  /** Bytes on the wire in both directions, framing included, transport headers not. */
  wireBytes: number
  transport: TransportKind | null
  rttMs: number | null
  lostPackets: number | null
  /** Why it is not faster; null: not known yet. */
  bottleneck: Bottleneck | null
}

/** What happened besides progress. */
export type TransferEvent =
  | { type: 'connected'; transport: TransportKind; address: string; signer: Uint8Array | null }
  /** The connection broke; the transfer waits for the peer, or tries again after `retryMs`. */
  | { type: 'disconnected'; code: string; message: string; retryMs: number | null }
  /** With `keep`: one transfer of several is over. */
  | { type: 'completed'; result: TransferResult }
  | { type: 'failed'; code: string; message: string }

export interface TransferWatch {
  signal?: AbortSignal
  onProgress?: (progress: TransferProgress) => void
  onProblem?: (problem: Problem) => void
  onEvent?: (event: TransferEvent) => void
}

export interface TransferCommon extends TransferWatch, Resources {
  meet: Meet
  /** Default 'auto': QUIC, and TLS over TCP where UDP does not pass within two seconds. */
  transport?: TransportKind | 'auto'
  /** Its Ed25519 key is shown to the peer. */
  identity?: Identity
  /** Name under which the peer's key is looked up and, the first time, kept in the file of known peers. */
  peer?: string
  knownPeersFile?: string
  /** How long to wait for the peer to come, and to come back; default 10 minutes. */
  waitMs?: number
  /** Where listeners keep what a restart needs; default `$XDG_STATE_HOME/warp`. */
  stateDir?: string
  tempDir?: string
}

export interface SendOptions extends TransferCommon,
  Pick<CreateOptions, 'compress' | 'level' | 'chunkSize' | 'exclude' | 'oneFileSystem' | 'followSymlinks' | 'engine' | 'gpuMemory'> {
  what:
    /** A tree; a stream among the inputs becomes a file. */
    | { kind: 'tree'; inputs: Input[] }
    /** An archive as it is, block by block. */
    | { kind: 'archive'; path: string }
    /** Bytes as they come, flushed at 64 KiB or 1 ms. If the receiver wants a file, it gets one of that name. */
    | { kind: 'stream'; stream: Readable; name: string }
}

export interface ReceiveOptions extends TransferCommon, Pick<ExtractOptions, 'overwrite' | 'sameOwner' | 'numericOwner'> {
  into:
    /** Restore into a directory, made if missing. */
    | { kind: 'directory'; path: string }
    /** Write an archive: of a tree that is sent, one of its own; of an archive, that one as it is. */
    | { kind: 'archive'; path: string; passphrase?: Uint8Array | string; recipients?: Uint8Array[]; signWith?: Identity; passphraseCost?: { iterations: number; memoryKib: number } }
    /** Only what was sent as a stream. */
    | { kind: 'stream'; stream: Writable }
  /** Archives and directories whose chunks need not be sent. */
  reuse?: string[]
  /** What opens archives of `reuse`. */
  reuseKeys?: Keys
}

export interface TransferResult {
  /** Of the tree; null for a stream and for an archive that was sent as it is. */
  root: Uint8Array | null
  entries: number
  /** Bytes of content. */
  bytes: number
  /** Bytes of content that were there already: of earlier runs, of files in place, of `reuse`. */
  reusedBytes: number
  sentBytes: number
  receivedBytes: number
  transport: TransportKind
  problems: number
  /** Connections that were needed. */
  connections: number
  durationMs: number
}
