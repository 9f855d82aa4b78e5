/** A tree that is to be sent: its roots, how much there is, and the sending of it over one channel after another. */
import os from 'node:os'
import path from 'node:path'
import { availableParallelism } from 'node:os'
import { WarpError } from '../../base/errors.ts'
import { deriveKey } from '../../codec/blake3.ts'
import { CpuEngine } from '../../engine/cpu.ts'
import { checkPath, comparePaths, displayPath } from '../../format/path.ts'
import type { SourceEntry } from '../../archive/batch.ts'
import { slabBytesFor } from '../../archive/batcher.ts'
import { DEFAULT_GPU_MEMORY_BYTES, openEngine } from '../../archive/engine-choice.ts'
import { toBytes, type Root } from '../../archive/inputs.ts'
import { planMemory } from '../../archive/memory.ts'
import { DEFAULT_LEVEL } from '../../archive/pace.ts'
import { poolFor, SMALL_JOB_BYTES } from '../../archive/pool.ts'
import { streamMetadata } from '../../archive/stream-metadata.ts'
import { averageFor, SMALL_TOTAL_BYTES, Survey } from '../../archive/survey.ts'
import { Walk, type Found } from '../../archive/walk.ts'
import type { Input, Problem } from '../../archive/types.ts'
import type { Channel } from '../channel/channel.ts'
import { KIND, OFFER_ID_BYTES, type Accept, type Offer, type Report } from '../messages.ts'
import { TreeSender, type TreeSent } from './tree-sender.ts'
import type { SendOptions } from '../types.ts'

/** A tree that is walked longer is offered before all of it is known. */
const EARLY_MS = 200

export interface SessionWatch {
  report: (problem: Problem) => void
  onOffered: (path: Uint8Array) => void
  onReport: (report: Report) => void
  onAllOffered: () => void
}

/** One state of the tree, for one session. */
export class TreeOffer {
  readonly offer: Offer
  readonly #options: SendOptions
  readonly #survey: Survey
  readonly #ending: AbortController
  readonly #watch: SessionWatch
  #problems = 0

  private constructor(options: SendOptions, survey: Survey, offer: Offer, ending: AbortController, watch: SessionWatch) {
    this.#options = options
    this.#survey = survey
    this.offer = offer
    this.#ending = ending
    this.#watch = watch
  }

  /** @throws {WarpError} ERR_WARP_USAGE, ERR_WARP_INPUT_COLLISION, ERR_WARP_INPUT_UNREADABLE */
  static async open(options: SendOptions, inputs: Input[], watch: SessionWatch): Promise<TreeOffer> {
    const roots = rootsOf(inputs)
    const ending = new AbortController()
    let self: TreeOffer | null = null
    const told = new Set<string>()
    const report = (problem: Problem): void => {
      const key = `${problem.path}\0${problem.message}`
      if (told.has(key)) return
      if (told.size < 10_000) told.add(key)
      if (problem.kind !== 'note' && self) self.#problems++
      watch.report(problem)
    }
    const walk = new Walk({
      // What another transfer has left where this one begins is no part of the tree, and no receiver takes it.
      exclude: [...(options.exclude ?? []), '/.warp-receive-*'], oneFileSystem: options.oneFileSystem ?? false, followSymlinks: options.followSymlinks ?? false, skip: new Set(), report,
    })
    const survey = new Survey(walk, roots, { identify: false, signal: AbortSignal.any([ending.signal, ...(options.signal ? [options.signal] : [])]) })
    await survey.reach(SMALL_TOTAL_BYTES, EARLY_MS)
    if (survey.isDone && survey.entries === 0 && roots.every(({ stream }) => stream === null)) {
      throw new WarpError('ERR_WARP_INPUT_UNREADABLE', 'none of the inputs could be read', { hint: 'nothing was sent' })
    }
    const average = options.chunkSize ?? averageFor(survey.isDone ? survey.total : Math.max(survey.total, SMALL_TOTAL_BYTES))
    const totals = survey.isDone && !survey.hasStream ? { bytes: survey.bytes, entries: survey.entries } : null
    const offer = { kind: KIND.tree, offerId: offerIdOf(roots, options), average, name: new Uint8Array(0), totals }
    self = new TreeOffer({ ...options, onProblem: report }, survey, offer, ending, watch)
    return self
  }

  get totals(): { bytes: number; entries: number } | null {
    return this.#survey.isDone && !this.#survey.hasStream ? { bytes: this.#survey.bytes, entries: this.#survey.entries } : null
  }

