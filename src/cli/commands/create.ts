/** `warp create` */
import { isatty } from 'node:tty'
import { EXIT, WarpError } from '../../base/errors.ts'
import { pathBytes } from '../arguments.ts'
import { LEFT_OUT, PACKING, SEALING, STDIN_NAME, WALKING, readPacking, readPatterns } from '../creating.ts'
import { newPassphrase, readBaseKeys, readIdentities, wipeIdentity, wipeKeys } from '../keys.ts'
import { ENGINE, GPU_MEMORY, INDEX_TEMP_DIR, MEMORY, OUTPUT_ARCHIVE, THREADS } from '../options.ts'
import { readNamedFile, toHex, type Table } from '../output.ts'
import { startProgress } from '../progress.ts'
import { countOf, formatBytes, formatDuration, formatRate, parseCount, parseSize } from '../sizes.ts'
import type { Context } from '../context.ts'
import type { CommandSpec } from '../spec.ts'
import type { CreateResult, Input } from '../../index.ts'

const STDOUT_FD = 1
const MAX_THREADS = 1024

export const spec: CommandSpec = {
  name: 'create',
  summary: 'make an archive of files and directories',
  usage: 'create -o ARCHIVE [OPTION...] PATH...',
  description: [
    'Stores each PATH, a directory with all beneath it. Content that occurs more than once is stored once. '
    + 'A leading / of a path is left out; a path with .. is refused.',
    'ARCHIVE - is standard output. PATH - is standard input, which becomes one file.',
    'A file that cannot be read is left out and told of, a file that changes while it is read is stored and '
    + 'marked unstable: the archive is complete then but for these, and the exit status is 3.',
    'Nothing is encrypted unless a passphrase or a recipient is given.',
    'With --base OLD, a file whose size, times, inode and device are as OLD knows them is not read. ARCHIVE is '
    + 'complete by itself all the same, unless --thin is given. OLD and ARCHIVE are both encrypted or neither.',
  ],
  operands: { min: 0, max: Infinity, completes: 'file' },
  groups: [
    {
      title: 'Archive',
      options: [
        OUTPUT_ARCHIVE,
        ...PACKING,
        {
          name: 'reproducible',
          help: 'the same input and version of warp give the same bytes; refuses encryption',
        },
      ],
    },
    {
      title: 'Input',
      options: [
        STDIN_NAME,
        ...LEFT_OUT,
        {
          name: 'files-from', value: 'FILE', completes: 'file',
          help: 'store also the paths in FILE, one a line; - is standard input',
        },
        { name: 'null', letter: '0', help: 'the paths of --files-from end with NUL, not with a line feed' },
        ...WALKING,
      ],
    },
    {
      title: 'Encryption and signature',
      options: SEALING,
    },
    {
      title: 'Base',
      options: [
        {
          name: 'base', value: 'OLD', completes: 'file',
          help: 'take over what is unchanged since from OLD, an archive of the same PATHs, without reading it; '
            + 'chunk size and keys of chunks are those of OLD',
        },
        {
          name: 'thin',
          help: 'refer to what OLD holds instead of storing it: whoever reads ARCHIVE needs OLD, unchanged, too',
        },
        {
          name: 'base-passphrase-file', value: 'FILE', completes: 'file',
          help: 'the first line of FILE opens OLD; - is standard input; default: the passphrase of ARCHIVE',
        },
        {
          name: 'base-identity', value: 'FILE', completes: 'file', repeatable: true,
          help: 'an identity that opens OLD; may be given more than once',
        },
      ],
    },
    {
      title: 'Resources',
      options: [ENGINE, THREADS, MEMORY, GPU_MEMORY, INDEX_TEMP_DIR, { name: 'stats', help: 'tell at the end in which stages the threads spent their time' }],
    },
  ],
  examples: [
    { text: 'Archive two directories', command: 'warp create -o backup.warp Documents Photos' },
    { text: 'To another machine', command: 'warp create -o - src | ssh host "cat > src.warp"' },
    {
      text: 'A database dump from a pipe',
      command: 'pg_dump shop | warp create -o shop.warp --stdin-name shop.sql -',
    },
    {
      text: 'Encrypted to a key',
      command: 'warp create -o private.warp --recipient warp-recipient1... Documents',
    },
    { text: 'Again after little has changed', command: 'warp create -o tuesday.warp --base monday.warp Documents' },
    { text: 'What Git knows', command: 'git ls-files -z | warp create -o src.warp -0 --files-from -' },
  ],
  exits: ['incomplete', 'output', 'malformed', 'unsupported', 'key', 'damaged', 'gpu'],
  environment: [{
    name: 'WARP_PASSPHRASE',
    help: 'encrypt with this passphrase; not looked at with --passphrase-file, nor with --recipient alone',
  }],
}

