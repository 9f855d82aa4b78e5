/**
 * Chunks that archives and directories on this side hold: whatever is offered of them is not asked for. Only the
 * index is kept, and spills to disk past its share of the memory.
 */
import fs from 'node:fs'
import { ID_BYTES } from '../../base/limits.ts'
import { WarpError } from '../../base/errors.ts'
import { hash, keyedHash } from '../../codec/blake3.ts'
import { ID_WORDS } from '../../archive/chunk-index.ts'
import { readOwnFrame } from '../../archive/frame-reader.ts'
import { toBytes } from '../../archive/inputs.ts'
import { openRegularPath } from '../../archive/os/target-tree.ts'
import { findPages, readFoundPage } from '../../archive/recover-scan.ts'
import { FileSource } from '../../archive/source.ts'
import { SpillingIndex } from '../../archive/spilling-index.ts'
import type { Keys, Problem } from '../../archive/types.ts'
import { unlock, type Unlocked } from '../../archive/unlock.ts'
import { Walk } from '../../archive/walk.ts'
import type { Sealing } from '../../engine/block.ts'
import type { ChunkScanner, ScanFile } from './chunk-scanner.ts'
import type { LocalPiece } from './received-frames.ts'

export interface ReuseOptions {
  average: number
  chunkIdKey: Uint8Array | null
  scanner: ChunkScanner
  indexBytes: number
  tempDir?: string
  report: (problem: Problem) => void
}

/** What chunks lie in: a frame of an archive, or a file, whose chunks are numbered. */
type Holder = { fd: number; at: number; sealing: Sealing } | { source: string; offsets: Float64Array }

/** Files that are scanned before their index is made ready for more. */
const FILES_AT_ONCE = 1024

export class Reuse {
  readonly #options: ReuseOptions
  readonly #index: SpillingIndex
  readonly #holders: Holder[] = []
  readonly #sources: { source: FileSource; unlocked: Unlocked }[] = []
  /** The frame that was read last: the next chunk is likely to lie in it too. */
  #frame: { holder: number; plain: Uint8Array } | null = null

  constructor(options: ReuseOptions) {
    this.#options = options
    this.#index = new SpillingIndex({ maxBytes: options.indexBytes, tempDir: options.tempDir, onDegraded: (message) => options.report({ kind: 'note', message }) })
  }

  get isEmpty(): boolean {
    return this.#holders.length === 0
  }

