/**
 * The directory within the target that a transfer is received into: the tree as far as it is there, and the journal
 * that says how far that is. It lasts until everything has its final name, so that the transfer can be resumed.
 */
import fs from 'node:fs'
import { WarpError } from '../../base/errors.ts'
import { codeOf } from '../../archive/os/os-error.ts'
import { libc } from '../../archive/os/libc.ts'
import type { DirectoryHandle, TargetTree } from '../../archive/os/target-tree.ts'
import { outputError } from '../../archive/sink.ts'
import { Journal } from './journal.ts'

const PREFIX = '.warp-receive-'
const JOURNAL = Buffer.from('journal')
const LOCK = Buffer.from('lock')
const TREE = Buffer.from('tree')

/** Whether a path of the target is that of a staging directory, or leads into one. */
export function isOwnName(path: Uint8Array): boolean {
  return Buffer.from(path.buffer, path.byteOffset, path.length).subarray(0, PREFIX.length).equals(Buffer.from(PREFIX))
}

export class Staging {
  readonly journal: Journal
  readonly tree: TargetTree
  readonly name: Buffer
  /** Whether an earlier run left something. */
  readonly isResumed: boolean
  readonly #lock: number
  readonly #handle: DirectoryHandle

  private constructor(tree: TargetTree, name: Buffer, handle: DirectoryHandle, lock: number, journal: Journal, isResumed: boolean) {
    this.tree = tree
    this.name = name
    this.#handle = handle
    this.#lock = lock
    this.journal = journal
    this.isResumed = isResumed
  }

  /** Components of the directory that entries are made in. */
  get components(): Buffer[] {
    return [this.name, TREE]
  }

  /**
   * The staging directory of the offer `offerId`, made if there is none.
   * @param average of chunks, where nothing is there yet
   * @throws {WarpError} ERR_WARP_PEER_REFUSED: another process receives the same offer; ERR_WARP_OUTPUT, …
   */
  static open(tree: TargetTree, offerId: Uint8Array, average: number): Staging {
    const name = Buffer.from(PREFIX + Buffer.from(offerId).toString('hex'))
    const root = tree.openDirectory([])
    try {
      makeDirectory(tree, root, name)
    } catch (error) {
      throw outputError(error, name.toString())
    } finally {
      root.release()
    }
    const handle = openOwn(tree, name)
    let lock = -1
    let found: Journal | null = null
    try {
      lock = fs.openSync(handle.nameAt(LOCK), fs.constants.O_RDWR | fs.constants.O_CREAT | (fs.constants.O_NOFOLLOW ?? 0), 0o600)
      if ((libc()?.lock(lock) ?? 0) < 0) {
        throw new WarpError('ERR_WARP_PEER_REFUSED', 'the same is being received there already', { hint: 'wait for the other warp receive to end' })
      }
      found = openJournal(handle)
      if (found && !Buffer.from(found.start.offerId).equals(offerId)) throw inTheWay(name, 'is of another transfer')
      if (found && tree.lstatAt(handle, TREE)?.type === 'directory') return new Staging(tree, name, handle, lock, found, true)
      found?.close()
      found = null
      // Without a journal nothing is known of what lies there, and without that, the journal is of no use.
      tree.removeTreeAt(handle, JOURNAL)
      tree.removeTreeAt(handle, TREE)
      makeDirectory(tree, handle, TREE)
      return new Staging(tree, name, handle, lock, Journal.create(handle.nameAt(JOURNAL), { offerId, average }), false)
    } catch (error) {
      found?.close()
      if (lock >= 0) fs.closeSync(lock)
      handle.release()
      throw outputError(error, name.toString())
    }
  }

  /** Of the directory, for syncing its file system. */
  get fd(): number {
    return this.#lock
  }

  /** Lets go of it; it stays. */
  close(): void {
    this.journal.close()
    this.#handle.release()
    fs.closeSync(this.#lock)
  }

  /** Removes it with all that is left in it. */
  remove(): void {
    const root = this.tree.openDirectory([])
    try {
      // While it is locked: who waits for it must not find it half gone.
      this.tree.removeTreeAt(root, this.name)
    } finally {
      root.release()
      this.close()
    }
  }
}

/** @throws {WarpError} ERR_WARP_OUTPUT: something else has the name, be it a symlink to a directory */
function openOwn(tree: TargetTree, name: Buffer): DirectoryHandle {
  try {
    return tree.openDirectory([name])
  } catch (error) {
    if (codeOf(error) !== 'ERR_WARP_NOT_A_DIRECTORY') throw outputError(error, name.toString())
    throw inTheWay(name, 'is not a directory', error)
  }
}

function inTheWay(name: Buffer, why: string, cause?: unknown): WarpError {
  return new WarpError('ERR_WARP_OUTPUT', `${name.toString()} in the target ${why}`, { cause, path: name.toString(), hint: 'move it away' })
}

function openJournal(handle: DirectoryHandle): Journal | null {
  try {
    return Journal.open(handle.nameAt(JOURNAL))
  } catch (error) {
    if (codeOf((error as { cause?: unknown }).cause ?? error) === 'ENOENT') return null
    throw error
  }
}

function makeDirectory(tree: TargetTree, parent: DirectoryHandle, name: Buffer): void {
  try {
    tree.mkdirAt(parent, name, 0o700)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
}
