/** The chart: for each job a group of bars, the wall time of each contender as a multiple of warp's. */
import { isWarp } from './result.mjs'

const WIDTH = 860
const LABELS = 230
const BAR = 16
const GAP = 4
const TITLE = 30
const GROUP_GAP = 14
const TOP = 56
/** Ratio at the right edge; longer bars are cut and say so. */
const MAX_RATIO = 8
const SCALE = (WIDTH - LABELS - 110) / MAX_RATIO

const escape = (/** @type {string} */ text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/**
 * @param {import('./result.mjs').Result[]} results
 * @returns {string} SVG
 */
export function drawChart(results) {
  const parts = []
  let y = TOP
  for (const { title, rows } of results) {
    parts.push(text(8, y + 18, title[0].toUpperCase() + title.slice(1), 'group'))
    y += TITLE
    for (const row of rows) {
      parts.push(drawBar(row, y))
      y += BAR + GAP
    }
    y += GROUP_GAP
  }
  const one = LABELS + SCALE
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img">`,
    '<title>Wall time of each contender as a multiple of that of warp</title>',
    STYLE,
    `<rect class="ground" width="${WIDTH}" height="${y}"/>`,
    text(8, 24, 'Wall time as a multiple of the first of each group; shorter is faster', 'title'),
    `<line class="one" x1="${one}" x2="${one}" y1="${TOP - 6}" y2="${y - GROUP_GAP}"/>`,
    text(one, TOP - 10, '1 ×', 'middle'),
    ...parts,
    '</svg>', '',
  ].join('\n')
}

/** @param {import('./result.mjs').Row} row @param {number} y */
function drawBar({ name, ratio, wallSeconds }, y) {
  const isCut = ratio > MAX_RATIO
  const width = Math.max(1, Math.min(ratio, MAX_RATIO) * SCALE)
  const seconds = wallSeconds < 1 ? `${(wallSeconds * 1e3).toFixed(0)} ms` : `${wallSeconds.toFixed(1)} s`
  const base = y + BAR - 4
  return [
    text(LABELS - 8, base, name, 'end'),
    `<rect class="${isWarp(name) ? 'warp' : 'peer'}" x="${LABELS}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2"/>`,
    ...(isCut ? [`<path class="ground" d="M ${LABELS + width - 14} ${y + BAR} l 6 ${-BAR} h 4 l -6 ${BAR} z"/>`] : []),
    text(LABELS + width + 6, base, `${ratio.toFixed(ratio < 10 ? 2 : 0)} ×  ${seconds}`, 'value'),
  ].join('\n')
}

/** @param {number} x @param {number} y @param {string} words @param {string} kind */
function text(x, y, words, kind) {
  return `<text class="${kind}" x="${x.toFixed(1)}" y="${y}">${escape(words)}</text>`
}

const STYLE = `<style>
text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 } .group { font-size: 14px; font-weight: 600 }
.end { text-anchor: end } .middle { text-anchor: middle; font-size: 12px } .value { font-size: 12px }
.value, .group { paint-order: stroke; stroke: #ffffff; stroke-width: 5px }
.ground { fill: #ffffff } .warp { fill: #0969da } .peer { fill: #a8b1bb } .one { stroke: #57606a; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .value, .group { stroke: #0d1117 } .ground { fill: #0d1117 } .warp { fill: #4493f8 } .peer { fill: #59636e } .one { stroke: #9198a1 }
}
</style>`
