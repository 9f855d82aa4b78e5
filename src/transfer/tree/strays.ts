/** Removes from a received tree what an earlier state of the source had and the last one has not. */
import { maxChunkBytes } from '../../base/limits.ts'
import { toBytes } from '../../archive/inputs.ts'
import { Walk } from '../../archive/walk.ts'
import type { TargetTree } from '../../archive/os/target-tree.ts'
import { readPageContent } from '../../format/page.ts'
import { comparePaths, isBeneath, splitPath } from '../../format/path.ts'
import type { Journal } from './journal.ts'

/**
 * @param staged where the received tree stands, as components
 * @param listings how many of the journal's are those of the source as it is
 */
export function removeStrays(tree: TargetTree, staged: Buffer[], journal: Journal, listings: number): void {
  const handle = tree.openDirectory(staged)
  try {
    const paths = pathsOf(journal, listings)
    let next = paths.next()
    let removed: Buffer | null = null
    const walk = new Walk({ exclude: [], oneFileSystem: false, followSymlinks: false, skip: new Set(), report: () => {} })
    for (const found of walk.of([{ path: '', source: handle.path().toString('latin1'), stream: null }])) {
      const path = toBytes(found.path)
      if (path.length === 0 || (removed && isBeneath(path, removed))) continue
      while (!next.done && comparePaths(next.value, path) < 0) next = paths.next()
      // What has no entry of its own can be on the way to one that has.
      if (!next.done && (comparePaths(next.value, path) === 0 || isBeneath(next.value, path))) continue
      removed = path
      const components = splitPath(path)
      const name = components.pop()!
      const directory = tree.openDirectory([...staged, ...components])
      try {
        tree.removeTreeAt(directory, name)
      } finally {
        directory.release()
      }
    }
  } finally {
    handle.release()
  }
}

function* pathsOf(journal: Journal, listings: number): Generator<Uint8Array> {
  for (let number = 0; number < listings; number++) {
    const { records } = readPageContent(journal.contentOf(number), { maxChunk: maxChunkBytes(journal.start.average), midway: true })
    for (const { path } of records) yield path
  }
}
