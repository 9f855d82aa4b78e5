/** Temporary files that no name leads to: they are gone as soon as they are closed, also after a crash. */
import fs from 'node:fs'
import path from 'node:path'
import { randomBytes } from 'node:crypto'

/** @returns a descriptor to read and write with; @throws the system's error */
export function openUnnamed(directory: string): number {
  const name = path.join(directory, `warp-spool-${randomBytes(8).toString('hex')}`)
  const fd = fs.openSync(name, 'wx+', 0o600)
  fs.unlinkSync(name)
  return fd
}
