/**
 * BLAKE3 digests of the chunks of one buffer, all of a batch at once. Source: format-spec §4.5.
 * Kernel: shaders/blake3.wgsl. Twin: `hashChunks` of src/codec/blake3.ts, bit-exact.
 */
import { ID_BYTES, KEY_BYTES, KIB } from '../base/limits.ts'
import { USAGE, dispatch, type Device } from './device.ts'

const LEAF_BYTES = KIB
const LEAVES_PER_GROUP = 64
const MERGE_THREADS = 64

// BLAKE3 §2.2, tables 1 and 3.
const IV = Uint32Array.of(0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19)
const KEYED_HASH = 16

/** The structures of the shader, in words, and offsets into them. */
const PARAMETERS = { start: 0, mode: 8, chunkCount: 9, leafCount: 10, mergeCount: 11, words: 12 } as const
const CHUNK_WORDS = 4

export interface Blake3Buffers {
  /** u32[], storage: what the chunks lie in, at any byte offsets. */
  bytes: GPUBuffer
  /** u8[32 × maxChunks], storage: receives the digests. */
  digests: GPUBuffer
  /** Most chunks of one batch. */
  maxChunks: number
  /** Most bytes of all chunks of one batch together. */
  maxBytes: number
}

export class Blake3 {
  readonly #device: Device
  readonly #pipelines: Pipelines

  private constructor(device: Device, pipelines: Pipelines) {
    this.#device = device
    this.#pipelines = pipelines
  }

  /** @throws {WarpError} ERR_WARP_GPU_FAILED: the shader does not compile on this device */
  static async create(device: Device): Promise<Blake3> {
    const constants = { LEAVES_PER_GROUP, MERGE_THREADS }
    const leaves = await device.pipeline('blake3', 'leaves', constants)
    const merge = await device.pipeline('blake3', 'merge', constants)
    return new Blake3(device, { leaves, merge })
  }

  /**
   * Takes device memory besides: a 32nd of `maxBytes`, and 48 bytes for each of `maxChunks`.
   * @throws {RangeError} a maximum that is no count, or `digests` too small for `maxChunks`
   * @throws {WarpError} ERR_WARP_GPU_FAILED: no memory
   */
  async bind(buffers: Blake3Buffers): Promise<Blake3Pass> {
    const { digests, maxChunks, maxBytes } = buffers
    if (!(Number.isSafeInteger(maxChunks) && maxChunks > 0)) throw new RangeError('maxChunks is no count')
    if (!(Number.isSafeInteger(maxBytes) && maxBytes >= 0)) throw new RangeError('maxBytes is no length')
    if (digests.size < maxChunks * ID_BYTES) throw new RangeError('no room for the digests')
    const owned: GPUBuffer[] = []
    const make = async (label: string, bytes: number, usage: number): Promise<GPUBuffer> => {
      const buffer = await this.#device.buffer(`blake3.${label}`, bytes, usage)
      owned.push(buffer)
      return buffer
    }
    try {
      // No chunk has more than one leaf that is not full.
      const maxLeaves = Math.floor(maxBytes / LEAF_BYTES) + maxChunks
      const parameters = await make('parameters', 4 * PARAMETERS.words, USAGE.uniform | USAGE.copyDst | USAGE.copySrc)
      const chunks = await make('chunks', 4 * CHUNK_WORDS * maxChunks, USAGE.storage | USAGE.copyDst)
      const values = await make('values', ID_BYTES * maxLeaves, USAGE.storage)
      return new Blake3Pass(this.#device, this.#pipelines, buffers, { parameters, chunks, values })
    } catch (error) {
      for (const buffer of owned) buffer.destroy()
      throw error
    }
  }
}

interface Pipelines {
  leaves: GPUComputePipeline
  merge: GPUComputePipeline
}

interface Workspace {
  parameters: GPUBuffer
  chunks: GPUBuffer
  values: GPUBuffer
}

/** Hashes batches that lie in the buffers it is bound to. One batch at a time: submit what was encoded before `encode` is called again. */
export class Blake3Pass {
  /** Holds the key from `encode` to `wipe`; can be copied from. */
  readonly parameters: GPUBuffer
  readonly #queue: GPUQueue
  readonly #pipelines: Pipelines
  readonly #workspace: Workspace
  readonly #leavesGroup: GPUBindGroup
  readonly #mergeGroup: GPUBindGroup
  readonly #bufferBytes: number
  readonly #maxChunks: number
  readonly #maxBytes: number

