/**
 * Every archive that differs from a good one in a single bit, or is cut short: none may give a wrong byte,
 * and none that differs from the good one in what it says may pass for good.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { ErrorClass, ExtractOptions } from '../../../src/index.ts'
import type { Written } from './archives.ts'
import {
  makeSandbox, removeTree, surroundings, tryExtract, tryVerify, type From, type Outcome, type Sandbox,
} from './sandbox.ts'

/** Exit status 10, 12 and 13. */
const DETECTED: ErrorClass[] = ['malformed', 'key', 'damaged']

/** What was restored, by path: anything that reading it back can tell. */
function readBack(directory: string, prefix = '', found = new Map<string, string>()): Map<string, string> {
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    const name = prefix + entry.name
    if (entry.isDirectory()) {
      found.set(name, 'directory')
      readBack(path, `${name}/`, found)
    } else if (entry.isSymbolicLink()) {
      found.set(name, `symlink to ${fs.readlinkSync(path)}`)
    } else {
      const { mode, mtimeMs } = fs.lstatSync(path)
      found.set(name, `file ${mode} ${mtimeMs} ${fs.readFileSync(path, 'latin1')}`)
    }
  }
  return found
}

class Attempts {
  readonly #sandbox: Sandbox
  readonly #keys: Partial<ExtractOptions>
  readonly #good = new Map<From, Map<string, string>>()
  #root: string | null = null
  /** Mutations that extraction had no occasion to see: all was restored as it should be. */
  harmless = 0

  constructor(sandbox: Sandbox, keys: Partial<ExtractOptions>) {
    this.#sandbox = sandbox
    this.#keys = keys
  }

  async learn(t: Test, bytes: Uint8Array, root: string): Promise<void> {
    this.#root = root
    this.#put(bytes)
    for (const from of ['file', 'stream'] as From[]) {
      t.match(await tryVerify(this.#sandbox, from, this.#keys), { class: 'ok', root })
      t.match(await tryExtract(this.#sandbox, from, this.#keys), { class: 'ok', root })
      this.#good.set(from, this.#takeRestored())
    }
    t.strictSame([...this.#good.get('file')!].sort(), [...this.#good.get('stream')!].sort())
  }

  /** @returns what is wrong with what came of `bytes`; null: nothing */
  async faultOf(bytes: Uint8Array): Promise<string | null> {
    this.#put(bytes)
    for (const from of ['file', 'stream'] as From[]) {
      const verified = await tryVerify(this.#sandbox, from, this.#keys)
      if (!DETECTED.includes(verified.class)) return `verify a ${from}: ${verified.class} ${verified.code}`
      const extracted = await tryExtract(this.#sandbox, from, this.#keys)
      const restored = this.#takeRestored()
      const fault = this.#faultOfExtraction(extracted, restored, this.#good.get(from)!)
      if (fault !== null) return `extract a ${from}: ${fault}`
    }
    return null
  }

  #faultOfExtraction(
    { class: end, code, root }: Outcome, restored: Map<string, string>, good: Map<string, string>,
  ): string | null {
    for (const [path, what] of restored) if (good.get(path) !== what) return `${path} is ${what}`
    if (DETECTED.includes(end)) return null
    const isWhole = end === 'ok' && root === this.#root && restored.size === good.size
    if (!isWhole) return `${end} ${code}, ${restored.size} entries`
    this.harmless++
    return null
  }

  #put(bytes: Uint8Array): void {
    this.#sandbox.bytes = bytes
    fs.writeFileSync(this.#sandbox.archive, bytes)
  }

  #takeRestored(): Map<string, string> {
    const { target } = this.#sandbox
    if (!fs.existsSync(target)) return new Map()
    const restored = readBack(target)
    removeTree(target)
    return restored
  }
}

/** Tried in all: every one of them, where time is no matter. */
const LONG = process.env.WARP_LONG === '1'

/** Numbers below `count`: one of each `every` of them, which one is drawn from a seed. */
function* drawn(count: number, every: number): Generator<number> {
  let state = 1
  for (let start = 0; start < count; start += every) {
    // Of "Numerical Recipes": good enough to spread over all bits of a byte.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const number = start + Math.floor((state / 2 ** 32) * every)
    if (number < count) yield number
  }
}

/**
 * Every single-bit flip, and every truncation.
 * @param every if above 1: one of so many, for what takes long; all with WARP_LONG=1
 */
export async function tryAll(
  t: Test, { bytes, rootHex }: Written, keys: Partial<ExtractOptions> = {}, every = 1,
): Promise<void> {
  if (LONG) every = 1
  const sandbox = makeSandbox(t, { memory: true })
  const attempts = new Attempts(sandbox, keys)
  await attempts.learn(t, bytes, rootHex)
  const around = surroundings(sandbox)

  const flips: string[] = []
  for (const bit of drawn(8 * bytes.length, every)) {
    const flipped = Buffer.from(bytes)
    flipped[bit >>> 3]! ^= 1 << (bit & 7)
    const fault = await attempts.faultOf(flipped)
    if (fault !== null) flips.push(`bit ${bit & 7} of byte ${bit >>> 3}: ${fault}`)
  }
  t.strictSame(flips, [], `flips of ${8 * bytes.length} bits, one in ${every}`)
  t.equal(attempts.harmless, 0, 'no bit is without a check')

  const cuts: string[] = []
  for (const length of drawn(bytes.length, every)) {
    const fault = await attempts.faultOf(bytes.subarray(0, length))
    if (fault !== null) cuts.push(`cut to ${length}: ${fault}`)
  }
  t.strictSame(cuts, [], `truncations of ${bytes.length} bytes, one in ${every}`)
  t.equal(attempts.harmless, 0)
  t.strictSame(surroundings(sandbox), around, 'nothing outside was touched')
}
