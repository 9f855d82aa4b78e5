/** The directory that keeps what the benchmarks download and make: each part is made once, whole or not at all. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

export const DEFAULT_CACHE = path.join(tmpdir(), 'warp-bench')

/**
 * The directory `name` of the cache; `make` fills it if it is not there.
 * @param {string} cache
 * @param {string} name
 * @param {(folder: string) => void} make
 * @returns {string}
 */
export function cached(cache, name, make) {
  const folder = path.join(cache, name)
  if (existsSync(folder)) return folder
  console.error(`making ${folder}`)
  const unfinished = `${folder}.part`
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished, { recursive: true })
  make(unfinished)
  renameSync(unfinished, folder)
  return folder
}
