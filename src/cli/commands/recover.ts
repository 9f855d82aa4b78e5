/** `warp recover` */
import { EXIT, WarpError } from '../../base/errors.ts'
import { readPassphraseFile, withKeys } from '../keys.ts'
import { BASE, INDEX_TEMP_DIR, KEYS, MEMORY, OUTPUT_ARCHIVE, PASSPHRASE_VARIABLE, CONTENT_EXITS, THREADS } from '../options.ts'
import { startProgress } from '../progress.ts'
import { countOf, formatBytes } from '../sizes.ts'
import { describeCreated, parseMemory, parseThreads, tabulate } from './create.ts'
import type { Context } from '../context.ts'
import type { CommandSpec } from '../spec.ts'
import type { BaseOptions, Keys } from '../../index.ts'

export const spec: CommandSpec = {
  name: 'recover',
  summary: 'save what is intact in a damaged archive',
  usage: 'recover DAMAGED -o ARCHIVE [OPTION...]',
  description: [
    'Reads everything up to the last intact page of DAMAGED, which is not changed, and writes what is whole '
    + 'to a new archive. The new one has a new id and new keys, is not signed, and is marked partial. What '
    + 'is lost is listed.',
    'If a passphrase opened the damaged archive, it opens the new one too, unless other keys are given.',
  ],
  operands: { min: 1, max: 1, completes: 'file' },
  groups: [
    {
      title: 'New archive',
      options: [
        OUTPUT_ARCHIVE,
        {
          name: 'new-passphrase-file', value: 'FILE', completes: 'file',
          help: 'encrypt it with the first line of FILE; - is standard input',
        },
        {
          name: 'recipient', value: 'KEY', repeatable: true,
          help: 'encrypt it to a public key (warp-recipient1...); may be given more than once',
        },
      ],
    },
    KEYS,
    BASE,
    { title: 'Resources', options: [THREADS, MEMORY, INDEX_TEMP_DIR] },
  ],
  examples: [{ text: 'What a failing disk left', command: 'warp recover backup.warp -o rescued.warp' }],
  exits: ['incomplete', ...CONTENT_EXITS],
  environment: [PASSPHRASE_VARIABLE],
}

export async function run(context: Context): Promise<number> {
  const { args } = context
  const path = args.required('output', '-o ARCHIVE')
  if (path === '-') {
    throw new WarpError('ERR_WARP_USAGE', 'recover writes to a file', { hint: 'give a file with -o' })
  }
  const { parseRecipient } = await import('../../index.ts')
  const newRecipients = args.texts('recipient').map(parseRecipient)
  const newPassphrase = await readPassphraseFile(context, 'new-passphrase-file')
  const hasNewKeys = newPassphrase !== undefined || newRecipients.length > 0
  try {
    return await withKeys(context, async keys => {
      const { base, baseKeys } = keys
      if (hasNewKeys) return await recoverTo(path, context, keys, { newPassphrase, newRecipients })
      try {
        // What was not encrypted stays so, even if a passphrase is at hand.
        return await recoverTo(path, context, { base }, {})
      } catch (error) {
        if (!(error instanceof WarpError) || error.code !== 'ERR_WARP_KEY_NEEDED') throw error
        const { identities } = keys
        const hasIdentity = identities !== undefined && identities.length > 0
        const passphrase = keys.passphrase ?? (hasIdentity ? null : await keys.askPassphrase?.()) ?? undefined
        if (passphrase === undefined && !hasIdentity) throw error
        return await recoverTo(path, context, { passphrase, identities, base, baseKeys }, { newPassphrase: passphrase })
      }
    })
  } finally {
    newPassphrase?.fill(0)
  }
}

interface NewKeys {
  newPassphrase?: Keys['passphrase']
  newRecipients?: Uint8Array[]
}

async function recoverTo(path: string, context: Context, keys: Keys & BaseOptions, newKeys: NewKeys): Promise<number> {
  const { args, output } = context
  const [archive] = args.operands
  const { recover } = await import('../../index.ts')
  const { watch, stop } = await startProgress(context, 'recover')
  try {
    const { created, lost, unreadable, truncated } = await recover({
      archive, output: path, ...keys, ...newKeys, ...watch,
      threads: parseThreads(args.text('threads')),
      memory: parseMemory(args.text('memory')),
      tempDir: args.text('temp-dir'),
    })
    stop()
    for (const { path, reason } of lost) output.problem({ kind: 'damaged', path, message: `lost: ${reason}` })
    if (!output.json) {
      for (const { from, to } of unreadable) {
        output.problem({ kind: 'damaged', message: `${archive}: bytes ${from} to ${to} make no sense` })
      }
      if (truncated) output.problem({ kind: 'damaged', message: `${archive}: it was cut short` })
    }
    const unreadableBytes = unreadable.reduce((total, { from, to }) => total + to - from, 0)
    await output.result(
      { archive: path, damaged: archive, ...describeCreated(created), lost, unreadable, truncated },
      [
        ...tabulate(path, created),
        ['lost', `${countOf(lost.length, 'entry', 'entries')} known by name`],
        ['unreadable', `${formatBytes(unreadableBytes)}${truncated ? ', and the end is missing' : ''}`],
      ],
    )
    return lost.length > 0 || truncated || unreadable.length > 0 ? EXIT.incomplete : EXIT.ok
  } finally {
    stop()
  }
}
