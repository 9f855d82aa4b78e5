/** `warp list` */
import { EXIT, WarpError } from '../../base/errors.ts'
import { KEYS, PASSPHRASE_VARIABLE, READING_EXITS } from '../options.ts'
import { jsonName } from '../output.ts'
import { selectedPaths } from '../selection.ts'
import { formatMode, formatTime } from '../sizes.ts'
import { readArchive } from '../source.ts'

import type { Context } from '../context.ts'
import type { CommandSpec } from '../spec.ts'
import type { Entry, EntryType, Keys, SelectOptions, Source } from '../../index.ts'

const NUL = Uint8Array.of(0)

export const spec: CommandSpec = {
  name: 'list',
  summary: 'list what an archive holds',
  usage: 'list ARCHIVE [PATH...] [--long | -0 | --json]',
  description: [
    'Prints the path of every entry, or of every PATH and what is beneath it, one a line in the order of the '
    + 'archive. What could act on the terminal is escaped as in C strings. ARCHIVE - is standard input.',
    'With --long a line is like one of `tar tv`: type and mode, owner and group, size in bytes, time of '
    + 'modification in UTC, path, and what a link points to.',
    'With --json a line is an object: number, path (empty for the root of the archive), type, size, mode '
    + '(octal, a string), uid, gid, user, group, mtime, unstable, xattrs (values in base64), and where they '
    + 'apply target, link, linkNumber, major and minor. A name that is not valid UTF-8 is given twice: path '
    + 'with U+FFFD for what is wrong, and pathBase64 exactly; likewise targetBase64, linkBase64, userBase64 '
    + 'and groupBase64.',
    'Of hard links in an archive from standard input only the number of the other entry is known.',
  ],
  operands: { min: 1, max: Infinity, completes: 'file' },
  groups: [
    {
      title: 'Output',
      options: [
        { name: 'long', letter: 'l', help: 'print more than the path' },
        { name: 'null', letter: '0', help: 'print paths as they are, each followed by NUL' },
      ],
    },
    KEYS,
  ],
  examples: [
    { text: 'What is in a directory', command: 'warp list --long backup.warp Documents' },
    {
      text: 'The ten largest files',
      command: "warp list --json backup.warp | jq -r '[.size, .path] | @tsv' | sort -nr | head",
    },
  ],
  exits: ['incomplete', ...READING_EXITS],
  environment: [PASSPHRASE_VARIABLE],
}

export async function run(context: Context): Promise<number> {
  const { args, output, signal } = context
  const isLong = args.flag('long')
  const isRaw = args.flag('null')
  if (Number(isLong) + Number(isRaw) + Number(output.json) > 1) {
    throw new WarpError('ERR_WARP_USAGE', '--long, -0 and --json exclude each other')
  }
  const paths = selectedPaths(context)
  const { displayPath } = await import('../../index.ts')
  const layout = new LongLayout(displayPath)
  const line = isLong ? (entry: Entry) => layout.format(entry)
    : output.json ? (entry: Entry) => JSON.stringify(describeEntry(entry))
      : (entry: Entry) => displayPath(entry.path)
  return await readArchive(context, async (source, keys) => {
    for await (const entries of pagesOf(source, keys, paths)) {
      if (signal.aborted) throw new WarpError('ERR_WARP_INTERRUPTED', 'interrupted')
      if (isRaw) await output.print(Buffer.concat(entries.flatMap(({ path }) => [path, NUL])))
      else for (let i = 0; i < entries.length; i += LINES) {
        let text = ''
        for (const entry of entries.slice(i, i + LINES)) text += `${line(entry)}\n`
        await output.print(text)
      }
    }
    return EXIT.ok
  })
}

/** Printed at once. */
const LINES = 512

/** Entries with what hard links are other names of, where it can be known: a stream does not turn back. */
async function* pagesOf(source: Source, keys: Keys, paths: SelectOptions['paths']): AsyncGenerator<Entry[]> {
  const { list, open } = await import('../../index.ts')
  if (typeof source !== 'string') {
    for await (const entry of list(source, { ...keys, paths })) yield [entry]
    return
  }
  const archive = await open(source, keys)
  try {
    yield* archive.entryPages({ paths })
  } finally {
    await archive.close()
  }
}

/** Whether mode, owner, time and attributes are there; a hard link has those of another entry. */
function hasMetadata(entry: Entry): boolean {
  return entry.link === undefined || entry.linkPath !== undefined
}

const TYPE_LETTERS: Readonly<Record<EntryType, string>> = {
  file: '-', directory: 'd', symlink: 'l', hardlink: 'h', fifo: 'p', chardev: 'c', blockdev: 'b',
}

/** Lines whose columns widen as longer values come, as those of `tar tv` do. */
class LongLayout {
  readonly #displayPath: (path: Uint8Array) => string
  #ownerColumns = 0
  #sizeColumns = 0

  constructor(displayPath: (path: Uint8Array) => string) {
    this.#displayPath = displayPath
  }

  format(entry: Entry): string {
    const show = this.#displayPath
    const name = (bytes: Uint8Array, id: number) => bytes.length > 0 ? show(bytes) : String(id)
    const isKnown = hasMetadata(entry)
    const owner = isKnown ? `${name(entry.user, entry.uid)}/${name(entry.group, entry.gid)}` : '?/?'
    const size = entry.major === undefined ? String(entry.size) : `${entry.major},${entry.minor}`
    this.#ownerColumns = Math.max(this.#ownerColumns, owner.length)
    this.#sizeColumns = Math.max(this.#sizeColumns, size.length, 10)
    let line = TYPE_LETTERS[entry.type] + (isKnown ? formatMode(entry.mode) : '?'.repeat(9))
    line += ` ${owner.padEnd(this.#ownerColumns)} ${size.padStart(this.#sizeColumns)}`
    line += ` ${isKnown ? formatTime(entry.mtimeSeconds) : '?'.repeat(20)} ${show(entry.path)}`
    if (entry.target !== undefined) line += ` -> ${show(entry.target)}`
    if (entry.linkPath !== undefined) line += ` link to ${show(entry.linkPath)}`
    else if (entry.link !== undefined) line += ` link to entry ${entry.link}`
    return entry.unstable ? `${line} (unstable)` : line
  }
}

function describeEntry(entry: Entry): object {
  const { number, type, size, mode, uid, gid, unstable, major, minor } = entry
  return {
    number, ...jsonName('path', entry.path), type, size,
    ...!hasMetadata(entry) ? {} : {
      mode: mode.toString(8).padStart(4, '0'), uid, gid,
      ...jsonName('user', entry.user), ...jsonName('group', entry.group),
      mtime: formatTime(entry.mtimeSeconds, entry.mtimeNanoseconds),
      xattrs: entry.xattrs.map(({ name, value }) => {
        return { ...jsonName('name', name), valueBase64: Buffer.from(value).toString('base64') }
      }),
    },
    unstable,
    ...entry.target === undefined ? {} : jsonName('target', entry.target),
    ...entry.link === undefined ? {} : { linkNumber: entry.link },
    ...entry.linkPath === undefined ? {} : jsonName('link', entry.linkPath),
    ...major === undefined ? {} : { major, minor },
  }
}
