/**
 * Runs a command, alone or as a pipeline, and measures it: wall time from before its start to after the
 * sync of its output, CPU time and peak RSS of each process by time(1), which forks each from a small image:
 * Linux counts the pages of the process that forked to the peak of its child, and Node has many.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/**
 * @typedef {object} Step
 * @property {string[][]} stages the arguments of each process; more than one make a pipeline
 * @property {string} [to] file that takes the output of the last stage
 * @property {string} [sync] file that is synced afterwards, inside the timing
 * @property {string} [syncSystem] a path whose whole file system is synced instead, for output of many files
 * @property {string} [cwd]
 * @property {Record<string, string>} [env] added to the environment
 */

/**
 * @typedef {object} Usage
 * @property {number} wallSeconds
 * @property {number} cpuSeconds user and system, of all processes with their children
 * @property {number} peakBytes the largest RSS of each stage, added up
 */

const quote = (/** @type {string} */ text) => `'${text.replaceAll("'", "'\\''")}'`

/**
 * @param {Step} step
 * @returns {Usage}
 * @throws {Error} a stage fails
 */
export function measure(step) {
  // What others left unwritten must not be paid by this step's sync.
  spawnSync('sync')
  return execute(step)
}

/**
 * Runs a step for its effect alone: nothing is synced.
 * @param {Step} step
 */
export function perform(step) {
  execute({ ...step, sync: undefined, syncSystem: undefined })
}

/** @param {Step} step @returns {Usage} */
function execute({ stages, to, sync, syncSystem, cwd, env }) {
  const folder = mkdtempSync(path.join(tmpdir(), 'warp-usage-'))
  try {
    const usageFile = (/** @type {number} */ i) => path.join(folder, String(i))
    const timed = stages.map((stage, i) => ['time', '-q', '-f', '%U %S %M', '-o', usageFile(i), '--', ...stage])
    const isPlain = stages.length === 1 && !to && !sync && !syncSystem
    const pipeline = timed.map((stage) => stage.map(quote).join(' ')).join(' | ')
      + (to ? ` > ${quote(to)}` : ' > /dev/null') + (sync ? ` && sync ${quote(sync)}` : '')
      + (syncSystem ? ` && sync -f ${quote(syncSystem)}` : '')
    const [program, ...args] = isPlain ? timed[0] : ['bash', '-c', `set -o pipefail; ${pipeline}`]
    const started = process.hrtime.bigint()
    const { status, stderr, error } = spawnSync(program, args, {
      cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8', maxBuffer: 1 << 26,
    })
    const wallSeconds = Number(process.hrtime.bigint() - started) / 1e9
    if (status !== 0) throw new Error(`${describe(stages)} failed: ${error?.message ?? stderr.trim().slice(-2000)}`)
    let cpuSeconds = 0
    let peakBytes = 0
    stages.forEach((_, i) => {
      const [user, system, kib] = readFileSync(usageFile(i), 'utf8').trim().split('\n').at(-1).split(' ').map(Number)
      cpuSeconds += user + system
      peakBytes += kib * 1024
    })
    return { wallSeconds, cpuSeconds, peakBytes }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** @param {string[][]} stages */
function describe(stages) {
  return stages.map((stage) => stage.map((word) => path.basename(word)).join(' ')).join(' | ')
}
