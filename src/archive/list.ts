/** `list`: the entries of an archive, from a file or in one forward pass from a stream. */
import { EntryAssembler } from './assemble.ts'
import { open } from './open.ts'
import { Scan } from './scan.ts'
import { Selection } from './select.ts'
import { PassingSource } from './source.ts'
import type { Entry, Keys, SelectOptions, Source } from './types.ts'
import { unlock } from './unlock.ts'

/**
 * Yields entries in path order. Of a stream, completeness is known only when the iteration ends without
 * an error.
 * @throws {WarpError} class malformed, unsupported, key or damaged; ERR_WARP_NOT_FOUND
 */
export async function* list(source: Source, options: Keys & SelectOptions = {}): AsyncGenerator<Entry> {
  if (typeof source === 'string') {
    const archive = await open(source, options)
    try {
      yield* archive.entries(options)
    } finally {
      await archive.close()
    }
    return
  }
  const passing = new PassingSource(source.stream)
  try {
    const selection = new Selection(options)
    const scan = new Scan(passing, await unlock(passing, options))
    const assembler = new EntryAssembler()
    for await (const { page, firstEntry, firstOffset } of scan.pages()) {
      for (const { entry } of assembler.page(page, firstEntry, firstOffset)) {
        if (entry && selection.takes(entry.path, entry.type === 'directory')) yield entry
      }
    }
    selection.demandAll()
  } finally {
    passing.close()
  }
}
