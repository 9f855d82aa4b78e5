/** The tiny writer of archives, which can break anything, with types. */
// @ts-expect-error plain JavaScript
import * as hostile from '../../interop/tiny-hostile.mjs'
// @ts-expect-error plain JavaScript
import * as encoding from '../../interop/tiny-encoding.mjs'
// @ts-expect-error plain JavaScript
import * as writer from '../../interop/tiny-writer.mjs'

/** As the head of tiny-writer.mjs describes it. */
export interface TinyEntry {
  path: string | Uint8Array
  type?: number
  mode?: number
  uid?: number
  gid?: number
  user?: string
  group?: string
  mtime?: [number, number]
  unstable?: boolean
  xattrs?: [string, string | Uint8Array][]
  content?: string | Uint8Array | ({ data: Uint8Array } | { hole: number })[]
  target?: string | Uint8Array
  link?: string | number
  device?: [number, number]
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each hook has a value of its own
export type Hook = (value: any, where: any) => any

export interface TinyOptions {
  average?: number
  codec?: number
  metaCodec?: number
  frameBytes?: number
  fanOut?: number
  sort?: boolean
  archiveId?: Uint8Array
  compat?: number
  passphrase?: string
  recipients?: Uint8Array[]
  archiveKey?: Uint8Array
  signerSeed?: Uint8Array
  hook?: (name: string, value: unknown, where: unknown) => unknown
}

export interface Written {
  bytes: Buffer
  rootHex: string
  blocks: { kind: number; ordinal: number; offset: number; length: number }[]
}

/** The smallest average: a file of some KiB has several chunks. */
export const AVERAGE = 4096
export const SEED: Uint8Array = hostile.seed

export const noise = hostile.noise as (length: number, label?: string) => Buffer
export const varint = encoding.varint as (value: number | bigint) => Buffer
export const u = encoding.u as (size: number, value: number | bigint) => Buffer
export const recipientOf = writer.recipientOf as (seed: Uint8Array) => Uint8Array
export const zstdOf = hostile.zstdOf as (data: Uint8Array, length: number) => Buffer

/** Metadata that about fills a quarter of a page: five such directories give two pages. */
export const large = hostile.large as (path: string) => TinyEntry

export function write(entries: Iterable<TinyEntry>, options: TinyOptions = {}): Written {
  return writer.writeArchive(entries, { average: AVERAGE, metaCodec: 2, ...options })
}

/** Bytes of an archive with one thing changed by each hook. */
export function broken(entries: Iterable<TinyEntry>, hooks: Record<string, Hook>, options: TinyOptions = {}): Buffer {
  return write(entries, { hook: hostile.on(hooks), ...options }).bytes
}

/** Of how many pages an archive consists. */
export function pagesOf({ blocks }: Written): number {
  return blocks.filter(({ kind }) => kind === 2).length
}
