/** gitignore patterns over archive paths. */
import { createRequire } from 'node:module'
import type { Ignore, Options } from 'ignore'

const require = createRequire(import.meta.url)

export type Ignored = (path: Uint8Array, isDirectory: boolean) => boolean

/** @returns whether a path matches `patterns`, or lies beneath one that does */
export function ignorePatterns(patterns: string[]): Ignored {
  // Loaded only for whoever has patterns. The package's types describe a default export that Node's ESM loader does not give.
  const ignore = require('ignore') as (options?: Options) => Ignore
  const rules = ignore({ ignorecase: false }).add(patterns)
  return (path, isDirectory) => {
    if (path.length === 0) return false
    const name = Buffer.from(path.buffer, path.byteOffset, path.length).toString('utf8')
    return rules.ignores(isDirectory ? name + '/' : name)
  }
}
