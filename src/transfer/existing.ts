/** What stands in the target or in staging already of the entries of a listing, and what is to become of each. */
import fs from 'node:fs'
import { displayPath, splitPath } from '../format/path.ts'
import type { Assembled } from '../archive/assemble.ts'
import { codeOf } from '../archive/os/os-error.ts'
import type { TargetTree } from '../archive/os/target-tree.ts'
import type { FileStat } from '../archive/os/stat.ts'
import type { Problem } from '../archive/types.ts'

/**
 * What becomes of an entry: it is made; a file that was begun is gone on with; it is there; nothing is to be done,
 * since what is there is kept.
 */
export type Fate = 'make' | 'begun' | 'there' | 'skip'

export interface ExistingOptions {
  tree: TargetTree
  /** Where the received tree stands, as components. */
  staged: Buffer[]
  overwrite: 'never' | 'always' | 'newer'
  report: (problem: Problem) => void
}

export class Existing {
  readonly #options: ExistingOptions
  /** The file that goes on in the next listing, and what becomes of it. */
  #current: { path: Buffer; fate: Fate } | null = null

  constructor(options: ExistingOptions) {
    this.#options = options
  }

  /**
   * @param done for each chunk reference of the listing: 1 if the journal says that it stands in staging
   * @param isJournalled the listing is as it was in an earlier run
   * @param isComplete all that ends in it was complete then
   */
  async judge(
    assembled: Assembled[], done: Uint8Array, isJournalled: boolean, isComplete: boolean,
  ): Promise<{ fates: Fate[]; isInPlace: Uint8Array }> {
    const isInPlace = Uint8Array.from(done)
    let ref = 0
    const fates = assembled.map((one): Fate => {
      const first = ref
      ref += one.frames.length
      const fate = this.#fateOf(one, done.subarray(first, ref), isJournalled, isComplete)
      if (fate === 'skip' || fate === 'there') isInPlace.fill(1, first, ref)
      if (fate === 'make') isInPlace.fill(0, first, ref)
      this.#current = one.entry ? null : { path: Buffer.from(one.path), fate }
      return fate
    })
    return { fates, isInPlace }
  }

  /** Descriptor of a received file, or of one that was in place. @throws the system's error */
  open(path: Uint8Array): number {
    const { tree, staged } = this.#options
    const components = splitPath(path)
    const name = components.pop()!
    for (const base of [staged, []]) {
      try {
        const directory = tree.openDirectory([...base, ...components])
        try {
          return tree.openRegular(directory, name)
        } finally {
          directory.release()
        }
      } catch (error) {
        if (codeOf(error) !== 'ENOENT' || base.length === 0) throw error
      }
    }
    throw new Error('not reached')
  }

  #fateOf(one: Assembled, done: Uint8Array, isJournalled: boolean, isComplete: boolean): Fate {
    const { path, entry } = one
    if (this.#current?.path.equals(path)) return this.#current.fate === 'make' ? 'make' : this.#current.fate
    if (entry?.type === 'directory') return 'make'
    const { overwrite, report } = this.#options
    if (overwrite !== 'always') {
      const existing = this.#stat([], path)
      if (existing && overwrite === 'never') {
        report({ kind: 'unrestored', message: 'it exists and was kept (see --overwrite)', path: displayPath(path) })
        return 'skip'
      }
    }
    if (!isJournalled) {
      // Left from a state of the source that is no more.
      this.#removeStaged(path)
      return 'make'
    }
    if (isComplete && entry && entry.type !== 'hardlink') return 'there'
    const isFile = entry === null || entry.type === 'file'
    if (isFile && (done.includes(1) || (isComplete && done.length === 0)) && this.#stat(this.#options.staged, path)?.type === 'file') return 'begun'
    this.#removeStaged(path)
    return 'make'
  }

  #stat(base: Buffer[], path: Uint8Array): FileStat | null {
    const { tree } = this.#options
    const components = splitPath(path)
    const name = components.pop()!
    try {
      const directory = tree.openDirectory([...base, ...components])
      try {
        return tree.lstatAt(directory, name)
      } finally {
        directory.release()
      }
    } catch {
      return null
    }
  }

  #removeStaged(path: Uint8Array): void {
    const { tree, staged } = this.#options
    const components = splitPath(path)
    const name = components.pop()!
    try {
      const directory = tree.openDirectory([...staged, ...components])
      try {
        if (fs.lstatSync(directory.nameAt(name), { throwIfNoEntry: false })) tree.removeTreeAt(directory, name)
      } finally {
        directory.release()
      }
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ERR_WARP_NOT_A_DIRECTORY') throw error
    }
  }
}
