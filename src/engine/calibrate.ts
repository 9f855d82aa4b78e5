/** Measures each stage on the GPU, and on this thread of the CPU, with the same bytes. */
import { BLOCK_HEADER_BYTES, ID_BYTES, KIB, MIB, TAG_BYTES } from '../base/limits.ts'
import { nonceOf, sealInto } from '../codec/aead.ts'
import { hashChunks } from '../codec/blake3.ts'
import { TABLE, findCandidates } from '../codec/buzhash.ts'
import * as lz4 from '../codec/lz4.ts'
import type { Device } from '../gpu/device.ts'
import { compileKernels, type SealPlan } from '../gpu/kernels.ts'
import { Slot } from '../gpu/slot.ts'
import type { Rates } from './rates.ts'

/** A batch as in real use; less where it would take seconds, since there the answer is clear anyway. */
const BATCH_BYTES = 32 * MIB
const SOFTWARE_BATCH_BYTES = 2 * MIB
const CPU_BYTES = 4 * MIB
const FRAME_BYTES = 8 * MIB
const CHUNK_BYTES = 64 * KIB
const AVERAGE = 64 * KIB
const ROUNDS = 2
/** Others may be at work meanwhile. */
const CPU_ROUNDS = 6

/** @returns rates of the better of two rounds, each stage by itself */
export async function calibrate(device: Device): Promise<Rates> {
  const size = device.facts.isSoftware ? SOFTWARE_BATCH_BYTES : BATCH_BYTES
  const bytes = halfText(size)
  const seal: SealPlan = { encoder: 'lz4', estimates: false, isEncrypted: true }
  const kernels = await compileKernels(device, TABLE, seal)
  const slot = await Slot.create(device, kernels, { batchBytes: size, maxRegions: 1, maxChunks: size / CHUNK_BYTES, maxFrames: 8, seal })
  try {
    const gpu = await measureGpu(slot, bytes)
    return { cpuThread: measureCpu(bytes.subarray(0, Math.min(CPU_BYTES, size))), gpu }
  } finally {
    slot.destroy()
  }
}

/** Text and noise by turns, a few KiB each. */
function halfText(size: number): Uint8Array {
  const words = new Uint32Array(size / 4)
  for (let i = 0, state = 1; i < words.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    words[i] = (i >>> 10) % 2 === 0 ? state : 0x2065_6874 + ((state >>> 28) << 8)
  }
  return new Uint8Array(words.buffer)
}

function pairs(size: number): Uint32Array {
  return Uint32Array.from({ length: 2 * (size / CHUNK_BYTES) }, (_, i) => (i % 2 === 0 ? (i / 2) * CHUNK_BYTES : CHUNK_BYTES))
}

async function measureGpu(slot: Slot, bytes: Uint8Array): Promise<Rates['gpu']> {
  const chunks = pairs(bytes.length)
  const region = { offset: 0, fileOffset: 0, length: bytes.length, warmup: 0 as const, isEnd: true }
  const key = new Uint8Array(32)
  const rates = { upload: 0, cut: 0, hash: 0, compress: 0, seal: 0 }
  for (let round = 0; round < ROUNDS; round++) {
    const stage = async <T>(name: keyof typeof rates, step: () => Promise<T>): Promise<T> => {
      const started = performance.now()
      const result = await step()
      rates[name] = Math.max(rates[name], bytes.length / (performance.now() - started) / 1e6)
      return result
    }
    await slot.input()
    await stage('upload', async () => {
      ;(await slot.input()).set(bytes)
      slot.load(bytes.length)
      await slot.input()
    })
    await stage('cut', () => slot.scan([region], AVERAGE, null))
    await stage('hash', () => slot.hash(chunks, null, null))
    const { frames, lengths } = await stage('compress', async () => {
      const frames = slot.gather(framesOf(bytes.length))
      return { frames, lengths: await slot.encode(frames, frames.map(() => false)) }
    })
    const blocks = frames.map(({ plainLength }, i) => ({ header: new Uint8Array(BLOCK_HEADER_BYTES), length: lengths[i] || plainLength, nonce: nonceOf(i) }))
    await stage('seal', () => slot.seal(frames, blocks, key, () => {}))
  }
  return rates
}

function framesOf(size: number): { pieces: Uint32Array; plainLength: number }[] {
  const frames: { pieces: Uint32Array; plainLength: number }[] = []
  for (let at = 0; at < size; at += FRAME_BYTES) {
    const plainLength = Math.min(FRAME_BYTES, size - at)
    frames.push({ pieces: Uint32Array.of(at, plainLength), plainLength })
  }
  return frames
}

function measureCpu(bytes: Uint8Array): Rates['cpuThread'] {
  const found = new Uint32Array(bytes.length)
  const chunks = pairs(bytes.length)
  const ids = new Uint8Array((chunks.length / 2) * ID_BYTES)
  const out = new Uint8Array(bytes.length + MIB)
  const [key, header, tag] = [new Uint8Array(32), new Uint8Array(BLOCK_HEADER_BYTES), new Uint8Array(TAG_BYTES)]
  const rate = (step: () => void): number => {
    let best = 0
    for (let round = 0; round < CPU_ROUNDS; round++) {
      const started = performance.now()
      step()
      best = Math.max(best, bytes.length / (performance.now() - started) / 1e6)
    }
    return best
  }
  return {
    cut: rate(() => findCandidates(bytes, 0, bytes.length + 1, AVERAGE, found)),
    hash: rate(() => hashChunks(bytes, chunks, null, ids)),
    compress: rate(() => lz4.encodeInto(bytes, out)),
    seal: rate(() => sealInto(key, nonceOf(0), header, bytes, out.subarray(0, bytes.length), tag)),
  }
}
