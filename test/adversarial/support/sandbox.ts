/**
 * Where hostile archives are read: a directory to restore into, and around it things that must stay as
 * they are. What comes of a verb is told as data, and what stands on the disk as a map.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Test } from 'tap'
import { WarpError } from '../../../src/base/errors.ts'
import { extract, list, recover, verify } from '../../../src/index.ts'
import type {
  Entry, ErrorClass, ErrorCode, ExtractOptions, Keys, Problem, Source, VerifyOptions,
} from '../../../src/index.ts'

export interface Sandbox {
  base: string
  /** Directory to restore into; missing until something makes it. */
  target: string
  /** Beside the target: what a hostile archive would like to reach. */
  outside: string
  archive: string
  /** What streams give, in one piece; default: the archive, in many. */
  bytes?: Uint8Array
  /** Where streams are spooled. */
  temp: string
}

/** @param memory where the system keeps files in memory: for what makes thousands of them */
export function makeSandbox(t: Test, { memory = false } = {}): Sandbox {
  const parent = memory && fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir()
  const base = fs.mkdtempSync(join(parent, 'warp-test-'))
  t.teardown(() => removeTree(base))
  const path = (name: string) => join(base, name)
  const sandbox: Sandbox = {
    base, target: path('target'), outside: path('outside'), archive: path('archive.warp'), temp: path('temp'),
  }
  fs.mkdirSync(sandbox.temp)
  fs.mkdirSync(join(sandbox.outside, 'directory'), { recursive: true })
  fs.writeFileSync(join(sandbox.outside, 'file'), 'untouched')
  return sandbox
}

/** However deep it is. */
export function removeTree(path: string): void {
  try {
    fs.rmSync(path, { recursive: true, force: true })
  } catch {
    // Node's own works by recursion, and what is read-only keeps what it holds.
    execFileSync('chmod', ['-R', 'u+rwX', '--', path])
    execFileSync('rm', ['-rf', '--', path])
  }
}

/** Beneath `root`, by path (latin1): type, mode, time of change, and content or target. */
export function snapshotOf(root: string): Map<string, string> {
  const found = new Map<string, string>()
  const visit = (path: Buffer, name: string) => {
    const stats = fs.lstatSync(path, { bigint: true })
    const mode = (stats.mode & 0o7777n).toString(8)
    if (stats.isDirectory()) {
      found.set(name, `directory ${mode} ${stats.mtimeNs}`)
      for (const child of fs.readdirSync(path, { encoding: 'buffer' })) {
        visit(Buffer.concat([path, Buffer.from('/'), child]), `${name}/${child.toString('latin1')}`)
      }
    } else if (stats.isSymbolicLink()) {
      found.set(name, `symlink ${fs.readlinkSync(path, 'latin1')}`)
    } else if (stats.isFile()) {
      // A hole can be larger than any memory.
      const content = stats.size > 1e7 ? `${stats.size} bytes` : digestOf(fs.readFileSync(path))
      found.set(name, `file ${mode} ${stats.mtimeNs} ${stats.nlink} ${content}`)
    } else {
      found.set(name, `other ${mode}`)
    }
  }
  if (fs.existsSync(root)) visit(Buffer.from(root), '')
  return found
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Paths beneath `root`, without the root itself. */
export function pathsBeneath(root: string): string[] {
  return [...snapshotOf(root).keys()].filter(path => path !== '').map(path => path.slice(1)).sort()
}

/** What stands around the target, which nothing may change. */
export function surroundings({ outside, temp, base }: Sandbox): object {
  return {
    outside: [...snapshotOf(outside)],
    temp: fs.readdirSync(temp),
    beside: fs.readdirSync(base).filter(name => name !== 'target' && name !== 'archive.warp'),
  }
}

/** What came of a verb: as the exit status would tell it, and why. */
export interface Outcome {
  /** 'incomplete': it ended well but for some entries. */
  class: ErrorClass
  code: ErrorCode | null
  error: WarpError | null
  problems: Problem[]
  entries: Entry[]
  /** Hex. */
  root: string | null
}

async function outcomeOf(act: (outcome: Outcome) => Promise<void>): Promise<Outcome> {
  const outcome: Outcome = { class: 'ok', code: null, error: null, problems: [], entries: [], root: null }
  try {
    await act(outcome)
    const [problem] = outcome.problems.filter(({ kind }) => kind !== 'note')
    if (problem && outcome.class === 'ok') outcome.class = 'incomplete'
  } catch (error) {
    // Anything else is a fault of the library, and fails the test with its stack.
    if (!(error instanceof WarpError) || error.class === 'internal') throw error
    fail(outcome, error)
  }
  return outcome
}

function fail(outcome: Outcome, error: WarpError): void {
  outcome.error = error
  outcome.code = error.code
  outcome.class = error.class
}

export type From = 'file' | 'stream'

/** Neither a block nor a header ends where a piece of a stream does. */
const PIECE_BYTES = 1013

export function sourceOf({ archive, bytes }: Sandbox, from: From): Source {
  if (from === 'file') return archive
  if (bytes) return { stream: Readable.from([bytes]) }
  return { stream: fs.createReadStream(archive, { highWaterMark: PIECE_BYTES }) }
}

export function tryVerify(sandbox: Sandbox, from: From, options: Keys & VerifyOptions = {}): Promise<Outcome> {
  return outcomeOf(async outcome => {
    const result = await verify(sourceOf(sandbox, from), { tempDir: sandbox.temp, ...options })
    outcome.root = Buffer.from(result.root).toString('hex')
    if (result.damage.length > 0) fail(outcome, result.damage[0]!.error)
  })
}

export function tryList(sandbox: Sandbox, from: From, options: Keys = {}): Promise<Outcome> {
  return outcomeOf(async outcome => {
    for await (const entry of list(sourceOf(sandbox, from), options)) outcome.entries.push(entry)
  })
}

export function tryExtract(sandbox: Sandbox, from: From, options: Partial<ExtractOptions> = {}): Promise<Outcome> {
  return outcomeOf(async outcome => {
    const { target, temp: tempDir } = sandbox
    const onProblem = (problem: Problem) => outcome.problems.push(problem)
    const result = await extract(sourceOf(sandbox, from), { target, tempDir, onProblem, ...options })
    outcome.root = Buffer.from(result.root).toString('hex')
  })
}

/** Recovers into `target`, a file then. */
export function tryRecover(sandbox: Sandbox, options: Keys & { newPassphrase?: string } = {}): Promise<Outcome> {
  return outcomeOf(async outcome => {
    const { archive, target } = sandbox
    const cost = { iterations: 1, memoryKib: 8 }
    const result = await recover({ archive, output: target, passphraseCost: cost, ...options })
    outcome.root = Buffer.from(result.created.root).toString('hex')
  })
}
