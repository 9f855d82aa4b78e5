/**
 * `npm run bench:micro`: each codec and stage on its own, GB/s (10⁹ bytes) on one core, native against
 * portable with the outputs compared first; the same on more threads; and where a whole `create` spends its
 * time, by the tool itself.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { cpus } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { DEFAULT_CACHE } from '../support/cache.mjs'
import { linuxTree } from '../support/inputs.mjs'
import { WARP, warpTakes } from '../support/programs.mjs'
import { readSample } from '../support/sample.mjs'
import { plainTable } from '../support/statistics.mjs'
import { throughput } from '../support/throughput.mjs'
import { MICRO_TARGETS } from '../targets.mjs'
import { extrapolate, fitSerialShare, measureThreads } from './scaling.mjs'
import { STAGES } from './stages.mjs'

const HELP = `npm run bench:micro -- [--quick] [--cache DIR]
  --quick      less time for each stage
  --cache DIR  where the Linux tree is kept; default: ${DEFAULT_CACHE}`

/** Of the sample: portable code is up to a hundred times slower. */
const PORTABLE_BYTES = 4 * 1024 * 1024
/** Of the sample, to compare the implementations on. */
const COMPARED_BYTES = 5 * 1024 * 1024 + 1

const { values: { quick, cache, help } } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, cache: { type: 'string', default: DEFAULT_CACHE }, help: { type: 'boolean', default: false } },
})
if (help) {
  console.log(HELP)
  process.exit()
}
mkdirSync(cache, { recursive: true })
const tree = linuxTree(cache)
const shared = readSample(tree)
const sample = Buffer.from(shared)
const seconds = quick ? 0.1 : 0.7
const format = (/** @type {number | null} */ rate) => (rate === null ? '' : (rate / 1e9).toFixed(rate < 1e9 ? 3 : 2))

for (const { name, agree } of STAGES) {
  if (agree && !agree(sample.subarray(0, COMPARED_BYTES))) throw new Error(`${name}: the implementations differ`)
}
console.log(`the outputs of all implementations agree on ${COMPARED_BYTES} bytes\n`)

const one = new Map()
const rows = STAGES.map((stage) => {
  const native = throughput({ bytes: sample.length, run: stage.open(sample, 'native') }, seconds)
  const part = sample.subarray(0, PORTABLE_BYTES)
  const portable = stage.hasPortable ? throughput({ bytes: PORTABLE_BYTES, run: stage.open(part, 'portable') }, seconds / 3) : null
  one.set(stage.name, native)
  return [stage.name, format(native), format(portable), portable === null ? '' : `${(native / portable).toFixed(1)} ×`, `${(native / one.get('memcpy')).toFixed(3)} ×`]
})
console.log(`GB/s on one core, ${sample.length / 2 ** 20} MiB of the Linux tree, ${cpus()[0].model.trim()}, Node ${process.version}`)
console.log(plainTable(['stage', 'native', 'portable', 'native/portable', 'to memcpy'], rows))

const counts = threadCounts(cpus().length)
const all = new Map()
const scaled = []
for (const { name } of STAGES.filter(isScaled)) {
  const rates = new Map()
  for (const threads of counts) rates.set(threads, await measureThreads(name, shared, threads))
  const share = fitSerialShare(rates)
  all.set(name, rates.get(cpus().length))
  scaled.push([name, ...counts.map((threads) => format(rates.get(threads))), `${(share * 100).toFixed(1)} %`, ...[8, 64].map((threads) => format(extrapolate(rates.get(1), share, threads)))])
}
console.log('\nGB/s of a stage alone on so many threads; what 8 and 64 cores give is an ESTIMATE: by Amdahl\'s law with the')
console.log('serial share that fits the measured threads, on memory whose bandwidth grows as the cores do')
console.log(plainTable(['stage', ...counts.map(String), 'serial share', '8 (estimate)', '64 (estimate)'], scaled))

console.log('\ntargets')
console.log(plainTable(['stage', 'cores', 'target', 'measured', ''], MICRO_TARGETS.map(({ stage, cores, limit }) => {
  const rate = (cores === 'one' ? one : all).get(stage)
  return [stage, cores, `≥ ${limit}`, format(rate), rate >= limit * 1e9 ? 'met' : 'not met']
})))

if (warpTakes('create', '--stats')) {
  const archive = path.join(cache, 'stats.warp')
  console.log('\nwarp create --stats, Linux tree')
  const { stdout, stderr, status } = spawnSync(process.execPath, [WARP, 'create', '--stats', '-o', archive, path.basename(tree)], { cwd: path.dirname(tree), encoding: 'utf8' })
  rmSync(archive, { force: true })
  console.log(`${stdout}${stderr}`.trim())
  if (status !== 0) process.exitCode = 1
} else {
  console.log('\nthis warp has no --stats: where a whole create spends its time is left out')
}

/** 1, 2, 3, 4, then by doubling, up to the number of processors. @param {number} processors */
function threadCounts(processors) {
  const counts = [1, 2, 3, 4, 8, 16, 32, 64].filter((threads) => threads <= processors)
  return counts.includes(processors) ? counts : [...counts, processors]
}

/** @param {import('./stages.mjs').Stage} stage */
function isScaled({ name }) {
  return !name.startsWith('zero') && !name.startsWith('entropy')
}