  /** Only for `Blake3.bind`. */
  constructor(device: Device, pipelines: Pipelines, { bytes, digests, maxChunks, maxBytes }: Blake3Buffers, workspace: Workspace) {
    const { parameters, chunks, values } = workspace
    this.parameters = parameters
    this.#queue = device.device.queue
    this.#pipelines = pipelines
    this.#workspace = workspace
    this.#leavesGroup = device.bind(pipelines.leaves, [parameters, chunks, values, digests, bytes])
    this.#mergeGroup = device.bind(pipelines.merge, [parameters, chunks, values, digests])
    this.#bufferBytes = bytes.size
    this.#maxChunks = maxChunks
    this.#maxBytes = maxBytes
  }

  /**
   * Records the hashing of one batch: 32 bytes for each chunk, in the order of `chunks`, from the start of `digests`.
   * @param chunks pairs of offset and length, bytes; any alignment, length 0 too, chunks may overlap
   * @param key 32 bytes, or null: not keyed. Secret: see `wipe`
   * @throws {RangeError} a chunk outside the buffer, more than the maxima, or a key of another length
   */
  encode(pass: GPUComputePassEncoder, chunks: Uint32Array, key: Uint8Array | null): void {
    if (chunks.length % 2 !== 0) throw new RangeError('chunks are not pairs')
    if (key !== null && key.length !== KEY_BYTES) throw new RangeError('the key is not of 32 bytes')
    const count = chunks.length / 2
    if (count > this.#maxChunks) throw new RangeError('more chunks than maxChunks')
    if (count === 0) return
    const { table, leafCount, mergeCount } = this.#tableOf(chunks)

    const parameters = new Uint32Array(PARAMETERS.words)
    parameters.set(IV, PARAMETERS.start)
    if (key !== null) new Uint8Array(parameters.buffer).set(key, 4 * PARAMETERS.start)
    parameters[PARAMETERS.mode] = key === null ? 0 : KEYED_HASH
    parameters[PARAMETERS.chunkCount] = count
    parameters[PARAMETERS.leafCount] = leafCount
    parameters[PARAMETERS.mergeCount] = mergeCount
    this.#queue.writeBuffer(this.parameters, 0, parameters)
    parameters.fill(0)
    this.#queue.writeBuffer(this.#workspace.chunks, 0, table)

    pass.setPipeline(this.#pipelines.leaves)
    pass.setBindGroup(0, this.#leavesGroup)
    dispatch(pass, Math.ceil(leafCount / LEAVES_PER_GROUP))
    if (mergeCount === 0) return
    pass.setPipeline(this.#pipelines.merge)
    pass.setBindGroup(0, this.#mergeGroup)
    dispatch(pass, mergeCount)
  }

  /** `chunks` as the shader has them: those of more than one leaf, which are to be merged, before those of one. */
  #tableOf(chunks: Uint32Array): { table: Uint32Array<ArrayBuffer>; leafCount: number; mergeCount: number } {
    let total = 0
    for (let i = 0; i < chunks.length; i += 2) {
      if (chunks[i] + chunks[i + 1] > this.#bufferBytes) throw new RangeError('chunk outside the buffer')
      total += chunks[i + 1]
    }
    if (total > this.#maxBytes) throw new RangeError('more bytes than maxBytes')

    const table = new Uint32Array(CHUNK_WORDS * (chunks.length / 2))
    let at = 0
    let leafCount = 0
    const add = (i: number): void => {
      const length = chunks[i + 1]
      table[at++] = chunks[i]
      table[at++] = length
      table[at++] = leafCount
      table[at++] = i / 2
      leafCount += Math.max(1, Math.ceil(length / LEAF_BYTES))
    }
    for (let i = 0; i < chunks.length; i += 2) if (chunks[i + 1] > LEAF_BYTES) add(i)
    const mergeCount = at / CHUNK_WORDS
    for (let i = 0; i < chunks.length; i += 2) if (chunks[i + 1] <= LEAF_BYTES) add(i)
    return { table, leafCount, mergeCount }
  }

  /** Overwrites the key in device memory with zeros, after all that was submitted and before all that will be. */
  wipe(): void {
    this.#queue.writeBuffer(this.parameters, 0, new Uint32Array(PARAMETERS.words))
  }

  /** Wipes, and frees what it owns; the buffers that it is bound to stay. */
  destroy(): void {
    this.wipe()
    for (const buffer of Object.values(this.#workspace)) buffer.destroy()
  }
}
