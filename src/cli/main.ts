/** The command line: finds the command, runs it, turns what it throws into messages and an exit status. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setFlagsFromString } from 'node:v8'
import { EXIT, WarpError, asWarpError } from '../base/errors.ts'
import { exitAtOnce, stuckThreads } from '../base/stuck-threads.ts'
import type { CommandModule } from './context.ts'

// Most commands are over before what V8 gains by inlining pays for the time that it takes to compile.
setFlagsFromString('--max-inlined-bytecode-size-cumulative=150')

const words = process.argv.slice(2)

// What only prints a line must not wait for modules to load.
if (saysBeforeOperands(words, '--version')) printVersion()
else await run()

function printVersion(): void {
  const manifest = createRequire(import.meta.url).resolve('warp-archive/package.json')
  const text = readFileSync(manifest, 'utf8')
  process.stdout.write(`warp ${(JSON.parse(text) as { version: string }).version}\n`)
}

function saysBeforeOperands(words: readonly string[], ...options: string[]): boolean {
  const end = words.indexOf('--')
  return (end < 0 ? words : words.slice(0, end)).some(word => options.includes(word))
}

async function run(): Promise<void> {
  const says = (...options: string[]) => saysBeforeOperands(words, ...options)
  const { Output } = await import('./output.ts')
  // Errors in the command line itself are already told as it asks.
  const output = new Output({
    json: says('--json'), quiet: says('--quiet', '-q'), verbose: says('--verbose', '-v'),
  })
  const { abortOnSignals } = await import('./signals.ts')
  const signal = abortOnSignals()
  let status: number
  try {
    status = await dispatch(output, signal)
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

async function dispatch(output: import('./output.ts').Output, signal: AbortSignal): Promise<number> {
  const { COMMANDS, loadSpecs } = await import('./commands.ts')
  const at = words.findIndex(word => !word.startsWith('-'))
  const name = at < 0 ? undefined : words[at]
  const rest = words.filter((_, i) => i !== at)
  if (name === 'help' || saysBeforeOperands(words, '--help', '-h')) {
    const topic = name === 'help' ? rest.find(word => !word.startsWith('-')) : name
    return await printHelp(output, topic === undefined ? undefined : await findCommand(topic))
  }
  if (name === undefined) {
    const unknown = words[0] === undefined ? 'a command is missing' : `a command must come before ${words[0]}`
    throw new WarpError('ERR_WARP_USAGE', unknown, {
      hint: `warp COMMAND, one of: ${Object.keys(COMMANDS).join(', ')} (more: warp help)`,
    })
  }
  const { spec, run } = await findCommand(name)
  const { parseArguments } = await import('./arguments.ts')
  const { Stdin } = await import('./stdin.ts')
  const args = parseArguments(rest, spec)
  return await run({ args, output, stdin: new Stdin(signal), signal, loadSpecs })
}

async function findCommand(name: string): Promise<CommandModule> {
  const { COMMANDS } = await import('./commands.ts')
  if (Object.hasOwn(COMMANDS, name)) return await COMMANDS[name]()
  const { findNearest } = await import('./arguments.ts')
  const near = findNearest(name, Object.keys(COMMANDS))
  throw new WarpError('ERR_WARP_USAGE', `unknown command '${name}'`, {
    hint: near === undefined ? `commands: ${Object.keys(COMMANDS).join(', ')}` : `did you mean warp ${near}?`,
  })
}

async function printHelp(output: import('./output.ts').Output, module?: CommandModule): Promise<number> {
  const { formatHelp, formatOverview } = await import('./help.ts')
  const { loadSpecs } = await import('./commands.ts')
  const columns = process.stdout.columns ?? 80
  await output.print(module === undefined
    ? formatOverview(await loadSpecs(), columns)
    : formatHelp(module.spec, columns))
  return EXIT.ok
}
