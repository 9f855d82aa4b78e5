/**
 * Holds the coverage of a whole test run against its minima. tap counts only files that a test loaded, so a
 * source file with code that none did fails as well. Reads dist and the report that tap leaves in .tap/report.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { relative, resolve } from 'node:path'

/** Per cent of all of src. */
const MINIMA = { statements: 90, lines: 90, functions: 90, branches: 90 }

/** What tsc writes for a file of types alone: no code that a test could load. */
const EMPTY_MODULE = /^(?:\s|\/\*[\s\S]*?\*\/|\/\/.*|export \{\};)*$/

const coverage = JSON.parse(readFileSync('.tap/report/coverage-summary.json', 'utf8'))

/** What runs only where there is a GPU, or a software rasteriser; elsewhere its tests are skipped. */
const NEEDS_GPU = /^(?:gpu\/|engine\/(?:gpu|calibrate))/
const counts = (path) => process.env.WARP_REQUIRE_GPU === '1' || !NEEDS_GPU.test(path)

const counted = Object.keys(coverage).filter((file) => file !== 'total' && counts(relative(resolve('src'), file)))

/** Per cent of all that counts. */
function percent(kind) {
  const sum = (name) => counted.reduce((total, file) => total + coverage[file][kind][name], 0)
  return Math.floor((sum('covered') / sum('total')) * 10_000) / 100
}

const low = Object.entries(MINIMA)
  .filter(([kind, minimum]) => !(percent(kind) >= minimum))
  .map(([kind, minimum]) => `coverage of ${kind} is ${percent(kind)} %, below ${minimum} %`)

const unloaded = readdirSync('src', { recursive: true })
  .map(String)
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts') && counts(path))
  .filter((path) => coverage[resolve('src', path)] === undefined)
  .filter((path) => !EMPTY_MODULE.test(readFileSync(resolve('dist', path.replace(/ts$/, 'js')), 'utf8')))
  .map((path) => `src/${path} has code and no test loads it`)

const complaints = [...low, ...unloaded.sort()]
for (const complaint of complaints) console.error(complaint)
if (complaints.length > 0) process.exitCode = 1
