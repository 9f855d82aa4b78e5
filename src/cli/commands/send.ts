/** `warp send` */
import { EXIT, WarpError } from '../../base/errors.ts'
import { pathBytes } from '../arguments.ts'
import { LEFT_OUT, PACKING, STDIN_NAME, WALKING, readPacking, readPatterns } from '../creating.ts'
import { wipeIdentity } from '../keys.ts'
import { chooseMeet, splitRemote } from '../meet.ts'
import { ENGINE, GPU_MEMORY, INDEX_TEMP_DIR, MEMORY, THREADS } from '../options.ts'
import { CONNECTION, MEETING, SSH_PEER, TRANSFER_VARIABLES, readCommon, refuseOptions } from '../transfer-options.ts'
import { startReport, type Wording } from '../transfer-report.ts'
import type { Context } from '../context.ts'
import type { CommandSpec } from '../spec.ts'
import type { SendOptions, TransferResult } from '../../index.ts'

/** Options that only a tree has a use for. */
const OF_TREES = [...LEFT_OUT, ...WALKING].map(({ name }) => name)

export const spec: CommandSpec = {
  name: 'send',
  summary: 'send files, an archive or a live stream to another host',
  usage: 'send PATH... [--to TICKET | --listen [HOST]:PORT | [USER@]HOST:DIR] [OPTION...]',
  description: [
    'Sends each PATH, a directory with all beneath it, to `warp receive` on another host. The two sides prove to each '
    + 'other that they are meant, everything between them is encrypted, and only what the receiver lacks is sent. '
    + 'The same two commands, run again after an interruption, go on where they stopped.',
    'The sides meet by a ticket, which either of them prints with --listen and the other is given with --to or --from; '
    + 'by a code phrase of four words, which this side prints if nothing else is told, and which holds in one local '
    + 'network; or through ssh, if the last argument is [USER@]HOST:DIR.',
    'An argument with a colon before its first slash is a place on another host, unless a file of that name exists '
    + 'here: write ./NAME for a path. PATH - alone is a live stream from standard input, passed on as it comes; beside '
    + 'other paths it becomes a file.',
    'The ticket or the code phrase is the first line on standard output. It is a secret: whoever has it can take the '
    + 'place of the other side. Other users of a host can see its command lines, so give it as --to @FILE or WARP_TICKET '
    + 'there. A ticket stands for one transfer, a code for one attempt.',
  ],
  operands: { min: 0, max: Infinity, completes: 'file' },
  groups: [
    {
      title: 'Meeting',
      options: [
        {
          name: 'to', value: 'TICKET', completes: 'file',
          help: 'the ticket or the code phrase that `warp receive` printed; @FILE: the first line of FILE is it',
        },
        ...MEETING,
      ],
    },
    {
      title: 'What is sent',
      options: [
        { name: 'archive', value: 'FILE', completes: 'file', help: 'send this archive as it is, block by block; needs none of its keys' },
        STDIN_NAME,
        ...LEFT_OUT,
        ...WALKING,
      ],
    },
    CONNECTION,
    { title: 'Packing', options: PACKING },
    { title: 'Resources', options: [ENGINE, THREADS, MEMORY, GPU_MEMORY, INDEX_TEMP_DIR] },
  ],
  hidden: [SSH_PEER],
  examples: [
    { text: 'To someone in the same network, who runs `warp receive` with the four words', command: 'warp send Photos' },
    { text: 'To a host that printed a ticket', command: 'warp send Photos --to warp1...' },
    { text: 'From a host that others can reach', command: 'warp send Photos --listen :4433' },
    { text: 'Through ssh', command: 'warp send Photos ann@host.example:backup' },
    { text: 'A pipe between two hosts', command: 'pg_dump shop | warp send - --to @ticket' },
    { text: 'An archive as it is', command: 'warp send --archive backup.warp --to @ticket' },
  ],
  exits: ['incomplete', 'output', 'malformed', 'unsupported', 'damaged', 'gpu', 'peer'],
  environment: TRANSFER_VARIABLES,
}

export async function run(context: Context): Promise<number> {
  const { send, formatSigner } = await import('../../index.ts')
  return await runSend(context, send, formatSigner)
}

/** @param send the library's, or one for tests */
export async function runSend(
  context: Context, send: (options: SendOptions) => Promise<TransferResult>, formatSigner: (key: Uint8Array) => string,
): Promise<number> {
  const { args, output } = context
  const isPeer = args.flag('ssh-peer')
  if (isPeer) output.stdoutTaken = true
  const { paths, remote } = isPeer ? { paths: args.operands, remote: undefined } : splitRemote(args.operands)
  let report: Awaited<ReturnType<typeof startReport>> | undefined
  const meet = chooseMeet(context, { option: 'to', remote }, {
    onTicket: ticket => report!.teller.onTicket(ticket),
    onCode: code => report!.teller.onCode(code),
  })
  const tree = {
    ...readPacking(context),
    exclude: readPatterns(context),
    oneFileSystem: args.flag('one-file-system'),
    followSymlinks: args.flag('follow-symlinks'),
    tempDir: args.text('temp-dir'),
  }
  const what = chooseWhat(context, paths)
  const common = await readCommon(context)
  try {
    report = await startReport(context, wordingOf(what), formatSigner)
    const result = await send({ ...tree, ...common, ...report.watch, what, meet })
    await report.finish(result)
    return result.problems > 0 ? EXIT.incomplete : EXIT.ok
  } finally {
    report?.stop()
    if (common.identity) wipeIdentity(common.identity)
  }
}

function chooseWhat({ args, stdin }: Context, paths: readonly string[]): SendOptions['what'] {
  const archive = args.text('archive')
  if (archive !== undefined) {
    if (paths.length > 0) {
      throw new WarpError('ERR_WARP_USAGE', `--archive is sent alone, not with ${paths[0]}`, {
        hint: `to send it as a file like others, leave out --archive: warp send ${archive} ${paths[0]}`,
      })
    }
    refuseOptions(args, [...OF_TREES, ...PACKING.map(({ name }) => name), 'engine', 'gpu-memory', 'stdin-name'], 'with --archive')
    return { kind: 'archive', path: archive }
  }
  if (paths.length === 0) {
    throw new WarpError('ERR_WARP_USAGE', 'there is nothing to send', {
      hint: 'give a PATH, - for standard input, or --archive FILE',
    })
  }
  const name = args.text('stdin-name') ?? 'stdin'
  if (args.flag('stdin-name') && !paths.includes('-')) {
    throw new WarpError('ERR_WARP_USAGE', '--stdin-name is given, but - is not among the paths')
  }
  if (paths.length === 1 && paths[0] === '-') {
    refuseOptions(args, [...OF_TREES, 'chunk-size', 'engine', 'gpu-memory'], 'with a live stream')
    return { kind: 'stream', stream: stdin.claim('the stream'), name }
  }
  return {
    kind: 'tree',
    inputs: paths.map(path => path === '-' ? { stream: stdin.claim('an input'), name } : { path: pathBytes(path) }),
  }
}

function wordingOf(what: SendOptions['what']): Wording {
  const receive = what.kind === 'stream' ? 'warp receive -' : what.kind === 'archive' ? 'warp receive -o ARCHIVE' : 'warp receive -C DIR'
  return {
    verb: 'send',
    done: 'sent',
    otherSide: { ticket: `${receive} --from TICKET`, code: `${receive} CODE` },
    facts: what.kind === 'archive' ? { json: { archive: what.path }, table: [['archive', what.path]] } : { json: {}, table: [] },
  }
}
