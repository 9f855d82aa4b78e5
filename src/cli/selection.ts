/** Paths inside an archive, as a person gives them. */
import { pathBytes } from './arguments.ts'
import type { Context } from './context.ts'

export function archivePath(operand: string, { output }: Context): string | Uint8Array {
  if (operand.startsWith('/')) output.note(`${operand}: the leading / is left out`)
  return pathBytes(operand)
}

/** The operands after the archive. */
export function selectedPaths(context: Context): (string | Uint8Array)[] {
  return context.args.operands.slice(1).map(operand => archivePath(operand, context))
}
