/** Holds the results against the targets and the bound on memory. */
import { formatMegabytes, formatSeconds, median } from '../support/statistics.mjs'
import { COMPARE_TARGETS, MEMORY_BYTES, MEMORY_TOLERANCE } from '../targets.mjs'
import { isWarp } from './result.mjs'

/**
 * @typedef {object} Verdict
 * @property {string} what
 * @property {string} target
 * @property {string} measured
 * @property {boolean | null} met null: not measured
 */

/**
 * @param {import('./result.mjs').Result[]} results
 * @returns {Verdict[]} one for each target whose job ran
 */
export function judgeTargets(results) {
  return COMPARE_TARGETS.flatMap((target) => {
    const { job, input, of, against, limit } = target
    const result = results.find((candidate) => candidate.job === job && candidate.input === input)
    if (!result) return []
    const row = result.rows.find(({ name }) => name === (target.tool ?? 'warp'))
    const peers = (against ?? []).map((name) => result.rows.find((candidate) => candidate.name === name))
    const verdict = { what: `${[job, input].filter(Boolean).join(' ')}: ${of}${against ? ` against ${against.join(', ')}` : ''}`, target: formatLimit(target) }
    if (!row || peers.includes(undefined)) return { ...verdict, measured: 'not measured', met: null }
    const value = valueOf(of, row, peers, result.inputBytes)
    return { ...verdict, measured: formatValue(of, value, peers.length > 0), met: of === 'rate' ? value >= limit : value <= limit }
  })
}

/** @param {import('../targets.mjs').Target['of']} of @param {import('./result.mjs').Row} row @param {import('./result.mjs').Row[]} peers @param {number} inputBytes */
function valueOf(of, row, peers, inputBytes) {
  if (of === 'rate') return inputBytes / row.wallSeconds
  if (of === 'size') return peers.length > 0 ? row.bytes / Math.min(...peers.map(({ bytes }) => bytes)) : row.bytes
  if (peers.length === 0) return row.wallSeconds
  // Round by round, so that what slows the machine for a while slows both sides of the ratio.
  return Math.max(...peers.map(({ walls }) => median(row.walls.map((wall, round) => wall / walls[round]))))
}

/** @param {import('../targets.mjs').Target} target */
function formatLimit({ of, against, limit }) {
  return `${of === 'rate' ? '≥' : '≤'} ${formatValue(of, limit, against !== undefined)}`
}

/** @param {import('../targets.mjs').Target['of']} of @param {number} value @param {boolean} isFactor */
function formatValue(of, value, isFactor) {
  if (isFactor) return `${value.toFixed(of === 'size' ? 3 : 2)} ×`
  if (of === 'rate') return `${(value / 1e9).toFixed(2)} GB/s`
  return of === 'size' ? formatMegabytes(value) : formatSeconds(value)
}

/**
 * Whether the peak RSS of warp stays within --memory and a quarter, for every job.
 * @param {import('./result.mjs').Result[]} results
 * @returns {Verdict[]}
 */
export function judgeMemory(results) {
  const limit = MEMORY_BYTES * MEMORY_TOLERANCE
  return results.flatMap(({ title, rows }) => rows.filter(({ name }) => isWarp(name)).map(({ name, peakBytes }) => ({
    what: `${title}: ${name}`, target: `≤ ${formatMegabytes(limit)}`, measured: formatMegabytes(peakBytes), met: peakBytes <= limit,
  })))
}
