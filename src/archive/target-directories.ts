/**
 * The directories that entries are being restored into: the ancestors of the current entry, and those in
 * which something is still being written. A directory gets its metadata when nothing more is made in it.
 */
import { WarpError } from '../base/errors.ts'
import { displayPath } from '../format/path.ts'
import { codeOf } from './os/os-error.ts'
import type { DirectoryHandle, TargetTree } from './os/target-tree.ts'
import type { Entry } from './types.ts'

/** A directory of the target. */
export class TargetDirectory {
  readonly components: Buffer[]
  readonly handle: DirectoryHandle
  readonly parent: TargetDirectory | null
  /** Metadata to set at the end; null: none is known, or it is to stay as it is. */
  entry: Entry | null = null
  /** It was not there before. */
  isNew = false
  /** Things in it that are not done. */
  pending = 0
  isClosed = false
  /** Names given out, folded, where the target cannot tell case apart. */
  readonly names: Map<string, string> | null

  constructor(components: Buffer[], handle: DirectoryHandle, parent: TargetDirectory | null, foldsCase: boolean) {
    this.components = components
    this.handle = handle
    this.parent = parent
    this.names = foldsCase ? new Map() : null
    if (parent) parent.pending++
  }
}

/** Where an entry goes. */
export interface Place {
  directory: TargetDirectory
  name: Buffer
  path: Uint8Array
}

export interface DirectoriesOptions {
  tree: TargetTree
  /** Path of the directory that all others are made in. */
  base: Buffer[]
  /** Called for each directory when nothing more is made in it. */
  finish: (directory: TargetDirectory) => void
}

export class TargetDirectories {
  readonly #options: DirectoriesOptions
  readonly #stack: TargetDirectory[]
  readonly #foldsCase: boolean
  /** Directories that are held open. */
  open = 1

  constructor(options: DirectoriesOptions) {
    this.#options = options
    this.#foldsCase = options.tree.isCaseInsensitive()
    const handle = options.tree.openDirectory(options.base)
    this.#stack = [new TargetDirectory(options.base, handle, null, this.#foldsCase)]
  }

  get base(): TargetDirectory {
    return this.#stack[0]!
  }

  /**
   * The directory at `components` (without the base), made if missing, with all above it.
   * @throws {WarpError} ERR_WARP_NOT_A_DIRECTORY, ERR_WARP_NAME_COLLISION; or the system's error
   */
  enter(components: Buffer[]): TargetDirectory {
    let depth = 0
    while (depth < components.length && depth + 1 < this.#stack.length && this.#stack[depth + 1]!.components.at(-1)!.equals(components[depth]!)) depth++
    this.#leave(depth)
    for (; depth < components.length; depth++) this.#descend(components[depth]!)
    return this.#stack.at(-1)!
  }

  /** Makes sure that no two names in a directory are one to the target. @throws {WarpError} ERR_WARP_NAME_COLLISION */
  claim(directory: TargetDirectory, name: Buffer): void {
    if (!directory.names) return
    const exact = name.toString('latin1')
    const folded = name.toString('utf8').normalize('NFC').toLowerCase()
    const other = directory.names.get(folded)
    if (other !== undefined && other !== exact) {
      throw new WarpError('ERR_WARP_NAME_COLLISION', 'its name differs from that of another entry by case alone, which this file system cannot tell apart', {
        path: displayPath(name),
      })
    }
    directory.names.set(folded, exact)
  }

  /** Something in `directory` is done. */
  done(directory: TargetDirectory): void {
    directory.pending--
    this.#settle(directory)
  }

  /** Leaves all directories. */
  close(): void {
    this.#leave(0)
    const [base] = this.#stack
    base!.isClosed = true
    this.#settle(base!)
  }

  /** Lets go of all directories without finishing them. */
  abandon(): void {
    this.#stack.length = 0
  }

  #leave(depth: number): void {
    while (this.#stack.length > depth + 1) {
      const directory = this.#stack.pop()!
      directory.isClosed = true
      this.#settle(directory)
    }
  }

  #settle(directory: TargetDirectory): void {
    if (!directory.isClosed || directory.pending > 0) return
    this.#options.finish(directory)
    directory.handle.release()
    this.open--
    if (directory.parent) this.done(directory.parent)
  }

  #descend(name: Buffer): void {
    const parent = this.#stack.at(-1)!
    const { tree } = this.#options
    this.claim(parent, name)
    let isNew = true
    try {
      tree.mkdirAt(parent.handle, name, 0o700)
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
      isNew = false
    }
    const components = [...parent.components, name]
    const handle = tree.openDirectory(components)
    this.open++
    const directory = new TargetDirectory(components, handle, parent, this.#foldsCase)
    directory.isNew = isNew
    this.#stack.push(directory)
  }
}
