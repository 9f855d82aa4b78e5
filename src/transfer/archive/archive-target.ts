/**
 * The file in which an archive arrives: beside its final name, with a journal, until it is complete. The name holds
 * the id of the transfer, so that a receiver that is started again finds it.
 */
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { WarpError } from '../../base/errors.ts'
import { HEADER_BYTES, MAX_NAME_BYTES, MAX_SLOTS, SLOT_BYTES } from '../../base/limits.ts'
import { readFully } from '../../archive/os/file-reader.ts'
import { outputError, syncDirectory } from '../../archive/sink.ts'
import { checkPath, displayPath } from '../../format/path.ts'
import { Writeback } from '../../archive/writeback.ts'
import { ArchiveCheck, type CheckedSoFar } from './archive-check.ts'
import type { IntakeStart } from './archive-intake.ts'
import { ArchiveJournal } from './archive-journal.ts'
import { ARCHIVE_TAIL_BYTES, type ArchiveOffer } from './archive-messages.ts'

const fdatasync = promisify(fs.fdatasync)
const fsync = promisify(fs.fsync)

const JOURNAL_SUFFIX = '.journal'
// What stands under these names is a file that a run before has left, or not ours.
const OPEN_FLAGS = fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK

export interface ArchiveInto {
  /** A file, or a directory that is made if missing, in which the file gets the name that it has at the sender. */
  kind: 'file' | 'directory'
  path: string
  /** Default 'never'. */
  overwrite?: 'never' | 'always'
}

/**
 * The file to write to.
 * @throws {WarpError} ERR_WARP_PATH_UNSAFE: the sender's name is none of a file in this directory
 */
export function targetPath({ kind, path: at }: ArchiveInto, name: Uint8Array): Buffer {
  if (kind === 'file') return Buffer.from(at)
  checkPath(name)
  if (name.includes(0x2f)) throw new WarpError('ERR_WARP_PATH_UNSAFE', 'the name of an archive leads into a directory', { path: displayPath(name) })
  return Buffer.concat([Buffer.from(at === '' ? '.' : at), Buffer.from(path.sep), name])
}

/** What is there for a receiver that begins, or begins again. */
interface Opened {
  target: ArchiveTarget
  /** What is already there. */
  resumed: IntakeStart['resumed']
  /** What was there is of another file, and gone. */
  wasOther: boolean
}

export class ArchiveTarget {
  /** It stands under its final name. */
  isCommitted = false
  readonly #final: Buffer
  readonly #temporary: Buffer
  readonly #journalPath: Buffer
  readonly #mayReplace: boolean
  #writeback: Writeback | null = null
  #fd = -1
  #journalFd = -1
  #journal!: ArchiveJournal
  #isClosed = false

