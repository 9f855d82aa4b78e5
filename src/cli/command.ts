/** What a command is made of: data that parsing, help and completion share, and the function that runs it. */
import type { Arguments } from './arguments.ts'
import type { ErrorClass } from '../base/errors.ts'
import type { Output } from './output.ts'
import type { Stdin } from './stdin.ts'

/** What a shell offers for a value. */
export type Completion = 'file' | 'directory' | readonly string[]

export interface OptionSpec {
  name: string
  letter?: string
  /** Placeholder of the value in help; an option without one is a flag. */
  value?: string
  completes?: Completion
  repeatable?: boolean
  /** One sentence; must not end with a full stop. */
  help: string
}

export interface OptionGroup {
  title: string
  options: readonly OptionSpec[]
}

export interface Example {
  text: string
  command: string
}

export interface CommandSpec {
  name: string
  summary: string
  /** Without the leading `warp`. */
  usage: string
  /** Paragraphs. */
  description: readonly string[]
  operands: { min: number; max: number; completes?: Completion }
  groups: readonly OptionGroup[]
  examples: readonly Example[]
  /** What it can end with besides ok, internal, usage and interrupted. */
  exits: readonly ErrorClass[]
  /** Variables besides those of every command. */
  environment?: readonly { name: string; help: string }[]
}

export interface Context {
  args: Arguments
  output: Output
  stdin: Stdin
  /** Aborted by SIGINT and SIGTERM. */
  signal: AbortSignal
}

export interface CommandModule {
  spec: CommandSpec
  /** @returns the exit status */
  run: (context: Context) => Promise<number>
}

/** Every command in the order of the help; each file is loaded only when it is needed. */
export const COMMANDS: Readonly<Record<string, () => Promise<CommandModule>>> = {
  create: () => import('./commands/create.ts'),
  extract: () => import('./commands/extract.ts'),
  list: () => import('./commands/list.ts'),
  cat: () => import('./commands/cat.ts'),
  verify: () => import('./commands/verify.ts'),
  info: () => import('./commands/info.ts'),
  diff: () => import('./commands/diff.ts'),
  recover: () => import('./commands/recover.ts'),
  keygen: () => import('./commands/keygen.ts'),
  completion: () => import('./commands/completion.ts'),
}

export async function loadSpecs(): Promise<CommandSpec[]> {
  const modules = await Promise.all(Object.values(COMMANDS).map(load => load()))
  return modules.map(module => module.spec)
}