  /** Adds what `path` holds: a directory, an archive, or any other file. @throws {WarpError} it cannot be read, or not be opened with the keys */
  async add(path: string, keys: Keys): Promise<void> {
    const stat = fs.statSync(path, { throwIfNoEntry: false })
    if (!stat) throw new WarpError('ERR_WARP_NOT_FOUND', `${path}: no such file or directory`, { path })
    if (!stat.isDirectory() && (await isArchive(path))) return this.addArchive(path, (source) => unlock(source, keys))
    const walk = new Walk({ exclude: [], oneFileSystem: false, followSymlinks: false, skip: new Set(), report: this.#options.report })
    let files: ScanFile[] = []
    for (const { kind, source, size, mtimeMs, ctimeMs } of walk.of([{ path: '', source: Buffer.from(path).toString('latin1'), stream: null }])) {
      if (kind !== 'file' || size === 0) continue
      files.push({ source, size, mtimeMs, ctimeMs })
      if (files.length < FILES_AT_ONCE) continue
      await this.#addFiles(files)
      files = []
    }
    await this.#addFiles(files)
  }

  /** Adds every frame that an intact page of an archive, complete or not, refers to. */
  async addArchive(path: string, open: (source: FileSource) => Promise<Unlocked>): Promise<void> {
    const source = new FileSource(path)
    let unlocked: Unlocked
    try {
      unlocked = await open(source)
    } catch (error) {
      source.close()
      throw error
    }
    this.#sources.push({ source, unlocked })
    const { average } = unlocked.header
    if (average !== this.#options.average) {
      return this.#options.report({ kind: 'note', message: `${path}: its chunks are of another size than those that are received: of little use` })
    }
    const isSameKey = sameKey(unlocked.chunkIdKey, this.#options.chunkIdKey)
    const holderOf = new Map<number, number>()
    for (const { offset } of (await findPages(source, unlocked)).pages) {
      const { records, frames, refFrames, refOffsets } = await readFoundPage(source, unlocked, offset)
      const ids: Uint8Array[] = []
      const places: [number, number][] = []
      let ref = 0
      for (const record of records) {
        if (record.type !== 'file' && record.type !== 'part') continue
        for (const extent of record.extents) {
          if (extent.kind === 'hole') continue
          const at = frames[refFrames[ref]!]!
          const inFrame = refOffsets[ref++]!
          // What lies in the base of a thin archive is not looked for.
          if (at < 0) continue
          let holder = holderOf.get(at)
          if (holder === undefined) holderOf.set(at, (holder = this.#holders.push({ fd: source.fd, at, sealing: unlocked.sealing }) - 1))
          ids.push(isSameKey ? extent.id : this.#idOf(holder, inFrame, extent.length))
          places.push([holder, inFrame])
        }
      }
      await this.#addChunks(ids, places)
    }
  }

  /** To be awaited before `find` is asked for these. @param words 8 for each id */
  prepare(words: Uint32Array): Promise<void> | null {
    return this.#index.prepare(words)
  }

  has(words: Uint32Array, ref: number): boolean {
    return this.#index.table.find(words, ref * ID_WORDS) >= 0
  }

  /** The chunk of reference `ref`, which is there. */
  piece(words: Uint32Array, ref: number, length: number): LocalPiece {
    const { table } = this.#index
    const slot = table.find(words, ref * ID_WORDS)
    const [number, offset] = [table.frameAt(slot), table.offsetAt(slot)]
    const holder = this.#holders[number]!
    if ('at' in holder) return { length, read: () => this.#frameOf(number).subarray(offset, offset + length) }
    return { length, open: async () => ({ fd: openRegularPath(toBytes(holder.source)), offset: holder.offsets[offset]! }) }
  }

  close(): void {
    this.#index.close()
    for (const { source, unlocked } of this.#sources.splice(0)) {
      source.close()
      unlocked.sealing.sealingKey?.fill(0)
      unlocked.chunkIdKey?.fill(0)
    }
  }

  async #addFiles(files: ScanFile[]): Promise<void> {
    for await (const { file, ids, offsets } of this.#options.scanner.scan(files)) {
      const holder = this.#holders.push({ source: files[file]!.source, offsets: Float64Array.from(offsets) }) - 1
      await this.#addChunks(ids, ids.map((_, i) => [holder, i]))
    }
  }

  async #addChunks(ids: Uint8Array[], places: [number, number][]): Promise<void> {
    const bytes = new Uint8Array(ids.length * ID_BYTES)
    ids.forEach((id, i) => bytes.set(id, i * ID_BYTES))
    const words = new Uint32Array(bytes.buffer)
    const preparing = this.#index.prepare(words)
    if (preparing) await preparing
    const { table } = this.#index
    places.forEach(([holder, offset], i) => {
      if (table.find(words, i * ID_WORDS) < 0) table.set(words, i * ID_WORDS, holder, offset)
    })
  }

  /** Under our key, whatever key its archive has. */
  #idOf(holder: number, offset: number, length: number): Uint8Array {
    const chunk = this.#frameOf(holder).subarray(offset, offset + length)
    const { chunkIdKey } = this.#options
    return chunkIdKey ? keyedHash(chunkIdKey, chunk) : hash(chunk)
  }

  #frameOf(number: number): Uint8Array {
    if (this.#frame?.holder === number) return this.#frame.plain
    const { fd, at, sealing } = this.#holders[number] as Extract<Holder, { at: number }>
    const plain = readOwnFrame(fd, at, sealing)
    this.#frame = { holder: number, plain }
    return plain
  }
}

/** @throws {WarpError} as `Reuse.add` */
export async function openReuse(paths: string[], keys: Keys, options: ReuseOptions): Promise<Reuse> {
  const reuse = new Reuse(options)
  try {
    for (const path of paths) await reuse.add(path, keys)
    return reuse
  } catch (error) {
    reuse.close()
    throw error
  }
}

/** Average chunk size of the first archive among `paths`; null if there is none: chunks of another size are of no use. */
export async function averageOfReused(paths: string[], keys: Keys): Promise<number | null> {
  for (const path of paths) {
    if (!fs.statSync(path, { throwIfNoEntry: false })?.isFile() || !(await isArchive(path))) continue
    const source = new FileSource(path)
    try {
      return (await unlock(source, keys)).header.average
    } finally {
      source.close()
    }
  }
  return null
}

async function isArchive(path: string): Promise<boolean> {
  const source = new FileSource(path)
  try {
    const magic = await source.read(0, 8)
    return Buffer.from(magic).equals(Buffer.from('89574152500d0a1a', 'hex'))
  } finally {
    source.close()
  }
}

function sameKey(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b
  return Buffer.compare(a, b) === 0
}
