/** Data for the stages: files of a tree one after the other, in shared memory as in the tool. */
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'

const MAX_BYTES = 64 * 1024 * 1024
/** Files are taken so far apart, so that the sample is made of all parts of the tree. */
const STRIDE = 16

/**
 * @param {string} tree
 * @returns {SharedArrayBuffer} 64 MiB, or all that the tree has
 */
export function readSample(tree) {
  const files = readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name)).sort()
  const buffer = Buffer.alloc(MAX_BYTES)
  let length = 0
  for (let first = 0; first < STRIDE && length < MAX_BYTES; first++) {
    for (let i = first; i < files.length && length < MAX_BYTES; i += STRIDE) length += readFileSync(files[i]).copy(buffer, length)
  }
  const shared = new SharedArrayBuffer(length)
  buffer.copy(Buffer.from(shared))
  return shared
}
