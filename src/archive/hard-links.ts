/** Hard links, made after the files that they are other names of: by entry number, never by path alone. */
import { WarpError } from '../base/errors.ts'
import { displayPath, splitPath } from '../format/path.ts'
import { codeOf } from './os/os-error.ts'
import { describeProblem } from './problems.ts'
import type { DirectoryHandle, TargetTree } from './os/target-tree.ts'
import type { Place, TargetDirectories } from './target-directories.ts'
import type { Entry } from './types.ts'

interface Link extends Place {
  entry: Entry
}

/** Links that are remembered before they are made. */
const MAX_WAITING = 4096

/** What links need of whoever restores everything else. */
interface Restorer {
  readonly options: { tree: TargetTree; stripComponents: number; keepsStaging?: boolean; pathOf: (number: number) => Promise<Uint8Array> }
  readonly directories: TargetDirectories
  put(place: Place, make: (name: Buffer) => void): boolean
  succeed(place: Place, entry: Entry): void
  isKept(place: Place): boolean
  fail(path: Uint8Array, kind: 'damaged' | 'unrestored', message: string): void
  finish(): Promise<void>
}

export class HardLinks {
  readonly #restorer: Restorer
  #waiting: Link[] = []
  /** Bit n: entry n was restored. */
  #restored = new Uint8Array(1024)
  /** Links to entries that were not selected; the first of each gets the content. */
  readonly orphans: Link[] = []
  /** Where the content of an orphan's entry was restored to, by its number. */
  readonly #adopted = new Map<number, Uint8Array>()

  constructor(restorer: Restorer) {
    this.#restorer = restorer
  }

  async add(place: Place, entry: Entry): Promise<void> {
    place.directory.pending++
    this.#waiting.push({ ...place, entry })
    if (this.#waiting.length >= MAX_WAITING) await this.#restorer.finish()
  }

  /** Entry `number` stands in the target. */
  restored(number: number): void {
    const at = Math.floor(number / 8)
    if (at >= this.#restored.length) {
      const larger = new Uint8Array(Math.max(at + 1, this.#restored.length * 2))
      larger.set(this.#restored)
      this.#restored = larger
    }
    this.#restored[at]! |= 1 << (number % 8)
  }

  isRestored(number: number): boolean {
    return ((this.#restored[Math.floor(number / 8)] ?? 0) & (1 << (number % 8))) !== 0
  }

  /** Makes the links whose targets are there; the others become orphans. */
  async make(): Promise<void> {
    // By what they lead to: whoever looks up paths reads each page once.
    for (const link of this.#waiting.splice(0).sort((a, b) => a.entry.link! - b.entry.link!)) {
      if (!this.isRestored(link.entry.link!)) {
        if (this.#restorer.isKept(link)) this.#restorer.directories.done(link.directory)
        else this.orphans.push(link)
        continue
      }
      this.#link(link, await this.#restorer.options.pathOf(link.entry.link!))
      this.#restorer.directories.done(link.directory)
    }
  }

  /** Makes one link to what was restored from `targetPath`. */
  #link(link: Link, targetPath: Uint8Array): void {
    const { tree, stripComponents } = this.#restorer.options
    const components = splitPath(targetPath).slice(stripComponents)
    const name = components.pop()!
    const base = this.#restorer.directories.base.components
    let made = false
    try {
      const from = this.#openWith(base, components, name)
      try {
        made = this.#restorer.put(link, (madeAs) => tree.linkAt(from, name, link.directory.handle, madeAs))
      } finally {
        from.release()
      }
    } catch (error) {
      const message = error instanceof WarpError ? error.message : describeProblem(codeOf(error), (error as Error).message)
      this.#restorer.fail(link.path, 'unrestored', message)
    }
    if (made) this.#restorer.succeed(link, link.entry)
  }

  /** The directory that holds `name`: among what is made, or, where that was there already, in the target itself. */
  #openWith(base: Buffer[], components: Buffer[], name: Buffer): DirectoryHandle {
    const { tree, keepsStaging } = this.#restorer.options
    if (keepsStaging) {
      try {
        const staged = tree.openDirectory([...base, ...components])
        if (tree.lstatAt(staged, name)) return staged
        staged.release()
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error
      }
      return tree.openDirectory(components)
    }
    return tree.openDirectory([...base, ...components])
  }

  /**
   * Restores what orphans are names of: the first of each entry as a file of its own, the others as links
   * to it. May be called again.
   * @param restoreAs restores entry `number` at a place; resolves to whether it could
   */
  async adopt(restoreAs: (number: number, place: Place) => Promise<boolean>): Promise<void> {
    for (const orphan of this.orphans.splice(0)) {
      const number = orphan.entry.link!
      const adopted = this.#adopted.get(number)
      if (adopted) this.#link(orphan, adopted)
      else if (await restoreAs(number, orphan)) {
        this.#adopted.set(number, orphan.path)
        this.#restorer.succeed(orphan, orphan.entry)
      }
      this.#restorer.directories.done(orphan.directory)
    }
  }

  /** Gives up what waits. */
  forget(): void {
    for (const link of [...this.#waiting.splice(0), ...this.orphans.splice(0)]) {
      this.#restorer.fail(link.path, 'unrestored', `the file that ${displayPath(link.path)} is another name of was not restored`)
      this.#restorer.directories.done(link.directory)
    }
  }
}
