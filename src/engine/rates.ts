/** What each stage costs on each engine, and which is to do it. */
import type { AdapterFacts } from '../gpu/dawn.ts'

/** Stages that either engine can do. */
export const RATED_STAGES = ['cut', 'hash', 'compress', 'seal'] as const

/** GB/s of input. */
export type StageRates = Record<(typeof RATED_STAGES)[number], number>

export interface Rates {
  /** Of one thread; `compress` is LZ4. */
  cpuThread: StageRates
  /** Each stage submitted and waited for by itself; `seal` brings what was sealed back, `upload` the input there. */
  gpu: StageRates & { upload: number }
}

export interface Choice {
  engine: 'cpu' | 'gpu'
  reason: string
}

/** Seconds for one GB, one step after the other. */
function secondsPerGb(rates: number[]): number {
  return rates.reduce((sum, rate) => sum + 1 / rate, 0)
}

/**
 * Which engine is faster from file to file.
 * @param threads of the CPU engine
 * @param seals the GPU would also compress, with LZ4, and seal; else it only cuts and hashes, beside zstd on the CPU
 */
export function chooseEngine(facts: AdapterFacts, rates: Rates | null, threads: number, seals: boolean): Choice {
  const name = facts.description || facts.device
  if (facts.isSoftware) return { engine: 'cpu', reason: `${name} computes on the CPU itself` }
  if (!rates) return { engine: 'cpu', reason: `${name} could not be measured` }
  const { cpuThread, gpu } = rates
  const stages = seals ? RATED_STAGES : (['cut', 'hash'] as const)
  const cpuRate = threads / secondsPerGb(stages.map((stage) => cpuThread[stage]))
  const gpuRate = 1 / secondsPerGb([gpu.upload, ...stages.map((stage) => gpu[stage])])
  const [cpu, device] = [cpuRate.toFixed(1), gpuRate.toFixed(1)]
  if (gpuRate > cpuRate) return { engine: 'gpu', reason: `${name} takes ${device} GB/s, ${threads} threads ${cpu} GB/s` }
  return { engine: 'cpu', reason: `${threads} threads take ${cpu} GB/s, ${name} ${device} GB/s` }
}
