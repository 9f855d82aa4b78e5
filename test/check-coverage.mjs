/**
 * Holds the coverage of a whole test run against its minima. tap counts only files that a test loaded, so a
 * source file with code that none did fails as well. Reads dist and the report that tap leaves in .tap/report.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'

/** Per cent of all of src. */
const MINIMA = { statements: 90, lines: 90, functions: 90, branches: 90 }

/** What tsc writes for a file of types alone: no code that a test could load. */
const EMPTY_MODULE = /^(?:\s|\/\*[\s\S]*?\*\/|\/\/.*|export \{\};)*$/

const coverage = JSON.parse(readFileSync('.tap/report/coverage-summary.json', 'utf8'))

const low = Object.entries(MINIMA)
  .filter(([kind, minimum]) => !(coverage.total[kind].pct >= minimum))
  .map(([kind, minimum]) => `coverage of ${kind} is ${coverage.total[kind].pct} %, below ${minimum} %`)

const unloaded = readdirSync('src', { recursive: true })
  .map(String)
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
  .filter((path) => coverage[resolve('src', path)] === undefined)
  .filter((path) => !EMPTY_MODULE.test(readFileSync(resolve('dist', path.replace(/ts$/, 'js')), 'utf8')))
  .map((path) => `src/${path} has code and no test loads it`)

const complaints = [...low, ...unloaded.sort()]
for (const complaint of complaints) console.error(complaint)
if (complaints.length > 0) process.exitCode = 1
