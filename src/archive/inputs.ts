/** The inputs of `create` as roots of the archive: named, checked, in path order, none within another. */
import fs from 'node:fs'
import { WarpError } from '../base/errors.ts'
import { checkPath, comparePaths, displayPath, isBeneath } from '../format/path.ts'
import type { Input, Problem } from './types.ts'
import type { Readable } from 'node:stream'

/** Where a part of the archive comes from. Paths are latin1 strings: one character for each byte. */
export interface Root {
  /** Path in the archive; '' is the archive's root directory. */
  path: string
  /** Path on disk; null for a stream. */
  source: string | null
  stream: Readable | null
}

/** A path on disk as bytes. */
export function toBytes(latin1: string): Buffer {
  return Buffer.from(latin1, 'latin1')
}

function latin1Of(path: string | Uint8Array): string {
  return Buffer.from(path as Uint8Array).toString('latin1')
}

/**
 * @throws {WarpError} ERR_WARP_USAGE: a path with `..`, or that no archive can hold; ERR_WARP_INPUT_COLLISION: two inputs for one name
 */
export function resolveInputs(inputs: Input[], report: (problem: Problem) => void): Root[] {
  const roots = inputs.map((input): Root => {
    if ('stream' in input) return { path: archivePathOf(latin1Of(input.name), report), source: null, stream: input.stream }
    const source = latin1Of(input.path)
    if (source === '') throw new WarpError('ERR_WARP_USAGE', 'an input path is empty')
    return { path: archivePathOf(source, report), source, stream: null }
  })
  roots.sort((a, b) => comparePaths(toBytes(a.path), toBytes(b.path)))
  const kept: Root[] = []
  for (const root of roots) {
    // What lies beneath a path follows it directly, so only the last that was kept can be above.
    const last = kept.at(-1)
    const above = last && (root.path === last.path || isBeneath(toBytes(root.path), toBytes(last.path))) ? last : null
    if (!above) kept.push(root)
    else if (root.source !== null && lstat(toBytes(root.source)) === null) {
      report({ kind: 'unreadable', message: 'no such file or directory', path: displayPath(toBytes(root.path)) })
    } else if (!isCovered(root, above)) {
      throw new WarpError('ERR_WARP_INPUT_COLLISION', `two inputs would have the name ${displayPath(toBytes(root.path))}`, {
        path: displayPath(toBytes(root.path)),
        hint: 'archive them one directory higher, or from within different directories',
      })
    }
  }
  return kept
}

function archivePathOf(source: string, report: (problem: Problem) => void): string {
  const components = source.split('/').filter((component) => component !== '' && component !== '.')
  const shown = displayPath(toBytes(source))
  if (components.includes('..')) {
    throw new WarpError('ERR_WARP_USAGE', `${shown}: a path with '..' has no place in an archive`, {
      path: shown,
      hint: 'change into a directory above it and give the path from there',
    })
  }
  if (source.startsWith('/')) report({ kind: 'note', message: "leading '/' is left out of the archive's names", path: shown })
  const path = components.join('/')
  try {
    checkPath(toBytes(path), true)
  } catch (cause) {
    throw new WarpError('ERR_WARP_USAGE', `${shown}: no archive holds such a path`, { cause, path: shown })
  }
  return path
}

/** True if `root` is the object that `above` leads to under the same name anyway. */
function isCovered(root: Root, above: Root): boolean {
  if (root.source === null || above.source === null) return false
  const beneath = root.path.slice(above.path === '' ? 0 : above.path.length + 1)
  const inner = lstat(toBytes(root.source))
  const outer = lstat(toBytes(beneath === '' ? above.source : `${above.source}/${beneath}`))
  return inner !== null && outer !== null && inner.ino === outer.ino && inner.dev === outer.dev
}

function lstat(path: Buffer): fs.BigIntStats | null {
  return fs.lstatSync(path, { bigint: true, throwIfNoEntry: false }) ?? null
}
