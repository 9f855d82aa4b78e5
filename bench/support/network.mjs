/**
 * The bad network of the tests, for programs: `openNetwork` starts it as a process of its own, so that what it costs is not
 * added to what is measured in this one.
 *
 *   node bench/support/network.mjs '{"target": {"host": "127.0.0.1", "port": 22}, "delayMs": 50}'
 *
 * prints its port and goes on until standard input ends; takes a line `stats` and answers with a line of JSON.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const SOURCE = path.join(import.meta.dirname, '..', '..', 'test', 'support', 'impaired-proxy.ts')

/** @returns {Promise<typeof import('../../test/support/impaired-proxy.ts')>} */
async function loadProxy() {
  const folder = mkdtempSync(path.join(tmpdir(), 'warp-proxy-'))
  try {
    const outfile = path.join(folder, 'proxy.mjs')
    await build({ entryPoints: [SOURCE], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'warning' })
    return await import(pathToFileURL(outfile).href)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/**
 * @typedef {object} Network
 * @property {number} port on 127.0.0.1
 * @property {() => Promise<import('../../test/support/impaired-proxy.ts').ProxyStats>} stats
 * @property {() => Promise<void>} close
 */

/**
 * @param {import('../../test/support/impaired-proxy.ts').ProxyOptions} options
 * @returns {Promise<Network>}
 */
export async function openNetwork(options) {
  const child = spawn(process.execPath, [import.meta.filename, JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const { value, done } = await lines.next()
  if (done) throw new Error('the proxy did not start')
  return {
    port: Number(value),
    stats: async () => {
      child.stdin.write('stats\n')
      return JSON.parse((await lines.next()).value)
    },
    close: async () => {
      child.stdin.end()
      await ended
    },
  }
}

if (process.argv[1] === import.meta.filename) {
  const { startProxy } = await loadProxy()
  const proxy = await startProxy(JSON.parse(process.argv[2]))
  console.log(proxy.port)
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'stats') console.log(JSON.stringify(proxy.stats()))
  }
  await proxy.close()
}
