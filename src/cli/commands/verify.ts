/** `warp verify` */
import { EXIT } from '../../base/errors.ts'
import { BASE, KEYS, MEMORY, PASSPHRASE_VARIABLE, CONTENT_EXITS, TEMP_DIR, THREADS } from '../options.ts'
import { toHex } from '../output.ts'
import { startProgress } from '../progress.ts'
import { countOf, formatBytes, formatDuration } from '../sizes.ts'
import { readArchive } from '../source.ts'
import { parseMemory, parseThreads } from './create.ts'
import type { Context } from '../context.ts'
import type { CommandSpec } from '../spec.ts'

export const spec: CommandSpec = {
  name: 'verify',
  summary: 'check that an archive is whole and undamaged',
  usage: 'verify ARCHIVE [--quick] [--signed-by KEY]',
  description: [
    'Reads the whole archive and checks every byte of it: all digests, the order and number of everything, '
    + 'and the signature if there is one. ARCHIVE - is standard input.',
    'What is wrong is listed with the files that it concerns; the exit status is that of the first finding.',
    'Of an archive that is not encrypted this proves that it is consistent, not who made it: whoever can '
    + 'write the file can make another that is consistent too. Compare the root, or demand a signature.',
  ],
  operands: { min: 1, max: 1, completes: 'file' },
  groups: [
    {
      title: 'What to check',
      options: [
        { name: 'quick', help: 'only the structure, names and metadata, not the content of files' },
        { name: 'signed-by', value: 'KEY', help: 'demand a signature by this key (warp-signer1...)' },
      ],
    },
    KEYS,
    BASE,
    { title: 'Resources', options: [THREADS, MEMORY, TEMP_DIR] },
  ],
  examples: [
    { text: 'Everything', command: 'warp verify backup.warp' },
    { text: 'Who made it', command: 'warp verify release.warp --signed-by warp-signer1...' },
    { text: 'A copy on another machine', command: 'ssh host "cat backup.warp" | warp verify -' },
  ],
  exits: CONTENT_EXITS,
  environment: [PASSPHRASE_VARIABLE],
}

export async function run(context: Context): Promise<number> {
  const { args, output } = context
  const { verify, parseSigner, formatSigner } = await import('../../index.ts')
  const [archive] = args.operands
  const signer = args.text('signed-by')
  const options = {
    quick: args.flag('quick'),
    signedBy: signer === undefined ? undefined : parseSigner(signer),
    threads: parseThreads(args.text('threads')),
    memory: parseMemory(args.text('memory')),
    tempDir: args.text('temp-dir'),
  }
  return await readArchive(context, async (source, keys) => {
    const { watch, stop } = await startProgress(context, 'verify')
    try {
      const result = await verify(source, { ...options, ...watch, ...keys })
      const { damage, root, archiveId, baseId, signer, ...facts } = result
      stop()
      for (const { error, paths, more } of damage) {
        output.error(error)
        for (const path of paths) output.problem({ kind: 'damaged', path, message: 'damaged' })
        if (more > 0) output.problem({ kind: 'damaged', message: `and ${countOf(more, 'more file')} in the same place` })
      }
      const signedBy = signer === null ? null : formatSigner(signer)
      const state = damage.length > 0 ? 'damaged' : options.quick ? 'good, content not read' : 'good'
      await output.result({
        archive, good: damage.length === 0, quick: options.quick, root: toHex(root),
        archiveId: toHex(archiveId), baseId: baseId && toHex(baseId), signer: signedBy, ...facts,
        damage: damage.map(({ error, paths, more }) => ({ ...error.toData(), paths, more })),
      }, [
        ['archive', `${archive === '-' ? 'standard input' : archive}: ${state}`],
        ['holds', `${countOf(facts.entries, 'entry', 'entries')}, ${formatBytes(facts.logicalBytes)}`],
        ...facts.unstable > 0 ? [['unstable', countOf(facts.unstable, 'file')] as const] : [],
        ...facts.partial ? [['partial', 'made by warp recover'] as const] : [],
        ...baseId ? [['thin', `with the archive ${toHex(baseId)}`] as const] : [],
        ['encrypted', facts.encrypted ? 'yes' : 'no'],
        ['signed', signedBy === null ? 'no' : `by ${signedBy}`],
        ['root', toHex(root)],
        ['time', formatDuration(facts.durationMs)],
      ])
      return damage.length > 0 ? damage[0].error.exitCode : EXIT.ok
    } finally {
      stop()
    }
  })
}
