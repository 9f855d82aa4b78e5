/** `warp receive` */
import { EXIT, WarpError } from '../../base/errors.ts'
import { SEALING } from '../creating.ts'
import { newPassphrase, readIdentities, readReuseKeys, wipeIdentity, wipeKeys } from '../keys.ts'
import { chooseMeet, isCode, parseRemote, type Words } from '../meet.ts'
import { INDEX_TEMP_DIR, MEMORY, THREADS } from '../options.ts'
import { CONNECTION, MEETING, SSH_PEER, TRANSFER_VARIABLES, readCommon, refuseOptions } from '../transfer-options.ts'
import { startReport, type Wording } from '../transfer-report.ts'
import { OVERWRITE, parseOverwrite } from './extract.ts'
import type { Context } from '../context.ts'
import type { CommandSpec } from '../spec.ts'
import type { ReceiveOptions, TransferResult } from '../../index.ts'

const OF_ARCHIVES = SEALING.map(({ name }) => name)
const OF_DIRECTORIES = ['overwrite', 'same-owner', 'no-same-owner', 'numeric-owner']
const OF_REUSE = ['reuse', 'reuse-identity', 'reuse-passphrase-file']

export const spec: CommandSpec = {
  name: 'receive',
  summary: 'receive what `warp send` sends on another host',
  usage: 'receive [-C DIR | -o ARCHIVE | -] [CODE | --from TICKET | --listen [HOST]:PORT | [USER@]HOST:PATH] [OPTION...]',
  description: [
    'Restores the tree that is sent into DIR, or writes it as an archive. The two sides prove to each other that they '
    + 'are meant, and everything between them is encrypted. Only what is not there yet is sent: what files in DIR, an '
    + 'earlier attempt or --reuse hold is taken from there. The same two commands, run again after an interruption, go '
    + 'on where they stopped.',
    'The sides meet by a ticket, which either of them prints with --listen and the other is given with --to or --from; '
    + 'by a code phrase of four words that `warp send` printed in the same local network, or that this side prints if '
    + 'nothing else is told; or through ssh, with [USER@]HOST:PATH.',
    'With - a live stream goes to standard output as it comes, and the ticket to standard error. Else the ticket is the '
    + 'first line on standard output. It is a secret: whoever has it can take the place of the other side. Other users '
    + 'of a host can see its command lines, so give it as --from @FILE or WARP_TICKET there. A ticket stands for one '
    + 'transfer, a code for one attempt.',
    'The sender is not trusted: every byte is verified before it is written, nothing is written outside DIR, and no '
    + 'symlink in DIR is followed.',
  ],
  operands: { min: 0, max: 2 },
  groups: [
    {
      title: 'Meeting',
      options: [
        {
          name: 'from', value: 'TICKET', completes: 'file',
          help: 'the ticket or the code phrase that `warp send` printed; @FILE: the first line of FILE is it',
        },
        ...MEETING,
      ],
    },
    {
      title: 'Target',
      options: [
        {
          name: 'directory', letter: 'C', value: 'DIR', completes: 'directory',
          help: 'restore into DIR, which is made if missing; default: the current directory',
        },
        {
          name: 'output', letter: 'o', value: 'ARCHIVE', completes: 'file',
          help: 'write an archive; one that is sent with --archive is written as it is',
        },
        {
          name: 'overwrite', value: 'WHEN', completes: OVERWRITE,
          help: 'replace existing files never, always, or when the one that is sent is newer; default: never',
        },
        { name: 'same-owner', help: 'restore owners; default: only as root' },
        { name: 'no-same-owner', help: 'everything belongs to whoever receives' },
        { name: 'numeric-owner', help: 'restore user and group by number, whatever their names are here' },
      ],
    },
    { title: 'Encryption and signature of the archive', options: SEALING },
    {
      title: 'What need not be sent',
      options: [
        {
          name: 'reuse', value: 'PATH', completes: 'file', repeatable: true,
          help: 'an archive or a directory that holds some of what is sent; may be given more than once',
        },
        {
          name: 'reuse-passphrase-file', value: 'FILE', completes: 'file',
          help: 'the first line of FILE opens the archives of --reuse; - is standard input; default: WARP_PASSPHRASE',
        },
        {
          name: 'reuse-identity', value: 'FILE', completes: 'file', repeatable: true,
          help: 'an identity that opens archives of --reuse; may be given more than once',
        },
      ],
    },
    CONNECTION,
    { title: 'Resources', options: [THREADS, MEMORY, INDEX_TEMP_DIR] },
  ],
  hidden: [SSH_PEER],
  examples: [
    { text: 'With the four words that `warp send` printed in the same network', command: 'warp receive four-words-like-these' },
    { text: 'Print a ticket, and wait for the sender', command: 'warp receive -C restored --listen :4433' },
    { text: 'With a ticket that the sender printed', command: 'warp receive -C restored --from @ticket' },
    { text: 'Through ssh', command: 'warp receive ann@host.example:Photos -C Photos' },
    { text: 'A pipe between two hosts', command: 'warp receive - --listen :4433 | psql shop' },
    { text: 'As an archive with a passphrase', command: 'warp receive -o photos.warp --passphrase --from @ticket' },
    { text: 'From many senders, until Ctrl-C', command: 'warp receive -C inbox --listen :4433 --keep' },
  ],
  exits: ['incomplete', 'output', 'malformed', 'unsupported', 'key', 'damaged', 'peer'],
  environment: [
    ...TRANSFER_VARIABLES,
    { name: 'WARP_PASSPHRASE', help: 'with -o, encrypt with this passphrase; not looked at with --passphrase-file, nor with --recipient alone' },
  ],
}

