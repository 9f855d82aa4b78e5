/** A device for tests, on any adapter: SwiftShader of Debian's chromium-common where there is no other. */
import { existsSync } from 'node:fs'
import { findAdapter } from '../../src/gpu/dawn.ts'
import { USAGE, type Device } from '../../src/gpu/device.ts'

const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json'

/** Why kernels cannot be tested here; null if they can. Fails where WARP_REQUIRE_GPU is 1. */
export async function whyNoGpu(): Promise<string | null> {
  try {
    await findAdapter()
    return null
  } catch (error) {
    if (!('VK_DRIVER_FILES' in process.env) && existsSync(SWIFTSHADER)) {
      process.env['VK_DRIVER_FILES'] = process.env['VK_ICD_FILENAMES'] = SWIFTSHADER
      return whyNoGpu()
    }
    const reason = (error as Error).message
    if (process.env['WARP_REQUIRE_GPU'] === '1') throw new Error(`WARP_REQUIRE_GPU is set, and ${reason}`, { cause: error })
    return reason
  }
}

/** A buffer that a kernel reads, writes or both, holding `content` or that many zero bytes. */
export async function storage(gpu: Device, content: Uint8Array | number): Promise<GPUBuffer> {
  const length = typeof content === 'number' ? content : content.length
  const size = Math.max(4, Math.ceil(length / 4) * 4)
  const buffer = await gpu.buffer('test', size, USAGE.storage | USAGE.copySrc | USAGE.copyDst)
  if (typeof content !== 'number' && length > 0) {
    const padded = new Uint8Array(size)
    padded.set(content)
    gpu.device.queue.writeBuffer(buffer, 0, padded)
  }
  return buffer
}

/** The bytes of `buffer` once all that was submitted is done. */
export async function download(gpu: Device, buffer: GPUBuffer, length = buffer.size): Promise<Buffer> {
  const size = Math.max(4, Math.ceil(length / 4) * 4)
  const readback = await gpu.buffer('readback', size, USAGE.mapRead | USAGE.copyDst)
  const encoder = gpu.device.createCommandEncoder()
  encoder.copyBufferToBuffer(buffer, 0, readback, 0, size)
  gpu.device.queue.submit([encoder.finish()])
  await readback.mapAsync(1)
  const bytes = Buffer.from(new Uint8Array(readback.getMappedRange().slice(0, length)))
  readback.destroy()
  return bytes
}

/** Records compute work with `record` and submits it. */
export function compute(gpu: Device, record: (pass: GPUComputePassEncoder) => void): void {
  const encoder = gpu.device.createCommandEncoder()
  const pass = encoder.beginComputePass()
  record(pass)
  pass.end()
  gpu.device.queue.submit([encoder.finish()])
}