export async function run(context: Context): Promise<number> {
  const { args, output, signal } = context
  const archive = args.required('output', '-o ARCHIVE')
  const toStdout = archive === '-'
  if (toStdout && isatty(STDOUT_FD)) {
    throw new WarpError('ERR_WARP_USAGE', 'an archive is not written to a terminal', {
      hint: 'give a file with -o, or send standard output to a file or a pipe',
    })
  }
  output.stdoutTaken = toStdout
  const settings = {
    ...readPacking(context),
    threads: parseThreads(args.text('threads')),
    memory: parseMemory(args.text('memory')),
    tempDir: args.text('temp-dir'),
  }
  const inputs = await readInputs(context)
  const { create, parseRecipient } = await import('../../index.ts')
  const recipients = args.texts('recipient').map(parseRecipient)
  const exclude = readPatterns(context)
  const passphrase = await newPassphrase(context)
  const reproducible = args.flag('reproducible')
  if (reproducible && (passphrase !== undefined || recipients.length > 0)) {
    throw new WarpError('ERR_WARP_USAGE', 'an encrypted archive cannot be reproducible', {
      hint: process.env['WARP_PASSPHRASE']
        ? 'unset WARP_PASSPHRASE' : 'leave out --reproducible, or the keys',
    })
  }
  const [signWith] = await readIdentities(args.texts('sign').slice(-1))
  const base = args.text('base')
  const baseKeys = await readBaseKeys(context, passphrase)
  const { watch, stop } = await startProgress(context, 'create', true)
  try {
    const result = await create({
      base, baseKeys, thin: args.flag('thin'),
      ...settings, ...watch, inputs, exclude, recipients, passphrase, reproducible, signWith, signal,
      output: toStdout ? { fd: STDOUT_FD } : archive,
      oneFileSystem: args.flag('one-file-system'),
      followSymlinks: args.flag('follow-symlinks'),
    })
    stop()
    await output.result(
      { archive, encrypted: passphrase !== undefined || recipients.length > 0, ...describeCreated(result, args.flag('stats')) },
      [...tabulate(toStdout ? 'standard output' : archive, result), ...args.flag('stats') ? tabulateStages(result) : []],
    )
    return result.problems > 0 ? EXIT.incomplete : EXIT.ok
  } finally {
    stop()
    passphrase?.fill(0)
    wipeKeys(baseKeys)
    if (signWith) wipeIdentity(signWith)
  }
}

export function parseThreads(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseCount(text, '--threads', 1, MAX_THREADS)
}

export function parseMemory(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseSize(text, '--memory')
}

async function readInputs({ args, stdin }: Context): Promise<Input[]> {
  const inputs: Input[] = args.operands.map(operand => {
    if (operand !== '-') return { path: pathBytes(operand) }
    return { stream: stdin.claim('an input'), name: args.text('stdin-name') ?? 'stdin' }
  })
  if (args.flag('stdin-name') && !args.operands.includes('-')) {
    throw new WarpError('ERR_WARP_USAGE', '--stdin-name is given, but - is not among the paths')
  }
  const list = args.text('files-from')
  if (list === undefined) {
    if (args.flag('null')) throw new WarpError('ERR_WARP_USAGE', '-0 needs --files-from')
    if (inputs.length === 0) {
      throw new WarpError('ERR_WARP_USAGE', 'there is nothing to store', {
        hint: 'give a PATH, - for standard input, or --files-from FILE',
      })
    }
    return inputs
  }
  const bytes = list === '-' ? await stdin.readAll('the list of files') : readNamedFile(list, 'list of files')
  for (const path of splitBytes(bytes, args.flag('null') ? 0 : 0x0a)) inputs.push({ path })
  return inputs
}

function* splitBytes(bytes: Buffer, separator: number): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length;) {
    const found = bytes.indexOf(separator, start)
    const end = found < 0 ? bytes.length : found
    if (end > start) yield bytes.subarray(start, end)
    start = end + 1
  }
}

/** What --json says of a new archive. */
export function describeCreated({ root, archiveId, stages, ...numbers }: CreateResult, withStages = false): object {
  return { root: toHex(root), archiveId: toHex(archiveId), ...numbers, ...withStages ? { stages } : {} }
}

/** Seconds in each stage, of the main thread and of all others together. */
function tabulateStages({ stages, durationMs }: CreateResult): Table {
  const { caller, threads } = stages!
  const seconds = (ms: number) => (ms / 1000).toFixed(2)
  const names = Object.keys(caller) as (keyof typeof caller)[]
  const rows = names.filter(name => name !== 'idle').map(name => ({
    name, main: caller[name], others: threads.reduce((sum, times) => sum + times[name], 0),
  }))
  const idle = threads.reduce((sum, { idle }) => sum + idle, 0)
  return [
    ['stage', `${'main'.padStart(8)}${`${threads.length} threads`.padStart(12)}   seconds`],
    ...rows.map(({ name, main, others }): [string, string] => [`  ${name}`, `${seconds(main).padStart(8)}${seconds(others).padStart(12)}`]),
    ['  idle', `${seconds(caller.idle).padStart(8)}${seconds(idle).padStart(12)}`],
    ['  elapsed', seconds(durationMs).padStart(8)],
  ]
}

export function tabulate(name: string, result: CreateResult): Table {
  const { entries, logicalBytes, frameBytes, archiveBytes, problems, durationMs, root, kept, gpu } = result
  const ratio = archiveBytes > 0 && logicalBytes > archiveBytes
    ? ` (${(logicalBytes / archiveBytes).toFixed(1)} times smaller)` : ''
  return [
    ['archive', name],
    ['stored', `${countOf(entries, 'entry', 'entries')}, ${formatBytes(logicalBytes)}`],
    ...kept.files > 0 ? [['unchanged', `${countOf(kept.files, 'file')}, ${formatBytes(kept.bytes)}; not read`] as const] : [],
    ...frameBytes < logicalBytes
      ? [['unique', `${formatBytes(frameBytes)}; the rest are duplicates and holes`] as const] : [],
    ['archive size', `${formatBytes(archiveBytes)}${ratio}`],
    ['time', `${formatDuration(durationMs)}${formatRate(logicalBytes, durationMs)}`],
    ...gpu ? [['engine', describeGpu(gpu)] as const] : [],
    ['root', toHex(root)],
    ...problems > 0 ? [['problems', `${problems}, listed above`] as const] : [],
  ]
}

function describeGpu({ adapter, batches, replayed }: NonNullable<CreateResult['gpu']>): string {
  return `${adapter}: ${countOf(batches, 'batch', 'batches')}${replayed > 0 ? `, ${replayed} of them done again on the CPU` : ''}`
}
