/** `warp cat` */
import { isatty } from 'node:tty'
import { EXIT, WarpError } from '../../base/errors.ts'
import { withKeys } from '../keys.ts'
import { BASE, KEYS, PASSPHRASE_VARIABLE, CONTENT_EXITS } from '../options.ts'
import { archivePath } from '../selection.ts'
import { parseSize } from '../sizes.ts'
import type { Context } from '../context.ts'
import type { CommandSpec } from '../spec.ts'
import type { Archive, Entry } from '../../index.ts'

const STDOUT_FD = 1

export const spec: CommandSpec = {
  name: 'cat',
  summary: 'write the content of one file of an archive to standard output',
  usage: 'cat ARCHIVE PATH [--offset SIZE] [--length SIZE]',
  description: [
    'Reads only what is needed for the part that is asked for, and verifies it before it is written. A range '
    + 'beyond the end of the file gives what there is.',
    'Content that is not text is not written to a terminal.',
  ],
  operands: { min: 2, max: 2, completes: 'file' },
  groups: [
    {
      title: 'Range',
      options: [
        { name: 'offset', value: 'SIZE', help: 'start there; default: 0' },
        { name: 'length', value: 'SIZE', help: 'so many bytes; default: up to the end' },
      ],
    },
    KEYS,
    BASE,
  ],
  examples: [
    { text: 'One file', command: 'warp cat backup.warp Documents/letter.txt' },
    { text: '1 MiB from the middle', command: 'warp cat disk.warp disk.img --offset 40G --length 1M > part' },
  ],
  exits: ['incomplete', ...CONTENT_EXITS],
  environment: [PASSPHRASE_VARIABLE],
}

export async function run(context: Context): Promise<number> {
  const { args, output, signal } = context
  const [archive, operand] = args.operands
  const path = archivePath(operand, context)
  const range = { offset: parseOptional(context, 'offset'), length: parseOptional(context, 'length') }
  const { open } = await import('../../index.ts')
  return await withKeys(context, async keys => {
    const reader = await open(archive, keys)
    try {
      const entry = await findFile(reader, path, operand)
      let first = isatty(STDOUT_FD)
      for await (const bytes of reader.content(entry, range)) {
        if (signal.aborted) throw new WarpError('ERR_WARP_INTERRUPTED', 'interrupted')
        if (first) refuseBinary(bytes)
        first = false
        await output.print(bytes)
        // the library may use the same memory again
        await output.flush()
      }
    } finally {
      await reader.close()
    }
    return EXIT.ok
  })
}

function parseOptional({ args }: Context, name: string): number | undefined {
  const text = args.text(name)
  return text === undefined ? undefined : parseSize(text, `--${name}`)
}

async function findFile(archive: Archive, path: string | Uint8Array, shown: string): Promise<Entry> {
  const entry = await archive.find(path)
  if (entry === null) {
    throw new WarpError('ERR_WARP_NOT_FOUND', 'not in the archive', {
      path: shown, hint: 'warp list ARCHIVE shows what is',
    })
  }
  if (entry.type !== 'file' && entry.type !== 'hardlink') {
    throw new WarpError('ERR_WARP_USAGE', `not a file but a ${entry.type}`, { path: shown })
  }
  return entry
}

/** Control characters could do anything to a terminal. */
function refuseBinary(bytes: Uint8Array): void {
  const isText = bytes.every(byte => byte >= 0x20 ? byte !== 0x7f : byte >= 0x08 && byte <= 0x0d)
  if (isText) return
  throw new WarpError('ERR_WARP_USAGE', 'the file is not text and is not written to a terminal', {
    hint: 'send standard output to a file or a pipe',
  })
}
