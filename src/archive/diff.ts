/**
 * `diff`: compares an archive with another or with a directory. Content is compared by chunk ids; where
 * these cannot be compared (other keys, other chunk sizes), the bytes of one side are held against the
 * ids of the other.
 */
import fs from 'node:fs'
import { WarpError } from '../base/errors.ts'
import { Hasher } from '../codec/blake3.ts'
import { comparePaths, displayPath } from '../format/path.ts'
import type { Extent } from '../format/entry.ts'
import { BytesComparer } from './compare-bytes.ts'
import { toBytes } from './inputs.ts'
import { open, type Archive } from './open.ts'
import { readFully } from './os/file-reader.ts'
import { metadataOf, simpleRecordOf, xattrsOf } from './records.ts'
import { statFd } from './os/stat.ts'
import { Selection } from './select.ts'
import type { BaseOptions, Difference, Entry, Keys, Problem, Watch } from './types.ts'
import { Walk, type Found } from './walk.ts'

/** One side's entry, with what its content is compared by. */
interface Side {
  entry: Entry
  /** Digest of the extents: equal for equal content cut with equal parameters and keyed alike. */
  fingerprint: Uint8Array | null
  /** The bytes of the file, in order. */
  content: () => AsyncIterable<Uint8Array>
  /** Its extents, to hold other bytes against. */
  extents: () => AsyncIterable<Extent>
}

/** A sequence of entries in path order. */
interface Tree {
  sides(): AsyncIterable<Side>
  /** What fingerprints are comparable with: the same value on both sides. */
  cutBy: string | null
  chunkIdKey: Uint8Array | null
  close(): Promise<void>
}

/**
 * @param a an archive; @param b an archive or a directory, of which what bears the names at the top of
 *   `a` is compared
 * @throws {WarpError} as `open`; ERR_WARP_INPUT_UNREADABLE: something in the directory cannot be read
 */
export async function* diff(a: string, b: string, options: Keys & BaseOptions & Watch = {}): AsyncGenerator<Difference> {
  const left = new ArchiveTree(await open(a, options))
  try {
    const right: Tree = isDirectory(b) ? new DirectoryTree(b, await left.roots(), options) : new ArchiveTree(await open(b, options))
    try {
      yield* join(left, right, options)
    } finally {
      await right.close()
    }
  } finally {
    await left.close()
  }
}

