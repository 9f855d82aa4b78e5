/** `warp extract` */
import { EXIT, WarpError } from '../../base/errors.ts'
import { BASE, KEYS, MEMORY, PASSPHRASE_VARIABLE, CONTENT_EXITS, SELECTION, TEMP_DIR, THREADS } from '../options.ts'
import { toHex } from '../output.ts'
import { startProgress } from '../progress.ts'
import { selectedPaths } from '../selection.ts'
import { countOf, formatBytes, formatDuration, formatRate, parseCount } from '../sizes.ts'
import { readArchive } from '../source.ts'
import { parseMemory, parseThreads } from './create.ts'
import type { Context } from '../context.ts'
import type { CommandSpec } from '../spec.ts'

export const OVERWRITE = ['never', 'always', 'newer'] as const
/** A path has at most half as many components as bytes. */
const MAX_STRIP = 2048

export const spec: CommandSpec = {
  name: 'extract',
  summary: 'restore files from an archive',
  usage: 'extract ARCHIVE [PATH...] [-C DIR] [OPTION...]',
  description: [
    'Restores every PATH with all beneath it, or everything. Each byte is verified before it is written. '
    + 'ARCHIVE - is standard input.',
    'The archive is not trusted: nothing is written outside DIR, and no symlink in DIR is followed.',
    'What could not be restored is told of while the rest goes on; the exit status is 3 then.',
  ],
  operands: { min: 1, max: Infinity, completes: 'file' },
  groups: [
    {
      title: 'Target',
      options: [
        {
          name: 'directory', letter: 'C', value: 'DIR', completes: 'directory',
          help: 'restore into DIR, which is made if missing; default: the current directory',
        },
        {
          name: 'overwrite', value: 'WHEN', completes: OVERWRITE,
          help: 'replace existing files never, always, or when the archived one is newer; default: never',
        },
        { name: 'strip-components', value: 'N', help: 'leave out the first N components of each path' },
        { name: 'same-owner', help: 'restore owners; default: only as root' },
        { name: 'no-same-owner', help: 'everything belongs to whoever extracts' },
        { name: 'numeric-owner', help: 'restore user and group by number, whatever their names are here' },
      ],
    },
    { title: 'Selection', options: SELECTION },
    KEYS,
    BASE,
    { title: 'Resources', options: [THREADS, MEMORY, TEMP_DIR] },
  ],
  examples: [
    { text: 'Everything, into a new directory', command: 'warp extract backup.warp -C restored' },
    { text: 'One directory', command: 'warp extract backup.warp Documents/letters' },
    { text: 'From another machine', command: 'ssh host "cat src.warp" | warp extract - -C src' },
  ],
  exits: ['incomplete', ...CONTENT_EXITS],
  environment: [PASSPHRASE_VARIABLE],
}

export async function run(context: Context): Promise<number> {
  const { args, output } = context
  const target = args.text('directory') ?? '.'
  const strip = args.text('strip-components')
  if (args.flag('same-owner') && args.flag('no-same-owner')) {
    throw new WarpError('ERR_WARP_USAGE', '--same-owner and --no-same-owner exclude each other')
  }
  const options = {
    target,
    paths: selectedPaths(context),
    include: args.texts('include'),
    exclude: args.texts('exclude'),
    overwrite: parseOverwrite(args.text('overwrite')),
    stripComponents: strip === undefined ? undefined : parseCount(strip, '--strip-components', 0, MAX_STRIP),
    sameOwner: args.flag('same-owner') ? true : args.flag('no-same-owner') ? false : undefined,
    numericOwner: args.flag('numeric-owner'),
    threads: parseThreads(args.text('threads')),
    memory: parseMemory(args.text('memory')),
    tempDir: args.text('temp-dir'),
  }
  const { extract } = await import('../../index.ts')
  return await readArchive(context, async (source, keys) => {
    const { watch, stop } = await startProgress(context, 'extract')
    try {
      const { root, ...numbers } = await extract(source, { ...options, ...watch, ...keys })
      stop()
      const { entries, bytes, problems, durationMs } = numbers
      await output.result({ archive: args.operands[0], target, root: toHex(root), ...numbers }, [
        ['restored', `${countOf(entries, 'entry', 'entries')}, ${formatBytes(bytes)}`],
        ['into', target],
        ['time', `${formatDuration(durationMs)}${formatRate(bytes, durationMs)}`],
        ...problems > 0 ? [['problems', `${problems}, listed above`] as const] : [],
      ])
      return problems > 0 ? EXIT.incomplete : EXIT.ok
    } finally {
      stop()
    }
  })
}

export function parseOverwrite(text: string | undefined): (typeof OVERWRITE)[number] | undefined {
  if (text === undefined) return undefined
  const overwrite = OVERWRITE.find(name => name === text)
  if (overwrite === undefined) {
    throw new WarpError('ERR_WARP_USAGE', `--overwrite takes ${OVERWRITE.join(', ')}, not '${text}'`)
  }
  return overwrite
}
