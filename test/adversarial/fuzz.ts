/**
 * Good archives with something changed at random in a structure, and all that lies over it made right again:
 * digests, checksums, tags, so that it is the decoders that must tell. Every verb ends well or in an error
 * of a class that fits, the two readers agree on what is good, and nothing outside the target is touched.
 *
 * Runs for a bounded time; WARP_LONG=1: for minutes. WARP_FUZZ_SEED=n: that one case alone.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readIdentity, type ErrorClass, type Keys } from '../../src/index.ts'
import { independent } from '../interop/support/independent.ts'
// @ts-expect-error plain JavaScript
import * as make from '../../format-spec/vectors/make.mjs'
import { u, varint, write, type TinyEntry, type TinyOptions } from './support/archives.ts'
import {
  makeSandbox, removeTree, surroundings, tryExtract, tryList, tryRecover, tryVerify, type From, type Outcome,
} from './support/sandbox.ts'

const LONG = process.env.WARP_LONG === '1'
const TIME_MS = LONG ? 300_000 : 8000
const ONLY = process.env.WARP_FUZZ_SEED
const vectors = join(import.meta.dirname, '../../format-spec/vectors')

/** mulberry32 by Tommy Ettinger, public domain: numbers from 0 up to, not including, `below`. */
class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let x = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * below)
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }
}

// Near the limits of fields and of the format.
const NUMBERS = [
  0, 1, 2, 127, 128, 255, 256, 4095, 4096, 4097, 65_535, 65_536, 2 ** 24, 2 ** 24 + 1, 2 ** 31 - 1, 2 ** 31,
  2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 52 - 1, 2 ** 52, 2 ** 53 - 1, 2n ** 53n, 2n ** 56n - 1n,
]

function mutate(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1)
  const other = random.below(bytes.length + 1)
  const [from, to] = at < other ? [at, other] : [other, at]
  const splice = (start: number, end: number, middle: Uint8Array) =>
    Buffer.concat([bytes.subarray(0, start), middle, bytes.subarray(end)])
  const short = Math.min(to, from + random.below(16))
  switch (random.below(9)) {
    case 0: return splice(at, at + 1, Buffer.from([(bytes[at] ?? 0) ^ (1 << random.below(8))]))
    case 1: return splice(at, at + 1, Buffer.from([random.of([0, 1, 2, 0x2e, 0x2f, 0x7f, 0x80, 0xff])]))
    case 2: return splice(at, at + 1, varint(random.of(NUMBERS)))
    case 3: return splice(at, at, varint(random.of(NUMBERS)))
    case 4: return splice(from, short, Buffer.alloc(0))
    case 5: return splice(from, from, bytes.subarray(from, short))
    case 6: return splice(to, to + short - from, bytes.subarray(from, short))
    case 7: return bytes.subarray(0, at)
    default: {
      const size = random.of([1, 2, 4, 8])
      return splice(at, at + size, u(size, random.of(NUMBERS)))
    }
  }
}

/** Structures that are changed before what lies over them is made: see the head of tiny-writer.mjs. */
const PLACES = [
  'content bytes', 'location bytes', 'footer bytes', 'header', 'slot', 'plain', 'payload', 'record', 'location',
  'block', 'footer', 'bytes', 'extent',
] as const

/** A field of `value`, whatever it is, becomes another. */
function changeField(random: Random, value: Record<string, unknown>): void {
  const name = random.of(Object.keys(value))
  const field = value[name]
  if (typeof field === 'number') {
    value[name] = random.below(2) === 0 ? field + random.of([-1, 1]) : Number(random.of(NUMBERS))
  } else if (Buffer.isBuffer(field)) {
    value[name] = mutate(random, field)
  } else if (Array.isArray(field)) {
    const [at, from] = [random.below(field.length + 1), random.below(field.length + 1)]
    if (random.below(2) === 0) field.reverse()
    else if (field.length > 0) field.splice(at, random.below(2), field[Math.min(from, field.length - 1)])
  }
  if (typeof value[name] === 'number' && (value[name] as number) < 0) value[name] = 0
}

type Good = [
  name: string, about: string, clause: string, entries: () => TinyEntry[], options?: TinyOptions, keys?: object,
]

// What is too large to be written thousands of times is mutated as bytes only.
const LARGE = [
  'two-pages', 'page-full', 'frame-of-two-pages', 'parts', 'part-at-end', 'limits', 'chunks', 'holes', 'names',
]
const sources = (make.good as Good[]).filter(([name]) => !LARGE.includes(name))
const files = fs.readdirSync(vectors).filter(name => name.endsWith('.warp'))
  .map(name => fs.readFileSync(join(vectors, name)))

interface Case {
  bytes: Buffer
  keys: { passphrase?: string; identity?: Uint8Array; base?: string }
  what: string
}

