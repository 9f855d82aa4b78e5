/** Runs the built program as a user does: as a process of its own, through pipes or on a terminal. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { resolve } from 'node:path'

export const ROOT = resolve(import.meta.dirname, '../../..')
export const PROGRAM = resolve(ROOT, 'bin/warp.js')

/** Far above what any of these runs takes; ends one that hangs. */
const LIMIT_MS = 120_000

export interface Options {
  cwd?: string
  /** Besides PATH and HOME; undefined takes one away. */
  env?: Record<string, string | undefined>
  input?: string | Uint8Array
  /** Ends one that hangs; default: far above what most runs take. */
  limitMs?: number
  /** Called with the process once it runs. */
  onStart?: (child: ChildProcess) => void
}

export interface Ended {
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  /** The same, as bytes. */
  bytes: Buffer
  stderr: string
}

/** Commands that this test file has run. */
const covered = new Set<string>()

/** Coverage counts the first run of a command in each test file: to count every one of hundreds takes half a second each. */
function environment(what: string, env: Options['env']): NodeJS.ProcessEnv {
  const coverage = covered.has(what) ? undefined : '1'
  covered.add(what)
  return { ...process.env, WARP_PASSPHRASE: undefined, COLUMNS: undefined, WARP_TEST_COVERAGE: coverage, ...env }
}

/** `warp` with `args`. It has no terminal, not even the one that the tests run on. */
export async function warp(args: readonly (string | Buffer)[], options: Options = {}): Promise<Ended> {
  return await start(process.execPath, [PROGRAM, ...args as string[]], options)
}

const DEFINE_WARP = `warp() { '${process.execPath}' '${PROGRAM}' "$@"; }`

/** A line of sh, in which `warp` is the program. */
export async function shell(line: string, options: Options = {}): Promise<Ended> {
  return await start('/bin/bash', ['-c', `${DEFINE_WARP}; ${line}`], options)
}

export function start(command: string, args: string[], options: Options): Promise<Ended> {
  const { cwd, env, input, limitMs = LIMIT_MS, onStart } = options
  return new Promise((resolve, reject) => {
    // detached: a session of its own, without a controlling terminal
    const child = spawn(command, args, { cwd, env: environment(command === process.execPath ? String(args[1]) : command, env), detached: true })
    const out: Buffer[] = []
    const err: Buffer[] = []
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
    child.stdout.on('data', chunk => out.push(chunk))
    child.stderr.on('data', chunk => err.push(chunk))
    child.stdin.on('error', () => {}) // it may end before it has read everything
    child.on('error', reject)
    child.on('close', (status, signal) => {
      clearTimeout(timer)
      const bytes = Buffer.concat(out)
      resolve({ status, signal, bytes, stdout: bytes.toString(), stderr: Buffer.concat(err).toString() })
    })
    onStart?.(child)
    if (onStart === undefined || input !== undefined) child.stdin.end(input ?? '')
  })
}

/** Why tests on a terminal cannot run here; false if they can. */
export function noTerminal(): string | false {
  const found = spawnSync('script', ['-qec', 'test -t 0', '/dev/null'], { stdio: ['pipe', 'pipe', 'pipe'] })
  return found.status === 0 ? false : 'script(1) of util-linux is not available'
}

/**
 * A line of sh on a terminal of its own, in which `warp` is the program.
 * @param answers each is typed once its prompt was seen
 * @returns in `stdout` what the terminal showed
 */
export function onTerminal(
  line: string,
  answers: readonly { prompt: string; type: string }[] = [],
  options: Options = {},
): Promise<Ended> {
  const whole = `stty cols 100; ${DEFINE_WARP}; ${line}`
  const waiting = [...answers]
  let shown = ''
  return start('script', ['-qec', whole, '/dev/null'], {
    ...options,
    env: { ...options.env, SHELL: '/bin/bash' },
    onStart: child => {
      child.stdout!.on('data', (chunk: Buffer) => {
        shown += chunk.toString()
        const at = waiting.length > 0 ? shown.indexOf(waiting[0].prompt) : -1
        if (at < 0) return
        const { prompt, type } = waiting.shift()!
        shown = shown.slice(at + prompt.length)
        child.stdin!.write(type)
      })
    },
  })
}

/** The lines of NDJSON. */
export function parseLines(text: string): Record<string, unknown>[] {
  return text.split('\n').filter(line => line !== '').map(line => JSON.parse(line) as Record<string, unknown>)
}
