/** Source text for the stages: files of the Linux tree one after the other, in shared memory as in the tool. */
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'

export const SAMPLE_BYTES = 64 * 1024 * 1024

/**
 * @param {string} tree
 * @returns {SharedArrayBuffer} SAMPLE_BYTES long, the last file cut off
 * @throws {Error} the tree has less
 */
export function readSample(tree) {
  const shared = new SharedArrayBuffer(SAMPLE_BYTES)
  const sample = Buffer.from(shared)
  let at = 0
  for (const folder of ['kernel', 'fs', 'drivers/net', 'sound']) {
    const files = readdirSync(path.join(tree, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name)).sort()
    for (const file of files) {
      at += readFileSync(file).copy(sample, at)
      if (at === SAMPLE_BYTES) return shared
    }
  }
  throw new Error(`${tree} is no whole Linux tree`)
}
