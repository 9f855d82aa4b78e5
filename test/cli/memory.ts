/** Peak resident memory of the built program against its budget, on inputs far larger than it. */
import t from 'tap'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { whyNoGpu } from '../support/gpu.ts'
import { PROGRAM } from './support/run.ts'

const MIB = 1024 * 1024
const IS_LONG = process.env.WARP_LONG === '1'

/** Default of --memory, and what may come on top. */
const BUDGET_BYTES = 512 * MIB * 1.25

/** Runs warp without the tests' loaders; @returns exit status and the peak of resident bytes */
function peakOf(args: string[], stdin?: string): Promise<{ status: number | null; peak: number }> {
  return new Promise((resolve, reject) => {
    const input = stdin === undefined ? 'ignore' : fs.openSync(stdin, 'r')
    const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: [input, 'ignore', 'inherit'] })
    let peak = 0
    const watch = setInterval(() => {
      try {
        const status = fs.readFileSync(`/proc/${child.pid}/status`, 'utf8')
        peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024)
      } catch {
        // It has ended.
      }
    }, 20)
    child.on('error', reject)
    child.on('close', (status) => {
      clearInterval(watch)
      if (typeof input === 'number') fs.closeSync(input)
      resolve({ status, peak })
    })
  })
}

/** A file of `size` bytes: runs of random bytes between runs that were never written. */
function makeImage(file: string, size: number): void {
  const fd = fs.openSync(file, 'w')
  fs.ftruncateSync(fd, size)
  // 4 KiB to 48 MiB: below and above a chunk, a hole, a batch.
  const lengths = [4096, 65_536, MIB, 8 * MIB, 48 * MIB]
  const block = randomBytes(MIB)
  let position = 0
  for (let i = 0; position < size; i++) {
    const length = Math.min(lengths[(i * 7) % 5]!, size - position)
    if (i % 4 === 0) {
      for (let done = 0; done < length; done += MIB) {
        // Other bytes each time, without asking the system for gigabytes of them.
        block.writeBigUInt64LE(BigInt(position + done), 0)
        for (let at = 0; at + 4096 <= MIB; at += 4096) block.writeUInt32LE((i * 2654435761 + done + at) >>> 0, at + 8)
        fs.writeSync(fd, block, 0, Math.min(MIB, length - done), position + done)
      }
    }
    position += length
  }
  fs.closeSync(fd)
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha1')
  for await (const bytes of fs.createReadStream(file, { highWaterMark: 4 * MIB })) hash.update(bytes as Buffer)
  return hash.digest('hex')
}

const skip = process.platform === 'linux' ? false : 'reads /proc'

t.test('a large image of holes and random bytes', { skip }, async (t) => {
  const directory = t.testdir()
  const at = (name: string) => path.join(directory, name)
  // 20 GiB is what is promised; 1 GiB is twice the budget.
  makeImage(at('image'), (IS_LONG ? 20 : 1) * 1024 * MIB)
  const jobs: [string, string[], string?][] = [
    ['create', ['create', '-q', '-o', at('image.warp'), at('image')]],
    ['create from standard input', ['create', '-q', '-o', at('stdin.warp'), '-'], at('image')],
    ['verify', ['verify', '-q', at('image.warp')]],
    ['extract', ['extract', '-q', at('image.warp'), '-C', at('out')]],
  ]
  for (const [name, args, stdin] of jobs) {
    const { status, peak } = await peakOf(args, stdin)
    t.equal(status, 0, name)
    t.ok(peak <= BUDGET_BYTES, `${name}: ${(peak / MIB).toFixed(0)} MiB`)
    t.comment(`${name}: ${(peak / MIB).toFixed(0)} MiB`)
  }
  t.equal(await digestOf(path.join(at('out'), at('image'))), await digestOf(at('image')))
})

t.test('a tree of tiny files', { skip }, async (t) => {
  const directory = t.testdir()
  const at = (name: string) => path.join(directory, name)
  // 200,000 files are what is promised; 20,000 are several batches.
  const [directories, files] = IS_LONG ? [400, 500] : [40, 500]
  for (let d = 0; d < directories; d++) {
    fs.mkdirSync(path.join(at('tiny'), `d${d}`), { recursive: true })
    for (let f = 0; f < files; f++) fs.writeFileSync(path.join(at('tiny'), `d${d}`, `f${f}`), `${d} ${f} `.repeat(20 + ((d * f) % 400)))
  }
  for (const args of [
    ['create', '-q', '-o', at('tiny.warp'), at('tiny')],
    ['verify', '-q', at('tiny.warp')],
    ['extract', '-q', at('tiny.warp'), '-C', at('out')],
  ]) {
    const { status, peak } = await peakOf(args)
    t.equal(status, 0, args[0])
    t.ok(peak <= BUDGET_BYTES, `${args[0]}: ${(peak / MIB).toFixed(0)} MiB`)
    t.comment(`${args[0]}: ${(peak / MIB).toFixed(0)} MiB`)
  }
})

const noGpu = await whyNoGpu()

t.test('the GPU engine', { skip: skip || (noGpu ?? (!IS_LONG && 'takes minutes on a software rasteriser: WARP_LONG=1')) }, async (t) => {
  const directory = t.testdir()
  const at = (name: string) => path.join(directory, name)
  // Of a software rasteriser the device's memory is the process's too: 384 + 256 MiB are what may be used.
  const size = 4096 * MIB
  const content = randomBytes(MIB)
  const fd = fs.openSync(at('input'), 'w')
  for (let i = 0; i < size / MIB; i++) {
    for (let place = 0; place < MIB; place += 4096) content.writeUInt32LE(i + 1, place)
    fs.writeSync(fd, content)
  }
  fs.closeSync(fd)
  const args = ['create', '-q', '--engine', 'gpu', '--compress', 'none', '--memory', '384M', '--gpu-memory', '256M', '-o', at('x.warp')]
  for (const [name, input, stdin] of [['a file', at('input')], ['standard input', '-', at('input')]] as const) {
    const { status, peak } = await peakOf([...args, input], stdin)
    t.equal(status, 0, name)
    t.ok(peak <= (384 + 256) * MIB * 1.25, `${name}: ${(peak / MIB).toFixed(0)} MiB`)
    t.comment(`${name}: ${(peak / MIB).toFixed(0)} MiB`)
  }
  t.equal((await peakOf(['verify', '-q', at('x.warp')])).status, 0)
})
