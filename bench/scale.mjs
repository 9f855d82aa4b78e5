/**
 * Archives far larger than any disk of a test machine, made of what a seed gives: written, and read back and
 * checked. Prints one line of JSON: times, sizes, and the peak of resident memory of this process.
 *
 *   node bench/scale.mjs files COUNT    tiny files, all different, written and listed
 *   node bench/scale.mjs bytes SIZE     a few files of holes and repeated blocks (1G, 1T), written, verified, read
 *   node --expose-gc bench/scale.mjs structures    bytes that each structure that grows takes for each of what it holds
 *
 * Options: --dir DIR for the archive (default: the system's for temporary files), --memory SIZE (default 512M),
 * --average SIZE of chunks (default by the size of what is written).
 * Needs the built program: npm run build.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { ChunkIndex } from '../dist/archive/chunk-index.js'
import { writeArchive } from '../dist/archive/create.js'
import { EntryPaths } from '../dist/archive/entry-paths.js'
import { FrameTable } from '../dist/archive/frame-table.js'
import { InodeIndex } from '../dist/archive/inode-index.js'
import { poolFor } from '../dist/archive/pool.js'
import { openSink } from '../dist/archive/sink.js'
import { SpillingIndex } from '../dist/archive/spilling-index.js'
import { averageFor } from '../dist/archive/survey.js'
import { TreeBuilder } from '../dist/archive/tree-builder.js'
import { Walk } from '../dist/archive/walk.js'
import { parseSize } from '../dist/cli/sizes.js'
import { hash } from '../dist/codec/blake3.js'
import { list, open, verify } from '../dist/index.js'

const { values, positionals: [what, amount] } = parseArgs({
  allowPositionals: true, options: { dir: { type: 'string', default: os.tmpdir() }, memory: { type: 'string', default: '512M' }, average: { type: 'string' } },
})
const memory = parseSize(values.memory, '--memory')
const KIB = 1024
const MIB = 1024 * KIB
const archive = path.join(fs.mkdtempSync(path.join(values.dir, 'warp-scale-')), 'x.warp')
const none = new Uint8Array(0)
const metadata = {
  unstable: false, mode: 0o644, uid: 0, gid: 0, user: none, group: none, mtimeSeconds: 1_700_000_000, mtimeNanoseconds: 0, xattrs: [],
}

/** Bytes that do not compress and are the same on every run. */
function noise(seed, length) {
  const words = new Uint32Array(Math.ceil(length / 4))
  let state = Math.imul(seed + 1, 0x9e37_79b9) | 1
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return Buffer.from(words.buffer, 0, length)
}

async function timed(work) {
  const started = performance.now()
  const before = process.cpuUsage()
  const result = await work()
  const { user, system } = process.cpuUsage(before)
  return { seconds: Math.round(performance.now() - started) / 1000, cpuSeconds: Math.round((user + system) / 1e3) / 1000, ...result }
}

function peakMib() {
  return Math.round(process.resourceUsage().maxRSS / KIB)
}

async function write(entries, average) {
  const pool = poolFor(Infinity, availableParallelism())
  try {
    const { root: _, archiveId: __, ...totals } = await writeArchive({
      options: { memory, tempDir: values.dir }, average, partial: false, archiveId: undefined, entries, totals: () => null,
      ready: Promise.resolve(), withHints: false, report: (problem) => console.error(problem), sink: openSink(archive), pool,
    })
    return totals
  } finally {
    await pool.close()
  }
}

// Tiny files, in directories of 1,000.

const PER_DIRECTORY = 1000
const pathOf = (i) => `d${String(Math.floor(i / PER_DIRECTORY)).padStart(7, '0')}/f${String(i % PER_DIRECTORY).padStart(3, '0')}`
const contentOf = (i) => Buffer.from(`content of file ${i}\n`)

async function* one(piece) {
  yield piece
}

async function* tinyFiles(count) {
  for (let from = 0; from < count; from += PER_DIRECTORY) {
    const group = []
    for (let i = from; i < Math.min(from + PER_DIRECTORY, count); i++) {
      group.push({ kind: 'content', path: pathOf(i), inode: null, metadata, content: one(contentOf(i)) })
    }
    yield group
  }
}

