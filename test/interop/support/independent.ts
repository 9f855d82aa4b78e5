/** The independent reader of format-spec/reader, with types. */
// @ts-expect-error plain JavaScript
import { extractArchive } from '../../../format-spec/reader/extract.mjs'
// @ts-expect-error plain JavaScript
import { openArchive } from '../../../format-spec/reader/reader.mjs'

export interface OtherEntry {
  number: number
  path: Uint8Array
  /** The number of §8.1. */
  type: number
  unstable: boolean
  mode: number
  uid: number
  gid: number
  user: Uint8Array
  group: Uint8Array
  mtime: [number, number]
  xattrs: [Uint8Array, Uint8Array][]
  size?: number
  target?: Uint8Array
  link?: number
  device?: [number, number]
  extents?: { length: number; id: Uint8Array | null }[]
}

export interface OtherArchive {
  /** Hex. */
  root: string
  entries(): Iterable<OtherEntry>
  /** Throws what is wrong. */
  verify(): void
  content(entry: OtherEntry): Iterable<Uint8Array>
  close(): void
}

export interface OtherKeys {
  passphrase?: string | Uint8Array
  /** Seed, or its text. */
  identity?: string | Uint8Array
  /** The archive that a thin one refers to. */
  base?: string | Uint8Array
}

export const independent = {
  /** @throws ReaderError */
  open: (archive: string | Uint8Array, keys: OtherKeys = {}): OtherArchive => openArchive(archive, keys),

  /** Into an empty directory. @throws ReaderError @returns what was left out: devices, FIFOs, links to them */
  extract: (archive: OtherArchive, directory: string): OtherEntry[] => extractArchive(archive, directory),

  /** Of a verification in full: 'ok', or the class of what is wrong. Anything but a ReaderError is thrown on. */
  verdictOf(archive: string | Uint8Array, keys: OtherKeys = {}): string {
    let opened: OtherArchive | null = null
    try {
      opened = independent.open(archive, keys)
      opened.verify()
      return 'ok'
    } catch (error) {
      const { class: errorClass } = error as { class?: string }
      if (errorClass === undefined) throw error
      return errorClass
    } finally {
      opened?.close()
    }
  },
}
