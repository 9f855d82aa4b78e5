/** A batch of the GPU engine: its steps on the device, what they are held against, and doing it again on the CPU. */
import { WarpError } from '../base/errors.ts'
import { ID_BYTES, KIB } from '../base/limits.ts'
import { hashChunks } from '../codec/blake3.ts'
import { WINDOW, findCandidates } from '../codec/buzhash.ts'
import { MAX_SAMPLE_BYTES } from '../gpu/slot-buffers.ts'
import type { Sample } from '../gpu/slot.ts'
import type { CpuEngine } from './cpu.ts'
import { cutFiles, type ScannedFile } from './cut-files.ts'
import type { EngineOptions, FramePlan, LoadedSegment, Resident, Segment } from './engine.ts'
import type { GpuClient } from './gpu-client.ts'
import {
  REGION, REGION_FIELDS, type HashReply, type LoadReply as ScanReply, type LoadRequest, type SealReply,
} from './gpu-messages.ts'
import { LOADED_FIELDS, type LoadReply } from './load.ts'
import type { Pool } from './pool.ts'
import type { CheckSealedRequest } from './tasks.ts'

/** Of each batch, so much is searched for candidates on the CPU too. */
const SAMPLE_BYTES = 64 * KIB

/** What a batch needs of its engine. */
export interface GpuBatchContext {
  readonly cpu: CpuEngine
  readonly pool: Pool
  readonly client: GpuClient
  readonly options: EngineOptions & { encoder: unknown }
  readonly counts: { replayed: number }
  /** A number from 0 to `below` − 1, other each time. */
  random(below: number): number
  /** Whether the batch that is sealed next is one of those that are looked at. */
  isDue(): boolean
  /** Gives the GPU up. */
  fail(error: unknown): void
  releaseSlot(slot: number): void
}

/** A segment of which nothing is known yet. */
export function emptySegment(): LoadedSegment {
  return { bytesRead: 0, candidates: new Uint32Array(0), zeroRuns: [], failure: null, reply: NO_REPLY, index: 0 }
}

const NO_REPLY: LoadReply = {
  fields: new Float64Array(0), inodes: new BigUint64Array(0),
  files: { chunks: new Uint32Array(0), ids: new Uint8Array(0), extents: new Int32Array(0), extentEnds: new Uint32Array(0) },
  candidates: new Uint32Array(0), candidateEnds: new Uint32Array(0), zeroRuns: new Float64Array(0), zeroRunEnds: new Uint32Array(0),
  failures: [], xattrs: [],
}

export interface GpuBatchPlan {
  slot: number
  slab: SharedArrayBuffer
  segments: Segment[]
  /** Up to where the slab holds what belongs to no segment. */
  filledBytes: number
  /** The bytes are on the device alone. */
  isDirect: boolean
}

/** A batch on the device. */
export class GpuBatch implements Resident {
  readonly segments: LoadedSegment[]
  readonly #engine: GpuBatchContext
  readonly #slot: number
  readonly #slab: SharedArrayBuffer
  readonly #plan: Segment[]
  readonly #filledBytes: number
  readonly #isDirect: boolean
  /** Ids that were given out, by the offset of their chunk. */
  readonly #ids = new Map<number, Uint8Array>()
  /** The batch in its slab, once the CPU goes on with it. */
  #onCpu: Resident | null = null
  #sealed: SharedArrayBuffer | null = null

  constructor(engine: GpuBatchContext, { slot, slab, segments, filledBytes, isDirect }: GpuBatchPlan, loaded: LoadedSegment[]) {
    this.#engine = engine
    this.#slot = slot
    this.#slab = slab
    this.#plan = segments
    this.#filledBytes = filledBytes
    this.segments = loaded
    this.#isDirect = isDirect
  }

