/**
 * What stands in the target or in staging already of the entries of a listing, and what is to become of each. Files
 * are compared by content: those in the target are cut and hashed as the sender did it, and what they hold is not
 * asked for, wherever in them it stands.
 */
import fs from 'node:fs'
import { displayPath, splitPath } from '../../format/path.ts'
import type { Extent } from '../../format/entry.ts'
import type { Assembled } from '../../archive/assemble.ts'
import { codeOf } from '../../archive/os/os-error.ts'
import type { FileStat } from '../../archive/os/stat.ts'
import type { DirectoryHandle, TargetTree } from '../../archive/os/target-tree.ts'
import type { OwnerOptions } from '../../archive/restore-task.ts'
import type { Entry, Problem } from '../../archive/types.ts'
import type { ChunkScanner, ScanFile } from './chunk-scanner.ts'
import { IN_PLACE, NOT_WANTED } from './listing.ts'

/**
 * What becomes of an entry: it is made; a file that was begun is gone on with; it is there; nothing is to be done,
 * since what is there is kept.
 */
export type Fate = 'make' | 'begun' | 'there' | 'skip'

/** A chunk of a file in the target. */
export interface LocalChunk {
  path: Uint8Array
  offset: number
}

export interface Judged {
  fates: Fate[]
  /** For each chunk reference: IN_PLACE if it stands where it belongs, NOT_WANTED if nobody looks for it there, else 0. */
  isInPlace: Uint8Array
  /** By id, as a latin1 string: chunks of files in the target that have the names of the listing. */
  local: Map<string, LocalChunk>
}

export interface ExistingOptions {
  tree: TargetTree
  /** Where the received tree stands, as components. */
  staged: Buffer[]
  overwrite: 'never' | 'always' | 'newer'
  owner: OwnerOptions
  scanner: ChunkScanner
  /** Path of an entry by its number. */
  pathOf: (number: number) => Uint8Array
  report: (problem: Problem) => void
}

/** A file of the target while it is compared with what is offered of it. */
interface Compared {
  stat: FileStat
  /** Its chunks, once it was scanned. */
  ids: Uint8Array[]
  offsets: number[]
  /** How many of them were offered in the same order and place so far. */
  matched: number
  differs: boolean
}

/** A file that goes on in the next listing. */
interface Current {
  path: Buffer
  fate: Fate
  compared: Compared | null
}

/** Files that are scanned at once: each keeps its directory open. */
const SCANNED_AT_ONCE = 64

export class Existing {
  readonly #options: ExistingOptions
  #current: Current | null = null
  /** Bit for each entry: it stood in the target as it is offered. */
  #there = new Uint8Array(1024)
  /** Of the entries of this listing, by index. */
  #compared = new Map<number, Compared>()

  constructor(options: ExistingOptions) {
    this.#options = options
  }

  /**
   * @param done for each chunk reference of the listing: 1 if the journal says that it stands in staging
   * @param isJournalled the listing is as it was in an earlier run
   * @param isComplete all that ends in it was complete then
   */
  async judge(assembled: Assembled[], done: Uint8Array, isJournalled: boolean, isComplete: boolean): Promise<Judged> {
    const local = new Map<string, LocalChunk>()
    this.#compared.clear()
    if (this.#current?.compared) keepLocal(local, this.#current.path, this.#current.compared)
    await this.#scan(assembled, isComplete, local)
    const isInPlace = Uint8Array.from(done)
    let ref = 0
    const fates = assembled.map((one, i): Fate => {
      const first = ref
      ref += one.frames.length
      const continued = this.#current?.path.equals(one.path) ? this.#current : null
      const compared = continued?.compared ?? this.#compared.get(i) ?? null
      if (compared) compare(compared, one)
      const fate = continued
        ? this.#goOn(continued, one)
        : this.#fateOf(one, compared, done.subarray(first, ref), isJournalled, isComplete)
      if (fate === 'there') isInPlace.fill(IN_PLACE, first, ref)
      if (fate === 'skip') isInPlace.fill(NOT_WANTED, first, ref)
      if (fate === 'make') isInPlace.fill(0, first, ref)
      if (fate === 'there' && one.entry && !isComplete) this.#setThere(one.entry.number)
      this.#current = one.entry ? null : { path: Buffer.from(one.path), fate, compared }
      return fate
    })
    return { fates, isInPlace, local }
  }

  /** Descriptor of a received file, or of one in the target. @throws the system's error */
  open(path: Uint8Array): number {
    return this.#openIn(this.#options.staged, path) ?? this.openTarget(path)
  }

  openTarget(path: Uint8Array): number {
    const fd = this.#openIn([], path)
    if (fd === null) throw Object.assign(new Error('it is gone'), { code: 'ENOENT' })
    return fd
  }

  #openIn(base: Buffer[], path: Uint8Array): number | null {
    try {
      return this.#at(base, path, (directory, name) => this.#options.tree.openRegular(directory, name))
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null
      throw error
    }
  }

