/**
 * Restores entries into a target directory. Frames are opened and files written in tasks; what needs the
 * order of entries is done here: directories, links, large files, final names.
 */
import fs from 'node:fs'
import { randomBytes } from 'node:crypto'
import { WarpError } from '../base/errors.ts'
import type { Pool } from '../engine/pool.ts'
import { displayPath, splitPath } from '../format/path.ts'
import type { Assembled } from './assemble.ts'
import { FrameJobs, packIds, type FrameJob } from './frame-jobs.ts'
import type { FramePlace } from './frame-reader.ts'
import { HardLinks } from './hard-links.ts'
import { nextData } from './os/holes.ts'
import { applyMetadata, type MetadataProblem } from './os/metadata.ts'
import { codeOf } from './os/os-error.ts'
import { makeDevice, makeFifo } from './os/special.ts'
import type { TargetTree } from './os/target-tree.ts'
import { describeProblem } from './problems.ts'
import { isFatal, writeFully, FIELD, FILE_FIELDS, type OwnerOptions, type RestoreReply, type RestoreRequest } from './restore-task.ts'
import { outputError } from './sink.ts'
import { TargetDirectories, type Place, type TargetDirectory } from './target-directories.ts'
import type { Entry, Problem } from './types.ts'

/** A regular file that lies in one frame. */
interface SmallFile extends Place {
  entry: Entry
  /** Name under which it is made. */
  madeAs: Buffer
}

/** A regular file that is written piece by piece. */
interface LargeFile extends Place {
  fd: number
  madeAs: Buffer
  /** Something of it may stand there from an earlier run. */
  isBegun: boolean
  /** Chunks that are not written yet. */
  pending: number
  /** Set when its last extent is known. */
  entry: Entry | null
  failure: { kind: 'damaged' | 'unrestored'; message: string } | null
}

/** What a chunk is wanted for. */
type Want = ({ small: SmallFile } | { large: LargeFile }) & { fileOffset: number }

/** Directories and files that may come to be held open before all that is under way is waited for. */
const MAX_OPEN = 400
/** That are written at once where a hole is to be. */
const ZEROS_BYTES = 1 << 20
/** Links to what was not selected that are remembered before they are made files of their own. */
const MAX_ORPHANS = 4096

export interface RestorerOptions {
  tree: TargetTree
  /** Directory within the target that everything is made in at first, as components; null: things get their names at once. */
  staging: Buffer[] | null
  /** Whoever restores goes on there after an interruption, and gives things their places: what is begun stays. */
  keepsStaging?: boolean
  overwrite: 'never' | 'always' | 'newer'
  stripComponents: number
  owner: OwnerOptions
  pool: Pool
  frames: RestoreFrames
  chunkIdKey: Uint8Array | null
  report: (problem: Problem) => void
  onBytes: (bytes: number, path: Uint8Array) => void
  /** Nothing more is restored: for whoever does not wait for it here. */
  onFailure?: (error: unknown) => void
  /** Path of an entry by its number. */
  pathOf: (number: number) => Promise<Uint8Array>
  /** Restores an entry that was not selected, for a link to it; null while that cannot be done. */
  adopt: ((number: number, place: Place) => Promise<boolean>) | null
}

/** Where the frames that entries refer to come from. */
export interface RestoreFrames {
  /** @param frame as entries name it; the job for it has begun and waits */
  at(frame: number): Promise<FramePlace>
  /** All that is wanted of it is restored, or reported. */
  done?(frame: number): void
  /** Chunks of it are not what their ids say, or it is damaged: throws if that ends everything. */
  wrong?(frame: number): void
}

/** In the place of a frame: the chunk stands in the file that is gone on with. */
export const IN_PLACE = -Infinity

export class Restorer {
  readonly options: RestorerOptions
  readonly directories: TargetDirectories
  readonly links: HardLinks
  readonly #jobs: FrameJobs<Want>
  #large: LargeFile | null = null
  readonly #unfinished = new Set<LargeFile>()
  /** Small files that a task may have begun and none has answered for. */
  readonly #unsettled = new Set<SmallFile>()
  /** Path of a file of which nothing is to be restored. */
  #skipped: Uint8Array | null = null
  /** Metadata of directories directly in staging, which cannot be moved once they are read-only. */
  readonly #afterMove: { name: Buffer; entry: Entry | null }[] = []
  #rootEntry: Entry | null = null
  /** What stays open even if all that is under way is waited for. */
  #lastingOpen = 0
  /** Names given out where several entries can come to have the same; null: nothing is replaced, or none can. */
  readonly #taken: Set<string> | null
  #temporary = 0
  readonly #temporaryPrefix = `.warp-${randomBytes(4).toString('hex')}-`
  restored = 0
  damaged = 0