  private constructor(into: ArchiveInto, transferId: Uint8Array, offer: ArchiveOffer) {
    this.#final = targetPath(into, offer.name)
    this.#mayReplace = into.overwrite === 'always'
    // A symlink that the user names is followed; one of the sender's name is in the way.
    if (into.kind === 'file' && this.#mayReplace && fs.existsSync(this.#final)) this.#final = fs.realpathSync(this.#final, { encoding: 'buffer' })
    this.#temporary = temporaryFor(this.#final, transferId)
    this.#journalPath = Buffer.concat([this.#temporary, Buffer.from(JOURNAL_SUFFIX)])
  }

  /**
   * Makes the file, or takes up what a run before has left.
   * @throws {WarpError} of class output: it exists already, or cannot be made; ERR_WARP_PATH_UNSAFE
   */
  static async open(into: ArchiveInto, transferId: Uint8Array, offer: ArchiveOffer): Promise<Opened> {
    let target: ArchiveTarget | null = null
    try {
      target = new ArchiveTarget(into, transferId, offer)
      return { target, ...await target.#open(into, offer) }
    } catch (error) {
      if (target) target.#closeDescriptors()
      throw outputError(error, displayPath(Buffer.from(into.path)))
    }
  }

  /** Name for display. */
  get name(): string {
    return displayPath(this.#final)
  }

  get fd(): number {
    return this.#fd
  }

  /** Everything before `position` is written: `record` is to have little to wait for. */
  wrote(position: number): void {
    this.#writeback?.reach(position)
  }

  /** Makes everything before `soFar.position`, all of it written already, durable, and remembers it. */
  async record(soFar: CheckedSoFar): Promise<void> {
    try {
      await fdatasync(this.#fd)
      await this.#journal.append(soFar)
    } catch (error) {
      throw outputError(error, this.name)
    }
  }

  /** Forgets what is there. */
  async restart(): Promise<void> {
    try {
      await this.#journal.begin()
      fs.ftruncateSync(this.#fd, 0)
      await this.#writeback?.close()
      this.#writeback = new Writeback(this.#fd)
    } catch (error) {
      throw outputError(error, this.name)
    }
  }

  /** The last bytes before `position`, as both sides compare them. */
  tail(position: number): Uint8Array {
    const from = Math.max(0, position - ARCHIVE_TAIL_BYTES)
    const bytes = Buffer.allocUnsafeSlow(position - from)
    return bytes.subarray(0, readFully(this.#fd, bytes, from))
  }

  /** It is complete, and recorded to be so: gives it its final name. */
  async commit(): Promise<void> {
    if (this.isCommitted) return
    try {
      fs.fchmodSync(this.#fd, 0o666 & ~process.umask())
      await fsync(this.#fd)
      if (this.#mayReplace) fs.renameSync(this.#temporary, this.#final)
      else this.#linkOrRename()
      removeIfThere(this.#temporary)
      syncDirectory(directoryOf(this.#final))
      this.isCommitted = true
    } catch (error) {
      throw outputError(error, this.name)
    }
  }

  /**
   * To be called when nothing is written any more.
   * @param keep what has arrived, for a later run; not after `commit`
   */
  async close(keep: boolean): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#writeback?.close()
    this.#closeDescriptors()
    if (!keep) for (const at of [this.#temporary, this.#journalPath]) removeIfThere(at)
  }

  #closeDescriptors(): void {
    for (const fd of [this.#fd, this.#journalFd]) if (fd >= 0) fs.closeSync(fd)
    this.#fd = this.#journalFd = -1
  }

  async #open(into: ArchiveInto, offer: ArchiveOffer): Promise<Omit<Opened, 'target'>> {
    if (fs.existsSync(this.#journalPath)) {
      this.#openJournal(offer)
      const soFar = this.#journal.read()
      if (soFar?.position === offer.length && this.#wasCommitted(offer)) {
        this.isCommitted = true
        this.#fd = fs.openSync(this.#final, fs.constants.O_RDONLY)
        return { resumed: this.#resume(offer, soFar), wasOther: false }
      }
    }
    this.#checkFinal()
    if (into.kind === 'directory') fs.mkdirSync(into.path === '' ? '.' : into.path, { recursive: true })
    this.#fd = openRegular(this.#temporary)
    if (this.#journalFd < 0) this.#openJournal(offer)
    const { size } = fs.fstatSync(this.#fd)
    const soFar = this.#journal.read()
    if (soFar && soFar.position <= Math.min(size, offer.length)) {
      try {
        const resumed = this.#resume(offer, soFar)
        fs.ftruncateSync(this.#fd, soFar.position)
        this.#writeback = new Writeback(this.#fd, soFar.position)
        return { resumed, wasOther: false }
      } catch (error) {
        // What is there does not begin like it: as if it were of another file.
        if (!(error instanceof WarpError)) throw error
      }
    }
    await this.restart()
    syncDirectory(directoryOf(this.#temporary))
    return { resumed: null, wasOther: size > 0 }
  }

  #openJournal(offer: ArchiveOffer): void {
    this.#journalFd = openRegular(this.#journalPath)
    this.#journal = new ArchiveJournal(this.#journalFd, offer)
  }

  /** @throws {WarpError} what is there does not begin like the archive that is offered */
  #resume(offer: ArchiveOffer, soFar: CheckedSoFar): NonNullable<IntakeStart['resumed']> {
    const head = Buffer.alloc(Math.min(soFar.position, HEADER_BYTES + MAX_SLOTS * SLOT_BYTES))
    readFully(this.#fd, head, 0)
    ArchiveCheck.resume(offer, head, soFar)
    return { head, soFar }
  }

  /** Whether a run before that had all of it has also given it its name, and ended before it could say so. */
  #wasCommitted(offer: ArchiveOffer): boolean {
    const [final, temporary] = [this.#final, this.#temporary].map((at) => fs.lstatSync(at, { bigint: true, throwIfNoEntry: false }))
    if (!final?.isFile() || Number(final.size) !== offer.length) return false
    return !temporary || (temporary.dev === final.dev && temporary.ino === final.ino)
  }

  /** @throws {WarpError} ERR_WARP_OUTPUT: something is there that is not to be replaced */
  #checkFinal(): void {
    const old = fs.lstatSync(this.#final, { throwIfNoEntry: false })
    if (!old) return
    if (!this.#mayReplace) throw this.#exists()
    if (!old.isFile()) throw new WarpError('ERR_WARP_OUTPUT', `${this.name} is not a regular file`, { path: this.name, hint: 'name a file to write' })
  }

  /** A link fails where something has taken the name meanwhile; a rename would replace it. */
  #linkOrRename(): void {
    try {
      fs.linkSync(this.#temporary, this.#final)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw this.#exists()
      // Not every file system has links.
      this.#checkFinal()
      fs.renameSync(this.#temporary, this.#final)
    }
  }

  #exists(): WarpError {
    return new WarpError('ERR_WARP_OUTPUT', `${this.name} exists already`, { path: this.name, hint: 'move it away, or replace it with --overwrite always' })
  }
}

function temporaryFor(final: Buffer, transferId: Uint8Array): Buffer {
  const suffix = Buffer.from(`.warp-receive-${Buffer.from(transferId).toString('hex')}`)
  const at = final.lastIndexOf(0x2f) + 1
  const room = MAX_NAME_BYTES - 1 - suffix.length - JOURNAL_SUFFIX.length
  return Buffer.concat([final.subarray(0, at), Buffer.from('.'), final.subarray(at, at + room), suffix])
}

function directoryOf(at: Buffer): string {
  return path.dirname(at.toString())
}

function openRegular(at: Buffer): number {
  const fd = fs.openSync(at, OPEN_FLAGS, 0o600)
  if (fs.fstatSync(fd).isFile()) return fd
  fs.closeSync(fd)
  throw new WarpError('ERR_WARP_OUTPUT', `${displayPath(at)} is not a regular file`, { path: displayPath(at) })
}

function removeIfThere(at: Buffer): void {
  try {
    fs.unlinkSync(at)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
