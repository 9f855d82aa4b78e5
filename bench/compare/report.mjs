/** RESULTS.md: the machine, a table for each job, the targets and the memory. */
import { describeHost } from '../support/host.mjs'
import { formatMegabytes, formatSeconds, markdownTable } from '../support/statistics.mjs'

/**
 * @param {number} rounds
 * @param {boolean} quick
 * @param {string[]} versions of the peers
 * @param {string} cache
 * @returns {string[]} lines
 */
export function describeMachine(rounds, quick, versions, cache) {
  return [...describeHost(rounds, quick, cache), `Peers: ${versions.join('; ')}`]
}

/**
 * @param {string[]} machine
 * @param {string[]} absent contenders that are left out, and why
 * @param {import('./result.mjs').Result[]} results
 * @param {{targets: import('./judge.mjs').Verdict[], memory: import('./judge.mjs').Verdict[]}} verdicts
 */
export function writeReport(machine, absent, results, { targets, memory }) {
  return [
    '# warp against its peers', '',
    'Made by `npm run bench:compare`; what is measured and how is in [README.md](README.md).', '',
    ...[...machine, ...absent.map((line) => `Left out: ${line}`)].map((line) => `- ${line}`), '',
    '![Wall time of each contender as a multiple of that of warp](results.svg)', '',
    ...results.flatMap(({ title, inputBytes, rows }) => [
      `## ${title[0].toUpperCase()}${title.slice(1)}`, '',
      ...(inputBytes ? [`Input: ${formatMegabytes(inputBytes)}.`, ''] : []),
      markdownTable(['', 'median', 'rounds', `to ${rows[0].name}`, 'output', 'peak RSS', 'CPU'], rows.map(toCells)), '',
    ]),
    '## Targets', '',
    'The measured value of a target against peers is that of warp as a part of theirs, the median over the rounds.', '',
    markdownTable(['', 'target', 'measured', ''], targets.map(toVerdictCells)), '',
    '## Memory', '',
    'Peak RSS of warp against `--memory` (its default) and 25 %.', '',
    markdownTable(['', 'bound', 'measured', ''], memory.map(toVerdictCells)), '',
  ].join('\n')
}

/** @param {import('./result.mjs').Row} row */
function toCells({ name, wallSeconds, walls, ratio, bytes, peakBytes, cpuSeconds }) {
  const range = `${formatSeconds(Math.min(...walls))} – ${formatSeconds(Math.max(...walls))}`
  return [
    name, formatSeconds(wallSeconds), range, `${ratio.toFixed(2)} ×`, bytes === null ? '' : formatMegabytes(bytes),
    formatMegabytes(peakBytes), formatSeconds(cpuSeconds),
  ]
}

/** @param {import('./judge.mjs').Verdict} verdict */
function toVerdictCells({ what, target, measured, met }) {
  return [what, target, measured, met === null ? '–' : met ? 'met' : '**not met**']
}