  constructor(options: RestorerOptions) {
    this.options = options
    this.#taken = options.stripComponents > 0 && options.overwrite !== 'never' && !options.staging ? new Set() : null
    const base = options.staging ?? []
    this.directories = new TargetDirectories({ tree: options.tree, base, finish: (directory) => this.#finishDirectory(directory) })
    this.links = new HardLinks(this)
    this.#jobs = new FrameJobs(options.pool.size * 2 + 1, (job) => this.#run(job).catch((error: unknown) => {
      options.onFailure?.(error)
      throw error
    }))
  }

  /** Takes the next record, in archive order. */
  async take(assembled: Assembled): Promise<void> {
    const { entry, path } = assembled
    this.#lastingOpen = Math.min(this.#lastingOpen, this.#open)
    if (this.#open > this.#lastingOpen + MAX_OPEN || (this.options.adopt && this.links.orphans.length > MAX_ORPHANS)) {
      await this.finish()
      if (this.options.adopt) await this.links.adopt(this.options.adopt)
      this.#lastingOpen = this.#open
    }
    const isContinuation = assembled.fileOffset > 0 || (this.#large !== null && Buffer.compare(this.#large.path, path) === 0)
    if (isContinuation) {
      if (this.#skipped === null && this.#large) this.#addExtents(this.#large, assembled)
      if (entry) this.#skipped = null
    } else {
      const place = this.#placeOf(path, entry)
      if (place) await this.#begin(place, assembled)
      else if (!entry) this.#skipped = path
    }
    await this.#jobs.settle()
  }

  get #open(): number {
    return this.directories.open + this.#unfinished.size
  }

  /** Waits for all that is under way, makes the links, and gives everything its final name. */
  async finish(): Promise<void> {
    await this.#jobs.drain()
    await this.links.make()
  }

  /** Ends it, complete or not: nothing half-written stays. */
  async close(): Promise<void> {
    // After a failure a thread may still be writing.
    await this.#jobs.drain().catch(() => this.options.pool.close())
    if (this.options.keepsStaging) return this.#suspend()
    for (const file of this.#unfinished) this.#discard(file)
    for (const file of this.#unsettled) this.#removeUnsettled(file)
    this.links.forget()
    this.directories.close()
    if (this.options.keepsStaging) return
    if (this.options.staging) this.#moveOut(this.options.staging)
    // What was there before keeps its metadata, as any other directory does.
    const isOurs = this.options.staging !== null || this.options.overwrite !== 'never'
    if (this.#rootEntry && isOurs) this.#setDirectoryMetadata([], this.#rootEntry)
  }

  /** Takes the next record, of an entry that stands where it belongs: in staging, or where it is to be in the end. */
  present({ path, entry }: Assembled): void {
    if (!entry) return
    const place = this.#placeOf(path, entry)
    if (place) this.succeed(place, entry)
  }

  /** Begins with all that is wanted so far, without waiting for more to refer to the same frames. */
  async flush(): Promise<void> {
    await this.#jobs.flush()
  }

  /** All that was to come has come: directories get their metadata, and what waits in vain is told of. To be called instead of `close`. */
  complete(): void {
    this.links.forget()
    this.directories.close()
  }

  /** Of the root directory, which is the target itself; null if there is none. */
  get rootEntry(): Entry | null {
    return this.#rootEntry
  }

  /** Leaves everything as it is. */
  #suspend(): void {
    for (const { fd } of this.#unfinished) fs.closeSync(fd)
    this.#unfinished.clear()
    this.#unsettled.clear()
    this.directories.abandon()
  }

  /** Counts an entry as restored. */
  succeed(place: Place, entry: Entry): void {
    this.restored++
    this.links.restored(entry.number)
    this.options.onBytes(entry.size, place.path)
  }

  fail(path: Uint8Array, kind: 'damaged' | 'unrestored', message: string): void {
    if (kind === 'damaged') this.damaged++
    this.options.report({ kind, message, path: displayPath(path) })
  }

  /**
   * Makes something under a name that nobody looks for, and gives it its name once it is complete.
   * @param make makes it under the name given; its errors become problems
   */
  put(place: Place, make: (name: Buffer) => void): boolean {
    const madeAs = this.#nameToMake(place.name)
    try {
      make(madeAs)
    } catch (error) {
      this.refuse(place.path, error)
      return false
    }
    return this.#giveName(place, madeAs)
  }

  /** Where `path` goes; null if it goes nowhere, which is reported where it is not meant. */
  #placeOf(path: Uint8Array, entry: Entry | null): Place | null {
    const all = splitPath(path)
    if (all.length <= this.options.stripComponents) {
      if (all.length === 0 && this.options.stripComponents === 0) this.#rootEntry = entry
      return null
    }
    const components = all.slice(this.options.stripComponents)
    const name = components.pop()!
    try {
      const directory = this.directories.enter(components)
      this.directories.claim(directory, name)
      if (entry?.type !== 'directory') this.#take([...components, name])
      return { directory, name, path }
    } catch (error) {
      this.refuse(path, error)
      return null
    }
  }

  /** Replacing what the archive itself put there would give links to it another file's content. */
  #take(components: Buffer[]): void {
    const key = components.map((component) => component.toString('latin1')).join('/')
    if (this.#taken?.has(key)) throw new WarpError('ERR_WARP_NAME_COLLISION', 'another entry has this name without its first components')
    this.#taken?.add(key)
  }

  async #begin(place: Place, assembled: Assembled): Promise<void> {
    const { entry } = assembled
    if (entry?.type === 'directory') return this.#directory(place, entry)
    // A link has no time of its own: whether it is newer is known when what it leads to is restored.
    const isUndecided = entry?.type === 'hardlink' && this.options.overwrite === 'newer'
    if (!isUndecided && !this.#mayReplace(place, entry)) {
      if (!entry) this.#skipped = place.path
      return
    }
    if (entry?.type === 'hardlink') return this.links.add(place, entry)
    if (entry?.type === 'symlink' || entry?.type === 'fifo' || entry?.type === 'chardev' || entry?.type === 'blockdev') {
      return this.#special(place, entry)
    }
    const [first] = assembled.frames
    if (assembled.isBegun) return this.#beginLarge(place, assembled)
    if (entry && first === undefined) return this.#fileWithoutChunks(place, entry)
    if (entry && assembled.frames.every((frame) => frame === first)) return this.#smallFile(place, entry, assembled)
    this.#beginLarge(place, assembled)
  }

  #directory(place: Place, entry: Entry): void {
    try {
      const components = [...place.directory.components.slice(this.directories.base.components.length), place.name]
      const directory = this.directories.enter(components)
      if (directory.isNew || this.options.overwrite !== 'never') directory.entry = entry
      this.succeed(place, entry)
    } catch (error) {
      this.refuse(place.path, error)
    }
  }

  #special(place: Place, entry: Entry): void {
    const { handle } = place.directory
    const made = this.put(place, (name) => {
      const path = handle.nameAt(name)
      if (entry.type === 'symlink') this.options.tree.symlinkAt(Buffer.from(entry.target!), handle, name)
      else if (entry.type === 'fifo') makeFifo(path, 0o600)
      else makeDevice(path, entry.type as 'chardev' | 'blockdev', entry.major!, entry.minor!, 0o600)
      const isSymlink = entry.type === 'symlink'
      this.reportMetadata(place.path, applyMetadata({ path }, entry, { ...this.options.owner, xattrs: true, isSymlink }))
    })
    if (made) this.succeed(place, entry)
  }

  #fileWithoutChunks(place: Place, entry: Entry): void {
    const made = this.put(place, (name) => {
      const { handle } = place.directory
      const fd = this.options.tree.createExclusive(handle, name, 0o600)
      try {
        if (entry.size > 0) fs.ftruncateSync(fd, entry.size)
        this.reportMetadata(place.path, applyMetadata({ fd }, entry, { ...this.options.owner, xattrs: true, isSymlink: false }))
      } catch (error) {
        this.options.tree.removeAt(handle, name)
        throw error
      } finally {
        fs.closeSync(fd)
      }
    })
    if (made) this.succeed(place, entry)
  }

  #smallFile(place: Place, entry: Entry, { extents, frames, offsets }: Assembled): void {
    const small: SmallFile = { ...place, entry, madeAs: this.#nameToMake(place.name) }
    place.directory.pending++
    this.#unsettled.add(small)
    let chunk = 0
    let fileOffset = 0
    for (const extent of extents) {
      if (extent.kind === 'chunk') {
        this.#jobs.add(frames[chunk]!, offsets[chunk]!, extent.length, extent.id, { small, fileOffset })
        chunk++
      }
      fileOffset += extent.length
    }
  }

  #beginLarge(place: Place, assembled: Assembled): void {
    const madeAs = this.#nameToMake(place.name)
    try {
      const { handle } = place.directory
      const { tree } = this.options
      const fd = assembled.isBegun ? tree.openForWriting(handle, madeAs) : tree.createExclusive(handle, madeAs, 0o600)
      this.#large = { ...place, fd, madeAs, pending: 0, entry: null, failure: null, isBegun: assembled.isBegun ?? false }
    } catch (error) {
      this.refuse(place.path, error)
      if (!assembled.entry) this.#skipped = place.path
      return
    }
    place.directory.pending++
    this.#unfinished.add(this.#large)
    this.#addExtents(this.#large, assembled)
  }

  #addExtents(large: LargeFile, { extents, frames, offsets, fileOffset, entry }: Assembled): void {
    let chunk = 0
    let position = fileOffset
    for (const extent of extents) {
      // In a file that is gone on with, something else may stand there.
      if (extent.kind === 'hole' && large.isBegun) this.#clear(large, position, extent.length)
      if (extent.kind === 'chunk') {
        if (frames[chunk] !== IN_PLACE) {
          large.pending++
          this.#jobs.add(frames[chunk]!, offsets[chunk]!, extent.length, extent.id, { large, fileOffset: position })
        }
        chunk++
      }
      position += extent.length
    }
    if (entry) {
      large.entry = entry
      this.#large = null
      this.#finishIfDone(large)
    }
  }

  /** Makes a range of a file zeros, unless nothing stands there. */
  #clear(large: LargeFile, position: number, length: number): void {
    try {
      const { size } = fs.fstatSync(large.fd)
      const zeros = Buffer.alloc(Math.min(length, ZEROS_BYTES))
      for (let at = nextData(large.fd, position, size); at < Math.min(position + length, size); at = nextData(large.fd, at, size)) {
        const count = Math.min(zeros.length, position + length - at, size - at)
        writeFully(large.fd, zeros.subarray(0, count), at)
        at += count
      }
    } catch (error) {
      large.failure ??= { kind: 'unrestored', message: describeProblem(codeOf(error), (error as Error).message) }
    }
  }

  async #run(job: FrameJob<Want>): Promise<void> {
    const { frames, chunkIdKey, pool, owner } = this.options
    const files: SmallFile[] = []
    const targets = new Float64Array(job.wants.length * 2)
    job.wants.forEach((want, i) => {
      if ('small' in want && files.at(-1) !== want.small) files.push(want.small)
      targets[2 * i] = 'small' in want ? files.length - 1 : -1 - want.large.fd
      targets[2 * i + 1] = want.fileOffset
    })
    const request: RestoreRequest = {
      place: await frames.at(job.offset), chunkIdKey,
      chunks: Uint32Array.from(job.chunks), ids: packIds(job.ids), targets, files: packFiles(files), owner,
    }
    const { place } = request
    let reply: RestoreReply
    try {
      reply = (await pool.run('restore', request, movedWith(place))) as RestoreReply
    } catch (error) {
      if (!(error instanceof WarpError) || (error.class !== 'damaged' && error.class !== 'malformed')) throw error
      const all = Uint32Array.from(job.wants.keys())
      reply = { wrong: all, failed: [], unwritten: [], problems: [] }
    }
    if (reply.wrong.length > 0) frames.wrong?.(job.offset)
    this.#settle(job, files, reply)
    frames.done?.(job.offset)
  }

  #settle(job: FrameJob<Want>, files: SmallFile[], { wrong, failed, unwritten, problems }: RestoreReply): void {
    const lost = new Set<SmallFile>()
    for (const chunk of wrong) {
      const want = job.wants[chunk]!
      if ('large' in want) want.large.failure ??= { kind: 'damaged', message: DAMAGED }
      else if (!lost.has(want.small)) {
        lost.add(want.small)
        this.fail(want.small.path, 'damaged', DAMAGED)
      }
    }
    for (const { chunk, code, message } of unwritten) {
      const want = job.wants[chunk]!
      if (isFatal(code)) throw outputError(Object.assign(new Error(message), { code }), displayPath(pathOfWant(want)))
      if ('large' in want) want.large.failure ??= { kind: 'unrestored', message: describeProblem(code, message) }
    }
    for (const { file, code, message } of failed) {
      const small = files[file]!
      lost.add(small)
      if (isFatal(code)) throw outputError(Object.assign(new Error(message), { code }), displayPath(small.path))
      this.fail(small.path, 'unrestored', describeProblem(code, message))
    }
    for (const { file, problem } of problems) this.reportMetadata(files[file]!.path, [problem])
    for (const small of files) {
      this.#unsettled.delete(small)
      if (!lost.has(small) && this.#giveName(small, small.madeAs)) this.succeed(small, small.entry)
      this.directories.done(small.directory)
    }
    for (const want of job.wants) {
      if (!('large' in want)) continue
      want.large.pending--
      this.#finishIfDone(want.large)
    }
  }

  #finishIfDone(large: LargeFile): void {
    if (large.pending > 0 || !large.entry || !this.#unfinished.has(large)) return
    if (large.failure) {
      this.fail(large.path, large.failure.kind, large.failure.message)
      this.#discard(large)
      return
    }
    const { fd, entry } = large
    if (!this.#mayReplace(large, entry)) return this.#discard(large)
    try {
      fs.ftruncateSync(fd, entry.size)
    } catch (error) {
      this.#discard(large)
      this.refuse(large.path, error)
      return
    }
    this.#unfinished.delete(large)
    this.reportMetadata(large.path, applyMetadata({ fd }, entry, { ...this.options.owner, xattrs: true, isSymlink: false }))
    fs.closeSync(fd)
    if (this.#giveName(large, large.madeAs)) this.succeed(large, entry)
    this.directories.done(large.directory)
  }

  #discard(large: LargeFile): void {
    this.#unfinished.delete(large)
    fs.closeSync(large.fd)
    this.options.tree.removeAt(large.directory.handle, large.madeAs)
    this.directories.done(large.directory)
  }

  #removeUnsettled({ directory, madeAs }: SmallFile): void {
    try {
      this.options.tree.removeAt(directory.handle, madeAs)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
    this.directories.done(directory)
  }

  /**
   * Whether the entry may take its name, as far as can be told beforehand.
   * @param entry null while its metadata is not known
   */
  #mayReplace({ directory, name, path }: Place, entry: Entry | null): boolean {
    const { staging, overwrite, tree } = this.options
    if (staging || overwrite === 'always') return true
    const existing = tree.lstatAt(directory.handle, name)
    if (!existing) return true
    if (overwrite === 'never') {
      this.fail(path, 'unrestored', 'it exists and was kept (see --overwrite)')
      return false
    }
    if (!entry) return true
    const isNewer =
      entry.mtimeSeconds > existing.mtimeSeconds ||
      (entry.mtimeSeconds === existing.mtimeSeconds && entry.mtimeNanoseconds > existing.mtimeNanoseconds)
    if (!isNewer) this.#noteKept(path)
    return isNewer
  }

  /** Whether a link to what was not restored leaves what is there. */
  isKept({ directory, name, path }: Place): boolean {
    const { overwrite, staging, tree } = this.options
    if (overwrite !== 'newer' || staging || !tree.lstatAt(directory.handle, name)) return false
    this.#noteKept(path)
    return true
  }

  #noteKept(path: Uint8Array): void {
    this.options.report({ kind: 'note', message: 'what is there is not older: kept', path: displayPath(path) })
  }

  #nameToMake(name: Buffer): Buffer {
    return this.options.staging ? name : Buffer.from(this.#temporaryPrefix + (this.#temporary++).toString())
  }

  #giveName({ directory, name, path }: Place, madeAs: Buffer): boolean {
    if (madeAs.equals(name)) return true
    const { tree, overwrite } = this.options
    try {
      tree.renameAt(directory.handle, madeAs, directory.handle, name, { replace: overwrite !== 'never' })
      return true
    } catch (error) {
      tree.removeAt(directory.handle, madeAs)
      this.refuse(path, error)
      return false
    }
  }

  /** Reports why an entry was not restored. @throws what keeps everything else from being restored too */
  refuse(path: Uint8Array, error: unknown): void {
    const code = codeOf(error)
    if (isFatal(code)) throw outputError(error, displayPath(path))
    const message = error instanceof WarpError ? error.message : describeProblem(code, (error as Error).message)
    this.fail(path, 'unrestored', message)
  }

  reportMetadata(path: Uint8Array, problems: MetadataProblem[]): void {
    for (const { what, code, name } of problems) {
      const of = name ? `${what} ${displayPath(name)}` : what
      this.options.report({ kind: 'unrestored', message: `${of} not restored: ${code}`, path: displayPath(path) })
    }
  }

  #finishDirectory(directory: TargetDirectory): void {
    const { components, entry, handle, isNew } = directory
    if (directory === this.directories.base) return
    const { staging, keepsStaging } = this.options
    if (staging && !keepsStaging && components.length === staging.length + 1) {
      this.#afterMove.push({ name: components.at(-1)!, entry })
      return
    }
    if (entry) this.reportMetadata(entry.path, this.options.tree.setDirectoryMetadata(handle, entry, { ...this.options.owner, xattrs: true }))
    else if (isNew && handle.fd >= 0) fs.fchmodSync(handle.fd, 0o777 & ~process.umask())
  }

  /** Gives what stands in staging its place in the target. */
  #moveOut(staging: Buffer[]): void {
    const { tree } = this.options
    const root = tree.openDirectory([])
    const from = tree.openDirectory(staging)
    const stuck = new Set<string>()
    try {
      for (const name of tree.namesIn(from)) {
        try {
          tree.renameAt(from, name, root, name, { replace: false })
        } catch (error) {
          stuck.add(name.toString('latin1'))
          this.fail(name, 'unrestored', describeProblem(codeOf(error), (error as Error).message))
        }
      }
    } finally {
      from.release()
    }
    // What took its name meanwhile is not ours.
    for (const { name, entry } of this.#afterMove) if (!stuck.has(name.toString('latin1'))) this.#setDirectoryMetadata([name], entry)
    tree.removeTreeAt(root, staging[0]!)
    root.release()
  }

  #setDirectoryMetadata(components: Buffer[], entry: Entry | null): void {
    const { tree, owner } = this.options
    const handle = tree.openDirectory(components)
    try {
      if (entry) this.reportMetadata(entry.path, tree.setDirectoryMetadata(handle, entry, { ...owner, xattrs: true }))
      else if (handle.fd >= 0) fs.fchmodSync(handle.fd, 0o777 & ~process.umask())
    } finally {
      handle.release()
    }
  }
}

