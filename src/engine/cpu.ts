/**
 * The CPU engine: each step of a batch is divided into tasks of a few MiB over the pool's threads.
 */
import { ID_BYTES, MIB } from '../base/limits.ts'
import { BLOCK_OVERHEAD_BYTES } from './block.ts'
import type { Engine, EngineOptions, Filling, FramePlan, LoadedSegment, Resident, Segment } from './engine.ts'
import { PLAN, PLAN_FIELDS, LOADED, LOADED_FIELDS, type LoadReply, type LoadRequest } from './load.ts'
import type { Pool } from './pool.ts'
import { Slabs } from './slabs.ts'
import type { HashRequest, SealRequest } from './tasks.ts'
import { WINDOW } from '../codec/buzhash.ts'

/** Input of one task: small enough to spread a batch over many threads, large enough to hide messages. */
const TASK_BYTES = 4 * MIB

/** What `load` gives to one task: segments side by side, or a piece of one. */
interface Group {
  first: number
  count: number
  /** Start within the segment and length, of a piece; of whole segments 0 and Infinity. */
  start: number
  length: number
}

export class CpuEngine implements Engine {
  readonly slabBytes: number
  /** Slabs that blocks are sealed into. */
  readonly output: Slabs
  readonly #pool: Pool
  readonly #options: EngineOptions
  readonly #input: Slabs

  /** @param slabs how many batches may be in flight, at least 1 */
  constructor(pool: Pool, slabBytes: number, slabs: number, options: EngineOptions) {
    this.#pool = pool
    this.#options = options
    this.slabBytes = slabBytes
    this.#input = new Slabs(slabBytes, slabs)
    this.output = new Slabs(slabBytes + slabBytes / 64, slabs)
  }

  acquire(): Promise<SharedArrayBuffer> {
    return this.#input.acquire()
  }

  /** Gives a slab back that no batch was made of. */
  release(slab: SharedArrayBuffer): void {
    this.#input.release(slab)
  }

  async load(slab: SharedArrayBuffer, segments: Segment[], filling: Filling | null = null): Promise<Resident> {
    await filling?.done
    return this.adopt(slab, await this.read(slab, segments, true))
  }

