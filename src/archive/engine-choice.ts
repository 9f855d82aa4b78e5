/**
 * Decides which engine a job runs on. `auto` measures the GPU once and keeps the result in the user's cache;
 * small jobs never look for one.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createHash } from 'node:crypto'
import { WarpError } from '../base/errors.ts'
import { GIB, MIB } from '../base/limits.ts'
import { AutoEngine } from '../engine/auto.ts'
import type { CpuEngine } from '../engine/cpu.ts'
import type { Engine, EngineOptions } from '../engine/engine.ts'
import { GpuClient } from '../engine/gpu-client.ts'
import { GpuEngine, type GpuEngineOptions } from '../engine/gpu.ts'
import type { Pool } from '../engine/pool.ts'
import { chooseEngine, type Choice, type Rates } from '../engine/rates.ts'
import type { AdapterFacts } from '../gpu/dawn.ts'
import { hasDriver } from '../gpu/driver.ts'

export type EngineName = 'auto' | 'cpu' | 'gpu'

export const DEFAULT_GPU_MEMORY_BYTES = 1 * GIB
/** Below this no batch fits. */
export const MIN_GPU_MEMORY_BYTES = 160 * MIB

/**
 * Input of a job before `auto` looks for a GPU: an estimate of what two threads do while Dawn starts, compiles and,
 * the first time, measures. Not measured on a GPU.
 */
const LARGE_JOB_BYTES = 512 * MIB

/** Batches on the device at once: one is read, one computed, one sealed, one written. */
const MAX_SLOTS = 4

/** The format of what is cached. */
const CACHE_VERSION = 1

export interface ChosenEngine {
  engine: Engine
  /** The GPU engine, once there is one. */
  gpu: () => GpuEngine | null
  close: () => Promise<void>
}

export interface EngineJob extends EngineOptions {
  wish: EngineName
  gpuMemory: number
  maxSlots: number
  /** A level of zstd was asked for. */
  hasLevel: boolean
  /** The same input gives the same bytes: LZ4 of the GPU gives others than that of the CPU. */
  reproducible: boolean
  note: (message: string) => void
  /** For tests. */
  client?: GpuEngineOptions['client']
  largeJobBytes?: number
}

/** @throws {WarpError} ERR_WARP_GPU_UNAVAILABLE, ERR_WARP_GPU_FAILED: the GPU is wished for, and cannot be used */
export async function openEngine(cpu: CpuEngine, pool: Pool, job: EngineJob): Promise<ChosenEngine> {
  const { wish, note } = job
  const options: GpuEngineOptions = {
    ...job, maxSlots: Math.min(job.maxSlots, MAX_SLOTS), encoder: encoderOf(job), onFailure: (reason) => note(`the GPU is given up, and the CPU goes on: ${reason}`),
  }
  if (wish === 'gpu') {
    const gpu = await GpuEngine.open(cpu, pool, options).catch((error: unknown) => {
      throw withHint(error)
    })
    return { engine: gpu, gpu: () => gpu, close: () => gpu.close() }
  }
  if (wish === 'cpu') return { engine: cpu, gpu: () => null, close: async () => {} }
  const ending = new AbortController()
  const auto = new AutoEngine(cpu, job.largeJobBytes ?? LARGE_JOB_BYTES, async () => {
    if (!hasDriver()) return null
    try {
      const { choice } = await measure(pool.size, options.encoder !== null, { ...job.client, signal: ending.signal })
      return choice.engine === 'gpu' && !ending.signal.aborted ? await GpuEngine.open(cpu, pool, { ...options, signal: ending.signal }) : null
    } catch {
      // The CPU engine does all that is needed: without a GPU nothing changes.
      return null
    }
  })
  return { engine: auto, gpu: () => auto.gpu, close: () => {
    ending.abort()
    return auto.close()
  } }
}

/** Whoever demanded the GPU learns at least how to do without. */
function withHint(error: unknown): unknown {
  if (!(error instanceof WarpError) || error.hint !== undefined) return error
  return new WarpError(error.code, error.message, { hint: 'with --engine cpu the archive is made without a GPU; `warp doctor` shows what is found', cause: error })
}

/** zstd of the GPU compresses a little less than that of the CPU at its default level, and has no levels: it has to be wished for. */
function encoderOf({ wish, compression, hasLevel, reproducible }: EngineJob): GpuEngineOptions['encoder'] {
  if (reproducible) return null
  if (compression === 'none') return 'store'
  if (compression === 'lz4') return 'lz4'
  return wish === 'gpu' && !hasLevel ? 'zstd' : null
}

export interface Measured {
  /** The first is the one that is used. */
  adapters: AdapterFacts[]
  rates: Rates | null
  /** The rates were kept from an earlier time. */
  isCached: boolean
  choice: Choice
}

/**
 * What there is for a GPU, what its stages cost, and what `auto` would do.
 * @param seals see chooseEngine
 * @throws {WarpError} ERR_WARP_GPU_UNAVAILABLE, ERR_WARP_GPU_FAILED
 */
export async function measure(
  threads: number, seals: boolean, clientOptions: GpuEngineOptions['client'] = {}, { always = false, cache = cacheFolder() } = {},
): Promise<Measured> {
  const client = new GpuClient(clientOptions)
  try {
    const adapters = await client.ask<AdapterFacts[]>({ name: 'probe' })
    const facts = adapters[0]!
    const file = path.join(cache, `gpu-${keyOf(facts)}.json`)
    let rates = always ? null : readCached(file)
    const isCached = rates !== null
    // A software rasteriser is not used, whatever it measures.
    if (!rates && (always || !facts.isSoftware)) {
      rates = await client.ask<Rates>({ name: 'calibrate' })
      writeCached(file, rates)
    }
    return { adapters, rates, isCached, choice: chooseEngine(facts, rates, threads, seals) }
  } finally {
    await client.close()
  }
}

function cacheFolder(): string {
  return path.join(process.env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache'), 'warp')
}

/** Rates hold for one adapter with one driver beside one processor. */
function keyOf({ vendor, architecture, device, description }: AdapterFacts): string {
  const parts = [CACHE_VERSION, vendor, architecture, device, description, os.cpus()[0]?.model ?? os.arch()]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)
}

function readCached(file: string): Rates | null {
  try {
    const rates = JSON.parse(fs.readFileSync(file, 'utf8')) as Rates
    const numbers = [...Object.values(rates.cpuThread), ...Object.values(rates.gpu)]
    return numbers.length === 9 && numbers.every((rate) => Number.isFinite(rate) && rate > 0) ? rates : null
  } catch {
    return null
  }
}

function writeCached(file: string, rates: Rates): void {
  const temporary = `${file}.${process.pid}`
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(temporary, JSON.stringify(rates))
    fs.renameSync(temporary, file)
  } catch {
    // It is measured again next time.
  }
}

/** @throws {WarpError} ERR_WARP_USAGE */
export function checkGpuMemory(bytes: number): void {
  if (!(bytes >= MIN_GPU_MEMORY_BYTES)) throw new WarpError('ERR_WARP_USAGE', `gpu memory is at least ${MIN_GPU_MEMORY_BYTES / MIB} MiB`)
}