async function listed() {
  let count = 0
  for await (const entry of list(archive)) {
    if (entry.size !== contentOf(count).length || Buffer.from(entry.path).toString() !== pathOf(count)) throw new Error(`entry ${count} is wrong`)
    count++
  }
  return { entries: count }
}

// Few huge files.

const FILE_PARTS = 16
const BLOCKS = Array.from({ length: 16 }, (_, i) => noise(i, 4 * MIB))
/** Of each part of a file, one piece in so many is data, the others a hole. */
const DATA_SHARE = 8

/** What each huge file consists of: pieces of data that occur again and again, and holes; [length, block or null]. */
function* piecesOf(file, size) {
  const part = size / FILE_PARTS
  for (let i = 0; i < FILE_PARTS; i++) {
    yield [noise(1000 + file * FILE_PARTS + i, 64 * KIB).length, noise(1000 + file * FILE_PARTS + i, 64 * KIB)]
    let data = part / DATA_SHARE - 64 * KIB
    for (let n = 0; data > 0; n++) {
      const block = BLOCKS[(i + n) % BLOCKS.length].subarray(0, data)
      yield [block.length, block]
      data -= block.length
    }
    yield [part - part / DATA_SHARE, null]
  }
}

async function* hugeFiles(total) {
  for (let file = 0; file < FILE_PARTS; file++) {
    const content = (async function* () {
      for (const [length, block] of piecesOf(file, total / FILE_PARTS)) yield block ?? { zeros: length }
    })()
    yield [{ kind: 'content', path: `huge${String(file).padStart(2, '0')}`, inode: null, metadata, content }]
  }
}

/** Reads every file and holds each byte against what it was made of. */
async function checked(total) {
  const opened = await open(archive)
  let data = 0
  try {
    for (let file = 0; file < FILE_PARTS; file++) {
      const entry = await opened.find(`huge${String(file).padStart(2, '0')}`)
      const pieces = piecesOf(file, total / FILE_PARTS)
      /** Of the piece that the position lies in: where it begins, its length and bytes. */
      let [begin, length, block] = [0, ...pieces.next().value]
      const check = (position, bytes) => {
        for (let done = 0; done < bytes.length;) {
          while (position + done >= begin + length) {
            begin += length
            ;[length, block] = pieces.next().value
          }
          const from = position + done - begin
          const count = Math.min(length - from, bytes.length - done)
          if (block && block.compare(bytes, done, done + count, from, from + count) !== 0) throw new Error(`huge${file} is wrong at ${position + done}`)
          if (!block && bytes.subarray(done, done + count).some((byte) => byte !== 0)) throw new Error(`huge${file} is wrong at ${position + done}`)
          done += count
        }
      }
      let last = 0
      for await (const { position, bytes } of opened.dataOf(entry)) {
        // What is left out must be zeros.
        checkHole(last, position)
        check(position, bytes)
        last = position + bytes.length
        data += bytes.length
      }
      checkHole(last, entry.size)
      if (entry.size !== total / FILE_PARTS) throw new Error(`huge${file} has ${entry.size} bytes`)

      function checkHole(from, to) {
        while (from < to) {
          while (from >= begin + length) {
            begin += length
            ;[length, block] = pieces.next().value
          }
          if (block) throw new Error(`huge${file} lacks data at ${from}`)
          from = Math.min(to, begin + length)
        }
      }
    }
  } finally {
    await opened.close()
  }
  return { dataBytes: data }
}

// Structures that grow.

