/**
 * Each kernel by itself, on data that lies on the device: GB/s (10⁹ bytes of input) by the device's own clock.
 * A kernel is bound to buffers once and recorded anew for each round, as the tool does it.
 */
import { readFileSync } from 'node:fs'
import { TABLE } from '../../dist/codec/buzhash.js'
import { nonceOf } from '../../dist/codec/aead.js'
import { ID_BYTES, KIB, MIB, TAG_BYTES } from '../../dist/base/limits.js'
import { USAGE } from '../../dist/gpu/device.js'
import { ENTROPY_WORDS } from '../../dist/gpu/entropy.js'
import { compileKernels } from '../../dist/gpu/kernels.js'
import { Lz4 } from '../../dist/gpu/lz4.js'
import { Zstd } from '../../dist/gpu/zstd.js'

const AVERAGE = 64 * KIB
const FRAME_BYTES = 8 * MIB
const BULK = USAGE.storage | USAGE.copySrc | USAGE.copyDst
const KEY = new Uint8Array(32).fill(7)

/** Two timestamps around what is recorded. */
class Clock {
  constructor(device) {
    this.device = device
    this.queries = device.device.createQuerySet({ type: 'timestamp', count: 2 })
  }

  async open() {
    this.resolved = await this.device.buffer('timestamps', 16, USAGE.queryResolve | USAGE.copySrc)
    this.readback = await this.device.buffer('timestamps', 16, USAGE.mapRead | USAGE.copyDst)
    return this
  }

  /** @returns seconds between the begin and the end of the pass */
  async time(record) {
    const encoder = this.device.device.createCommandEncoder()
    const pass = encoder.beginComputePass({ timestampWrites: { querySet: this.queries, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 } })
    record(pass)
    pass.end()
    encoder.resolveQuerySet(this.queries, 0, 2, this.resolved, 0)
    encoder.copyBufferToBuffer(this.resolved, 0, this.readback, 0, 16)
    this.device.device.queue.submit([encoder.finish()])
    await this.readback.mapAsync(1)
    const [begin, end] = new BigUint64Array(this.readback.getMappedRange().slice(0))
    this.readback.unmap()
    return Number(end - begin) / 1e9
  }
}

/**
 * @param {import('../../dist/gpu/device.js').Device} device
 * @param {Record<string, (size: number) => Uint8Array>} kinds
 * @param {number[]} sizes bytes of a batch
 */
export async function measureKernels(device, kinds, sizes, rounds) {
  const clock = await new Clock(device).open()
  const { seal, ...others } = await compileKernels(device, TABLE, { encoder: 'zstd', estimates: true, isEncrypted: true })
  const kernels = { ...others, ...seal, zstd: seal.encoder, lz4: await Lz4.create(device) }
  const rows = []
  for (const size of sizes) {
    const bound = await bind(device, kernels, size)
    for (const [kind, make] of Object.entries(kinds)) {
      device.device.queue.writeBuffer(bound.bytes, 0, make(size))
      device.device.queue.writeBuffer(bound.plain, 0, make(size))
      for (const [name, record] of Object.entries(bound.record)) {
        let best = Infinity
        for (let round = 0; round < rounds; round++) best = Math.min(best, await clock.time(record))
        rows.push({ kernel: name, kind, size, rate: size / best / 1e9 })
      }
    }
    bound.destroy()
  }
  return rows
}

