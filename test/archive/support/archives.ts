/** Short ways to archives for tests: made of trees or of entries given one by one, and damaged. */
import fs from 'node:fs'
import { Readable } from 'node:stream'
import { BLOCK_HEADER_BYTES, HEADER_BYTES, MIB } from '../../../src/base/limits.ts'
import { hash } from '../../../src/codec/blake3.ts'
import { readBlockHeader, type BlockHeader } from '../../../src/format/block.ts'
import { readHeaderSize } from '../../../src/format/header.ts'
import type { Provided, SourceEntry } from '../../../src/archive/batch.ts'
import { writeArchive, type WriteJob } from '../../../src/archive/create.ts'
import { openSink } from '../../../src/archive/sink.ts'
import { tasks } from '../../../src/archive/worker.ts'
import { InlinePool } from '../../../src/engine/pool.ts'
import type { Metadata } from '../../../src/format/entry.ts'
import { create, open } from '../../../src/index.ts'
import type { CreateOptions, CreateResult, Entry, Problem } from '../../../src/index.ts'

/** Keys that are cheap to derive: the least that Argon2id takes. */
export const CHEAP = { iterations: 1, memoryKib: 8 }

/** A result or an error with the problems that were reported on the way. */
export interface Reported<T> {
  result: T
  problems: Problem[]
}

/** `create` of one directory, stored under the name '' so that the archive's names are those within it. */
export async function archiveOf(
  directory: string, output: string, options: Partial<CreateOptions> = {},
): Promise<Reported<CreateResult>> {
  const problems: Problem[] = []
  const before = process.cwd()
  // The root of an archive is what '.' is.
  process.chdir(directory)
  try {
    const result = await create({ inputs: [{ path: '.' }], output, onProblem: problem => problems.push(problem), ...options })
    return { result, problems }
  } finally {
    process.chdir(before)
  }
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

export async function entriesOf(archive: string): Promise<Entry[]> {
  const opened = await open(archive)
  try {
    return await collect(opened.entries())
  } finally {
    await opened.close()
  }
}

export async function pathsOf(archive: string): Promise<string[]> {
  return (await entriesOf(archive)).map(({ path }) => text(path))
}

/** A stream of the file's bytes in pieces of `size`. */
export function streamOf(file: string, size = 64 * 1024): Readable {
  return fs.createReadStream(file, { highWaterMark: size })
}

export const metadata: Metadata = {
  unstable: false, mode: 0o644, uid: 0, gid: 0, user: new Uint8Array(0), group: new Uint8Array(0),
  mtimeSeconds: 1_700_000_000, mtimeNanoseconds: 123_456_789, xattrs: [],
}

/** An entry with so much metadata that few fit a page (§8.1: a page closes at 1 MiB). */
export function bulky(bytes: number): Metadata {
  // 64 KiB is the most that one value can have.
  const values = Array.from({ length: Math.ceil(bytes / 65_536) }, (_, i) => Math.min(65_536, bytes - i * 65_536))
  return {
    ...metadata,
    xattrs: values.map((length, i) => ({ name: Buffer.from(`user.${i}`), value: new Uint8Array(length).fill(i + 1) })),
  }
}

export function file(path: string, content: Uint8Array | Uint8Array[], more: Partial<Extract<Provided, { kind: 'content' }>> = {}): Provided {
  const pieces = Array.isArray(content) ? content : [content]
  return { kind: 'content', path, inode: null, metadata, content: Readable.from(pieces, { objectMode: true }), ...more }
}

export function directory(path: string, of: Metadata = metadata): Provided {
  return { kind: 'record', path, inode: null, record: { type: 'directory', path: Buffer.from(path, 'latin1'), metadata: of } }
}

/** Writes entries, which must be in path order, without threads. */
export async function archiveEntries(
  entries: Iterable<SourceEntry> | AsyncIterable<SourceEntry>, output: string,
  more: Partial<Omit<WriteJob, 'options'>> & { options?: WriteJob['options'] } = {},
): Promise<Reported<Awaited<ReturnType<typeof writeArchive>>>> {
  const problems: Problem[] = []
  const result = await writeArchive({
    options: {}, average: 65_536, partial: false, archiveId: undefined, entries: oneByOne(entries), totals: () => null,
    ready: Promise.resolve(), withHints: false, report: problem => problems.push(problem), sink: openSink(output),
    pool: new InlinePool(tasks), ...more,
  })
  return { result, problems }
}

async function* oneByOne(entries: Iterable<SourceEntry> | AsyncIterable<SourceEntry>): AsyncGenerator<SourceEntry[]> {
  for await (const entry of entries) yield [entry]
}

export interface FoundBlock extends BlockHeader {
  offset: number
  /** First byte after the block. */
  end: number
}

/** The blocks of an intact archive, found by their headers alone. */
export function blocksOf(archive: string): FoundBlock[] {
  const bytes = fs.readFileSync(archive)
  const blocks: FoundBlock[] = []
  for (let offset = readHeaderSize(bytes.subarray(0, HEADER_BYTES)); offset < bytes.length;) {
    const header = readBlockHeader(bytes.subarray(offset, offset + BLOCK_HEADER_BYTES), hash)
    const end = offset + BLOCK_HEADER_BYTES + header.storedLength + 16 // the tag
    blocks.push({ ...header, offset, end })
    offset = end
  }
  return blocks
}

/** A copy of an archive in which the byte at each offset has one bit flipped. */
export function damage(archive: string, output: string, ...offsets: number[]): string {
  const bytes = fs.readFileSync(archive)
  for (const offset of offsets) bytes[offset] ^= 0x10
  fs.writeFileSync(output, bytes)
  return output
}

/** A piece that, written again and again, makes content of few chunks: page limits count each use of them. */
export const PIECE = 4 * MIB
