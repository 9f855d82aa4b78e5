/** The command line: what starts first. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setFlagsFromString } from 'node:v8'
import { saysBeforeOperands } from './words.ts'

// Most commands are over before what V8 gains by inlining pays for the time that it takes to compile.
setFlagsFromString('--max-inlined-bytecode-size-cumulative=150')

const words = process.argv.slice(2)

// What only prints a line must not wait for modules to load.
if (saysBeforeOperands(words, '--version')) printVersion()
else await (await import('./run.ts')).run(words)

function printVersion(): void {
  const manifest = createRequire(import.meta.url).resolve('warp-archive/package.json')
  const text = readFileSync(manifest, 'utf8')
  process.stdout.write(`warp ${(JSON.parse(text) as { version: string }).version}\n`)
}