async function bind(device, kernels, size) {
  const frames = []
  for (let at = 0; at < size; at += FRAME_BYTES) {
    const plainLength = Math.min(FRAME_BYTES, size - at)
    frames.push({ plainOffset: at, plainLength, blockOffset: at + frames.length * 256 + 64, store: false, pieces: Uint32Array.of(at + 1, plainLength - 1) })
  }
  const chunks = Uint32Array.from({ length: 2 * (size / AVERAGE) }, (_, i) => (i % 2 === 0 ? (i / 2) * AVERAGE : AVERAGE))
  const room = size + frames.length * 512 + MIB
  const maxParts = size / (64 * KIB)
  const maxFrames = frames.length
  const make = (label, bytes) => device.buffer(label, bytes, BULK)
  const buffers = {
    bytes: await make('bytes', size), plain: await make('plain', size), target: await make('target', size + 64 * KIB),
    list: await make('list', 4 * 65_537), bitmap: await make('bitmap', size / 8 + 4), flags: await make('flags', size / 4096 + 4096),
    digests: await make('digests', (chunks.length / 2) * ID_BYTES), counts: await make('counts', maxFrames * ENTROPY_WORDS * 4),
    scratch: await make('scratch', Math.max(size, Zstd.scratchBytes(maxParts))), blocks: await make('blocks', room),
    lengths: await make('lengths', 4 * maxFrames), tags: await make('tags', maxFrames * TAG_BYTES), verdicts: await make('verdicts', 4 * maxFrames),
  }
  const { bytes, plain, target, list, bitmap, flags, digests, counts, scratch, blocks, lengths, tags, verdicts } = buffers
  const region = { offset: 0, fileOffset: 0, length: size, warmup: 0, isEnd: true }
  const buzhash = await kernels.buzhash.bind({ bytes, list, bitmap, maxRegions: 1, maxBytes: size })
  const zeros = await kernels.zeros.bind({ bytes, flags, maxRegions: 1, maxBytes: size })
  const blake3 = await kernels.blake3.bind({ bytes, digests, maxChunks: chunks.length / 2, maxBytes: size })
  const gather = await kernels.gather.bind({ source: bytes, target, maxPieces: maxFrames, maxFrames })
  const entropy = await kernels.entropy.bind({ plain, counts, maxFrames })
  const lz4 = await kernels.lz4.bind({ plain, scratch, blocks, lengths, maxParts, maxFrames })
  const zstd = await kernels.zstd.bind({ plain, scratch, blocks, lengths, maxParts, maxFrames })
  const aead = await kernels.aead.bind({ blocks, tags, verdicts, maxFrames, maxFrameBytes: FRAME_BYTES })
  const sealed = frames.map(({ plainLength, blockOffset }, i) => ({ offset: blockOffset - 64, length: plainLength, nonce: nonceOf(i) }))
  const passes = [buzhash, zeros, blake3, gather, entropy, lz4, zstd, aead]
  return {
    bytes, plain,
    record: {
      buzhash: (pass) => buzhash.encodeList(pass, [region], AVERAGE),
      zeros: (pass) => zeros.encode(pass, [region]),
      blake3: (pass) => blake3.encode(pass, chunks, KEY),
      gather: (pass) => gather.encode(pass, frames.map(({ pieces, plainOffset, plainLength }) => ({ pieces, plainOffset, plainLength: plainLength - 1 }))),
      entropy: (pass) => entropy.encode(pass, frames),
      lz4: (pass) => lz4.encode(pass, frames),
      zstd: (pass) => zstd.encode(pass, frames),
      'chacha20poly1305 seal': (pass) => aead.encodeSeal(pass, sealed, KEY),
      'chacha20poly1305 open': (pass) => aead.encodeOpen(pass, sealed, KEY),
    },
    destroy() {
      for (const pass of passes) pass.destroy()
      for (const buffer of Object.values(buffers)) buffer.destroy()
    },
  }
}

/**
 * What each kernel needs for a byte of input, counted from its algorithm: 32-bit additions, xors, rotations and multiplications,
 * and bytes of device memory read and written. BLAKE3: 7 rounds of 8 G of 14 operations for 64 bytes, parents come on top.
 * ChaCha20: 80 quarter rounds of 12 operations and 32 for 64 bytes; Poly1305 in ten limbs: 100 products and sums for 16 bytes.
 * Buzhash: a rotation, two xors, two table words, a mask and a test.
 */
export const NEEDS = {
  buzhash: { operations: 7, memory: 1 }, zeros: { operations: 0.3, memory: 1 }, blake3: { operations: (7 * 8 * 14) / 64, memory: 1 },
  gather: { operations: 1, memory: 2 },
  'chacha20poly1305 seal': { operations: (80 * 12 + 32) / 64 + 200 / 16, memory: 3 },
  'chacha20poly1305 open': { operations: (80 * 12 + 32) / 64 + 200 / 16, memory: 3 },
}

/** What the device can do: integer operations, memory, and transfers there and back. */
export async function measureRoofs(device, rounds) {
  const clock = await new Clock(device).open()
  const { device: gpu } = device
  const isSoftware = device.facts.isSoftware
  const threads = isSoftware ? 4096 : 1 << 20
  const module = gpu.createShaderModule({ code: readFileSync(new URL('int-ops.wgsl', import.meta.url), 'utf8') })
  const steps = 256
  const pipeline = await gpu.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'main', constants: { STEPS: steps } } })
  const out = await device.buffer('out', threads * 4, BULK)
  const group = device.bind(pipeline, [out])
  let seconds = Infinity
  for (let round = 0; round < rounds; round++) {
    seconds = Math.min(seconds, await clock.time((pass) => {
      pass.setPipeline(pipeline)
      pass.setBindGroup(0, group)
      pass.dispatchWorkgroups(threads / 64)
    }))
  }
  // Six vector operations of four lanes a step, a rotation as one.
  const operations = (threads * steps * 24) / seconds / 1e9
  out.destroy()
  const size = isSoftware ? 32 * MIB : 512 * MIB
  const [a, b] = [await device.buffer('a', size, BULK), await device.buffer('b', size, BULK)]
  const upload = await device.buffer('upload', size, USAGE.mapWrite | USAGE.copySrc)
  const readback = await device.buffer('readback', size, USAGE.mapRead | USAGE.copyDst)
  const copy = async (from, to) => {
    let best = Infinity
    for (let round = 0; round < rounds + 1; round++) {
      const started = performance.now()
      const encoder = gpu.createCommandEncoder()
      encoder.copyBufferToBuffer(from, 0, to, 0, size)
      gpu.queue.submit([encoder.finish()])
      await gpu.queue.onSubmittedWorkDone()
      best = Math.min(best, performance.now() - started)
    }
    return size / best / 1e6
  }
  const roofs = { operations, memory: 2 * (await copy(a, b)), upload: await copy(upload, a), readback: await copy(a, readback) }
  for (const buffer of [a, b, upload, readback]) buffer.destroy()
  return roofs
}
