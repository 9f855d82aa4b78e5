/** `warp diff` */
import { EXIT } from '../../base/errors.ts'
import { withKeys } from '../keys.ts'
import { BASE, KEYS, PASSPHRASE_VARIABLE, CONTENT_EXITS } from '../options.ts'
import { jsonName } from '../output.ts'
import { startProgress } from '../progress.ts'
import type { Context } from '../context.ts'
import type { CommandSpec } from '../spec.ts'

export const spec: CommandSpec = {
  name: 'diff',
  summary: 'compare two archives, or an archive with a directory',
  usage: 'diff ARCHIVE ARCHIVE|DIR',
  description: [
    'Prints what the second has and the first has not (added), the other way round (removed), and what is in '
    + 'both and differs, with what about it does: type, content, size, mode, owner, mtime, xattrs, target, '
    + 'device, link. Contents are compared by their hashes: nothing is extracted.',
    'DIR stands for the root of the archive: DIR/a is compared with the entry a.',
    'The keys given are tried on both archives.',
  ],
  operands: { min: 2, max: 2, completes: 'file' },
  groups: [KEYS, BASE],
  examples: [
    { text: 'What changed since', command: 'warp diff monday.warp tuesday.warp' },
    { text: 'Is a restored tree the same', command: 'warp diff backup.warp restored' },
  ],
  exits: ['incomplete', 'different', ...CONTENT_EXITS],
  environment: [PASSPHRASE_VARIABLE],
}

export async function run(context: Context): Promise<number> {
  const { args, output } = context
  const [first, second] = args.operands
  const { diff, displayPath } = await import('../../index.ts')
  return await withKeys(context, async keys => {
    const counts = { added: 0, removed: 0, changed: 0 }
    let problems = 0
    const { watch, stop } = await startProgress(context, 'diff')
    const { onProblem } = watch
    watch.onProblem = problem => {
      if (problem.kind !== 'note') problems++
      onProblem?.(problem)
    }
    try {
      // One document, yet as long as the trees are: it is written piece by piece.
      let separator = '{"differences":['
      for await (const { kind, path, what } of diff(first, second, { ...keys, ...watch })) {
        counts[kind]++
        if (!output.json) {
          const reason = what.length > 0 ? `  (${what.join(', ')})` : ''
          await output.print(`${kind.padEnd(7)}  ${displayPath(path)}${reason}\n`)
          continue
        }
        const reason = kind === 'changed' ? { what } : {}
        await output.print(`${separator}${JSON.stringify({ kind, ...jsonName('path', path), ...reason })}`)
        separator = ',\n'
      }
      stop()
      const total = counts.added + counts.removed + counts.changed
      if (output.json) {
        const rest = JSON.stringify({ first, second, ...counts, problems }).slice(1)
        await output.print(`${total === 0 ? separator : ''}],${rest}\n`)
      }
      if (total > 0) return EXIT.different
      return problems > 0 ? EXIT.incomplete : EXIT.ok
    } finally {
      stop()
    }
  })
}
