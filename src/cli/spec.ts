/** What a command is, as data that parsing, help and completion share. */
import type { ErrorClass } from '../base/errors.ts'

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
  /** Of warp for itself: neither help nor completion show them. */
  hidden?: readonly OptionSpec[]
  examples: readonly Example[]
  /** What it can end with besides ok, internal, usage and interrupted. */
  exits: readonly ErrorClass[]
  /** Variables besides those of every command. */
  environment?: readonly { name: string; help: string }[]
}
