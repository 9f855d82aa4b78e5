/** Where and of what figures were made, for the head of a report. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import path from 'node:path'

const ROOT = path.join(import.meta.dirname, '..', '..')

/**
 * @param {number} rounds
 * @param {boolean} quick
 * @param {string} [folder] that is written to: its file system is named
 * @returns {string[]} lines
 */
export function describeHost(rounds, quick, folder) {
  const git = (/** @type {string[]} */ ...args) => spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' }).stdout?.trim()
  const { version } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'))
  const fileSystem = folder === undefined ? '' : `, ${execFileSync('stat', ['-f', '-c', '%T', folder], { encoding: 'utf8' }).trim()}`
  return [
    `Date: ${new Date().toISOString().slice(0, 10)}; rounds: ${rounds}${quick ? '; --quick: the inputs are small, the figures say nothing about speed' : ''}`,
    `Machine: ${cpus().length} × ${cpus()[0].model.trim()}, ${(totalmem() / 1e9).toFixed(0)} GB of memory, Linux ${release()}${fileSystem}`,
    `warp ${version}, commit ${git('rev-parse', '--short', 'HEAD') || 'unknown'}${git('status', '--porcelain') === '' ? '' : ' with changes'}, `
    + `Node ${process.version}`,
  ]
}