/** What a task gets for good. */
function movedWith(place: FramePlace): ArrayBuffer[] {
  if ('block' in place) return [place.block.buffer as ArrayBuffer]
  return 'plain' in place ? [place.plain.buffer as ArrayBuffer] : []
}

const DAMAGED = 'damaged in the archive: not restored'

function pathOfWant(want: Want): Uint8Array {
  return 'small' in want ? want.small.path : want.large.path
}

function packFiles(files: SmallFile[]): RestoreRequest['files'] {
  const fields = new Float64Array(files.length * FILE_FIELDS)
  const pathEnds = new Uint32Array(files.length)
  const paths: Buffer[] = []
  const more: RestoreRequest['files']['more'] = []
  let end = 0
  files.forEach(({ directory, madeAs, entry }, file) => {
    const path = directory.handle.nameAt(madeAs)
    paths.push(path)
    pathEnds[file] = end += path.length
    const at = file * FILE_FIELDS
    fields[at + FIELD.size] = entry.size
    fields[at + FIELD.mode] = entry.mode
    fields[at + FIELD.uid] = entry.uid
    fields[at + FIELD.gid] = entry.gid
    fields[at + FIELD.mtimeSeconds] = entry.mtimeSeconds
    fields[at + FIELD.mtimeNanoseconds] = entry.mtimeNanoseconds
    const { user, group, xattrs } = entry
    if (user.length > 0 || group.length > 0 || xattrs.length > 0) more.push({ file, user, group, xattrs })
  })
  return { paths: Buffer.concat(paths), pathEnds, fields, more }
}
