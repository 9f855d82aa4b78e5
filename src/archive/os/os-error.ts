/** Failures of calls that Node has no function for, in the shape of Node's own system errors. */

import { constants } from 'node:os'
import { getSystemErrorMap } from 'node:util'

/** A failed system call: `code` is one of the strings Node uses (`ENOENT`, `ENOTSUP`, …). */
export class OsError extends Error {
  override readonly name = 'OsError'
  readonly code: string
  readonly syscall: string

  constructor(code: string, syscall: string) {
    super(`${code}: ${syscall}`)
    this.code = code
    this.syscall = syscall
  }
}

// Numbers that libuv does not know, and that have more than one name, are named by Node's constants.
const NAMES = new Map(Object.entries(constants.errno).map(([name, errno]) => [errno, name]))

/** Name of an errno (a positive number), as Node would spell it; `UNKNOWN` if it has none. */
export function errnoName(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[0] ?? NAMES.get(errno) ?? 'UNKNOWN'
}

/** The `code` of whatever was thrown; `UNKNOWN` if it carries none. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : 'UNKNOWN'
}
