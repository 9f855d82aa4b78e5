/** The few figures that the benchmarks make of their samples, and how they are written. */

/** The middle value; the lower of the two middle ones where there is an even number. @param {number[]} numbers */
export function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[(numbers.length - 1) >> 1]
}

/** @param {number} seconds */
export function formatSeconds(seconds) {
  if (seconds < 0.9995) return `${(seconds * 1e3).toFixed(0)} ms`
  return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`
}

/** MB = 10⁶ bytes. @param {number} bytes */
export function formatMegabytes(bytes) {
  const megabytes = bytes / 1e6
  return `${megabytes.toFixed(megabytes < 10 ? 2 : megabytes < 100 ? 1 : 0)} MB`
}

/**
 * Rows of text as a table, each column as wide as its widest cell; the first is set left, the others right.
 * @param {string[]} head
 * @param {string[][]} rows
 */
export function plainTable(head, rows) {
  const widths = head.map((title, i) => Math.max(...[title, ...rows.map((row) => row[i])].map((cell) => [...cell].length)))
  const line = (cells) => cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ').trimEnd()
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n')
}

/**
 * @param {string[]} head
 * @param {string[][]} rows
 */
export function markdownTable(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n')
}
