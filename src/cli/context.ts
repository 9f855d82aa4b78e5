/** What a command gets to run with, and what its file exports. */
import type { Arguments } from './arguments.ts'
import type { Output } from './output.ts'
import type { CommandSpec } from './spec.ts'
import type { Stdin } from './stdin.ts'

export interface Context {
  args: Arguments
  output: Output
  stdin: Stdin
  /** Aborted by SIGINT and SIGTERM. */
  signal: AbortSignal
  /** The tables of all commands. */
  specs: readonly CommandSpec[]
}

export interface CommandModule {
  spec: CommandSpec
  /** @returns the exit status */
  run: (context: Context) => Promise<number>
}
