/** A command line as a command gets it, and a record of what is told, for tests that run no process. */
import { PassThrough } from 'node:stream'
import { parseArguments } from '../../../src/cli/arguments.ts'
import type { Context } from '../../../src/cli/context.ts'
import type { Output, Table } from '../../../src/cli/output.ts'
import type { CommandSpec } from '../../../src/cli/spec.ts'
import { Stdin } from '../../../src/cli/stdin.ts'

export interface Told {
  kind: 'result' | 'note' | 'event' | 'problem'
  /** JSON document, or message. */
  what: unknown
  table?: Table
}

export function contextOf(spec: CommandSpec, words: readonly string[], json = false): { context: Context; told: Told[] } {
  const told: Told[] = []
  const output = {
    json, quiet: words.includes('-q'), verbose: false, stdoutTaken: false, bar: undefined,
    result: async (what: object, table: Table) => void told.push({ kind: 'result', what, table }),
    note: (what: string) => told.push({ kind: 'note', what }),
    event: (what: object) => told.push({ kind: 'event', what }),
    problem: (what: object) => told.push({ kind: 'problem', what }),
  }
  const { signal } = new AbortController()
  const stdin = new Stdin(signal)
  const claim = stdin.claim.bind(stdin)
  // the tests' own standard input stays alone
  stdin.claim = purpose => {
    claim(purpose)
    return new PassThrough() as unknown as NodeJS.ReadStream
  }
  return {
    told,
    context: { args: parseArguments(words, spec), output: output as unknown as Output, stdin, signal, specs: [spec] },
  }
}
