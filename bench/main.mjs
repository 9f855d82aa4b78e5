/**
 * `npm run bench`: warp against what people chain today, in turn on this machine: an encrypted archive of
 * the Linux source tree by `warp create`, and by tar | zstd | age. Each is followed by a sync of its
 * output, inside the timing. Prints medians and ratios.
 *
 * Options: --rounds N (default 5), --tree DIR (default: Debian's linux-source package, unpacked once).
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' }, tree: { type: 'string' } } })
const WARP = path.join(import.meta.dirname, '..', 'bin', 'warp.js')
const CACHE = path.join(tmpdir(), 'warp-bench')
mkdirSync(CACHE, { recursive: true })
const work = mkdtempSync(path.join(CACHE, 'run-'))

/** Installs Debian packages of programs that are missing. */
function need(program, packageName = program) {
  if (spawnSync('sh', ['-c', `command -v ${program}`]).status === 0) return
  console.error(`installing ${packageName}`)
  execFileSync('apt-get', ['install', '-y', packageName], { stdio: 'ignore' })
}

/** The Linux source tree of Debian 12: package linux-source-6.1. */
function linuxTree() {
  const tree = path.join(CACHE, 'linux-source-6.1')
  if (existsSync(path.join(tree, 'Makefile'))) return tree
  const archive = '/usr/src/linux-source-6.1.tar.xz'
  if (!existsSync(archive)) execFileSync('apt-get', ['install', '-y', 'linux-source-6.1'], { stdio: 'ignore' })
  execFileSync('tar', ['xf', archive, '-C', CACHE])
  return tree
}

/** Seconds that a shell command takes. */
function time(command) {
  const started = process.hrtime.bigint()
  const { status, stderr } = spawnSync('bash', ['-c', `set -o pipefail; ${command}`], { cwd: path.dirname(tree), encoding: 'utf8' })
  const wall = Number(process.hrtime.bigint() - started) / 1e9
  if (status !== 0) throw new Error(`${command}: ${stderr}`)
  return wall
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]

for (const program of ['tar', 'zstd', 'age']) need(program)
const tree = values.tree ? path.resolve(values.tree) : linuxTree()
const name = path.basename(tree)
execFileSync('age-keygen', ['-o', path.join(work, 'age.key')], { stdio: 'ignore' })
const ageKey = execFileSync('age-keygen', ['-y', path.join(work, 'age.key')], { encoding: 'utf8' }).trim()
const keys = execFileSync(process.execPath, [WARP, 'keygen', '-o', path.join(work, 'warp.key')], { encoding: 'utf8' })
const warpKey = /warp-recipient1\w+/.exec(keys)[0]

const out = (file) => path.join(work, file)
const contenders = {
  'warp create': {
    make: `${process.execPath} ${WARP} create --quiet --recipient ${warpKey} -o ${out('a.warp')} ${name} && sync ${out('a.warp')}`,
    file: out('a.warp'),
    check: `${process.execPath} ${WARP} verify --quiet --identity ${out('warp.key')} ${out('a.warp')}`,
  },
  'tar | zstd -3 -T2 | age': {
    make: `tar cf - ${name} | zstd -q -3 -T2 | age -r ${ageKey} > ${out('a.age')} && sync ${out('a.age')}`,
    file: out('a.age'),
    check: `age -d -i ${out('age.key')} ${out('a.age')} | zstd -q -dc | tar df -`,
  },
}

try {
  time(`tar cf - ${name} > /dev/null; find ${name} -type f -exec cat {} + > /dev/null`) // warm file cache
  const walls = Object.fromEntries(Object.keys(contenders).map((contender) => [contender, []]))
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [contender, { make }] of Object.entries(contenders)) walls[contender].push(time(make))
  }
  for (const { check } of Object.values(contenders)) time(check)
  const [ours, theirs] = Object.values(walls)
  console.log(`${readdirSync(tree).length} names at the top of ${tree}; ${cpus().length} processors; ${values.rounds} rounds in turn`)
  for (const [contender, { file }] of Object.entries(contenders)) {
    console.log(`${contender.padEnd(26)} ${median(walls[contender]).toFixed(2)} s  ${(statSync(file).size / 1e6).toFixed(1)} MB`)
  }
  const ratios = ours.map((wall, round) => wall / theirs[round])
  console.log(`time   warp / theirs  ${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`)
  console.log(`size   warp / theirs  ${(statSync(out('a.warp')).size / statSync(out('a.age')).size).toFixed(3)}`)
} finally {
  rmSync(work, { recursive: true, force: true })
}
