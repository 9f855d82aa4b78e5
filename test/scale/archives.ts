/**
 * Archives larger than any disk here, by a synthetic source: memory must not grow with them. Small ones in the
 * normal run; WARP_LONG=1: ten million files, and 1 TiB.
 */
import t from 'tap'
import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { makeDirectory } from '../archive/support/trees.ts'
import { ROOT } from '../cli/support/run.ts'

const IS_LONG = process.env.WARP_LONG === '1'
const SCRIPT = resolve(ROOT, 'bench/scale.mjs')

interface Report {
  create: { entries: number; logicalBytes: number; frameBytes: number }
  list?: { entries: number }
  read?: { dataBytes: number }
  createPeakMib: number
  peakMib: number
}

/** Runs the program of bench/SCALE.md, which checks what it reads, in a process of its own. */
function run(directory: string, ...args: string[]): Promise<Report> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SCRIPT, ...args, '--dir', directory], { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.on('data', (piece: Buffer) => (out += piece.toString()))
    child.on('error', reject)
    child.on('close', (status) => {
      if (status === 0) resolve(JSON.parse(out) as Report)
      else reject(new Error(`status ${status}`))
    })
  })
}

t.test('many tiny files', { timeout: IS_LONG ? 3_600_000 : 120_000 }, async t => {
  const count = IS_LONG ? 10_000_000 : 20_000
  const report = await run(makeDirectory(t), 'files', `${count}`)
  t.equal(report.create.entries, count)
  t.equal(report.list!.entries, count)
  // All differ: deduplication has to remember each of them.
  t.equal(report.create.frameBytes, report.create.logicalBytes)
  t.ok(report.peakMib <= 1024, `${report.peakMib} MiB`)
})

t.test('few huge files', { timeout: IS_LONG ? 3_600_000 : 120_000 }, async t => {
  const sizes = IS_LONG ? ['64G', '1T'] : ['2G']
  const peaks: number[] = []
  for (const size of sizes) {
    const { create, read, peakMib } = await run(makeDirectory(t), 'bytes', size, '--average', '1M') // that of 1 TiB
    t.equal(create.logicalBytes, size === '1T' ? 2 ** 40 : parseInt(size) * 2 ** 30)
    t.equal(read!.dataBytes, create.logicalBytes / 8, 'an eighth is data')
    t.ok(create.frameBytes < create.logicalBytes / 8, 'data is mostly repeated')
    t.ok(peakMib <= 512 * 1.25, `${peakMib} MiB`)
    peaks.push(peakMib)
  }
  t.ok(peaks.at(-1)! <= peaks[0]! + 64, `it does not grow: ${peaks.join(', ')} MiB`)
})