  #at<T>(base: Buffer[], path: Uint8Array, act: (directory: DirectoryHandle, name: Buffer) => T): T {
    const components = splitPath(path)
    const name = components.pop()!
    const directory = this.#options.tree.openDirectory([...base, ...components])
    try {
      return act(directory, name)
    } finally {
      directory.release()
    }
  }

  /** Looks at the files of the target that have the names of regular files in the listing. */
  async #scan(assembled: Assembled[], isComplete: boolean, local: Map<string, LocalChunk>): Promise<void> {
    const { tree, scanner } = this.#options
    const held: DirectoryHandle[] = []
    let files: ScanFile[] = []
    let compared: { one: Assembled; state: Compared }[] = []
    const scan = async () => {
      for await (const { file, ids, offsets } of scanner.scan(files)) {
        const { one, state } = compared[file]!
        Object.assign(state, { ids, offsets })
        keepLocal(local, one.path, state)
      }
      for (const directory of held.splice(0)) directory.release()
      files = []
      compared = []
    }
    for (const [i, one] of assembled.entries()) {
      const isFile = one.entry === null || one.entry.type === 'file'
      if (!isFile || this.#current?.path.equals(one.path) || (isComplete && one.entry && this.#isStaged(one.path, one.entry))) continue
      const stat = this.#stat([], one.path)
      if (!stat) continue
      const state: Compared = { stat, ids: [], offsets: [], matched: 0, differs: stat.type !== 'file' }
      this.#compared.set(i, state)
      if (stat.type !== 'file' || stat.size === 0) continue
      const components = splitPath(one.path)
      const name = components.pop()!
      const directory = tree.openDirectory(components)
      held.push(directory)
      files.push({ source: directory.nameAt(name).toString('latin1'), size: stat.size, mtimeMs: stat.mtimeMs, ctimeMs: stat.ctimeMs })
      compared.push({ one, state })
      if (files.length >= SCANNED_AT_ONCE) await scan()
    }
    await scan()
  }

  #goOn({ fate, compared }: Current, { path, entry }: Assembled): Fate {
    if (fate === 'skip' && entry && compared && !this.#isSame(entry, compared)) this.#reportKept(path, entry, compared.stat)
    return fate
  }

  #fateOf(one: Assembled, compared: Compared | null, done: Uint8Array, isJournalled: boolean, isComplete: boolean): Fate {
    const { path, entry } = one
    if (entry?.type === 'directory') {
      // A file has become a directory since the run before.
      const staged = this.#stat(this.#options.staged, path)
      if (staged && staged.type !== 'directory') this.#removeStaged(path)
      return 'make'
    }
    const { overwrite, staged } = this.#options
    if (isComplete && entry && entry.type !== 'hardlink' && this.#isStaged(path, entry)) return 'there'
    const stat = compared?.stat ?? this.#stat([], path)
    if (stat) {
      const isSame = entry !== null && (compared ? this.#isSame(entry, compared) : this.#isSameSimple(path, entry, stat))
      if (isSame) {
        this.#removeStaged(path)
        return 'there'
      }
      if (overwrite === 'never' || (overwrite === 'newer' && entry && entry.type !== 'hardlink' && !isNewer(entry, stat))) {
        if (entry) this.#reportKept(path, entry, stat)
        return 'skip'
      }
    }
    const isFile = entry === null || entry.type === 'file'
    const isBegun = isJournalled && isFile && (done.includes(1) || (isComplete && done.length === 0))
    if (isBegun && this.#stat(staged, path)?.type === 'file') return 'begun'
    // Left from a run that did not come so far, or from a state of the source that is no more.
    this.#removeStaged(path)
    return 'make'
  }

  /** Whether what the journal says was received stands there still. */
  #isStaged(path: Uint8Array, { type, size }: Entry): boolean {
    const stat = this.#stat(this.#options.staged, path)
    return stat?.type === type && (type !== 'file' || stat.size === size)
  }

  #reportKept(path: Uint8Array, entry: Entry, stat: FileStat): void {
    const { overwrite, report } = this.#options
    if (overwrite === 'newer' && !isNewer(entry, stat)) report({ kind: 'note', message: 'what is there is not older: kept', path: displayPath(path) })
    else report({ kind: 'unrestored', message: 'it exists and was kept (see --overwrite)', path: displayPath(path) })
  }

  /** Whether a regular file of the target is the offered one, content and metadata. */
  #isSame(entry: Entry, { stat, ids, matched, differs }: Compared): boolean {
    return !differs && matched === ids.length && stat.size === entry.size && this.#hasMetadata(entry, stat)
  }

  #isSameSimple(path: Uint8Array, entry: Entry, stat: FileStat): boolean {
    if (entry.type === 'hardlink') {
      if (!this.#isThere(entry.link!)) return false
      const other = this.#stat([], this.#options.pathOf(entry.link!))
      return other !== null && other.inode === stat.inode && other.device === stat.device
    }
    if (stat.type !== entry.type) return false
    if (entry.type === 'symlink') {
      const target = this.#at([], path, (directory, name) => this.#options.tree.readlinkAt(directory, name))
      return target.equals(entry.target!) && this.#hasTime(entry, stat)
    }
    if (entry.type === 'file') return false
    return this.#hasMetadata(entry, stat) && (entry.type === 'fifo' || (stat.rdevMajor === entry.major && stat.rdevMinor === entry.minor))
  }

  #isThere(number: number): boolean {
    return ((this.#there[number >>> 3] ?? 0) & (1 << (number & 7))) !== 0
  }

  #setThere(number: number): void {
    if (number >>> 3 >= this.#there.length) {
      const longer = new Uint8Array(2 * (number >>> 3) + 1024)
      longer.set(this.#there)
      this.#there = longer
    }
    this.#there[number >>> 3]! |= 1 << (number & 7)
  }

  #hasMetadata(entry: Entry, stat: FileStat): boolean {
    const { sameOwner } = this.#options.owner
    // Names of owners and attributes are looked at by nobody here: where there are any, the entry is made anew.
    return stat.mode === entry.mode && this.#hasTime(entry, stat) && entry.xattrs.length === 0 && (!sameOwner || (stat.uid === entry.uid && stat.gid === entry.gid))
  }

  #hasTime(entry: Entry, stat: FileStat): boolean {
    return stat.mtimeSeconds === entry.mtimeSeconds && stat.mtimeNanoseconds === entry.mtimeNanoseconds
  }

  #stat(base: Buffer[], path: Uint8Array): FileStat | null {
    try {
      return this.#at(base, path, (directory, name) => this.#options.tree.lstatAt(directory, name))
    } catch {
      // A directory on the way is missing, or none: what is made there finds out.
      return null
    }
  }

  #removeStaged(path: Uint8Array): void {
    const { tree, staged } = this.#options
    try {
      this.#at(staged, path, (directory, name) => {
        if (fs.lstatSync(directory.nameAt(name), { throwIfNoEntry: false })) tree.removeTreeAt(directory, name)
      })
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ERR_WARP_NOT_A_DIRECTORY') throw error
    }
  }
}

function keepLocal(local: Map<string, LocalChunk>, path: Uint8Array, { ids, offsets }: Compared): void {
  ids.forEach((id, i) => local.set(Buffer.from(id).toString('latin1'), { path, offset: offsets[i]! }))
}

/** Holds what is offered of a file, next in order, against what the target has. */
function compare(compared: Compared, { extents, fileOffset }: { extents: Extent[]; fileOffset: number }): void {
  let position = fileOffset
  for (const extent of extents) {
    if (extent.kind === 'chunk' && !compared.differs) {
      const id = compared.ids[compared.matched]
      if (id && compared.offsets[compared.matched] === position && Buffer.compare(id, extent.id) === 0) compared.matched++
      else compared.differs = true
    }
    position += extent.length
  }
}

function isNewer(entry: Entry, stat: FileStat): boolean {
  return entry.mtimeSeconds > stat.mtimeSeconds || (entry.mtimeSeconds === stat.mtimeSeconds && entry.mtimeNanoseconds > stat.mtimeNanoseconds)
}
