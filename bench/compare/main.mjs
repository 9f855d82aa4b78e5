/**
 * `npm run bench:compare`: warp against what people use today, in turn on this machine. Each process starts
 * cold, files are in the cache, what was written is synced inside the timing, and every contender's result is
 * checked once. Writes RESULTS.md and results.svg; see README.md beside this folder.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { DEFAULT_CACHE, openWorkFolder } from '../support/cache.mjs'
import { INPUT_NAMES, makeInput } from '../support/inputs.mjs'
import { measure } from '../support/measure.mjs'
import { WARP, makeAgeKey, makeIdentity, require, versionOf } from '../support/programs.mjs'
import { drawChart } from './chart.mjs'
import { Jobs } from './jobs.mjs'
import { judgeMemory, judgeTargets } from './judge.mjs'
import { describeMachine, writeReport } from './report.mjs'
import { summarise } from './result.mjs'
import { makeTools } from './tools.mjs'

const HELP = `npm run bench:compare -- [--rounds N] [--quick] [--only NAME]... [--cache DIR] [--out DIR]
  --rounds N   rounds of each job, the contenders in turn; default: 3
  --quick      small inputs and one round: whether all works, not how fast
  --only NAME  a job (create, again, extract, verify, cat, list, version), an input
               (${INPUT_NAMES.join(', ')}), or both as create:linux
  --cache DIR  where inputs are kept; default: ${DEFAULT_CACHE}
  --out DIR    where RESULTS.md and results.svg go; default: bench/ for a whole run, else the cache`

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' }, quick: { type: 'boolean', default: false }, only: { type: 'string', multiple: true, default: [] },
    cache: { type: 'string', default: DEFAULT_CACHE }, out: { type: 'string' }, help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit()
}
const { quick, only, cache } = values
const rounds = Number(values.rounds ?? (quick ? 1 : 3))
if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError('--rounds takes a whole number from 1')

const PIPELINE = 'tar + zstd -3 + age'
const PEERS = [PIPELINE, 'restic', 'borg']
const LONG = 'tar + zstd -3 --long=27 + age'

/** [job, input, contenders]; the first contender is what the others are held against. */
const PLAN = [
  ['create', 'linux', ['warp', ...PEERS, 'casync, not encrypted', 'warp --compress lz4', 'tar + lz4 + age']],
  ['create', 'elf', ['warp', ...PEERS]],
  ['create', 'random', ['warp', ...PEERS]],
  ['create', 'releases', ['warp', PIPELINE, LONG, 'restic', 'borg', 'casync, not encrypted']],
  ['create', 'image', ['warp', ...PEERS]],
  ['create', 'small', ['warp', ...PEERS]],
  ['create', 'log', ['warp', PIPELINE, LONG, 'restic', 'borg']],
  ['again', 'linux', ['warp --base', 'warp --base --thin', 'restic', 'borg']],
  ['again', 'log', ['warp --base', 'warp --base --thin', 'restic', 'borg']],
  ['extract', 'linux', ['warp', ...PEERS]],
  ['verify', 'linux', ['warp', ...PEERS]],
  ['cat', 'linux', ['warp, not encrypted', 'warp', ...PEERS]],
  ['list', 'linux', ['warp, not encrypted', 'warp', ...PEERS]],
  ['version', '', []],
]

const isWanted = ([job, input]) => only.length === 0 || only.some((name) => [job, input, `${job}:${input}`].includes(name))
const plan = PLAN.filter(isWanted)
if (plan.length === 0) throw new RangeError(`--only: there is no ${only.join(', ')}`)

const started = Date.now()
const say = (text) => console.error(`${((Date.now() - started) / 1e3).toFixed(0).padStart(5)} s  ${text}`)

require(['bash', 'time', 'rsync', 'age'])
const work = openWorkFolder(cache)
let failures = 0
try {
  const identities = { warp: path.join(work, 'warp.key'), age: path.join(work, 'age.key') }
  const { tools, absent } = makeTools({ warp: makeIdentity(identities.warp), age: makeAgeKey(identities.age) }, identities)
  for (const line of absent) console.error(`left out: ${line}`)
  const extracted = new Set(plan.flatMap(([job, input, contenders]) => job === 'extract' ? contenders.map((name) => `${name} of ${input}`) : []))
  const jobs = new Jobs(work, tools, identities.warp, extracted)
  const results = []
  for (const [name, inputName, contenders] of plan) {
    const job = name === 'version' ? jobs.version(versionCommands(tools)) : jobs.of(name, makeInput(inputName, cache, quick), contenders)
    if (job.runs.length === 0) continue
    say(job.title)
    try {
      results.push(compare(job))
    } catch (error) {
      failures++
      console.error(`FAILED: ${job.title}: ${error.message}`)
    }
  }
  const programs = [...new Set(Object.values(tools).flatMap((tool) => tool.programs))]
  const machine = describeMachine(rounds, quick, programs.map(versionOf), cache)
  const verdicts = { targets: judgeTargets(results), memory: judgeMemory(results) }
  const isWhole = !quick && only.length === 0 && failures === 0
  const out = values.out ?? (isWhole ? path.join(import.meta.dirname, '..') : cache)
  mkdirSync(out, { recursive: true })
  const report = writeReport(machine, absent, results, verdicts)
  writeFileSync(path.join(out, 'RESULTS.md'), report)
  writeFileSync(path.join(out, 'results.svg'), drawChart(results))
  console.log(report)
  say(`written: ${path.join(out, 'RESULTS.md')} and results.svg`)
  process.exitCode = failures > 0 ? 1 : 0
} finally {
  rmSync(work, { recursive: true, force: true })
}

/** @param {import('./jobs.mjs').Job} job */
function compare(job) {
  for (const run of job.runs) run.once?.()
  job.warm?.()
  /** @type {Map<string, {usages: import('../support/measure.mjs').Usage[], bytes: number | null}>} */
  const samples = new Map(job.runs.map(({ name }) => [name, { usages: [], bytes: null }]))
  const total = quick ? 1 : Math.max(rounds, job.rounds ?? 0)
  for (let round = 0; round < total; round++) {
    for (const run of job.runs) {
      run.before?.()
      samples.get(run.name).usages.push(run.measure ? run.measure() : measure(run.step()))
      if (run.outputBytes) samples.get(run.name).bytes = run.outputBytes()
    }
  }
  for (const run of job.runs) run.check?.()
  return summarise(job, samples)
}

function versionCommands(tools) {
  const programs = ['tar', 'age', 'restic', 'borg'].filter((name) => Object.values(tools).some((tool) => tool.programs.includes(name)))
  return [
    ['warp', process.execPath, WARP, '--version'],
    ['node alone', process.execPath, '-e', '0'],
    ...programs.map((name) => [name, name, name === 'restic' ? 'version' : '--version']),
  ]
}
