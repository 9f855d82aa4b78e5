/**
 * Archives far larger than any disk of a test machine, made of what a seed gives: written, and read back and
 * checked. Prints one line of JSON: times, sizes, and the peak of resident memory of this process.
 *
 *   node bench/scale.mjs files COUNT    tiny files, all different, written and listed
 *   node bench/scale.mjs bytes SIZE     a few files of holes and repeated blocks (1G, 1T), written, verified, read
 *
 * Options: --dir DIR for the archive (default: the system's for temporary files), --memory SIZE (default 512M).
 * Needs the built program: npm run build.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { writeArchive } from '../dist/archive/create.js'
import { poolFor } from '../dist/archive/pool.js'
import { openSink } from '../dist/archive/sink.js'
import { averageFor } from '../dist/archive/survey.js'
import { parseSize } from '../dist/cli/sizes.js'
import { list, open, verify } from '../dist/index.js'

const { values, positionals: [what, amount] } = parseArgs({
  allowPositionals: true, options: { dir: { type: 'string', default: os.tmpdir() }, memory: { type: 'string', default: '512M' } },
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

const report = { what, amount, memory }
try {
  if (what === 'files') {
    report.create = await timed(() => write(tinyFiles(Number(amount)), 64 * KIB))
    report.createPeakMib = peakMib()
    report.list = await timed(listed)
    if (report.list.entries !== Number(amount)) throw new Error('entries are missing')
  } else if (what === 'bytes') {
    const total = parseSize(amount, 'SIZE')
    report.create = await timed(() => write(hugeFiles(total), averageFor(total)))
    report.createPeakMib = peakMib()
    report.verify = await timed(async () => {
      const { damage, logicalBytes } = await verify(archive, { memory })
      if (damage.length > 0 || logicalBytes !== total) throw new Error('the archive is not what it should be')
    })
    report.read = await timed(() => checked(total))
  } else throw new Error('say files COUNT or bytes SIZE')
  report.peakMib = peakMib()
  console.log(JSON.stringify(report))
} finally {
  fs.rmSync(path.dirname(archive), { recursive: true })
}
