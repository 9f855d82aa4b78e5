/** Archives made on the GPU: the same root as on the CPU, whatever goes wrong there. */
import t from 'tap'
import type { Test } from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { BLOCK_HEADER_BYTES } from '../../src/base/limits.ts'
import { hash } from '../../src/codec/blake3.ts'
import { readBlockHeader } from '../../src/format/block.ts'
import { readHeaderSize } from '../../src/format/header.ts'
import { create, extract, verify, type CreateOptions } from '../../src/index.ts'
import { whyNoGpu } from '../support/gpu.ts'
import { CHEAP, archiveOf, hex } from './support/archives.ts'
import { KIB, MIB, lookAtAll, makeDirectory, noise, plant, type Plan } from './support/trees.ts'

const skip = (await whyNoGpu()) ?? false

/** Small files, empty ones, one larger than a batch, one with holes, one of zeros, one twice. */
function plantAll(t: Test): string {
  const directory = makeDirectory(t)
  const text = Buffer.from('it was the best of times, it was the worst of times; '.repeat(40_000))
  const mixed = Buffer.concat([noise(1, 3 * MIB), text, noise(2, 5 * MIB + 17)])
  const sparse = Buffer.concat([noise(3, 300 * KIB), Buffer.alloc(2 * MIB), text.subarray(0, 100_001), Buffer.alloc(70 * KIB)])
  plant(directory, {
    a: { empty: '', one: '1', small: noise(4, 4096), text: text.subarray(0, 777_777), again: text.subarray(0, 777_777) },
    // 35 MiB: over two batches; 9 MiB: more than what is read whole.
    large: Buffer.concat([mixed, noise(5, 25 * MIB)]), mixed: mixed.subarray(0, 9 * MIB + 3),
    sparse, zeros: Buffer.alloc(9 * MIB), uniform: Buffer.alloc(9 * MIB, 0x61),
  })
  return directory
}

/** Of each block of the archive: its ordinal. */
function ordinalsOf(archive: string): number[] {
  const bytes = fs.readFileSync(archive)
  const ordinals: number[] = []
  for (let at = readHeaderSize(bytes); at < bytes.length;) {
    const { ordinal, storedLength } = readBlockHeader(bytes.subarray(at, at + BLOCK_HEADER_BYTES), hash)
    ordinals.push(ordinal)
    at += BLOCK_HEADER_BYTES + storedLength + 16
  }
  return ordinals
}

/** Little, since a software rasteriser takes a tenth of a second to compress 64 KiB: text, a program, noise. */
function plantLittle(t: Test): string {
  const program = fs.readFileSync(process.execPath).subarray(0, 200_000)
  return plant(makeDirectory(t), {
    'a.txt': 'it was the best of times, it was the worst of times; '.repeat(3_000), 'b.txt': '', program, noise: noise(6, 150_001),
  })
}

const CASES = [
  { compress: 'none', passphrase: undefined, plant: plantAll, batches: 3 },
  { compress: 'lz4', passphrase: 'secret', plant: plantLittle, batches: 1 },
  { compress: 'auto', passphrase: undefined, plant: plantLittle, batches: 1 },
] as const

for (const { compress, passphrase, plant, batches } of CASES) {
  t.test(`the same root as the CPU has, and the same content: ${compress}`, { skip }, async t => {
    const directory = plant(t)
    const options = { compress, passphrase, passphraseCost: CHEAP, archiveKey: new Uint8Array(32).fill(7) } satisfies Partial<CreateOptions>
    const cpu = await archiveOf(directory, `${directory}.cpu`, { ...options, engine: 'cpu' })
    const gpu = await archiveOf(directory, `${directory}.gpu`, { ...options, engine: 'gpu' })
    t.equal(hex(gpu.result.root), hex(cpu.result.root))
    t.same(gpu.problems, [])
    t.match(gpu.result.gpu, { adapter: String, replayed: 0 })
    t.ok(gpu.result.gpu!.batches >= batches)
    t.equal(cpu.result.gpu, null)
    if (compress !== 'none') t.ok(gpu.result.archiveBytes < 0.7 * gpu.result.logicalBytes, 'it is compressed')
    t.same((await verify(`${directory}.gpu`, { passphrase })).damage, [])
    const target = makeDirectory(t)
    await extract(`${directory}.gpu`, { target, passphrase })
    t.same(lookAtAll(target), lookAtAll(directory))
  })
}

