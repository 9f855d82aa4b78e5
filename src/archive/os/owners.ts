/**
 * Names of users and groups, from the system's two text files. Names that come from a directory
 * service are unknown here; entries always carry the numbers as well.
 */

import { readFileSync } from 'node:fs'
import { MAX_OWNER_NAME_BYTES } from '../../base/limits.ts'

const NONE = Buffer.alloc(0)
const MAX_ID = 0xffff_ffff

/** One of the two files, read when first asked. Malformed lines are passed over; the first of two wins. */
export class OwnerTable {
  readonly #path: string
  #names: Map<number, Buffer> | undefined
  readonly #ids = new Map<string, number>()

  constructor(path: string) {
    this.#path = path
  }

  /** Name of `id`; empty if it has none. */
  nameOf(id: number): Buffer {
    return this.#read().get(id) ?? NONE
  }

  idOf(name: Uint8Array): number | undefined {
    this.#read()
    return this.#ids.get(keyOf(name))
  }

  #read(): Map<number, Buffer> {
    if (this.#names !== undefined) return this.#names
    const names = (this.#names = new Map<number, Buffer>())
    for (const line of readLines(this.#path)) {
      const [name, , digits] = line.split(':')
      // `+` and `-` start the references of NIS.
      if (!name || /^[+-]/.test(name) || name.length > MAX_OWNER_NAME_BYTES || name.includes('\0')) continue
      if (digits === undefined || !/^\d{1,10}$/.test(digits) || Number(digits) > MAX_ID) continue
      const id = Number(digits)
      if (!names.has(id)) names.set(id, Buffer.from(name, 'latin1'))
      if (!this.#ids.has(name)) this.#ids.set(name, id)
    }
    return names
  }
}

/** Latin-1 maps bytes to characters one to one. */
function keyOf(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1')
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'latin1').split('\n')
  } catch {
    return [] // Windows, or a container without it
  }
}

const users = new OwnerTable('/etc/passwd')
const groups = new OwnerTable('/etc/group')

/** Empty if unknown. */
export const userName = (uid: number): Buffer => users.nameOf(uid)
/** Empty if unknown. */
export const groupName = (gid: number): Buffer => groups.nameOf(gid)
export const uidOf = (name: Uint8Array): number | undefined => users.idOf(name)
export const gidOf = (name: Uint8Array): number | undefined => groups.idOf(name)
