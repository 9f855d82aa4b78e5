/** What the samples of a job come to. */
import { median } from '../support/statistics.mjs'

/**
 * @typedef {object} Row one contender
 * @property {string} name
 * @property {number} wallSeconds median
 * @property {number} ratio of its wall time to that of the first contender, the median over the rounds
 * @property {number | null} bytes of output
 * @property {number} peakBytes the highest of the rounds
 * @property {number} cpuSeconds median
 * @property {number[]} walls each round
 *
 * @typedef {object} Result
 * @property {string} job
 * @property {string} [input]
 * @property {string} title
 * @property {number} [inputBytes] data of the input
 * @property {Row[]} rows
 */

/**
 * @param {import('./jobs.mjs').Job} job
 * @param {Map<string, {usages: import('../support/measure.mjs').Usage[], bytes: number | null}>} samples
 * @returns {Result}
 */
export function summarise({ name, input, title, inputBytes, runs }, samples) {
  const first = samples.get(runs[0].name).usages
  const rows = runs.map((run) => {
    const { usages, bytes } = samples.get(run.name)
    const walls = usages.map(({ wallSeconds }) => wallSeconds)
    return {
      name: run.name, bytes, walls,
      wallSeconds: median(walls),
      ratio: median(walls.map((wall, round) => wall / first[round].wallSeconds)),
      peakBytes: Math.max(...usages.map(({ peakBytes }) => peakBytes)),
      cpuSeconds: median(usages.map(({ cpuSeconds }) => cpuSeconds)),
    }
  })
  return { job: name, input, title, inputBytes, rows }
}

/** @param {string} name of a contender */
export function isWarp(name) {
  return name.startsWith('warp')
}