  get problems(): number {
    return this.#problems
  }

  /** Sends it over `channel`, on which it was accepted. @param offerId what was offered, if that was something else */
  async send(channel: Channel, { average, chunkIdKey, have }: Accept, offerId = this.offer.offerId): Promise<TreeSent> {
    const { compress = 'auto', level, threads = availableParallelism(), memory, engine, gpuMemory, tempDir } = this.#options
    const report = this.#options.onProblem!
    const survey = this.#survey
    await survey.reach(SMALL_JOB_BYTES)
    const pool = poolFor(survey.isDone && !survey.hasStream ? survey.bytes : Infinity, threads)
    try {
      const slabBytes = slabBytesFor(average)
      const { slabs } = planMemory(memory, slabBytes, pool.size)
      const engineOptions = { average, chunkIdKey, sealing: { archiveId: offerId, sealingKey: null }, compression: compress, level: () => level ?? DEFAULT_LEVEL }
      const cpu = new CpuEngine(pool, slabBytes, slabs, engineOptions)
      const chosen = await openEngine(cpu, pool, {
        ...engineOptions, wish: engine ?? 'auto', gpuMemory: gpuMemory ?? DEFAULT_GPU_MEMORY_BYTES, maxSlots: slabs, hasLevel: level !== undefined,
        reproducible: false, note: (message) => report({ kind: 'note', message }),
      })
      try {
        const sender = new TreeSender({
          channel, entries: provide(survey.found()), have, slabs, average, engine: chosen.engine, tempDir,
          problems: () => this.#problems, onReport: this.#watch.onReport, onAllOffered: this.#watch.onAllOffered,
          onOffered: this.#watch.onOffered,
          onProblem: (kind, at, message) => report({ kind, message, path: displayPath(at) }),
        })
        return await sender.run()
      } finally {
        await chosen.close()
      }
    } finally {
      await pool.close()
    }
  }

  close(): void {
    this.#ending.abort()
  }
}

/** What stands under its own name in the target: of `/a/b/c` that is `c`, of `.` what it holds. */
export function rootsOf(inputs: Input[]): Root[] {
  const roots = inputs.map((input): Root => {
    if ('stream' in input) return { path: latin1(input.name), source: null, stream: input.stream }
    const source = latin1(input.path)
    if (source === '') throw new WarpError('ERR_WARP_USAGE', 'an input path is empty')
    const last = source.split('/').filter((component) => component !== '').at(-1) ?? ''
    const name = last === '.' || last === '' ? '' : last === '..' ? path.basename(latin1(path.resolve(Buffer.from(source, 'latin1').toString()))) : last
    return { path: name, source, stream: null }
  })
  for (const { path: name } of roots) checkPath(toBytes(name), true)
  roots.sort((a, b) => comparePaths(toBytes(a.path), toBytes(b.path)))
  roots.forEach((root, i) => {
    const before = roots[i - 1]
    if (!before) return
    if (before.path !== root.path && before.path !== '') return
    throw new WarpError('ERR_WARP_INPUT_COLLISION', `two inputs would have the name ${displayPath(toBytes(root.path))} in the target`, {
      hint: 'send them one after the other, or the directory that holds them',
    })
  })
  return roots
}

function latin1(name: string | Uint8Array): string {
  return Buffer.from(name as Uint8Array).toString('latin1')
}

/** The same for the same inputs of the same user on the same host. */
export function offerIdOf(roots: { path: string; source: string | null }[], options: Pick<SendOptions, 'exclude' | 'oneFileSystem' | 'followSymlinks'>): Uint8Array {
  const { exclude = [], oneFileSystem = false, followSymlinks = false } = options
  const sources = roots.map((root) => [root.path, root.source === null ? null : latin1(path.resolve(Buffer.from(root.source, 'latin1').toString()))])
  const text = JSON.stringify([os.hostname(), process.getuid?.() ?? 0, sources, exclude, oneFileSystem, followSymlinks])
  return deriveKey('warp-transfer 1 offer', Buffer.from(text)).subarray(0, OFFER_ID_BYTES)
}

async function* provide(groups: AsyncIterable<Found[]>): AsyncGenerator<SourceEntry[]> {
  for await (const group of groups) {
    yield group.map((entry) =>
      entry.stream ? { kind: 'content', path: entry.path, inode: null, metadata: streamMetadata(false), content: entry.stream } : entry)
  }
}
