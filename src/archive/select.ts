/** Which entries a command is about: paths with all beneath them, and patterns. */
import { WarpError } from '../base/errors.ts'
import { checkPath, comparePaths, displayPath, isBeneath } from '../format/path.ts'
import { ignorePatterns, type Ignored } from './patterns.ts'
import type { SelectOptions } from './types.ts'

export class Selection {
  /** In path order, none beneath another; null: everything. */
  readonly paths: Uint8Array[] | null
  readonly #include: Ignored | null
  readonly #exclude: Ignored | null
  readonly #met = new Set<Uint8Array>()

  /** @throws {WarpError} ERR_WARP_USAGE: a path that no archive can hold */
  constructor({ paths, include = [], exclude = [] }: SelectOptions) {
    this.paths = paths && paths.length > 0 ? outermost(paths.map(archivePath)) : null
    this.#include = include.length > 0 ? ignorePatterns(include) : null
    this.#exclude = exclude.length > 0 ? ignorePatterns(exclude) : null
  }

  takes(path: Uint8Array, isDirectory: boolean): boolean {
    if (this.paths) {
      const above = this.paths.find((selected) => isSameOrBeneath(path, selected))
      if (!above) return false
      this.#met.add(above)
    }
    if (this.#include && !this.#include(path, isDirectory)) return false
    return !this.#exclude?.(path, isDirectory)
  }

  /** Selected paths that no entry was at or beneath. */
  get missing(): Uint8Array[] {
    return this.paths?.filter((path) => !this.#met.has(path)) ?? []
  }

  /** @throws {WarpError} ERR_WARP_NOT_FOUND for the first selected path that was not met */
  demandAll(): void {
    const [path] = this.missing
    if (path) {
      throw new WarpError('ERR_WARP_NOT_FOUND', `${displayPath(path)}: not in the archive`, {
        path: displayPath(path), hint: 'see what is there with: warp list',
      })
    }
  }
}

export function isSameOrBeneath(path: Uint8Array, ancestor: Uint8Array): boolean {
  return ancestor.length === 0 || comparePaths(path, ancestor) === 0 || isBeneath(path, ancestor)
}

/** The path of an archive that a user means by `path`: '.', './' and slashes at the end do not count. */
export function archivePath(path: string | Uint8Array): Uint8Array {
  const latin1 = Buffer.from(path as Uint8Array).toString('latin1')
  const components = latin1.split('/').filter((component) => component !== '' && component !== '.')
  const bytes = Buffer.from(components.join('/'), 'latin1')
  try {
    checkPath(bytes, true)
  } catch (cause) {
    throw new WarpError('ERR_WARP_USAGE', `${displayPath(bytes)}: no archive holds such a path`, { cause })
  }
  return bytes
}

function outermost(paths: Uint8Array[]): Uint8Array[] {
  const kept: Uint8Array[] = []
  for (const path of paths.sort(comparePaths)) {
    const last = kept.at(-1)
    if (!last || !isSameOrBeneath(path, last)) kept.push(path)
  }
  return kept
}
