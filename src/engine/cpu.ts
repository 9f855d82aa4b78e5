/**
 * The CPU engine: each step of a batch is divided into tasks of a few MiB over the pool's threads.
 */
import { ID_BYTES, MIB } from '../base/limits.ts'
import { BLOCK_OVERHEAD_BYTES } from './block.ts'
import { WARMUP_BYTES, type Engine, type EngineOptions, type FramePlan, type LoadedSegment, type Resident, type Segment } from './engine.ts'
import { PLAN, PLAN_FIELDS, LOADED, LOADED_FIELDS, type LoadReply, type LoadRequest } from './load.ts'
import type { Pool } from './pool.ts'
import { Slabs } from './slabs.ts'
import type { HashRequest, SealRequest } from './tasks.ts'
import { WINDOW } from '../codec/buzhash.ts'

/** Input of one task: small enough to spread a batch over many threads, large enough to hide messages. */
const TASK_BYTES = 4 * MIB

/** A piece of the work that `load` gives to one task. */
interface Piece {
  segment: number
  /** Start within the segment, bytes. */
  start: number
  length: number
}

export class CpuEngine implements Engine {
  readonly slabBytes: number
  readonly #pool: Pool
  readonly #options: EngineOptions
  readonly #input: Slabs
  readonly #output: Slabs

  /** @param slabs how many batches may be in flight, at least 1 */
  constructor(pool: Pool, slabBytes: number, slabs: number, options: EngineOptions) {
    this.#pool = pool
    this.#options = options
    this.slabBytes = slabBytes
    this.#input = new Slabs(slabBytes, slabs)
    this.#output = new Slabs(slabBytes + slabBytes / 64, slabs)
  }

  acquire(): Promise<SharedArrayBuffer> {
    return this.#input.acquire()
  }

  async load(slab: SharedArrayBuffer, segments: Segment[]): Promise<Resident> {
    const groups = groupPieces(segments)
    const replies = await Promise.all(
      groups.map((group) => this.#pool.run('load', this.#loadRequest(slab, segments, group)) as Promise<LoadReply>),
    )
    return new CpuResident(this.#pool, this.#options, this.#input, this.#output, slab, merge(segments, groups, replies))
  }

  #loadRequest(slab: SharedArrayBuffer, segments: Segment[], group: Piece[]): LoadRequest {
    const plan = new Float64Array(group.length * PLAN_FIELDS)
    const pathEnds = new Uint32Array(group.length)
    const paths: Uint8Array[] = []
    let pathsLength = 0
    group.forEach(({ segment, start, length }, i) => {
      const { path, fd, fileOffset, slabOffset, final, length: own, lookahead, mtimeMs, ctimeMs } = segments[segment]!
      if (path) {
        paths.push(path)
        pathsLength += path.length
      }
      pathEnds[i] = pathsLength
      const at = i * PLAN_FIELDS
      plan[at + PLAN.slabOffset] = slabOffset + start
      plan[at + PLAN.fileOffset] = fileOffset + start
      plan[at + PLAN.length] = length
      plan[at + PLAN.fd] = fd
      plan[at + PLAN.warmup] = fileOffset + start > 0 ? WINDOW : 0
      plan[at + PLAN.final] = final && start + length === own + lookahead ? 1 : 0
      plan[at + PLAN.mtimeMs] = mtimeMs
      plan[at + PLAN.ctimeMs] = ctimeMs
    })
    return { slab, average: this.#options.average, paths: Buffer.concat(paths), pathEnds, plan }
  }
}

function groupPieces(segments: Segment[]): Piece[][] {
  const groups: Piece[][] = []
  let group: Piece[] = []
  let groupBytes = 0
  const close = () => {
    if (group.length > 0) groups.push(group)
    group = []
    groupBytes = 0
  }
  segments.forEach(({ path, length, lookahead }, segment) => {
    const total = length + lookahead
    if (path || total <= TASK_BYTES) {
      group.push({ segment, start: 0, length: total })
      // An empty file costs a message and three system calls too.
      groupBytes += total + 4096
    } else {
      close()
      for (let start = 0; start < total; start += TASK_BYTES) {
        group.push({ segment, start, length: Math.min(TASK_BYTES, total - start) })
        close()
      }
    }
    if (groupBytes >= TASK_BYTES) close()
  })
  close()
  return groups
}

/** Puts the replies of a segment's pieces together. */
function merge(segments: Segment[], groups: Piece[][], replies: LoadReply[]): LoadedSegment[] {
  const loaded: LoadedSegment[] = new Array<LoadedSegment>(segments.length)
  groups.forEach((group, g) => {
    const reply = replies[g]!
    group.forEach(({ segment, start }, index) => {
      const candidates = reply.candidates.subarray(index > 0 ? reply.candidateEnds[index - 1] : 0, reply.candidateEnds[index])
      const runs = reply.zeroRuns.subarray(index > 0 ? reply.zeroRunEnds[index - 1] : 0, reply.zeroRunEnds[index])
      const bytesRead = reply.fields[index * LOADED_FIELDS + LOADED.bytesRead]!
      const failure = reply.failures.length > 0 ? (reply.failures.find((failed) => failed.index === index)?.message ?? null) : null
      const before = loaded[segment]
      if (!before) {
        loaded[segment] = { bytesRead, candidates, zeroRuns: Array.from(runs), failure, reply, index }
        return
      }
      before.failure ??= failure
      // A file that got shorter meanwhile ends where the first piece came up short.
      if (before.bytesRead === start) before.bytesRead += bytesRead
      const joined = new Uint32Array(before.candidates.length + candidates.length)
      joined.set(before.candidates)
      for (let i = 0; i < candidates.length; i++) joined[before.candidates.length + i] = candidates[i]! + start
      before.candidates = joined
      joinRuns(before.zeroRuns, runs)
    })
  })
  return loaded
}

function joinRuns(runs: number[], more: Float64Array): void {
  for (let i = 0; i < more.length; i += 2) {
    if (runs.length > 0 && runs[runs.length - 1] === more[i]) runs[runs.length - 1] = more[i + 1]!
    else runs.push(more[i]!, more[i + 1]!)
  }
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
    const { sealing, compression, level } = this.#options
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

/** Slab bytes that segments of `length` take up, with their warm-up. */
export function slabBytesOf(length: number): number {
  return length + WARMUP_BYTES
}
