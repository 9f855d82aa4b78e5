/** Finds and opens the archive that a thin one refers to (§6.5). */
import fs from 'node:fs'
import path from 'node:path'
import { WarpError, inBase } from '../base/errors.ts'
import { HEADER_BYTES } from '../base/limits.ts'
import { hash } from '../codec/blake3.ts'
import { readHeader, readHeaderSize } from '../format/header.ts'
import type { BaseReference } from '../format/inheritance.ts'
import { readEnd } from './read-end.ts'
import { FileSource } from './source.ts'
import type { BaseOptions, Keys } from './types.ts'
import { unlock, type Unlocked } from './unlock.ts'

/** Archives with this ending are looked at beside a thin one. */
const ENDING = '.warp'

export interface OpenBase {
  source: FileSource
  unlocked: Unlocked
}

/**
 * @param thin the archive that names the base
 * @param beside path of the thin archive; null if it comes from a stream
 * @throws {WarpError} ERR_WARP_BASE_NEEDED: none was given and none found; ERR_WARP_BASE_MISMATCH: it is another
 *   archive, or not as it was; as `open`, told of the base
 */
export async function openBase(thin: Unlocked, reference: BaseReference, beside: string | null, options: Keys & BaseOptions): Promise<OpenBase> {
  const file = options.base ?? (beside === null ? null : findBeside(beside, reference))
  const wanted = Buffer.from(reference.archiveId).toString('hex')
  if (file === null) {
    throw new WarpError('ERR_WARP_BASE_NEEDED', `the archive is thin: its content is read with the archive ${wanted}, its base`, {
      hint: `give it with --base FILE, or put it beside the thin one under a name that ends in ${ENDING}`,
    })
  }
  let source: FileSource | null = null
  try {
    source = new FileSource(file)
    const id = idOf(source.fd)
    if (id && Buffer.compare(id, reference.archiveId) !== 0) {
      throw new WarpError('ERR_WARP_BASE_MISMATCH', `${file} is the archive ${Buffer.from(id).toString('hex')}, wanted is ${wanted}`, {
        path: file, hint: 'give the archive that the thin one was made on with --base; `warp info` tells the id of an archive',
      })
    }
    const unlocked = await unlock(source, options.baseKeys ?? options)
    const { root } = await readEnd(source, unlocked)
    const isWanted = Buffer.compare(root, reference.root) === 0 && !unlocked.header.thin && hasSameIds(unlocked, thin)
    if (!isWanted) {
      throw new WarpError('ERR_WARP_BASE_MISMATCH', `${file} has the id ${wanted} and is not the base: its root is another`, {
        path: file, hint: 'it was written anew since: restore the file that the thin archive was made on',
      })
    }
    return { source, unlocked }
  } catch (error) {
    source?.close()
    throw inBase(error)
  }
}

function hasSameIds(a: Unlocked, b: Unlocked): boolean {
  if (!a.chunkIdKey || !b.chunkIdKey) return a.chunkIdKey === b.chunkIdKey && a.header.average === b.header.average
  return Buffer.compare(a.chunkIdKey, b.chunkIdKey) === 0 && a.header.average === b.header.average
}

/** The archive in the same directory that has the id; null if there is none. */
function findBeside(thin: string, { archiveId }: BaseReference): string | null {
  const directory = path.dirname(thin)
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    // Opening a FIFO would wait.
    if (!entry.name.endsWith(ENDING) || !(entry.isFile() || entry.isSymbolicLink())) continue
    const file = path.join(directory, entry.name)
    if (!fs.statSync(file, { throwIfNoEntry: false })?.isFile()) continue
    let fd: number
    try {
      fd = fs.openSync(file, 'r')
    } catch {
      continue
    }
    try {
      const id = idOf(fd)
      if (id && Buffer.compare(id, archiveId) === 0) return file
    } finally {
      fs.closeSync(fd)
    }
  }
  return null
}

/** The id in the header of an archive; null if it has none that can be read. */
function idOf(fd: number): Uint8Array | null {
  const first = Buffer.alloc(HEADER_BYTES)
  try {
    const size = readHeaderSize(first.subarray(0, fs.readSync(fd, first, 0, HEADER_BYTES, 0)))
    const bytes = Buffer.alloc(size)
    return readHeader(bytes.subarray(0, fs.readSync(fd, bytes, 0, size, 0)), hash).header.archiveId
  } catch {
    return null
  }
}
