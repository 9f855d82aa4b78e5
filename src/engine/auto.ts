/** Begins on the CPU, and goes over to the GPU once a job has turned out to be large and the GPU is ready. */
import type { CpuEngine } from './cpu.ts'
import type { Engine, Filling, Resident, Segment } from './engine.ts'
import type { GpuEngine } from './gpu.ts'

export class AutoEngine implements Engine {
  readonly #cpu: CpuEngine
  readonly #open: () => Promise<GpuEngine | null>
  #bytesLeft: number
  #opening: Promise<void> | null = null
  #gpu: GpuEngine | null = null

  /**
   * @param afterBytes input after which the GPU is looked for
   * @param open null if it would not be faster; does not reject
   */
  constructor(cpu: CpuEngine, afterBytes: number, open: () => Promise<GpuEngine | null>) {
    this.#cpu = cpu
    this.#bytesLeft = afterBytes
    this.#open = open
  }

  get slabBytes(): number {
    return this.#cpu.slabBytes
  }

  /** Once it is in use. */
  get gpu(): GpuEngine | null {
    return this.#gpu
  }

  acquire(): Promise<SharedArrayBuffer> {
    return this.#cpu.acquire()
  }

  load(slab: SharedArrayBuffer, segments: Segment[], filling: Filling | null = null): Promise<Resident> {
    for (const { length } of segments) this.#bytesLeft -= length
    if (this.#bytesLeft <= 0) {
      this.#opening ??= this.#open().then((gpu) => {
        this.#gpu = gpu
      })
    }
    return (this.#gpu ?? this.#cpu).load(slab, segments, filling)
  }

  async close(): Promise<void> {
    await this.#opening
    await this.#gpu?.close()
  }
}
