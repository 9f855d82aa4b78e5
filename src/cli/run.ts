/** Finds the command, runs it, turns what it throws into messages and an exit status. */
import { EXIT, WarpError, asWarpError } from '../base/errors.ts'
import { exitAtOnce, stuckThreads } from '../base/stuck-threads.ts'
import { findNearest, parseArguments } from './arguments.ts'
import { COMMANDS, SPECS } from './commands.ts'
import { Output } from './output.ts'
import { abortOnSignals } from './signals.ts'
import { Stdin } from './stdin.ts'
import { saysBeforeOperands } from './words.ts'
import type { CommandModule } from './context.ts'

/** Runs the command that `words` say, and ends the process with its exit status. */
export async function run(words: readonly string[]): Promise<void> {
  const says = (...options: string[]) => saysBeforeOperands(words, ...options)
  // Errors in the command line itself are already told as it asks.
  const output = new Output({
    json: says('--json'), quiet: says('--quiet', '-q'), verbose: says('--verbose', '-v'),
  })
  const signal = abortOnSignals()
  let status: number
  try {
    status = await dispatch(words, output, signal)
    await output.flush()
  } catch (thrown) {
    const error = asWarpError(signal.aborted && !(thrown instanceof WarpError) ? signal.reason : thrown)
    // Whoever reads the output has seen enough of it.
    if (error.code !== 'ERR_WARP_PIPE_CLOSED') output.error(error)
    status = signal.aborted ? EXIT.interrupted : error.exitCode
  }
  // Not left to the end of the event loop: standard input may still be open.
  if (stuckThreads.count > 0) exitAtOnce(status)
  process.exit(status)
}

async function dispatch(words: readonly string[], output: Output, signal: AbortSignal): Promise<number> {
  const at = words.findIndex(word => !word.startsWith('-'))
  const name = at < 0 ? undefined : words[at]
  const rest = words.filter((_, i) => i !== at)
  if (name === 'help' || saysBeforeOperands(words, '--help', '-h')) {
    const topic = name === 'help' ? rest.find(word => !word.startsWith('-')) : name
    return await printHelp(output, topic === undefined ? undefined : findCommand(topic))
  }
  if (name === undefined) {
    const unknown = words[0] === undefined ? 'a command is missing' : `a command must come before ${words[0]}`
    throw new WarpError('ERR_WARP_USAGE', unknown, {
      hint: `warp COMMAND, one of: ${Object.keys(COMMANDS).join(', ')} (more: warp help)`,
    })
  }
  const { spec, run } = findCommand(name)
  const args = parseArguments(rest, spec)
  return await run({ args, output, stdin: new Stdin(signal), signal, specs: SPECS })
}

function findCommand(name: string): CommandModule {
  if (Object.hasOwn(COMMANDS, name)) return COMMANDS[name]
  const near = findNearest(name, Object.keys(COMMANDS))
  throw new WarpError('ERR_WARP_USAGE', `unknown command '${name}'`, {
    hint: near === undefined ? `commands: ${Object.keys(COMMANDS).join(', ')}` : `did you mean warp ${near}?`,
  })
}

async function printHelp(output: Output, module?: CommandModule): Promise<number> {
  const { formatHelp, formatOverview } = await import('./help.ts')
  const columns = process.stdout.columns ?? 80
  await output.print(module === undefined
    ? formatOverview(SPECS, columns)
    : formatHelp(module.spec, columns))
  return EXIT.ok
}
