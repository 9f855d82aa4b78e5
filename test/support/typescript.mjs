/**
 * `--import` of the test processes: has them read TypeScript. What esbuild made of a module is kept in node_modules/.cache; tap's
 * own plugin would compile each module anew in every process and thread. Threads of the product start as they do for users, from
 * what `npm run build` made: hooks in each of them would take longer than most of what they are given to do. So do programs, unless
 * their coverage is wanted: WARP_TEST_COVERAGE=1 in their environment.
 */
import { existsSync } from 'node:fs'
import { register, syncBuiltinESMExports } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import threads from 'node:worker_threads'
import processOnSpawn from 'process-on-spawn'

const ROOT = path.resolve(import.meta.dirname, '../..')
const SOURCES = path.join(ROOT, 'src') + path.sep

register('./typescript-hooks.mjs', import.meta.url)

if (threads.isMainThread) {
  const { Worker } = threads
  threads.Worker = class extends Worker {
    constructor(entry, options) {
      const source = entry instanceof URL ? (entry.protocol === 'file:' ? fileURLToPath(entry) : '') : String(entry)
      const built = path.join(ROOT, 'dist/bundle', path.basename(source, '.ts') + '.js')
      if (source.startsWith(SOURCES) && existsSync(built)) super(built, { ...options, execArgv: [] })
      else super(entry, options)
    }
  }
  syncBuiltinESMExports()

  // tap has every process load its hooks, and every thread of it.
  processOnSpawn.addListener((spawned) => {
    const { NODE_OPTIONS = '', WARP_TEST_COVERAGE, ...env } = spawned.env
    const options = WARP_TEST_COVERAGE === '1' ? NODE_OPTIONS : NODE_OPTIONS.replace(/"?--import=[^" ]*@tapjs\/processinfo[^" ]*"?/g, '').trim()
    spawned.env = options === '' ? env : { ...env, NODE_OPTIONS: options }
  })
}
