/** Paths inside an archive, as a person gives them. */
import { WarpError } from '../base/errors.ts'
import { pathBytes } from './arguments.ts'
import type { Context } from './command.ts'

const SLASH = 0x2f

/**
 * An operand as a path of the archive: without `/` or `./` before it and `/` after it.
 * @throws {WarpError} ERR_WARP_USAGE: it has a component `..`
 */
export function archivePath(operand: string, { output }: Context): Uint8Array {
  const given = pathBytes(operand)
  const bytes = typeof given === 'string' ? Buffer.from(given) : Buffer.from(given)
  const parts: Buffer[] = []
  for (let start = 0; start <= bytes.length;) {
    const found = bytes.indexOf(SLASH, start)
    const end = found < 0 ? bytes.length : found
    const part = bytes.subarray(start, end)
    start = end + 1
    const name = part.toString('latin1')
    if (name === '..') throw new WarpError('ERR_WARP_USAGE', 'a path of an archive has no ..', { path: operand })
    if (name !== '' && name !== '.') parts.push(part)
  }
  if (bytes[0] === SLASH) output.note(`${operand}: the leading / is left out`)
  return Uint8Array.from(Buffer.concat(parts.flatMap((part, i) => i === 0 ? [part] : [Buffer.from('/'), part])))
}

/** The operands after the archive; undefined: everything. */
export function selectedPaths(context: Context): Uint8Array[] | undefined {
  const operands = context.args.operands.slice(1)
  if (operands.length === 0) return undefined
  const paths = operands.map(operand => archivePath(operand, context))
  return paths.some(path => path.length === 0) ? undefined : paths
}
