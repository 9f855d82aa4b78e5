#!/usr/bin/env node
// Starts the built CLI, nothing else.
import { existsSync } from 'node:fs'

const entry = new URL('../dist/bundle/main.js', import.meta.url)

if (existsSync(entry)) {
  await import(entry.href)
} else {
  process.stderr.write('warp: the program is not built\nhint: run `npm run build`\n')
  process.exitCode = 1
}