/** Bytes that stay allocated for what `make` returns, for each of `count`. */
async function bytesEach(count, make) {
  const allocated = async () => {
    // Buffers are let go some time after they were found to be garbage.
    for (let i = 0; i < 3; i++) {
      globalThis.gc()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const before = await allocated()
  const made = await make(count)
  const each = (made.bytes ?? (await allocated()) - before) / count
  made.close?.()
  return Math.round(each * 10) / 10
}

async function structures() {
  const idOf = (i) => hash(Buffer.from(`${i}`))
  const wordsOf = (from, count) => {
    const words = new Uint32Array(count * 8)
    const bytes = new Uint8Array(words.buffer)
    for (let i = 0; i < count; i++) bytes.set(idOf(from + i), i * 32)
    return words
  }
  const directory = fs.mkdtempSync(path.join(values.dir, 'warp-names-'))
  try {
    return {
      'chunk in the index, in memory': await bytesEach(700_000, (count) => {
        const index = new ChunkIndex(64 * MIB)
        const words = wordsOf(0, count)
        for (let i = 0; i < count; i++) index.set(words, i * 8, i, 0)
        return index
      }),
      'chunk in the index, spilled': await bytesEach(4_000_000, async (count) => {
        const index = new SpillingIndex({ maxBytes: 92 * MIB, tempDir: values.dir, onDegraded: (reason) => { throw new Error(reason) } })
        for (let from = 0; from < count; from += 500) {
          const words = wordsOf(from, 500)
          await index.prepare(words)
          for (let i = 0; i < 500; i++) index.table.set(words, i * 8, from + i, 0)
        }
        return { bytes: index.runBytes, close: () => index.close() }
      }),
      'object with several names, recent': await bytesEach(50_000, (count) => {
        const index = new InodeIndex({ tempDir: values.dir })
        for (let i = 0; i < count; i++) index.set(`66305:${1_000_000_000 + i}`, i)
        return index
      }),
      'frame, in verification and forward reading': await bytesEach(1_000_000, (count) => {
        const frames = new FrameTable()
        for (let i = 0; i < count; i++) frames.add(i * 4 * MIB, 4 * MIB)
        return frames
      }),
      'page, in extraction': await bytesEach(1_000_000, (count) => {
        const pages = new EntryPaths(null, null)
        for (let i = 0; i < count; i++) pages.add(i * 8192, i * MIB)
        return pages
      }),
      'page, in the tree as it is written': await bytesEach(1_000_000, (count) => {
        const tree = new TreeBuilder()
        const child = (offset) => ({ digest: none, firstPath: none, firstOffset: 0, entries: 1, offset, locationDigest: none })
        for (let i = 0; i < count; i++) for (let node = tree.add(0, child(i)); node; node = tree.add(node.level, child(i)));
        return tree
      }),
      'name in the directory that is being walked': await bytesEach(100_000, (count) => {
        for (let i = 0; i < count; i++) fs.closeSync(fs.openSync(path.join(directory, `a name of thirty bytes ${String(i).padStart(7, '0')}`), 'w'))
        const walk = new Walk({ exclude: [], oneFileSystem: false, followSymlinks: false, skip: new Set(), report: () => {} })
          .of([{ path: '', source: directory, stream: null }])
        walk.next()
        walk.next()
        return { walk }
      }),
    }
  } finally {
    fs.rmSync(directory, { recursive: true })
  }
}

const report = { what, amount, memory }
try {
  if (what === 'files') {
    report.create = await timed(() => write(tinyFiles(Number(amount)), 64 * KIB))
    report.createPeakMib = peakMib()
    report.list = await timed(listed)
    if (report.list.entries !== Number(amount)) throw new Error('entries are missing')
  } else if (what === 'bytes') {
    const total = parseSize(amount, 'SIZE')
    report.create = await timed(() => write(hugeFiles(total), values.average ? parseSize(values.average, '--average') : averageFor(total)))
    report.createPeakMib = peakMib()
    report.verify = await timed(async () => {
      const { damage, logicalBytes } = await verify(archive, { memory })
      if (damage.length > 0 || logicalBytes !== total) throw new Error('the archive is not what it should be')
    })
    report.read = await timed(() => checked(total))
  } else if (what === 'structures') {
    report.bytesEach = await structures()
  } else throw new Error('say files COUNT, bytes SIZE or structures')
  report.peakMib = peakMib()
  console.log(JSON.stringify(report))
} finally {
  fs.rmSync(path.dirname(archive), { recursive: true })
}
