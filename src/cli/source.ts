/** The archive that a command reads: a file, or standard input. */
import { withKeys } from './keys.ts'
import type { Context } from './context.ts'
import type { BaseOptions, Keys, Source } from '../index.ts'

/** Calls `read` with the archive that the first operand names and with the keys at hand. */
export async function readArchive<T>(
  context: Context,
  read: (source: Source, keys: Keys & BaseOptions) => Promise<T>,
): Promise<T> {
  const [archive] = context.args.operands
  const source = archive === '-' ? { stream: context.stdin.claim('the archive') } : archive
  return await withKeys(context, keys => read(source, keys))
}
