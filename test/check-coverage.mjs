/**
 * Fails when a source file with code was loaded by no test: such a file is missing from tap's coverage report
 * and so does not lower its figures. Reads the built program and the report that `tap` leaves in .tap/report.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'

/** What tsc writes for a file of types alone: no code that a test could load. */
const EMPTY_MODULE = /^(?:\s|\/\*[\s\S]*?\*\/|\/\/.*|export \{\};)*$/

const covered = JSON.parse(readFileSync('.tap/report/coverage-summary.json', 'utf8'))

const unloaded = readdirSync('src', { recursive: true })
  .map(String)
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
  .filter((path) => covered[resolve('src', path)] === undefined)
  .filter((path) => !EMPTY_MODULE.test(readFileSync(resolve('dist', path.replace(/ts$/, 'js')), 'utf8')))

for (const path of unloaded.sort()) console.error(`src/${path}: no test loads this file`)
if (unloaded.length > 0) process.exitCode = 1
