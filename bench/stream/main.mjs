/**
 * `npm run bench:stream`: how long a message of 64 KiB takes through `warp send -` and `warp receive -`, from the
 * write into one pipe to the last byte out of the other, by one clock; and how much goes through when nobody waits.
 * Beside it the same through plain TCP, in turn.
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { openNetwork } from '../support/network.mjs'
import { noise } from '../support/synthetic.mjs'
import { markdownTable, median, plainTable } from '../support/statistics.mjs'
import { CONTENDERS } from './contenders.mjs'
import { describeHost } from '../support/host.mjs'

const HELP = `npm run bench:stream -- [--rounds N] [--only NAME]... [--quick] [--markdown]
  --rounds N   rounds, the contenders in turn; default: 3
  --only NAME  ${Object.keys(CONTENDERS).join(', ')}
  --quick      few messages and one round: whether all works, not how fast
  --markdown   as a page, into bench/STREAM.md`

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' }, quick: { type: 'boolean', default: false }, only: { type: 'string', multiple: true },
    markdown: { type: 'boolean', default: false }, help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit()
}
const { quick } = values
const rounds = Number(values.rounds ?? (quick ? 1 : 3))
if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError('--rounds takes a whole number from 1')
const names = values.only ?? Object.keys(CONTENDERS)
const unknown = names.find((name) => !Object.hasOwn(CONTENDERS, name))
if (unknown !== undefined) throw new RangeError(`--only: there is no ${unknown}`)

const MESSAGE_BYTES = 64 * 1024
const WARM_UP = 40
const MESSAGES = quick ? 50 : 500
/** Long enough that each finds all at rest. */
const PAUSE_MS = 10
const RATE_SECONDS = quick ? 0.5 : 2
/** Longer than any round trip that is tried. */
const SETTLE_MS = 500
const GIVE_UP_MS = 60_000

/** One way; null: no proxy. */
const NETWORKS = [
  { title: 'loopback', delayMs: null },
  { title: 'proxy, 0 ms', delayMs: 0 },
  { title: 'proxy, round trip 50 ms', delayMs: 25 },
]

const PATTERN = noise(MESSAGE_BYTES, 7)

/** Numbered messages into one end, and the times at which the last byte of each came out of the other. */
class Exchange {
  #ends
  #sentMs = []
  #took = []
  #got = Buffer.alloc(MESSAGE_BYTES)
  #gotBytes = 0
  #waiting = []

  /** @param {import('./contenders.mjs').Ends} ends */
  constructor(ends) {
    this.#ends = ends
    ends.read.on('data', (bytes) => this.#take(bytes))
  }

  /** @returns {number[]} milliseconds that each message took so far */
  get took() {
    return this.#took
  }

  /** Resolves when there is room for more. */
  async send() {
    const message = Buffer.from(PATTERN)
    message.writeUInt32LE(this.#sentMs.length)
    this.#sentMs.push(performance.now())
    if (!this.#ends.write.write(message)) await this.#orFail(new Promise((resolve) => this.#ends.write.once('drain', resolve)))
  }

  /** Until all that was sent has come. */
  async settle() {
    if (this.#took.length < this.#sentMs.length) await this.#orFail(new Promise((resolve) => this.#waiting.push(resolve)))
  }

  /** @param {Promise<unknown>} event */
  async #orFail(event) {
    const timer = setTimeout(() => this.#ends.fail(new Error(`nothing moved for ${GIVE_UP_MS / 1000} s`)), GIVE_UP_MS)
    try {
      await Promise.race([event, this.#ends.failed])
    } finally {
      clearTimeout(timer)
    }
  }

  #take(bytes) {
    for (let at = 0; at < bytes.length; ) {
      const taken = bytes.copy(this.#got, this.#gotBytes, at)
      at += taken
      this.#gotBytes += taken
      if (this.#gotBytes < MESSAGE_BYTES) continue
      this.#gotBytes = 0
      const number = this.#took.length
      this.#took.push(performance.now() - this.#sentMs[number])
      if (this.#got.readUInt32LE() !== number || !this.#got.subarray(4).equals(PATTERN.subarray(4))) {
        this.#ends.fail(new Error(`message ${number} is not what was sent`))
      }
    }
    if (this.#took.length === this.#sentMs.length) for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** @param {import('./contenders.mjs').Ends} ends */
async function exchange(ends) {
  const messages = new Exchange(ends)
  for (let i = 0; i < WARM_UP + MESSAGES; i++) {
    await messages.send()
    await sleep(PAUSE_MS)
  }
  await messages.settle()
  await sleep(SETTLE_MS)
  const tookMs = messages.took.slice(WARM_UP)
  const startedMs = performance.now()
  let sent = 0
  for (; performance.now() - startedMs < RATE_SECONDS * 1e3; sent++) await messages.send()
  await messages.settle()
  const rate = sent * MESSAGE_BYTES / ((performance.now() - startedMs) / 1e3)
  return { tookMs, rate }
}

/** @param {number[]} sorted @param {number} share */
const quantile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
const formatMs = (/** @type {number} */ ms) => `${ms.toFixed(2)} ms`

const table = values.markdown ? markdownTable : plainTable
const sections = []
let failures = 0
for (const { title, delayMs } of NETWORKS) {
  /** @type {Map<string, {tookMs: number[], rates: number[]}>} */
  const samples = new Map(names.map((name) => [name, { tookMs: [], rates: [] }]))
  for (let round = 0; round < rounds; round++) {
    for (const [name, sample] of samples) {
      console.error(`${title}, round ${round + 1}: ${name}`)
      const networks = []
      /** @param {number} port where the other end listens @returns {Promise<number>} the port to connect to */
      const through = async (port) => {
        if (delayMs === null) return port
        networks.push(await openNetwork({ target: { host: '127.0.0.1', port }, delayMs }))
        return networks[0].port
      }
      try {
        const ends = await CONTENDERS[name].open(through)
        try {
          const { tookMs, rate } = await exchange(ends)
          sample.tookMs.push(...tookMs)
          sample.rates.push(rate)
          await ends.close()
        } finally {
          ends.kill()
        }
      } catch (error) {
        failures++
        samples.delete(name)
        console.error(`FAILED: ${title}: ${name}: ${error.message}`)
      } finally {
        for (const network of networks) await network.close()
      }
    }
  }
  const rows = [...samples].map(([name, { tookMs, rates }]) => {
    const sorted = tookMs.sort((a, b) => a - b)
    return [
      CONTENDERS[name].title, formatMs(quantile(sorted, 0.5)), formatMs(quantile(sorted, 0.99)), formatMs(sorted.at(-1)),
      `${(median(rates) / 1e6).toFixed(0)} MB/s`,
    ]
  })
  sections.push({ title, text: table([`${MESSAGES * rounds} messages of 64 KiB`, 'p50', 'p99', 'max', 'sustained'], rows) })
}

const host = describeHost(rounds, quick)
if (values.markdown) {
  const page = [
    '# Live streams', '', 'Made by `npm run bench:stream -- --markdown`; what is measured and how is in [README.md](README.md).', '',
    ...host.map((line) => `- ${line}`), '', ...sections.flatMap(({ title, text }) => [`## ${title[0].toUpperCase()}${title.slice(1)}`, '', text, '']),
  ].join('\n')
  writeFileSync(path.join(import.meta.dirname, '..', 'STREAM.md'), page)
  console.log(page)
} else {
  console.log([...host, ...sections.flatMap(({ title, text }) => ['', title, text])].join('\n'))
}
process.exitCode = failures > 0 ? 1 : 0