function isDirectory(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

async function* join(left: Tree, right: Tree, { signal }: Watch): AsyncGenerator<Difference> {
  const lefts = left.sides()[Symbol.asyncIterator]()
  const rights = right.sides()[Symbol.asyncIterator]()
  let l = await lefts.next()
  let r = await rights.next()
  while (!l.done || !r.done) {
    if (signal?.aborted) throw new WarpError('ERR_WARP_INTERRUPTED', 'interrupted')
    const order = l.done ? 1 : r.done ? -1 : comparePaths(l.value.entry.path, r.value.entry.path)
    if (order < 0) yield { kind: 'removed', path: l.value!.entry.path, what: [] }
    else if (order > 0) yield { kind: 'added', path: r.value!.entry.path, what: [] }
    else {
      const what = await compare(left, right, l.value!, r.value!)
      if (what.length > 0) yield { kind: 'changed', path: l.value!.entry.path, what }
    }
    if (order <= 0) l = await lefts.next()
    if (order >= 0) r = await rights.next()
  }
}

async function compare(left: Tree, right: Tree, l: Side, r: Side): Promise<Difference['what']> {
  const [a, b] = [l.entry, r.entry]
  if (a.type !== b.type) return ['type']
  const what: Difference['what'] = []
  if (a.type === 'hardlink') return a.linkPath && b.linkPath && comparePaths(a.linkPath, b.linkPath) !== 0 ? ['link'] : []
  if (a.type === 'file') {
    if (a.size !== b.size) what.push('size', 'content')
    else if (!(await hasSameContent(left, right, l, r))) what.push('content')
  }
  if (a.mode !== b.mode && a.type !== 'symlink') what.push('mode')
  if (a.uid !== b.uid || a.gid !== b.gid) what.push('owner')
  if (a.mtimeSeconds !== b.mtimeSeconds || a.mtimeNanoseconds !== b.mtimeNanoseconds) what.push('mtime')
  if (!sameXattrs(a, b)) what.push('xattrs')
  if (a.target && Buffer.compare(a.target, b.target!) !== 0) what.push('target')
  if (a.major !== b.major || a.minor !== b.minor) what.push('device')
  return what
}

function sameXattrs(a: Entry, b: Entry): boolean {
  return (
    a.xattrs.length === b.xattrs.length &&
    a.xattrs.every(({ name, value }, i) => Buffer.compare(name, b.xattrs[i]!.name) === 0 && Buffer.compare(value, b.xattrs[i]!.value) === 0)
  )
}

async function hasSameContent(left: Tree, right: Tree, l: Side, r: Side): Promise<boolean> {
  if (left.cutBy !== null && left.cutBy === right.cutBy) return Buffer.compare(l.fingerprint!, r.fingerprint!) === 0
  const comparer = new BytesComparer(l.extents(), left.chunkIdKey)
  for await (const bytes of r.content()) if (!(await comparer.push(bytes))) return false
  return comparer.end()
}

class ArchiveTree implements Tree {
  readonly cutBy: string
  readonly chunkIdKey: Uint8Array | null
  readonly #archive: Archive

  constructor(archive: Archive) {
    this.#archive = archive
    const { header, chunkIdKey } = archive.unlocked
    this.chunkIdKey = chunkIdKey
    this.cutBy = `${header.average} ${chunkIdKey ? Buffer.from(chunkIdKey).toString('hex') : ''}`
  }

  /** Paths that no entry lies above of; the parents of those that have none. */
  async roots(): Promise<string[]> {
    const roots = new Set<string>()
    for await (const { path } of this.#archive.entries()) {
      const name = Buffer.from(path).toString('latin1').split('/')[0]!
      if (name === '') return ['']
      roots.add(name)
    }
    return [...roots]
  }

  async *sides(): AsyncGenerator<Side> {
    let hasher = new Hasher()
    const archive = this.#archive
    for await (const page of archive.assembledPages(new Selection({}))) {
      for (const assembled of page) {
        const { entry, extents, fileOffset } = assembled
        for (const extent of extents) {
          hasher.update(Buffer.from(`${extent.length} `))
          if (extent.kind === 'chunk') hasher.update(extent.id)
        }
        if (!entry) continue
        const fingerprint = hasher.digest()
        hasher = new Hasher()
        if (entry.link !== undefined) entry.linkPath = (await archive.entryAt(entry.link)).path
        // What lies in one page is at hand; a file that goes on over pages is read again.
        yield fileOffset === 0
          ? { entry, fingerprint, content: () => archive.bytesOf(assembled), extents: () => each(extents) }
          : { entry, fingerprint, content: () => archive.content(entry), extents: () => archive.extentsOf(entry) }
      }
    }
  }

  close(): Promise<void> {
    return this.#archive.close()
  }
}

/** A directory seen as an archive would see it. */
class DirectoryTree implements Tree {
  readonly cutBy = null
  readonly chunkIdKey = null
  readonly #walk: Walk
  readonly #directory: string
  readonly #roots: string[]
  readonly #report: (problem: Problem) => void

  constructor(directory: string, roots: string[], { onProblem }: Watch) {
    this.#directory = Buffer.from(directory).toString('latin1')
    this.#roots = roots
    this.#report = onProblem ?? (() => {})
    this.#walk = new Walk({ exclude: [], oneFileSystem: false, followSymlinks: false, skip: new Set(), report: this.#report })
  }

  async *sides(): AsyncGenerator<Side> {
    const firstNames = new Map<string, Uint8Array>()
    for (const path of this.#roots) {
      const source = path === '' ? this.#directory : `${this.#directory}/${path}`
      if (!fs.lstatSync(toBytes(source), { throwIfNoEntry: false })) continue
      for (const found of this.#walk.of([{ path, source, stream: null }])) {
        if (found.path === '' && path !== '') continue
        const entry = this.#entryOf(found, firstNames)
        if (entry) yield { entry, fingerprint: null, content: () => readFile(found.source), extents: noExtents }
      }
    }
  }

  #entryOf(found: Found, firstNames: Map<string, Uint8Array>): Entry | null {
    const path = toBytes(found.path)
    const note = (message: string) => this.#report({ kind: 'note', message, path: displayPath(path) })
    if (found.inode !== null) {
      const linkPath = firstNames.get(found.inode)
      if (linkPath) return { ...EMPTY, path, type: 'hardlink', linkPath }
      firstNames.set(found.inode, path)
    }
    try {
      if (found.kind !== 'file') {
        const record = simpleRecordOf(found, note)
        if (record.type === 'hardlink') return null
        const { metadata, ...rest } = record
        return { ...EMPTY, ...metadata, ...rest }
      }
      const fd = fs.openSync(toBytes(found.source), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK)
      try {
        const stat = statFd(fd)
        return { ...EMPTY, ...metadataOf(stat, xattrsOf({ fd }, note), false), path, type: 'file', size: stat.size }
      } finally {
        fs.closeSync(fd)
      }
    } catch (error) {
      this.#report({ kind: 'unreadable', message: (error as Error).message, path: displayPath(path) })
      return null
    }
  }

  async close(): Promise<void> {}
}

const EMPTY = {
  number: 0, size: 0, unstable: false, mode: 0, uid: 0, gid: 0, user: new Uint8Array(0), group: new Uint8Array(0),
  mtimeSeconds: 0, mtimeNanoseconds: 0, xattrs: [],
}

async function* readFile(source: string): AsyncGenerator<Uint8Array> {
  const fd = fs.openSync(toBytes(source), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK)
  try {
    const buffer = Buffer.allocUnsafe(1024 * 1024)
    for (let position = 0; ; ) {
      const count = readFully(fd, buffer, position)
      if (count === 0) return
      position += count
      yield buffer.subarray(0, count)
    }
  } finally {
    fs.closeSync(fd)
  }
}

async function* noExtents(): AsyncGenerator<Extent> {}

async function* each(extents: Extent[]): AsyncGenerator<Extent> {
  yield* extents
}