/** Null: what came of it cannot be written at all. */
function makeCase(seed: number): Case | null {
  const random = new Random(seed)
  const place = random.of(PLACES)
  if (place === 'bytes') {
    let bytes: Buffer = random.of(files)
    for (let left = 1 + random.below(3); left > 0; left--) bytes = mutate(random, bytes)
    return { bytes, keys: {}, what: 'bytes of a vector' }
  }
  const [name, , , entries, options, keys = {}] = random.of(sources)
  // Which of the structures of that name.
  let skip = random.below(5)
  const isTurn = () => skip-- === 0
  const hook = (structure: string, value: unknown): unknown => {
    if (structure !== (place === 'payload' ? 'block' : place) || !isTurn()) return value
    if (Buffer.isBuffer(value)) {
      const mutated = mutate(random, value)
      return structure === 'header' || structure === 'slot' ? resized(mutated, value.length) : mutated
    }
    const fields = value as Record<string, unknown>
    if (place === 'payload') fields.encoded = mutate(random, fields.encoded as Buffer)
    else changeField(random, fields)
    if (place === 'payload' && random.below(2) === 0) fields.storedLength = (fields.encoded as Buffer).length
    return value
  }
  try {
    return { bytes: write(entries(), { ...options, hook }).bytes, keys, what: `${place} of ${name}` }
  } catch (error) {
    // The writer is not made for everything.
    if (error instanceof RangeError || error instanceof TypeError || error instanceof SyntaxError) return null
    throw error
  }
}

function resized(bytes: Buffer, length: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(length)], length)
}

const CLASSES: ErrorClass[] = ['ok', 'incomplete', 'malformed', 'unsupported', 'key', 'damaged', 'base']

const sandbox = makeSandbox(t, { memory: true })
const around = JSON.stringify(surroundings(sandbox))

async function tryCase({ bytes, keys }: Case): Promise<string[]> {
  const faults: string[] = []
  fs.writeFileSync(sandbox.archive, bytes)
  sandbox.bytes = bytes
  const { passphrase, identity } = keys
  const base = keys.base === undefined ? {} : { base: join(vectors, keys.base) }
  const opens: Keys & { base?: string } = {
    ...base,
    ...(passphrase !== undefined && { passphrase }),
    ...(identity && { identities: [readIdentity(identityOf(identity))] }),
  }
  const demand = (way: string, { class: end, code }: Outcome, more: ErrorClass[] = []) => {
    if (!CLASSES.includes(end) && !more.includes(end)) faults.push(`${way}: ${end} ${code}`)
  }
  const roots: (string | null)[] = []
  let isSmall = true
  for (const from of ['file', 'stream'] as From[]) {
    const verified = await tryVerify(sandbox, from, opens)
    demand(`verify a ${from}`, verified)
    roots.push(verified.root !== null && verified.class === 'ok' ? verified.root : null)
    const listed = await tryList(sandbox, from, opens)
    demand(`list a ${from}`, listed)
    if (verified.class === 'ok' && listed.class !== 'ok') faults.push(`list a good ${from}: ${listed.code}`)
    isSmall &&= listed.class === 'ok' && listed.entries.every(({ size }) => size < 2 ** 24)
    const extracted = await tryExtract(sandbox, from, opens)
    demand(`extract a ${from}`, extracted)
    const isRestored = ['ok', 'incomplete'].includes(extracted.class)
    if (verified.class === 'ok' && !isRestored) faults.push(`extract a good ${from}: ${extracted.code}`)
    removeTree(sandbox.target)
  }
  const other = independent.verdictOf(bytes, { ...keys, ...base })
  if (roots[0] !== roots[1]) faults.push('a file and a stream differ')
  if ((roots[0] !== null) !== (other === 'ok')) {
    faults.push(`the independent reader: ${other}, verify: ${roots[0] ? 'ok' : 'not ok'}`)
  }
  // Recovery writes the zeros of holes, however many there are; and takes as long as all else.
  if (isSmall && bytes.length % 4 === 0) {
    demand('recover', await tryRecover(sandbox, { ...opens, newPassphrase: 'new' }), ['usage'])
    removeTree(sandbox.target)
  }
  if (JSON.stringify(surroundings(sandbox)) !== around) faults.push('something outside the target changed')
  return faults
}

const identityOf = make.identityOf as (seed: Uint8Array) => string

t.test('whatever the bytes', async t => {
  const end = Date.now() + TIME_MS
  const faults: string[] = []
  let count = 0
  let seed = Number(ONLY ?? (LONG ? 1_000_000 : 0))
  for (; Date.now() < end && faults.length < 10; seed++) {
    const made = makeCase(seed)
    if (made) {
      count++
      try {
        faults.push(...(await tryCase(made)).map(fault => `seed ${seed}, ${made.what}: ${fault}`))
      } catch (error) {
        faults.push(`seed ${seed}, ${made.what}: ${String((error as Error).stack)}`)
        removeTree(sandbox.target)
      }
    }
    if (ONLY !== undefined) break
  }
  t.strictSame(faults, [])
  t.ok(count > 0)
  t.comment(`${count} cases`)
})
