/** The directory that keeps what the benchmarks download and make: each part is made once, whole or not at all. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
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

/**
 * A new directory for what one run makes. Those of runs that were killed are removed.
 * @param {string} cache
 * @returns {string}
 */
export function openWorkFolder(cache) {
  mkdirSync(cache, { recursive: true })
  for (const name of readdirSync(cache)) {
    const owner = /^run-(\d+)-/.exec(name)?.[1]
    if (owner && !existsSync(`/proc/${owner}`)) rmSync(path.join(cache, name), { recursive: true })
  }
  return mkdtempSync(path.join(cache, `run-${process.pid}-`))
}
