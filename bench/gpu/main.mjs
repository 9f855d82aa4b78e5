/**
 * `npm run bench:gpu`: every kernel alone, the device's roofs beside it, the same on all CPU cores, and whole
 * archives from file to file on either engine. Names adapter, driver and date; --markdown writes bench/GPU.md.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { MIB } from '../../dist/base/limits.js'
import { Device } from '../../dist/gpu/device.js'
import { WARP } from '../support/programs.mjs'
import { markdownTable, plainTable } from '../support/statistics.mjs'
import { noise } from '../support/synthetic.mjs'
import { throughput } from '../support/throughput.mjs'
import { STAGES } from '../micro/stages.mjs'
import { NEEDS, measureKernels, measureRoofs } from './kernels.mjs'

const HELP = `npm run bench:gpu -- [--quick] [--markdown] [--dir DIR]
  --quick     small batches and files, one round
  --markdown  writes bench/GPU.md
  --dir DIR   where files and archives are written; default: ${tmpdir()}`

const { values: { quick, markdown, dir, help } } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false }, markdown: { type: 'boolean', default: false },
    dir: { type: 'string', default: tmpdir() }, help: { type: 'boolean', default: false },
  },
})
if (help) {
  console.log(HELP)
  process.exit()
}

/** Bytes of a kind, over and over until there are enough. */
const repeat = (sample) => (size) => {
  const bytes = new Uint8Array(size)
  for (let at = 0; at < size; at += sample.length) bytes.set(sample.subarray(0, Math.min(sample.length, size - at)), at)
  return bytes
}
/** Source texts of the packages that are installed, as much as a batch holds. */
function readTexts(most) {
  const folder = path.join(import.meta.dirname, '../../node_modules')
  const parts = []
  let bytes = 0
  for (const file of readdirSync(folder, { recursive: true }).sort()) {
    if (!/\.(js|mjs|ts|md|json)$/.test(file) || bytes >= most) continue
    try {
      const part = readFileSync(path.join(folder, file))
      parts.push(part)
      bytes += part.length
    } catch {
      // A directory of such a name.
    }
  }
  return Buffer.concat(parts)
}

const text = readTexts(64 * MIB)
const random = noise(64 * MIB, 1)
const KINDS = {
  text: repeat(text), binary: repeat(readFileSync(process.execPath).subarray(0, 64 * MIB)), random: repeat(random), zeros: (size) => new Uint8Array(size),
}

const device = await Device.open({ exactTimestamps: true })
const { facts } = device
const rounds = quick ? 1 : 5
const isSlow = facts.isSoftware || quick
const sizes = isSlow ? [2 * MIB, 8 * MIB] : [8 * MIB, 32 * MIB, 128 * MIB]
const name = `${facts.description} (${[facts.device, facts.vendor, facts.architecture].filter(Boolean).join(', ')})`
const lines = [
  `Adapter: ${name}${facts.isSoftware ? ', a software rasteriser: these rates say nothing of a GPU' : ''}. `
  + `Processor: ${cpus()[0].model.trim()}, ${availableParallelism()} threads. Node ${process.version}. ${new Date().toISOString().slice(0, 10)}.`,
]
const table = markdown ? markdownTable : plainTable

const roofs = await measureRoofs(device, rounds)
const roofOf = (kernel) => {
  const needs = NEEDS[kernel]
  return needs ? Math.min(roofs.operations / needs.operations, roofs.memory / needs.memory).toFixed(1) : ''
}
lines.push('Roofs of the device', table(['', 'measured'], [
  ['32-bit integer operations (add, xor, rotate)', `${roofs.operations.toFixed(0)} Gop/s`],
  ['memory, bytes read and written by a copy', `${roofs.memory.toFixed(1)} GB/s`],
  ['upload: mapped buffer to device buffer', `${roofs.upload.toFixed(1)} GB/s`],
  ['readback: device buffer to mapped buffer', `${roofs.readback.toFixed(1)} GB/s`],
]))