  /** Makes the batch resident, and finds what `segments` is to say of it. */
  async scan(): Promise<this> {
    try {
      const request = this.#loadRequest()
      const reply = await this.#engine.client.ask<ScanReply>(this.#isDirect ? request : { ...request, sample: null })
      this.#take(reply)
      this.#checkCandidates(request.sample, reply.sample)
      await this.#cutFiles()
    } catch (error) {
      this.#engine.fail(error)
      this.#engine.counts.replayed++
      this.#onCpu = await this.#engine.cpu.load(this.#slab, this.#plan)
      this.segments.splice(0, this.segments.length, ...this.#onCpu.segments)
    }
    return this
  }

  async hashes(chunks: Uint32Array): Promise<Uint8Array> {
    if (!this.#onCpu) {
      try {
        return await this.#hash(chunks)
      } catch (error) {
        await this.#replay(error)
      }
    }
    return this.#onCpu!.hashes(chunks)
  }

  async seal(frames: FramePlan[]): Promise<Uint8Array[]> {
    if (frames.length === 0) return []
    if (!this.#onCpu && this.#engine.options.encoder) {
      try {
        return await this.#seal(frames)
      } catch (error) {
        await this.#replay(error, frames)
      }
    }
    this.#onCpu ??= this.#engine.cpu.adopt(this.#slab, this.segments)
    return this.#onCpu.seal(frames)
  }

  release(): void {
    this.#engine.releaseSlot(this.#slot)
    if (this.#sealed) this.#engine.cpu.output.release(this.#sealed)
    this.#sealed = null
    if (this.#onCpu) this.#onCpu.release()
    else this.#engine.cpu.release(this.#slab)
  }

  #loadRequest(): LoadRequest {
    const plan = new Float64Array(this.#plan.length * REGION_FIELDS)
    let usedBytes = this.#filledBytes
    let largest: Sample | null = null
    this.#plan.forEach(({ slabOffset, fileOffset, length, lookahead, fd, final }, i) => {
      const at = i * REGION_FIELDS
      const total = length + lookahead
      const there = this.#isDirect ? total : this.segments[i]!.bytesRead
      plan[at + REGION.slabOffset] = slabOffset
      plan[at + REGION.fileOffset] = fileOffset
      plan[at + REGION.length] = there
      plan[at + REGION.fd] = fd
      plan[at + REGION.warmup] = fileOffset > 0 ? WINDOW : 0
      plan[at + REGION.final] = final || there < total ? 1 : 0
      usedBytes = Math.max(usedBytes, slabOffset + total)
      if (there > (largest?.length ?? WINDOW)) largest = { offset: slabOffset, length: there }
    })
    return { name: 'load', slot: this.#slot, plan, slab: this.#isDirect ? null : this.#slab, usedBytes, sample: largest && this.#sampleOf(largest) }
  }

  /** Where to look at a run of bytes. */
  #sampleOf({ offset, length }: Sample): Sample {
    const size = Math.min(length, SAMPLE_BYTES)
    return { offset: offset + this.#engine.random(length - size + 1), length: size }
  }

  #take({ bytesRead, candidates, candidateEnds, zeroRuns, zeroRunEnds, failures }: ScanReply): void {
    this.segments.forEach((segment, i) => {
      segment.candidates = candidates.subarray(i > 0 ? candidateEnds[i - 1] : 0, candidateEnds[i])
      segment.zeroRuns = Array.from(zeroRuns.subarray(i > 0 ? zeroRunEnds[i - 1] : 0, zeroRunEnds[i]))
      if (this.#isDirect) segment.bytesRead = bytesRead[i]!
    })
    for (const { index, message } of failures) this.segments[index]!.failure = message
  }

  /** Extents and ids of the files that are read whole, into the replies that tell of them. */
  async #cutFiles(): Promise<void> {
    const files = new Map<LoadReply, (ScannedFile | null)[]>()
    this.segments.forEach(({ reply, index, failure, bytesRead, candidates, zeroRuns }, i) => {
      const { path, slabOffset } = this.#plan[i]!
      if (path === null) return
      let scanned = files.get(reply)
      if (!scanned) files.set(reply, (scanned = new Array<ScannedFile | null>(reply.fields.length / LOADED_FIELDS).fill(null)))
      if (failure === null) scanned[index] = { slabOffset, length: bytesRead, candidates, zeroRuns }
    })
    const cut = [...files].map(([reply, scanned]) => ({ reply, extents: cutFiles(scanned, this.#engine.options.average) }))
    const chunks = new Uint32Array(cut.reduce((sum, { extents }) => sum + extents.chunks.length, 0))
    let at = 0
    for (const { extents } of cut) {
      chunks.set(extents.chunks, at)
      at += extents.chunks.length
    }
    const ids = await this.#hash(chunks)
    at = 0
    for (const { reply, extents } of cut) {
      extents.ids.set(ids.subarray(at, at + extents.ids.length))
      at += extents.ids.length
      reply.files = extents
    }
  }

  async #hash(chunks: Uint32Array): Promise<Uint8Array> {
    if (chunks.length === 0) return new Uint8Array(0)
    const number = this.#engine.random(chunks.length / 2)
    const [offset, length] = [chunks[2 * number]!, chunks[2 * number + 1]!]
    const sample = length <= MAX_SAMPLE_BYTES || !this.#isDirect ? { offset, length } : null
    const request = { name: 'hash', slot: this.#slot, chunks, sample: this.#isDirect ? sample : null } as const
    const { ids, sample: bytes } = await this.#engine.client.ask<HashReply>(request)
    if (sample) {
      const id = new Uint8Array(ID_BYTES)
      hashChunks(this.#bytesOf(sample, bytes), Uint32Array.of(0, length), this.#engine.options.chunkIdKey, id)
      if (Buffer.compare(id, ids.subarray(number * ID_BYTES, (number + 1) * ID_BYTES)) !== 0) throw wrongResult('ids of chunks')
    }
    for (let i = 0; i < chunks.length / 2; i++) this.#ids.set(chunks[2 * i]!, ids.subarray(i * ID_BYTES, (i + 1) * ID_BYTES))
    return ids
  }

  async #seal(frames: FramePlan[]): Promise<Uint8Array[]> {
    const { client, cpu, pool, options: { sealing, chunkIdKey } } = this.#engine
    const out = (this.#sealed = await cpu.output.acquire())
    const { lengths } = await client.ask<SealReply>({ name: 'seal', slot: this.#slot, frames, out })
    let at = 0
    const blocks = frames.map((_, i) => {
      const block = new Uint8Array(out, at, lengths[i])
      at += lengths[i]!
      return block
    })
    if (this.#engine.isDue()) {
      const number = this.#engine.random(frames.length)
      const { ordinal, pieces } = frames[number]!
      const { byteOffset, length } = blocks[number]!
      const request: CheckSealedRequest = {
        slab: out, offset: byteOffset, length, sealing, ordinal, key: chunkIdKey, lengths: pieces.filter((_, i) => i % 2 === 1), ids: this.#idsOf(pieces),
      }
      if (!(await pool.run('checkSealed', request))) throw wrongResult('a sealed frame')
    }
    return blocks
  }

  /** Holds what was found against a part of it, searched here. */
  #checkCandidates(sample: Sample | null, given: Uint8Array | null): void {
    if (!sample) return
    const bytes = this.#bytesOf(sample, given)
    const found = new Uint32Array(bytes.length)
    const count = findCandidates(bytes, WINDOW, bytes.length + 1, this.#engine.options.average, found)
    const i = this.#plan.findLastIndex(({ slabOffset }) => slabOffset <= sample.offset)
    const from = sample.offset - this.#plan[i]!.slabOffset
    const { bytesRead, candidates } = this.segments[i]!
    // A file that got shorter has less than was asked for.
    if (bytesRead < from + bytes.length) return
    const claimed = candidates.filter((candidate) => candidate >= from + WINDOW && candidate <= from + bytes.length)
    if (claimed.length !== count || claimed.some((candidate, n) => candidate !== found[n]! + from)) throw wrongResult('cut points')
  }

  /** @param given by the device, if they are there alone */
  #bytesOf({ offset, length }: Sample, given: Uint8Array | null): Uint8Array {
    return this.#isDirect ? given! : new Uint8Array(this.#slab, offset, length)
  }

  #idsOf(pieces: Uint32Array): Uint8Array {
    const ids = new Uint8Array((pieces.length / 2) * ID_BYTES)
    for (let i = 0; i < pieces.length / 2; i++) ids.set(this.#ids.get(pieces[2 * i]!)!, i * ID_BYTES)
    return ids
  }

  /**
   * Gets the batch into its slab, for the CPU to go on with.
   * @param frames whose chunks have been given ids already
   * @throws {WarpError} ERR_WARP_GPU_FAILED: those ids are not those of what is there now
   */
  async #replay(error: unknown, frames: FramePlan[] = []): Promise<void> {
    const { cpu, pool, options, counts } = this.#engine
    this.#engine.fail(error)
    counts.replayed++
    // The worker may still write to it.
    if (this.#sealed) cpu.output.discard()
    this.#sealed = null
    if (this.#isDirect) {
      const again = await cpu.read(this.#slab, this.#plan, false)
      if (again.some(({ bytesRead }, i) => bytesRead < this.segments[i]!.bytesRead)) throw changedMeanwhile(error)
    }
    for (const { pieces } of frames) {
      const { ids } = (await pool.run('hash', { slab: this.#slab, chunks: pieces, key: options.chunkIdKey })) as HashReply
      if (Buffer.compare(ids, this.#idsOf(pieces)) !== 0) throw changedMeanwhile(error)
    }
    this.#onCpu = cpu.adopt(this.#slab, this.segments)
  }
}

function changedMeanwhile(cause: unknown): WarpError {
  return new WarpError('ERR_WARP_GPU_FAILED', `the GPU failed (${(cause as Error).message}), and what it had read is not the same any more`, {
    hint: 'nothing was stored under the final name: begin anew, with --engine cpu if it happens again', cause,
  })
}

function wrongResult(what: string): WarpError {
  return new WarpError('ERR_WARP_GPU_FAILED', `the GPU gave a wrong result: ${what}`)
}
