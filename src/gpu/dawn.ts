/** Loads Dawn and finds an adapter. The only importer of `webgpu`. */
import { createRequire } from 'node:module'
import { WarpError } from '../base/errors.ts'
import { hasDriver } from './driver.ts'

interface Dawn {
  create: (flags: string[]) => GPU
}

/** What `doctor` tells of an adapter, and what a calibration is kept under. */
export interface AdapterFacts {
  vendor: string
  architecture: string
  device: string
  /** The driver and its version, where the driver tells them. */
  description: string
  /** Computes on the CPU. */
  isSoftware: boolean
  features: string[]
  limits: Record<string, number>
}

export interface FoundAdapter {
  adapter: GPUAdapter
  facts: AdapterFacts
  /** To be kept as long as the device: once it is collected as garbage, Dawn crashes when it next makes a pipeline. */
  instance: GPU
}

/** Whether the package `webgpu` can be loaded here; why not, if it cannot. */
export function loadDawn(): { dawn: Dawn } | { reason: string; hint: string } {
  const require = createRequire(import.meta.url)
  const hint = 'npm install webgpu'
  try {
    require.resolve('webgpu')
  } catch {
    return { reason: 'the package webgpu is not installed', hint }
  }
  // It is 20 MB to load, and without any driver would only print warnings of its own.
  if (!hasDriver()) return { reason: 'there is no Vulkan driver', hint: DRIVER_HINT }
  try {
    return { dawn: require('webgpu') as Dawn }
  } catch (error) {
    return { reason: `the package webgpu cannot be loaded: ${(error as Error).message.split('\n')[0]}`, hint }
  }
}

/**
 * Leaves the zeroing of workgroup memory to the driver. SwiftShader unrolls it: 1 ms of compilation a word. Without it
 * Dawn puts a loop into the shader.
 */
const ZEROING = 'use_vulkan_zero_initialize_workgroup_memory_extension'

/**
 * The adapter that computes fastest, as Dawn sees it. Each call makes an instance of Dawn of its own, since
 * an adapter gives one device only.
 * @param toggles names of Dawn's toggles that are to be switched off
 * @throws {WarpError} ERR_WARP_GPU_UNAVAILABLE: what was found, and what to install
 */
export async function findAdapter(toggles: string[] = []): Promise<FoundAdapter> {
  const loaded = loadDawn()
  if ('reason' in loaded) {
    throw new WarpError('ERR_WARP_GPU_UNAVAILABLE', `no GPU can be used: ${loaded.reason}`, { hint: loaded.hint })
  }
  const gpu = loaded.dawn.create([`disable-dawn-features=${[ZEROING, ...toggles].join(',')}`])
  let adapter: GPUAdapter | null
  try {
    adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' })
  } catch (cause) {
    throw unavailable('asking for an adapter failed', cause)
  }
  if (!adapter) throw unavailable('no adapter was found')
  return { adapter, facts: factsOf(adapter), instance: gpu }
}

/** Every adapter that Dawn tells of, the one of `findAdapter` first. @throws {WarpError} ERR_WARP_GPU_UNAVAILABLE */
export async function listAdapters(): Promise<AdapterFacts[]> {
  const listed = [(await findAdapter()).facts]
  const loaded = loadDawn()
  if ('reason' in loaded) return listed
  const gpu = loaded.dawn.create([])
  for (const options of [{ powerPreference: 'low-power' }, { forceFallbackAdapter: true }] as const) {
    const adapter = await gpu.requestAdapter(options).catch(() => null)
    const facts = adapter && factsOf(adapter)
    if (facts && !listed.some(({ device, description }) => device === facts.device && description === facts.description)) listed.push(facts)
  }
  return listed
}

function unavailable(what: string, cause?: unknown): WarpError {
  return new WarpError('ERR_WARP_GPU_UNAVAILABLE', `no GPU can be used: ${what}`, { hint: DRIVER_HINT, cause })
}

const DRIVER_HINT = process.platform === 'linux'
  ? 'install the Vulkan loader (Debian: libvulkan1) and the driver of the GPU; without a screen, VK_DRIVER_FILES names its ICD file; `warp doctor` shows what is found'
  : 'install the driver of the GPU'

function factsOf(adapter: GPUAdapter): AdapterFacts {
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info
  const limits: Record<string, number> = {}
  for (const name of NEEDED_LIMITS) limits[name] = adapter.limits[name] ?? 0
  return {
    vendor, architecture, device, description,
    isSoftware: isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|\bwarp\b|basic render/i.test(`${architecture} ${device} ${description}`),
    features: [...adapter.features].sort(), limits,
  }
}

/** Limits that a device gets the adapter's own of, not the defaults. */
export const NEEDED_LIMITS = [
  'maxBufferSize', 'maxStorageBufferBindingSize', 'maxComputeWorkgroupStorageSize', 'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX', 'maxComputeWorkgroupsPerDimension', 'maxStorageBuffersPerShaderStage',
] as const satisfies (keyof GPUSupportedLimits)[]
