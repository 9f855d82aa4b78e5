/**
 * `node bench/micro/zstd-tables.mjs [--tree DIR] [--orders]`: why frames are as long, and the tables of zstd's level 3
 * as small, as they are (src/base/limits.ts, src/codec/zstd-library.ts). Compresses all files of the tree, side by side
 * in batches of 32 MiB as `create` does, on one core, without deduplication, and prints bytes and CPU seconds for
 * lengths of frames and sizes of tables; with --orders also what it brings to put files that resemble each other side by
 * side: by extension and name within their batch, instead of by path.
 */
import { createRequire } from 'node:module'
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { DEFAULT_CACHE } from '../support/cache.mjs'
import { linuxTree } from '../support/inputs.mjs'
import { addonPath } from '../../dist/codec/native.js'

const { values } = parseArgs({ options: { tree: { type: 'string' }, orders: { type: 'boolean', default: false } } })
const tree = values.tree ?? linuxTree(DEFAULT_CACHE)
const MIB = 1024 * 1024
const BATCH_BYTES = 32 * MIB

const library = createRequire(import.meta.url)('koffi').load(addonPath())
const createContext = library.func('void *ZSTD_createCCtx()')
const setParameter = library.func('size_t ZSTD_CCtx_setParameter(void *context, int parameter, int value)')
const compress = library.func('size_t ZSTD_compress2(void *context, void *out, size_t room, const void *bytes, size_t length)')
const PARAMETER = { level: 100, windowLog: 101, hashLog: 102, chainLog: 103 }

/** @type {{frameMiB: number, level: number, windowLog?: number, hashLog?: number, chainLog?: number}[]} */
const CHOICES = [
  { frameMiB: 4, level: 3 },
  { frameMiB: 4, level: 3, windowLog: 24 },
  { frameMiB: 8, level: 1, windowLog: 24 },
  { frameMiB: 8, level: 2, windowLog: 24 },
  { frameMiB: 8, level: 3, windowLog: 24 },
  { frameMiB: 8, level: 3, windowLog: 24, hashLog: 15, chainLog: 14 },
  { frameMiB: 8, level: 3, windowLog: 24, hashLog: 16, chainLog: 13 },
  { frameMiB: 8, level: 3, windowLog: 24, hashLog: 16, chainLog: 14 },
  { frameMiB: 8, level: 3, windowLog: 24, hashLog: 17, chainLog: 14 },
  { frameMiB: 8, level: 3, windowLog: 24, hashLog: 18, chainLog: 16 },
  { frameMiB: 8, level: 4, windowLog: 24 },
  { frameMiB: 8, level: 5, windowLog: 24 },
  { frameMiB: 8, level: 7, windowLog: 24 },
  { frameMiB: 8, level: 9, windowLog: 24 },
  { frameMiB: 16, level: 3, windowLog: 24, hashLog: 16, chainLog: 14 },
]

/** @param {string} directory @returns {Generator<string>} */
function* filesOf(directory) {
  const entries = readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const name = path.join(directory, entry.name)
    if (entry.isDirectory()) yield* filesOf(name)
    else if (entry.isFile()) yield name
  }
}

const extensionAndName = name => `${path.extname(name)}\0${path.basename(name)}\0${name}`
const ORDERS = values.orders ? { path: null, 'extension and name': extensionAndName } : { path: null }

/** @param {Buffer[]} files @returns {void} */
function measure(files, contexts, out) {
  const batch = Buffer.concat(files)
  for (const context of contexts) {
    const frames = Math.max(1, Math.round(batch.length / (context.choice.frameMiB * MIB)))
    const step = Math.ceil(batch.length / frames)
    const before = process.cpuUsage()
    for (let at = 0; at < batch.length; at += step) {
      const plain = batch.subarray(at, at + step)
      context.bytes += Number(compress(context.pointer, out, out.length, plain, plain.length))
    }
    const { user, system } = process.cpuUsage(before)
    context.seconds += (user + system) / 1e6
  }
}

const out = Buffer.alloc(2 * BATCH_BYTES)
for (const [order, key] of Object.entries(ORDERS)) {
  const contexts = CHOICES.map(choice => {
    const pointer = createContext()
    for (const [name, number] of Object.entries(PARAMETER)) {
      if (choice[name] !== undefined) setParameter(pointer, number, choice[name])
    }
    return { choice, pointer, bytes: 0, seconds: 0 }
  })
  let batch = []
  let bytes = 0
  let total = 0
  const flush = () => {
    if (key) batch.sort((a, b) => (key(a.name) < key(b.name) ? -1 : 1))
    measure(batch.map(({ content }) => content), contexts, out)
    batch = []
    bytes = 0
  }
  for (const name of filesOf(tree)) {
    const content = readFileSync(name)
    if (bytes + content.length > BATCH_BYTES && batch.length > 0) flush()
    batch.push({ name, content })
    bytes += content.length
    total += content.length
  }
  flush()
  console.log(`${tree}: ${(total / 1e6).toFixed(1)} MB, files in order of ${order}`)
  console.log('frame   level  window  hash  chain        MB   CPU s    MB/s')
  for (const { choice: { frameMiB, level, windowLog, hashLog, chainLog }, bytes: length, seconds } of contexts) {
    const log = value => (value === undefined ? '-' : String(value))
    console.log([
      `${frameMiB} MiB`.padEnd(8), String(level).padStart(5), log(windowLog).padStart(8), log(hashLog).padStart(6), log(chainLog).padStart(7),
      (length / 1e6).toFixed(2).padStart(10), seconds.toFixed(2).padStart(8), (total / 1e6 / seconds).toFixed(0).padStart(8),
    ].join(''))
  }
}