t.test('a reproducible archive is the same, byte for byte', { skip }, async t => {
  const directory = plantSmall(t)
  const bytes = async (engine: 'cpu' | 'gpu'): Promise<Buffer> => {
    await archiveOf(directory, `${directory}.${engine}`, { compress: 'lz4', engine, reproducible: true })
    return fs.readFileSync(`${directory}.${engine}`)
  }
  t.ok((await bytes('gpu')).equals(await bytes('cpu')))
})

t.test('with a level, zstd is that of the CPU', { skip }, async t => {
  const directory = plantSmall(t)
  const size = async (engine: 'cpu' | 'gpu'): Promise<number> =>
    (await archiveOf(directory, `${directory}.${engine}`, { compress: 'zstd', level: 5, engine })).result.archiveBytes
  t.equal(await size('gpu'), await size('cpu'))
})

t.test('a stream', { skip }, async t => {
  const directory = makeDirectory(t)
  const content = Buffer.concat([noise(8, 31 * MIB + 5), Buffer.alloc(2 * MIB), noise(9, MIB)])
  for (const engine of ['cpu', 'gpu'] as const) {
    const stream = Readable.from((function* () {
      for (let at = 0; at < content.length; at += 65_537) yield content.subarray(at, at + 65_537)
    })())
    const output = path.join(directory, engine)
    await create({ inputs: [{ stream, name: 'piped' }], output, compress: 'none', engine })
    const target = path.join(directory, `${engine}.d`)
    await extract(output, { target })
    t.ok(fs.readFileSync(path.join(target, 'piped')).equals(content), engine)
  }
})

/** Files that are read whole, by the threads of the pool, or here by none: they lie in a slab. */
function plantSmall(t: Test): string {
  return plant(makeDirectory(t), { one: '1', noise: noise(4, 300_000), text: 'abcdefgh'.repeat(10_000) })
}

/** A file that goes from its descriptor straight to the device. */
function plantLarge(t: Test): string {
  return plant(makeDirectory(t), { large: Buffer.concat([noise(5, 9 * MIB), Buffer.from('text '.repeat(100_000))]) })
}

const FAULTY = new URL('../engine/fixtures/faulty-gpu.ts', import.meta.url)

const IS_LONG = process.env['WARP_LONG'] === '1'
const STAGES = ['load', 'hash', 'seal']
/** Every fault at every stage; else each at one that is drawn: what fails names it. */
const seed = Math.floor(Math.random() * 81)
const FAULTS = ['lost', 'memory', 'hang', 'wrong'].flatMap((fault, i) => {
  const chosen = STAGES[Math.floor(seed / 3 ** i) % 3]!
  return (IS_LONG ? STAGES : [chosen]).map(at => ({ fault, at }))
})
const LARGE_FAULTS = [{ fault: 'thrown', at: 'load' }, { fault: 'lost', at: 'hash' }, { fault: 'hang', at: 'seal' }, { fault: 'wrong', at: 'seal' }]

const FAILURES = [
  { what: 'small files', plant: plantSmall, faults: FAULTS },
  // What differs is what is read again.
  { what: 'a large file', plant: plantLarge, faults: IS_LONG ? LARGE_FAULTS : [LARGE_FAULTS[seed % 4]!] },
]

for (const { what, plant, faults } of FAILURES) {
  t.test(`when the GPU fails: ${what}`, { skip }, async t => {
    const directory = plant(t)
    // Neither compressed nor encrypted: a software rasteriser takes seconds to compile each kernel.
    const options = { compress: 'none', threads: 1 } as const
    const { result: { root } } = await archiveOf(directory, `${directory}.cpu`, { ...options, engine: 'cpu' })
    for (const { fault, at } of faults) {
      process.env['FAULTY_GPU'] = `${fault} ${at}`
      const name = process.env['FAULTY_GPU']
      // A hang is waited for; all else is told of.
      const gpuClient = { entry: FAULTY, watchdogMs: fault === 'hang' ? 1_000 : 600_000 }
      const { result, problems } = await archiveOf(directory, `${directory}.gpu`, { ...options, engine: 'gpu', gpuClient, gpuMemory: 256 * MIB })
      t.equal(hex(result.root), hex(root), name)
      t.equal(problems.length, 1, `${name}: one warning`)
      t.match(problems[0], { kind: 'note', message: /^the GPU is given up, and the CPU goes on: / }, name)
      t.equal(result.problems, 0, name)
      t.equal(result.gpu!.replayed, 1, name)
      t.same((await verify(`${directory}.gpu`)).damage, [], name)
      // Were it encrypted, a nonce would be an ordinal (§5.3).
      const ordinals = ordinalsOf(`${directory}.gpu`)
      t.equal(new Set(ordinals).size, ordinals.length, `${name}: no nonce is used twice`)
    }
  })
}

