/** The GPU worker's side: one device, a ring of slots, and the answers to each kind of request. */
import fs from 'node:fs'
import { copyShared } from '../base/copy.ts'
import { WarpError } from '../base/errors.ts'
import { HOLE_MIN_BYTES, MIB, TAG_BYTES, minChunkBytes, FRAME_TARGET_BYTES, BLOCK_HEADER_BYTES } from '../base/limits.ts'
import { nonceOf } from '../codec/aead.ts'
import { hash } from '../codec/blake3.ts'
import { TABLE } from '../codec/buzhash.ts'
import { judgeIncompressible } from '../codec/entropy.ts'
import { CODEC, KIND, writeBlockHeader } from '../format/block.ts'
import { Device } from '../gpu/device.ts'
import { ENTROPY_REPEATS } from '../gpu/entropy.ts'
import { compileKernels, type SealPlan } from '../gpu/kernels.ts'
import { slotBytes, type SlotSizes } from '../gpu/slot-buffers.ts'
import { Slot, type Region } from '../gpu/slot.ts'
import {
  REGION, REGION_FIELDS, type HashReply, type HashRequest, type LoadReply, type LoadRequest, type OpenReply, type OpenRequest,
  type SealReply, type SealRequest,
} from './gpu-messages.ts'

/** Read at once from one file: several are under way, so that more than one thread of libuv copies. */
const READ_BYTES = 4 * MIB
/** Files of a batch: as many as it may have items (src/archive/batcher.ts). */
const MAX_REGIONS = 8_192

export class GpuSession {
  readonly device: Device
  readonly #slots: Slot[]
  readonly #options: OpenRequest
  /** Reads into mapped memory that are under way; none rejects. */
  readonly #reading = new Set<Promise<unknown>>()
  #isClosing = false

  private constructor(device: Device, slots: Slot[], options: OpenRequest) {
    this.device = device
    this.#slots = slots
    this.#options = options
  }

  /** @throws {WarpError} ERR_WARP_GPU_UNAVAILABLE, ERR_WARP_GPU_FAILED */
  static async open(options: OpenRequest): Promise<GpuSession> {
    const { batchBytes, average, memoryBytes, maxSlots, encoder } = options
    const seal: SealPlan | null = encoder && { encoder, estimates: options.compression === 'auto', isEncrypted: options.sealing.sealingKey !== null }
    const sizes: SlotSizes = {
      batchBytes, maxRegions: MAX_REGIONS, maxChunks: Math.ceil(batchBytes / minChunkBytes(average)) + Math.ceil(batchBytes / HOLE_MIN_BYTES) + MAX_REGIONS,
      maxFrames: 2 * Math.ceil(batchBytes / FRAME_TARGET_BYTES) + 4, seal,
    }
    const fitting = Math.floor(memoryBytes / slotBytes(sizes))
    if (fitting < 1) {
      throw new WarpError('ERR_WARP_GPU_UNAVAILABLE', `a batch takes ${Math.ceil(slotBytes(sizes) / MIB)} MiB on the GPU`, { hint: 'give --gpu-memory more' })
    }
    const device = await Device.open()
    const slots: Slot[] = []
    try {
      const kernels = await compileKernels(device, TABLE, seal)
      while (slots.length < Math.min(fitting, maxSlots)) slots.push(await Slot.create(device, kernels, sizes))
    } catch (error) {
      // With one place less in the ring it only overlaps less.
      if (slots.length === 0) {
        device.destroy()
        options.sealing.sealingKey?.fill(0)
        options.chunkIdKey?.fill(0)
        throw error
      }
    }
    return new GpuSession(device, slots, options)
  }