  /** A batch that lies in its slab already. */
  adopt(slab: SharedArrayBuffer, segments: LoadedSegment[]): Resident {
    return new CpuResident(this.#pool, this.#options, this.#input, this.output, slab, segments)
  }

  /**
   * Reads segments into the slab.
   * @param scan whether they are looked at too: without, no file has extents, and no segment candidates or runs of zeros
   */
  async read(slab: SharedArrayBuffer, segments: Segment[], scan: boolean): Promise<LoadedSegment[]> {
    const groups = groupSegments(segments)
    const replies = await Promise.all(
      groups.map((group) => this.#pool.run('load', this.#loadRequest(slab, segments, group, scan)) as Promise<LoadReply>),
    )
    return merge(segments, groups, replies)
  }

  #loadRequest(slab: SharedArrayBuffer, segments: Segment[], { first, count, start, length }: Group, scan: boolean): LoadRequest {
    const plan = new Float64Array(count * PLAN_FIELDS)
    const pathEnds = new Uint32Array(count)
    const paths: string[] = []
    let pathsLength = 0
    for (let i = 0, at = 0; i < count; i++, at += PLAN_FIELDS) {
      const segment = segments[first + i]!
      if (segment.path !== null) {
        paths.push(segment.path)
        pathsLength += segment.path.length + 1
      }
      pathEnds[i] = pathsLength
      const total = segment.length + segment.lookahead
      const end = Math.min(start + length, total)
      plan[at + PLAN.slabOffset] = segment.slabOffset + start
      plan[at + PLAN.fileOffset] = segment.fileOffset + start
      plan[at + PLAN.length] = end - start
      plan[at + PLAN.fd] = segment.fd
      plan[at + PLAN.warmup] = segment.fileOffset + start > 0 ? WINDOW : 0
      plan[at + PLAN.final] = segment.final && end === total ? 1 : 0
      plan[at + PLAN.mtimeMs] = segment.mtimeMs
      plan[at + PLAN.ctimeMs] = segment.ctimeMs
    }
    const { average, chunkIdKey } = this.#options
    const joined = new Uint8Array(pathsLength)
    Buffer.from(joined.buffer).write(paths.join('\0'), 'latin1')
    return { slab, average, chunkIdKey, paths: joined, pathEnds, plan, scan }
  }
}

function groupSegments(segments: Segment[]): Group[] {
  const groups: Group[] = []
  let first = 0
  let groupBytes = 0
  const close = (next: number) => {
    if (next > first) groups.push({ first, count: next - first, start: 0, length: Infinity })
    first = next
    groupBytes = 0
  }
  segments.forEach(({ path, length, lookahead }, i) => {
    const total = length + lookahead
    if (path !== null || total <= TASK_BYTES) {
      // An empty file costs a message and three system calls too.
      groupBytes += total + 4096
      if (groupBytes >= TASK_BYTES) close(i + 1)
      return
    }
    close(i)
    for (let start = 0; start < total; start += TASK_BYTES) groups.push({ first: i, count: 1, start, length: TASK_BYTES })
    first = i + 1
  })
  close(segments.length)
  return groups
}

const NO_CANDIDATES = new Uint32Array(0)
const NO_RUNS: number[] = []

/** Puts the replies of a segment's pieces together. */
function merge(segments: Segment[], groups: Group[], replies: LoadReply[]): LoadedSegment[] {
  const loaded: LoadedSegment[] = new Array<LoadedSegment>(segments.length)
  groups.forEach(({ first, count, start }, g) => {
    const reply = replies[g]!
    let candidatesFrom = 0
    let runsFrom = 0
    for (let index = 0; index < count; index++) {
      const candidatesTo = reply.candidateEnds[index]!
      const runsTo = reply.zeroRunEnds[index]!
      const candidates = candidatesTo > candidatesFrom ? reply.candidates.subarray(candidatesFrom, candidatesTo) : NO_CANDIDATES
      const zeroRuns = runsTo > runsFrom ? Array.from(reply.zeroRuns.subarray(runsFrom, runsTo)) : NO_RUNS
      candidatesFrom = candidatesTo
      runsFrom = runsTo
      const bytesRead = reply.fields[index * LOADED_FIELDS + LOADED.bytesRead]!
      const failure = reply.failures.length > 0 ? (reply.failures.find((failed) => failed.index === index)?.message ?? null) : null
      if (start === 0) loaded[first + index] = { bytesRead, candidates, zeroRuns, failure, reply, index }
      else append(loaded[first]!, start, bytesRead, candidates, zeroRuns, failure)
    }
  })
  return loaded
}

/** Adds the next piece of a segment to those before. */
function append(before: LoadedSegment, start: number, bytesRead: number, candidates: Uint32Array, zeroRuns: number[], failure: string | null): void {
  before.failure ??= failure
  // A file that got shorter meanwhile ends where the first piece came up short.
  if (before.bytesRead === start) before.bytesRead += bytesRead
  const joined = new Uint32Array(before.candidates.length + candidates.length)
  joined.set(before.candidates)
  candidates.forEach((candidate, i) => {
    joined[before.candidates.length + i] = candidate + start
  })
  before.candidates = joined
  before.zeroRuns = joinRuns(before.zeroRuns, zeroRuns)
}

/** The runs of two pieces side by side: those that touch are one. */
function joinRuns(runs: number[], more: number[]): number[] {
  if (runs.length === 0 || runs.at(-1) !== more[0]) return [...runs, ...more]
  return [...runs.slice(0, -1), ...more.slice(1)]
}

class CpuResident implements Resident {
  readonly segments: LoadedSegment[]
  readonly #pool: Pool
  readonly #options: EngineOptions
  readonly #input: Slabs
  readonly #output: Slabs
  readonly #slab: SharedArrayBuffer
  #sealed: SharedArrayBuffer | null = null

  constructor(pool: Pool, options: EngineOptions, input: Slabs, output: Slabs, slab: SharedArrayBuffer, segments: LoadedSegment[]) {
    this.#pool = pool
    this.#options = options
    this.#input = input
    this.#output = output
    this.#slab = slab
    this.segments = segments
  }

  async hashes(chunks: Uint32Array): Promise<Uint8Array> {
    const ids = new Uint8Array((chunks.length / 2) * ID_BYTES)
    const jobs: Promise<void>[] = []
    for (let from = 0; from < chunks.length; ) {
      let to = from
      for (let bytes = 0; to < chunks.length && bytes < TASK_BYTES; to += 2) bytes += chunks[to + 1]!
      const request: HashRequest = { slab: this.#slab, chunks: chunks.slice(from, to), key: this.#options.chunkIdKey }
      const at = (from / 2) * ID_BYTES
      jobs.push(
        this.#pool.run('hash', request).then((part) => {
          ids.set((part as { ids: Uint8Array }).ids, at)
        }),
      )
      from = to
    }
    await Promise.all(jobs)
    return ids
  }

  async seal(frames: FramePlan[]): Promise<Uint8Array[]> {
    if (frames.length === 0) return []
    const sealed = (this.#sealed = await this.#output.acquire())
    const { sealing, compression } = this.#options
    const level = this.#options.level()
    let outOffset = 0
    return Promise.all(
      frames.map(async ({ ordinal, pieces, plainLength }) => {
        const offset = outOffset
        outOffset += plainLength + BLOCK_OVERHEAD_BYTES
        const request: SealRequest = {
          slab: this.#slab, pieces, plainLength, out: sealed, outOffset: offset, sealing, ordinal, compression, level,
        }
        const { length } = (await this.#pool.run('seal', request)) as { length: number }
        return new Uint8Array(sealed, offset, length)
      }),
    )
  }

  release(): void {
    this.#input.release(this.#slab)
    if (this.#sealed) this.#output.release(this.#sealed)
    this.#sealed = null
  }
}