t.test('a file that changes before the GPU fails', { skip }, async t => {
  const directory = plantLarge(t)
  process.env['FAULTY_GPU'] = 'changed seal'
  process.env['FAULTY_GPU_FILE'] = path.join(directory, 'large')
  // Its ids were given out already: what is there now must not be stored under them.
  await t.rejects(archiveOf(directory, `${directory}.gpu`, { compress: 'none', threads: 1, engine: 'gpu', gpuClient: { entry: FAULTY }, gpuMemory: 256 * MIB }), {
    code: 'ERR_WARP_GPU_FAILED', exitCode: 14, hint: /begin anew/,
  })
  t.notOk(fs.existsSync(`${directory}.gpu`))
})

t.test('with a base: chunks that are unpacked belong to no file that is read', { skip }, async t => {
  const directory = makeDirectory(t)
  // Frames of which little goes on being used are unpacked: seven of ten files go.
  plant(directory, { a: Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`f${i}`, noise(20 + i, 50_000)])) })
  await archiveOf(directory, `${directory}.base`, { compress: 'none', chunkSize: 64 * KIB })
  for (let i = 0; i < 7; i++) fs.rmSync(path.join(directory, 'a', `f${i}`))
  // Nothing else; then a file over two batches. One place on the device is enough.
  for (const more of [{}, { z: noise(40, 36 * MIB) }] as Plan[]) {
    plant(directory, more)
    const options = { compress: 'none', base: `${directory}.base`, threads: 1 } as const
    const cpu = await archiveOf(directory, `${directory}.cpu`, { ...options, engine: 'cpu' })
    const gpu = await archiveOf(directory, `${directory}.gpu`, { ...options, engine: 'gpu', gpuMemory: 200 * MIB })
    t.equal(hex(gpu.result.root), hex(cpu.result.root))
    t.same(gpu.problems, [])
    t.match(gpu.result.gpu, { batches: 'z' in more ? 2 : 1, replayed: 0 })
    t.same((await verify(`${directory}.gpu`)).damage, [])
  }
})

t.test('an interrupted job says nothing of the GPU', { skip }, async t => {
  const directory = plantLarge(t)
  process.env['FAULTY_GPU'] = 'hang hash'
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 6_000)
  const problems: unknown[] = []
  await t.rejects(archiveOf(directory, `${directory}.gpu`, {
    compress: 'none', threads: 1, engine: 'gpu', gpuClient: { entry: FAULTY }, gpuMemory: 256 * MIB, signal: controller.signal, onProblem: problem => problems.push(problem),
  }), { code: 'ERR_WARP_INTERRUPTED' })
  t.same(problems, [])
})

t.test('a GPU that is demanded and cannot be had', { skip }, async t => {
  const directory = plant(makeDirectory(t), { a: 'content' })
  process.env['FAULTY_GPU'] = 'memory open'
  await t.rejects(archiveOf(directory, `${directory}.warp`, { engine: 'gpu', gpuClient: { entry: FAULTY } }), {
    code: 'ERR_WARP_GPU_FAILED', exitCode: 14, hint: /--engine cpu/,
  })
  t.notOk(fs.existsSync(`${directory}.warp`))
  await t.rejects(archiveOf(directory, `${directory}.warp`, { engine: 'gpu', gpuMemory: 160 * MIB, compress: 'zstd' }), { code: 'ERR_WARP_GPU_UNAVAILABLE' })
  await t.rejects(archiveOf(directory, `${directory}.warp`, { engine: 'gpu', gpuMemory: 1 }), { code: 'ERR_WARP_USAGE' })
})