const cpuOf = {
  buzhash: /^Buzhash/, zeros: /^zero/, blake3: /^BLAKE3/, entropy: /^entropy/, lz4: /^LZ4/, zstd: /^zstd/,
  'chacha20poly1305 seal': /seal$/, 'chacha20poly1305 open': /open$/,
}
const cpuRates = new Map()
const sample = Buffer.from(new SharedArrayBuffer(16 * MIB))
KINDS.text(16 * MIB).forEach((byte, i) => { sample[i] = byte })
for (const [kernel, pattern] of Object.entries(cpuOf)) {
  const stage = STAGES.find((each) => pattern.test(each.name))
  if (stage) cpuRates.set(kernel, (throughput({ bytes: sample.length, run: stage.open(sample, 'native') }, quick ? 0.1 : 0.5) * availableParallelism()) / 1e9)
}
const rows = await measureKernels(device, KINDS, sizes, rounds)
device.destroy()
const kernels = [...new Set(rows.map(({ kernel }) => kernel))]
for (const size of sizes) {
  lines.push(`Kernels alone, GB/s of input by the device's clock, batches of ${size / MIB} MiB`, table(
    ['kernel', ...Object.keys(KINDS), 'roof', ...(size === sizes.at(-1) ? [`CPU, ${availableParallelism()} × one core, text`] : [])],
    kernels.map((kernel) => [
      kernel,
      ...Object.keys(KINDS).map((kind) => rows.find((row) => row.kernel === kernel && row.kind === kind && row.size === size).rate.toFixed(facts.isSoftware ? 4 : 2)),
      roofOf(kernel),
      ...(size === sizes.at(-1) ? [cpuRates.has(kernel) ? cpuRates.get(kernel).toFixed(2) : ''] : []),
    ]),
  ))
}

const folder = path.join(dir, `warp-bench-gpu-${process.pid}`)
mkdirSync(folder)
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const fileBytes = (facts.isSoftware ? 8 : quick ? 512 : 4096) * MIB
const keyFile = path.join(folder, 'key')
writeFileSync(keyFile, 'a passphrase for a benchmark\n')
const ends = []
for (const [kind, make] of Object.entries(KINDS)) {
  const file = path.join(folder, 'input')
  const part = make(Math.min(64 * MIB, fileBytes))
  for (let done = 0; done < fileBytes; done += part.length) {
    // No two parts are alike, or all but one would be duplicates.
    if (kind !== 'zeros') for (let at = 0; at < part.length; at += 4096) new DataView(part.buffer, part.byteOffset).setUint32(at, done / MIB + at + 1)
    writeFileSync(file, part, { flag: 'a' })
  }
  readFileSync(file)
  const row = [kind]
  for (const compress of ['none', 'lz4', 'auto']) {
    for (const engine of ['gpu', 'cpu']) {
      const archive = path.join(folder, 'archive')
      let best = 0
      for (let round = 0; round < Math.min(rounds, 3); round++) {
        const made = spawnSync(process.execPath, [WARP, 'create', '--json', '--engine', engine, '--compress', compress, '--passphrase-file', keyFile, '-o', archive, file], { encoding: 'utf8' })
        if (made.status !== 0) throw new Error(made.stderr)
        const { durationMs, gpu } = JSON.parse(made.stdout)
        if ((engine === 'gpu') !== (gpu !== null) || gpu?.replayed > 0) throw new Error(`not made on the ${engine}: ${made.stderr}`)
        best = Math.max(best, fileBytes / durationMs / 1e6)
      }
      row.push(`${best.toFixed(facts.isSoftware ? 4 : 2)} (${(statSync(archive).size / 1e6).toFixed(0)} MB)`)
    }
  }
  ends.push(row)
  rmSync(file)
}
lines.push('Roof: the smaller of operations and memory over what a byte of input needs of each (bench/gpu/kernels.mjs); matching has none that simple.')
lines.push(
  `File to file: \`warp create\` of ${fileBytes / MIB} MiB in the page cache, encrypted, with start and sync, GB/s and size`,
  table(['data', 'none, gpu', 'none, cpu', 'lz4, gpu', 'lz4, cpu', 'auto, gpu', 'auto, cpu'], ends),
)
const report = lines.join('\n\n')
console.log(report)
if (markdown) writeFileSync(path.join(import.meta.dirname, '..', 'GPU.md'), `# Kernels and engines on a GPU\n\nWritten by \`npm run bench:gpu -- --markdown\`.\n\n${report}\n`)
