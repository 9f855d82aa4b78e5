/**
 * `npm run bench`: a guard against getting slower, in less than two minutes. Everything is measured against
 * what the same run takes for a fixed amount of work (copying memory, BLAKE3 alone, zstd alone, on one core),
 * so that the ratios hold on any machine; and `warp create` against tar | zstd | age, in turn.
 * A ratio above its bound makes it fail.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { cpus } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { tarPipeline } from './compare/pipelines.mjs'
import { warp } from './compare/warp.mjs'
import { BOUNDED_TREE, BOUNDS, STAGE_BASELINES } from './bounds.mjs'
import { stageOf } from './micro/stages.mjs'
import { DEFAULT_CACHE, openWorkFolder } from './support/cache.mjs'
import { linuxTree } from './support/inputs.mjs'
import { measure } from './support/measure.mjs'
import { makeAgeKey, makeIdentity, require } from './support/programs.mjs'
import { readSample } from './support/sample.mjs'
import { formatMegabytes, formatSeconds, median, plainTable } from './support/statistics.mjs'
import { writeNoise } from './support/synthetic.mjs'
import { throughput } from './support/throughput.mjs'

const HELP = `npm run bench -- [--rounds N] [--tree DIR] [--cache DIR]
  --rounds N   rounds, warp and its peer in turn; default: 3
  --tree DIR   what is archived; default: Debian's linux-source-6.1, for which the bounds are
  --cache DIR  where the Linux tree is kept; default: ${DEFAULT_CACHE}`

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, tree: { type: 'string' }, cache: { type: 'string', default: DEFAULT_CACHE }, help: { type: 'boolean', default: false } },
})
if (values.help) {
  console.log(HELP)
  process.exit()
}
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError('--rounds takes a whole number from 1')

const NOISE_BYTES = 256 * 1024 * 1024
const BASELINE_SECONDS = 0.4

const { cache } = values
require(['bash', 'time', 'tar', 'zstd', 'age'])
const tree = values.tree ? path.resolve(values.tree) : linuxTree(cache)
const work = openWorkFolder(cache)
try {
  run()
} finally {
  rmSync(work, { recursive: true, force: true })
}

function run() {
  const identities = { warp: path.join(work, 'warp.key'), age: path.join(work, 'age.key') }
  const ours = warp('warp create', { recipient: makeIdentity(identities.warp), identity: identities.warp })
  const theirs = tarPipeline('tar | zstd -3 | age', ['zstd', '-q', '-3'], makeAgeKey(identities.age), identities.age)
  const stores = Object.fromEntries(['ours', 'theirs', 'noise', 'noise-input'].map((name) => [name, path.join(work, name)]))
  for (const store of Object.values(stores)) mkdirSync(path.join(store, 'output'), { recursive: true })
  writeNoise(path.join(stores['noise-input'], 'random'), NOISE_BYTES)
  const sample = Buffer.from(readSample(tree))
  const treeBytes = sizeOf(tree)
  execFileSync('sh', ['-c', 'find "$1" -type f -exec cat {} + > /dev/null', 'sh', tree]) // into the file cache

  const one = (/** @type {string} */ stage) => throughput({ bytes: sample.length, run: stageOf(stage).open(sample, 'native') }, BASELINE_SECONDS)
  const baselines = () => ({ memcpy: one('memcpy'), blake3: one('BLAKE3 ids, 64 KiB chunks'), zstd: one('zstd -3') })

  /** @type {Record<string, number[]>} */
  const ratios = {}
  const add = (/** @type {string} */ name, /** @type {number} */ ratio) => (ratios[name] ??= []).push(ratio)
  const walls = { ours: [], theirs: [] }
  for (let round = 0; round < rounds; round++) {
    const base = baselines()
    const [mine, others] = [measure(ours.create(stores.ours, tree, false)), measure(theirs.create(stores.theirs, tree, false))]
    walls.ours.push(mine.wallSeconds)
    walls.theirs.push(others.wallSeconds)
    add('create / tar, zstd, age: time', mine.wallSeconds / others.wallSeconds)
    add('create / zstd alone: CPU', mine.cpuSeconds / (treeBytes / base.zstd))
    add('verify / BLAKE3 alone: CPU', measure(ours.verify(stores.ours)).cpuSeconds / (treeBytes / base.blake3))
  }
  // Once is enough for what takes long, or hardly varies.
  const base = baselines()
  const target = path.join(work, 'extracted')
  mkdirSync(target)
  add('extract / zstd alone: CPU', measure(ours.extract(stores.ours, target, { name: '', made: 'first' })).cpuSeconds / (treeBytes / base.zstd))
  add('create, random / BLAKE3 alone: CPU', measure(ours.create(stores.noise, stores['noise-input'], false)).cpuSeconds / (NOISE_BYTES / base.blake3))
  for (const [name, baseline] of Object.entries(STAGE_BASELINES)) {
    add(`${name} / ${baseline}`, base[baseline] / one(name))
  }
  measure(theirs.verify(stores.theirs))
  const size = (/** @type {string} */ store) => sizeOf(path.join(store, 'output'))
  add('create / tar, zstd, age: size', size(stores.ours) / size(stores.theirs))
  report(ratios, walls, [ours.name, theirs.name], [size(stores.ours), size(stores.theirs)], treeBytes)
}

/** @param {string} folder */
function sizeOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .reduce((bytes, entry) => bytes + statSync(path.join(entry.parentPath, entry.name)).size, 0)
}

function report(ratios, walls, names, sizes, treeBytes) {
  console.log(`${tree}, ${formatMegabytes(treeBytes)}; ${cpus().length} processors; ${rounds} rounds in turn`)
  Object.values(walls).forEach((taken, i) => console.log(`${names[i].padEnd(20)} ${formatSeconds(median(taken))}  ${formatMegabytes(sizes[i])}`))
  const over = []
  const rows = Object.entries(ratios).map(([name, values]) => {
    const ratio = median(values)
    const bound = path.basename(tree) === BOUNDED_TREE ? BOUNDS[name] : Infinity
    if (ratio > bound) over.push(name)
    return [name, ratio.toFixed(2), `${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}`, Number.isFinite(bound) ? String(bound) : '', ratio > bound ? 'OVER' : '']
  })
  console.log(`\n${plainTable(['what / baseline, as costs: less is better', 'ratio', 'rounds', 'bound', ''], rows)}`)
  if (over.length > 0) {
    console.log(`\nabove the bound: ${over.join('; ')}`)
    process.exitCode = 1
  }
}
