/** `doctor`: what this system gives warp, and what warp makes of it. */
import fs from 'node:fs'
import os from 'node:os'
import { loadKoffi } from '../base/koffi.ts'
import { WarpError } from '../base/errors.ts'
import { implementations, type Primitive } from '../codec/native.ts'
import type { GpuClientOptions } from '../engine/gpu-client.ts'
import { measure, type Measured } from './engine-choice.ts'

export interface Diagnosis {
  system: { platform: string; release: string; arch: string; node: string; threads: number; memory: number }
  cpu: { model: string; features: string[] }
  /** Which implementation of each primitive is in use. */
  codecs: Record<Primitive, 'native' | 'portable'>
  /** Extended attributes, ACLs, holes and exact times need it. */
  koffi: boolean
  /** What there is and what it measures, or why no adapter can be used. */
  gpu: Measured | { error: string; hint: string | null }
}

export interface DoctorOptions {
  threads?: number
  /** Measure the GPU even if it was measured before. */
  measureAgain?: boolean
  /** For tests. */
  gpuClient?: GpuClientOptions
  cacheFolder?: string
}

/** Extensions of the instruction set that the native codecs have code for. */
const CPU_FEATURES = ['sse4_1', 'avx2', 'avx512f', 'avx512vl', 'aes', 'pclmulqdq', 'sha_ni', 'bmi2', 'neon', 'asimd', 'sve', 'sha2']

/** Looks at this system. Never throws for want of something. */
export async function doctor({ threads = os.availableParallelism(), measureAgain = false, gpuClient, cacheFolder }: DoctorOptions = {}): Promise<Diagnosis> {
  return {
    system: {
      platform: process.platform, release: os.release(), arch: process.arch, node: process.version, threads, memory: os.totalmem(),
    },
    cpu: { model: os.cpus()[0]?.model.trim() ?? 'unknown', features: cpuFeatures() },
    codecs: implementations(),
    koffi: loadKoffi() !== null,
    gpu: await gpuOf(threads, measureAgain, gpuClient, cacheFolder),
  }
}

async function gpuOf(threads: number, measureAgain: boolean, client: GpuClientOptions | undefined, cache: string | undefined): Promise<Diagnosis['gpu']> {
  try {
    return await measure(threads, true, client, { always: measureAgain, cache })
  } catch (error) {
    const { message, hint } = error instanceof WarpError ? error : { message: String(error), hint: undefined }
    return { error: message, hint: hint ?? null }
  }
}

/** As Linux tells them; empty elsewhere. */
function cpuFeatures(): string[] {
  try {
    const flags = new Set(/^(?:flags|Features)\s*:\s*(.*)$/m.exec(fs.readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.split(' '))
    return CPU_FEATURES.filter((name) => flags.has(name))
  } catch {
    return []
  }
}
