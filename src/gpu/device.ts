/** One device with what all kernels need: pipelines from the files in shaders, and checked allocations. */
import fs from 'node:fs'
import { WarpError } from '../base/errors.ts'
import { NEEDED_LIMITS, findAdapter, type AdapterFacts } from './dawn.ts'

/** Usage flags of buffers. Source: WebGPU §5.1.2. */
export const USAGE = {
  mapRead: 0x01, mapWrite: 0x02, copySrc: 0x04, copyDst: 0x08, uniform: 0x40, storage: 0x80, indirect: 0x100, queryResolve: 0x200,
} as const

const TOO_LARGE = 'a smaller --gpu-memory, --compress lz4 or none, a smaller --chunk-size, or --engine cpu'

const SHADERS = new URL('../../shaders/', import.meta.url)

export interface DeviceOptions {
  /** Timestamps as fine as the device has them; for benchmarks. */
  exactTimestamps?: boolean
}

export class Device {
  readonly facts: AdapterFacts
  readonly device: GPUDevice
  /** Why the device was lost, or that it was destroyed; never rejects. */
  readonly lost: Promise<string>
  /** Kept from the garbage collector, nothing else: see FoundAdapter. */
  readonly instance: GPU
  #fault: string | null = null
  readonly #modules = new Map<string, GPUShaderModule>()

  private constructor(device: GPUDevice, facts: AdapterFacts, instance: GPU) {
    this.instance = instance
    this.device = device
    this.facts = facts
    this.lost = device.lost.then(({ reason, message }) => message || reason)
    device.addEventListener('uncapturederror', (event) => {
      event.preventDefault()
      this.#fault ??= event.error.message
    })
  }

  /** @throws {WarpError} ERR_WARP_GPU_UNAVAILABLE */
  static async open({ exactTimestamps = false }: DeviceOptions = {}): Promise<Device> {
    const { adapter, facts, instance } = await findAdapter(exactTimestamps ? ['timestamp_quantization'] : [])
    try {
      const device = await adapter.requestDevice({
        requiredLimits: Object.fromEntries(NEEDED_LIMITS.map((name) => [name, adapter.limits[name]!])),
        requiredFeatures: adapter.features.has('timestamp-query') ? ['timestamp-query'] : [],
      })
      return new Device(device, facts, instance)
    } catch (cause) {
      throw new WarpError('ERR_WARP_GPU_UNAVAILABLE', `the GPU ${facts.description || facts.device} gives no device: ${(cause as Error).message}`, { cause })
    }
  }

  /** @throws {WarpError} ERR_WARP_GPU_FAILED: something that was submitted was not valid, so that nothing can be relied on */
  check(): void {
    if (this.#fault !== null) throw new WarpError('ERR_WARP_GPU_FAILED', `the device refused work: ${this.#fault.split('\n')[0]}`)
  }

  /**
   * A pipeline of `shaders/NAME.wgsl`.
   * @param constants values of its `override` declarations
   * @throws {WarpError} ERR_WARP_GPU_FAILED: the shader does not compile on this device
   */
  async pipeline(name: string, entryPoint: string, constants: Record<string, number> = {}): Promise<GPUComputePipeline> {
    let module = this.#modules.get(name)
    if (!module) {
      module = this.device.createShaderModule({ label: name, code: fs.readFileSync(new URL(`${name}.wgsl`, SHADERS), 'utf8') })
      this.#modules.set(name, module)
    }
    try {
      return await this.device.createComputePipelineAsync({ label: `${name}.${entryPoint}`, layout: 'auto', compute: { module, entryPoint, constants } })
    } catch (cause) {
      throw new WarpError('ERR_WARP_GPU_FAILED', `shaders/${name}.wgsl, ${entryPoint}: ${(cause as Error).message}`, { cause })
    }
  }

  /**
   * @param bytes rounded up to whole words
   * @throws {WarpError} ERR_WARP_GPU_FAILED: out of memory, or larger than the device allows
   */
  async buffer(label: string, bytes: number, usage: number): Promise<GPUBuffer> {
    const size = Math.max(4, Math.ceil(bytes / 4) * 4)
    this.device.pushErrorScope('out-of-memory')
    this.device.pushErrorScope('validation')
    const buffer = this.device.createBuffer({ label, size, usage })
    const errors = await Promise.all([this.device.popErrorScope(), this.device.popErrorScope()])
    const error = errors.find((found) => found !== null)
    if (error) {
      buffer.destroy()
      throw new WarpError('ERR_WARP_GPU_FAILED', `no buffer of ${size} bytes for ${label}: ${error.message}`, { hint: TOO_LARGE })
    }
    return buffer
  }

  /**
   * Binds buffers to group 0 of `pipeline`, in the order of their binding numbers.
   * @throws {WarpError} ERR_WARP_GPU_FAILED: one is larger than this device can bind
   */
  bind(pipeline: GPUComputePipeline, buffers: (GPUBuffer | GPUBufferBinding)[]): GPUBindGroup {
    return this.bindAt(pipeline, buffers.map((resource, binding) => ({ binding, resource: 'buffer' in resource ? resource : { buffer: resource } })))
  }

  /** The same, with their binding numbers. */
  bindAt(pipeline: GPUComputePipeline, entries: { binding: number; resource: GPUBufferBinding }[]): GPUBindGroup {
    const most = this.device.limits.maxStorageBufferBindingSize
    for (const { resource: { buffer, offset = 0, size = buffer.size - offset } } of entries) {
      if (size > most) throw new WarpError('ERR_WARP_GPU_FAILED', `this GPU binds ${most} bytes at most, and ${buffer.label} has ${size}`, { hint: TOO_LARGE })
    }
    return this.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries })
  }

  destroy(): void {
    this.device.destroy()
  }
}

/**
 * Dispatches `count` workgroups over x and y, since one dimension holds 65,535 only; the shader counts them
 * as `id.y * groups.x + id.x` and ignores those from `count` on.
 */
export function dispatch(pass: GPUComputePassEncoder, count: number): void {
  const x = Math.min(count, 32_768)
  if (count > 0) pass.dispatchWorkgroups(x, Math.ceil(count / x))
}