export async function run(context: Context): Promise<number> {
  const { receive, formatSigner } = await import('../../index.ts')
  return await runReceive(context, receive, formatSigner)
}

/** @param receive the library's, or one for tests */
export async function runReceive(
  context: Context, receive: (options: ReceiveOptions) => Promise<TransferResult>, formatSigner: (key: Uint8Array) => string,
): Promise<number> {
  const { args, output } = context
  const { toStdout, words } = readOperands(args.operands)
  if (toStdout || args.flag('ssh-peer')) output.stdoutTaken = true
  let report: Awaited<ReturnType<typeof startReport>> | undefined
  const meet = chooseMeet(context, { option: 'from', ...words }, {
    onTicket: ticket => report!.teller.onTicket(ticket),
    onCode: code => report!.teller.onCode(code),
  })
  const overwrite = parseOverwrite(args.text('overwrite'))
  const into = await chooseInto(context, toStdout)
  const common = await readCommon(context)
  const reuseKeys = await readReuseKeys(context)
  try {
    report = await startReport(context, wordingOf(into), formatSigner)
    const result = await receive({
      ...common, ...report.watch, meet, into, overwrite, reuseKeys,
      reuse: args.texts('reuse'),
      sameOwner: args.flag('same-owner') ? true : args.flag('no-same-owner') ? false : undefined,
      numericOwner: args.flag('numeric-owner'),
      tempDir: args.text('temp-dir'),
    })
    await report.finish(result)
    return result.problems > 0 ? EXIT.incomplete : EXIT.ok
  } finally {
    report?.stop()
    wipeKeys(reuseKeys)
    if (common.identity) wipeIdentity(common.identity)
    if (into.kind === 'archive') {
      if (into.passphrase instanceof Uint8Array) into.passphrase.fill(0)
      if (into.signWith) wipeIdentity(into.signWith)
    }
  }
}

function readOperands(operands: readonly string[]): { toStdout: boolean; words: Omit<Words, 'option'> } {
  const others = operands.filter(operand => operand !== '-')
  const toStdout = others.length < operands.length
  if (others.length > 1) throw new WarpError('ERR_WARP_USAGE', `unexpected argument '${others[1]}'`)
  if (others.length === 0) return { toStdout, words: {} }
  const [word] = others
  if (isCode(word)) return { toStdout, words: { code: word } }
  if (word.startsWith('warp1')) {
    // not repeated: it is a secret
    throw new WarpError('ERR_WARP_USAGE', 'a ticket is given with --from', { hint: '--from TICKET, or --from @FILE' })
  }
  const remote = parseRemote(word)
  if (remote === null) {
    throw new WarpError('ERR_WARP_USAGE', `'${word}' is neither a code phrase nor a place on another host`, {
      hint: 'a code phrase is four words joined by -, a place is [USER@]HOST:PATH; the directory to write to is given with -C DIR',
    })
  }
  return { toStdout, words: { remote } }
}

async function chooseInto(context: Context, toStdout: boolean): Promise<ReceiveOptions['into']> {
  const { args } = context
  const archive = args.text('output')
  if (archive !== undefined && args.flag('directory')) {
    throw new WarpError('ERR_WARP_USAGE', '-C and -o exclude each other', { hint: '-C DIR restores files, -o ARCHIVE writes an archive' })
  }
  if (args.flag('same-owner') && args.flag('no-same-owner')) {
    throw new WarpError('ERR_WARP_USAGE', '--same-owner and --no-same-owner exclude each other')
  }
  if (toStdout) {
    refuseOptions(args, ['directory', 'output', ...OF_DIRECTORIES, ...OF_ARCHIVES, ...OF_REUSE], 'with -', 'leave out the -, or the option')
    return { kind: 'stream', stream: process.stdout }
  }
  if (archive === undefined) {
    refuseOptions(args, OF_ARCHIVES, 'without -o', 'give -o ARCHIVE to write an archive')
    return { kind: 'directory', path: args.text('directory') ?? '.' }
  }
  if (archive === '-') {
    throw new WarpError('ERR_WARP_USAGE', 'an archive is received into a file', {
      hint: 'give -o FILE; `warp receive -` writes a live stream to standard output',
    })
  }
  refuseOptions(args, OF_DIRECTORIES, 'with -o')
  const { parseRecipient } = await import('../../index.ts')
  const recipients = args.texts('recipient').map(parseRecipient)
  const passphrase = await newPassphrase(context)
  const [signWith] = await readIdentities(args.texts('sign').slice(-1))
  return { kind: 'archive', path: archive, passphrase, recipients, signWith }
}

function wordingOf(into: ReceiveOptions['into']): Wording {
  const send = into.kind === 'stream' ? 'warp send -' : 'warp send PATH...'
  const facts: Wording['facts'] = into.kind === 'directory'
    ? { json: { target: into.path }, table: [['into', into.path]] }
    : into.kind === 'archive' ? { json: { archive: into.path }, table: [['archive', into.path]] } : { json: {}, table: [] }
  return { verb: 'receive', done: 'received', otherSide: { ticket: `${send} --to TICKET`, code: `${send} --to CODE` }, facts }
}