  get facts(): OpenReply {
    return { facts: this.device.facts, slots: this.#slots.length }
  }

  /** @param tell while files are read, which takes as long as it takes */
  async load({ slot: number, plan, slab, usedBytes, sample: wanted }: LoadRequest, tell: (isReading: boolean) => void): Promise<LoadReply> {
    const slot = this.#slots[number]!
    const count = plan.length / REGION_FIELDS
    const input = await slot.input()
    if (this.#isClosing) throw new WarpError('ERR_WARP_GPU_FAILED', 'the device was given back')
    const bytesRead = new Float64Array(count)
    const failures: LoadReply['failures'] = []
    if (slab) copyShared(input, new Uint8Array(slab, 0, usedBytes))
    const regions: Region[] = []
    const reading: Promise<void>[] = []
    for (let index = 0; index < count; index++) {
      const at = index * REGION_FIELDS
      const [slabOffset, fileOffset, length, fd, warmup] = [
        plan[at + REGION.slabOffset]!, plan[at + REGION.fileOffset]!, plan[at + REGION.length]!, plan[at + REGION.fd]!, plan[at + REGION.warmup]!,
      ]
      bytesRead[index] = length
      if (slab) continue
      const into = input.subarray(slabOffset - warmup, slabOffset + length)
      reading.push(readInto(fd, into, fileOffset - warmup).then(({ done, failure }) => {
        bytesRead[index] = Math.max(0, done - warmup)
        if (failure !== null) failures.push({ index, message: failure })
      }))
    }
    if (!slab) {
      tell(true)
      const read = Promise.all(reading)
      this.#reading.add(read)
      await read
      this.#reading.delete(read)
      tell(false)
    }
    slot.load(usedBytes)
    for (let index = 0; index < count; index++) {
      const at = index * REGION_FIELDS
      const length = bytesRead[index]!
      regions.push({
        offset: plan[at + REGION.slabOffset]!, fileOffset: plan[at + REGION.fileOffset]!, length, warmup: plan[at + REGION.warmup]!,
        isEnd: plan[at + REGION.final] === 1 || length < plan[at + REGION.length]!,
      })
    }
    const { scanned, sample } = await slot.scan(regions, this.#options.average, wanted)
    let [candidateCount, runCount] = [0, 0]
    const candidateEnds = Uint32Array.from(scanned, ({ candidates }) => (candidateCount += candidates.length))
    const zeroRunEnds = Uint32Array.from(scanned, ({ zeroRuns }) => (runCount += zeroRuns.length))
    const candidates = new Uint32Array(candidateCount)
    const zeroRuns = new Float64Array(runCount)
    scanned.forEach((found, i) => {
      candidates.set(found.candidates, candidateEnds[i - 1] ?? 0)
      zeroRuns.set(found.zeroRuns, zeroRunEnds[i - 1] ?? 0)
    })
    return { bytesRead, candidates, candidateEnds, zeroRuns, zeroRunEnds, failures, sample }
  }

  async hash({ slot, chunks, sample }: HashRequest): Promise<HashReply> {
    return this.#slots[slot]!.hash(chunks, this.#options.chunkIdKey, sample)
  }

  async seal({ slot: number, frames, out }: SealRequest): Promise<SealReply> {
    const slot = this.#slots[number]!
    const { sealing: { archiveId, sealingKey }, compression, encoder } = this.#options
    const placed = slot.gather(frames)
    const store = compression === 'auto'
      ? (await slot.entropy(placed)).map((counts, i) => judgeIncompressible(placed[i]!.plainLength, counts.subarray(0, 256), () => counts[ENTROPY_REPEATS]!))
      : placed.map(() => compression === 'none')
    const encoded = await slot.encode(placed, store)
    const lengths = new Uint32Array(frames.length)
    const blocks = frames.map(({ ordinal, plainLength }, i) => {
      const length = encoded[i]! === 0 ? plainLength : encoded[i]!
      const header = new Uint8Array(BLOCK_HEADER_BYTES)
      const codec = encoded[i]! === 0 ? CODEC.store : CODEC[encoder!]
      writeBlockHeader(header, { archiveId, ordinal, kind: KIND.frame, codec, plainLength, storedLength: length }, hash)
      return { header, length, nonce: nonceOf(ordinal) }
    })
    let at = 0
    await slot.seal(placed, blocks, sealingKey, (i, block, tag) => {
      // Not written from here: a device that is lost takes its mapped memory away, in the midst of a write too.
      copyShared(new Uint8Array(out, at, block.length), block)
      new Uint8Array(out, at + block.length, TAG_BYTES).set(tag)
      lengths[i] = block.length + TAG_BYTES
      at += lengths[i]!
    })
    return { lengths }
  }

  /** Gives the device back: whoever waits for it is told that it is gone. */
  async close(): Promise<void> {
    this.#isClosing = true
    // The system must not write to memory that is mapped no longer.
    await Promise.all(this.#reading)
    for (const slot of this.#slots) slot.destroy()
    this.device.destroy()
    this.#options.sealing.sealingKey?.fill(0)
    this.#options.chunkIdKey?.fill(0)
  }
}

/** Reads until `into` is full, the file ends or an error comes. @returns bytes without a gap from the start, and the error */
async function readInto(fd: number, into: Uint8Array, position: number): Promise<{ done: number; failure: string | null }> {
  const parts: Promise<{ done: number; failure: string | null; wanted: number }>[] = []
  for (let from = 0; from < into.length; from += READ_BYTES) {
    const part = into.subarray(from, from + READ_BYTES)
    parts.push(readPart(fd, part, position + from).then((read) => ({ ...read, wanted: part.length })))
  }
  let done = 0
  let failure: string | null = null
  let hasGap = false
  for (const read of await Promise.all(parts)) {
    failure ??= read.failure
    if (!hasGap) done += read.done
    hasGap ||= read.done < read.wanted
  }
  return { done, failure }
}

async function readPart(fd: number, into: Uint8Array, position: number): Promise<{ done: number; failure: string | null }> {
  let done = 0
  while (done < into.length) {
    let count: number
    try {
      count = await new Promise<number>((resolve, reject) => {
        fs.read(fd, into, done, into.length - done, position + done, (error, bytes) => (error ? reject(error) : resolve(bytes)))
      })
    } catch (error) {
      return { done, failure: (error as Error).message }
    }
    if (count === 0) break
    done += count
  }
  return { done, failure: null }
}
