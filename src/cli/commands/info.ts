/** `warp info` */
import { EXIT } from '../../base/errors.ts'
import { withKeys } from '../keys.ts'
import { KEYS, PASSPHRASE_VARIABLE, READING_EXITS } from '../options.ts'
import { toHex, type Table } from '../output.ts'
import { startProgress } from '../progress.ts'
import { countOf, formatBinary, formatBytes, formatCount } from '../sizes.ts'
import type { Context } from '../context.ts'
import type { CommandSpec } from '../spec.ts'
import type { ArchiveInfo, EntryType } from '../../index.ts'

const HISTOGRAM_COLUMNS = 30

export const spec: CommandSpec = {
  name: 'info',
  summary: 'show what an archive is made of',
  usage: 'info ARCHIVE [--json]',
  description: [
    'Prints counts and sizes, the ratio, what deduplication saved, codecs, the sizes of chunks, key slots '
    + 'and the root. Reads the metadata of all files, and none of their content.',
  ],
  operands: { min: 1, max: 1, completes: 'file' },
  groups: [KEYS],
  examples: [
    { text: 'For a person', command: 'warp info backup.warp' },
    { text: 'The root alone', command: 'warp info --json backup.warp | jq -r .root' },
  ],
  exits: READING_EXITS,
  environment: [PASSPHRASE_VARIABLE],
}

export async function run(context: Context): Promise<number> {
  const { args, output } = context
  const [archive] = args.operands
  const { open, formatSigner } = await import('../../index.ts')
  return await withKeys(context, async keys => {
    const reader = await open(archive, keys)
    const { watch, stop } = await startProgress(context, 'info')
    try {
      const info = await reader.info(watch)
      stop()
      const signer = info.signer === null ? null : formatSigner(info.signer)
      const { archiveId, baseId, root, signer: _, ...facts } = info
      await output.result(
        { archive, archiveId: toHex(archiveId), baseId: baseId && toHex(baseId), root: toHex(root), signer, ...facts },
        tabulate(archive, info, signer),
        true,
      )
    } finally {
      stop()
      await reader.close()
    }
    return EXIT.ok
  })
}

const TYPE_NAMES: Readonly<Record<EntryType, readonly [one: string, many: string]>> = {
  file: ['file', 'files'],
  directory: ['directory', 'directories'],
  symlink: ['symlink', 'symlinks'],
  hardlink: ['hard link', 'hard links'],
  fifo: ['FIFO', 'FIFOs'],
  chardev: ['character device', 'character devices'],
  blockdev: ['block device', 'block devices'],
}

function tabulate(archive: string, info: ArchiveInfo, signer: string | null): Table {
  const types = (Object.keys(TYPE_NAMES) as EntryType[])
    .filter(type => info.byType[type] > 0)
    .map(type => countOf(info.byType[type], ...TYPE_NAMES[type]))
  const holes = info.holeBytes > 0 ? `, ${formatBytes(info.holeBytes)} of it holes` : ''
  const storedBytes = info.codecs.reduce((sum, codec) => sum + codec.storedBytes, 0)
  const notes = [
    ...info.baseId ? [`thin: ${formatBytes(info.baseBytes)} of its content lie in the archive ${toHex(info.baseId)}`] : [],
    ...info.partial ? ['partial: made by warp recover'] : [],
    ...info.unstable > 0 ? [`${countOf(info.unstable, 'file')} changed while being read`] : [],
  ]
  return [
    ['archive', `${archive} (format ${info.version})`],
    ['id', toHex(info.archiveId)],
    ['root', toHex(info.root)],
    ...notes.map(note => ['note', note] as const),
    null,
    ['entries', formatCount(info.entries)],
    ...types.map(text => ['', text] as const),
    ['content', `${formatBytes(info.logicalBytes)}${holes}`],
    ['duplicates', `${formatBytes(info.dedupSavedBytes)} left out`],
    ['compressed', `${formatBytes(info.frameBytes)} to ${formatBytes(storedBytes)}`],
    ['metadata', formatBytes(info.metadataBytes)],
    ['archive size', `${formatBytes(info.archiveBytes)}${formatRatio(info.logicalBytes, info.archiveBytes)}`],
    null,
    ...formatCodecs(info),
    null,
    ...formatChunks(info),
    null,
    ['encrypted', info.encrypted ? 'yes' : 'no'],
    ...info.slots.map((slot, i) => [`key slot ${i + 1}`, formatSlot(slot)] as const),
    ['signed', signer === null ? 'no' : `by ${signer}`],
  ]
}

function formatSlot(slot: ArchiveInfo['slots'][number]): string {
  if (slot.type === 'recipient') return 'recipient (X25519)'
  const passes = countOf(slot.iterations, 'pass', 'passes')
  return `passphrase (Argon2id, ${passes}, ${formatBinary(slot.memoryKib * 1024)})`
}

function formatRatio(before: number, after: number): string {
  return before > after && after > 0 ? ` (${(before / after).toFixed(1)} times smaller than the content)` : ''
}

function formatCodecs({ codecs, frames }: ArchiveInfo): Table {
  const nameColumns = Math.max(...codecs.map(({ codec }) => codec.length), 0)
  const counts = codecs.map(codec => formatCount(codec.frames))
  const countColumns = Math.max(...counts.map(count => count.length), 0)
  return [
    ['frames', formatCount(frames)],
    ...codecs.map(({ codec, plainBytes, storedBytes }, i) => {
      const before = codec === 'store' ? '' : `${formatBytes(plainBytes)} to `
      const name = `${codec.padEnd(nameColumns)}  ${counts[i].padStart(countColumns)}`
      return ['', `${name}  ${before}${formatBytes(storedBytes)}`] as const
    }),
  ]
}

function formatChunks({ chunkRefs, uniqueChunks, average, chunkSizes }: ArchiveInfo): Table {
  const different = `${formatCount(uniqueChunks)} different`
  const most = Math.max(...chunkSizes.map(({ count }) => count), 1)
  const bounds = chunkSizes.map(({ upTo }) => `to ${formatBinary(upTo)}`)
  const counts = chunkSizes.map(({ count }) => formatCount(count))
  const boundColumns = Math.max(...bounds.map(bound => bound.length), 0)
  const countColumns = Math.max(...counts.map(count => count.length), 0)
  return [
    ['chunks', `${formatCount(chunkRefs)}, ${different}, average ${formatBinary(average)}`],
    ...chunkSizes.map(({ count }, i) => {
      const bar = '#'.repeat(Math.ceil(count / most * HISTOGRAM_COLUMNS))
      return ['', `${bounds[i].padEnd(boundColumns)}  ${counts[i].padStart(countColumns)}  ${bar}`] as const
    }),
  ]
}
