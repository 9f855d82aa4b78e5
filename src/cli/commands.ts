/** The commands by name. */
import type { CommandModule } from './context.ts'
import type { CommandSpec } from './spec.ts'

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
  send: () => import('./commands/send.ts'),
  receive: () => import('./commands/receive.ts'),
  doctor: () => import('./commands/doctor.ts'),
  keygen: () => import('./commands/keygen.ts'),
  completion: () => import('./commands/completion.ts'),
}

export async function loadSpecs(): Promise<CommandSpec[]> {
  const modules = await Promise.all(Object.values(COMMANDS).map(load => load()))
  return modules.map(module => module.spec)
}
