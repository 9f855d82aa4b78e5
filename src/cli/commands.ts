/** The commands by name. What they need of the library, each loads when it runs. */
import * as cat from './commands/cat.ts'
import * as completion from './commands/completion.ts'
import * as create from './commands/create.ts'
import * as diff from './commands/diff.ts'
import * as doctor from './commands/doctor.ts'
import * as extract from './commands/extract.ts'
import * as info from './commands/info.ts'
import * as keygen from './commands/keygen.ts'
import * as list from './commands/list.ts'
import * as receive from './commands/receive.ts'
import * as recover from './commands/recover.ts'
import * as send from './commands/send.ts'
import * as verify from './commands/verify.ts'
import type { CommandModule } from './context.ts'
import type { CommandSpec } from './spec.ts'

/** Every command in the order of the help. */
export const COMMANDS: Readonly<Record<string, CommandModule>> = {
  create, extract, list, cat, verify, info, diff, recover, send, receive, doctor, keygen, completion,
}

export const SPECS: readonly CommandSpec[] = Object.values(COMMANDS).map(({ spec }) => spec)
