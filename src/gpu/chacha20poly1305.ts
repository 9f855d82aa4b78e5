/**
 * ChaCha20-Poly1305 over whole blocks in place, all frames of a batch at once. Source: format-spec §5.3; RFC 8439 §2.8.
 * Kernel: shaders/chacha20poly1305.wgsl. Twin: `sealInto` and `openInto` of src/codec/aead.ts, bit-exact.
 *
 * A block is 64 bytes of associated data, never more or fewer (the block header), and the text after it.
 */
import { BLOCK_HEADER_BYTES, KEY_BYTES, TAG_BYTES } from '../base/limits.ts'
import { USAGE, dispatch, type Device } from './device.ts'

const NONCE_BYTES = 12
/** What Poly1305 takes at once, and the unit of offsets in the shader. */
const UNIT_BYTES = 16
const ALIGN_BYTES = 64
const LANES = 256
const SPAN_BYTES = LANES * 64
const FRAMES_PER_GROUP = 64
const STEPS_LOG2 = 4
const MAX_STEPS_LOG2 = 4
const MAX_TEXT_BYTES = 0xffff_0000

/** The structures of the shader, bytes. */
const BATCH_BYTES = 48
const FRAME_BYTES = 32
const LIMBS_BYTES = 40
const SECRETS_BYTES = 864

const ENTRY_POINTS = ['derive', 'encrypt', 'decrypt', 'absorb', 'seal', 'check'] as const
type EntryPoint = (typeof ENTRY_POINTS)[number]

export interface AeadBuffers {
  /** Storage: what the blocks lie in. */
  blocks: GPUBuffer
  /** 16 bytes for each of `maxFrames`, storage: receives the tags, or holds the expected ones. */
  tags: GPUBuffer
  /** u32 for each of `maxFrames`, storage: receives 1 for each frame whose tag is right, else 0. Needed to open. */
  verdicts?: GPUBuffer
  /** Most frames of one batch. */
  maxFrames: number
  /** Longest text of a frame. */
  maxFrameBytes: number
}

/** A block in the buffer of blocks. */
export interface AeadFrame {
  /** Of the associated data, bytes, a multiple of 64; the text begins 64 bytes later. */
  offset: number
  /** Of the text, bytes. */
  length: number
  /** 12 bytes. */
  nonce: Uint8Array
}

/** Values of the shader's `override` declarations that tests change. */
export interface AeadConstants {
  AAD_BYTES?: number
  STEPS_LOG2?: number
  MAC_ALONE?: number
}

export class ChaCha20Poly1305 {
  readonly #device: Device
  readonly #pipelines: Record<EntryPoint, GPUComputePipeline>
  readonly #constants: Required<AeadConstants>

  private constructor(device: Device, pipelines: Record<EntryPoint, GPUComputePipeline>, constants: Required<AeadConstants>) {
    this.#device = device
    this.#pipelines = pipelines
    this.#constants = constants
  }

  /**
   * @param constants for tests; none: what the format needs
   * @throws {WarpError} ERR_WARP_GPU_FAILED
   */
  static async create(device: Device, constants: AeadConstants = {}): Promise<ChaCha20Poly1305> {
    const all = { AAD_BYTES: BLOCK_HEADER_BYTES, STEPS_LOG2, MAC_ALONE: 0, ...constants }
    if (all.AAD_BYTES > BLOCK_HEADER_BYTES || all.STEPS_LOG2 > MAX_STEPS_LOG2) throw new RangeError('no such constants')
    const made = await Promise.all(ENTRY_POINTS.map(async (name) => [name, await device.pipeline('chacha20poly1305', name, all)] as const))
    return new ChaCha20Poly1305(device, Object.fromEntries(made) as Record<EntryPoint, GPUComputePipeline>, all)
  }

  /**
   * Takes about 900 bytes of device memory for each frame, and 40 for each 64 KiB of `blocks`.
   * @throws {RangeError} maxima out of bounds, or `tags` or `verdicts` too small
   * @throws {WarpError} ERR_WARP_GPU_FAILED
   */
  async bind({ blocks, tags, verdicts, maxFrames, maxFrameBytes }: AeadBuffers): Promise<ChaCha20Poly1305Pass> {
    if (!Number.isSafeInteger(maxFrames) || maxFrames < 1) throw new RangeError('maxFrames must be a positive integer')
    if (!Number.isSafeInteger(maxFrameBytes) || maxFrameBytes < 0) throw new RangeError('maxFrameBytes must be a length')
    if (maxFrameBytes > MAX_TEXT_BYTES) throw new RangeError('maxFrameBytes is more than the shader counts')
    if (tags.size < maxFrames * TAG_BYTES) throw new RangeError('no room for the tags')
    if (verdicts && verdicts.size < maxFrames * 4) throw new RangeError('no room for the verdicts')
    const segmentBytes = segmentBytesOf(this.#constants)
    // Blocks do not overlap, so all of them together have at most this many segments.
    const maxSegments = Math.floor(blocks.size / segmentBytes) + maxFrames
    const storage = USAGE.storage | USAGE.copyDst
    const own = {
      batch: await this.#device.buffer('aead.batch', BATCH_BYTES, USAGE.uniform | USAGE.copyDst),
      frames: await this.#device.buffer('aead.frames', maxFrames * FRAME_BYTES, storage),
      secrets: await this.#device.buffer('aead.secrets', maxFrames * SECRETS_BYTES, storage),
      partials: await this.#device.buffer('aead.partials', maxSegments * LIMBS_BYTES, storage),
    }
    const bound = [own.batch, own.frames, own.secrets, own.partials, blocks, tags, verdicts]
    const step = (name: EntryPoint, ...bindings: number[]): Step => {
      const pipeline = this.#pipelines[name]
      const entries = bindings.map((binding) => ({ binding, resource: { buffer: bound[binding]! } }))
      return { pipeline, group: this.#device.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }) }
    }
    const steps = {
      derive: step('derive', 0, 1, 2),
      encrypt: step('encrypt', 0, 1, 4),
      absorb: step('absorb', 0, 1, 2, 3, 4),
      seal: step('seal', 0, 1, 2, 3, 5),
      opening: verdicts ? { check: step('check', 0, 1, 2, 3, 5, 6), decrypt: step('decrypt', 0, 1, 4, 6) } : null,
    }
    return new ChaCha20Poly1305Pass(this.#device, own, steps, this.#constants, { blocksBytes: blocks.size, maxFrames, maxFrameBytes })
  }
}

/** Message bytes that a workgroup of `absorb` takes. */
function segmentBytesOf({ STEPS_LOG2 }: Required<AeadConstants>): number {
  return (LANES << STEPS_LOG2) * UNIT_BYTES
}

interface Step {
  pipeline: GPUComputePipeline
  group: GPUBindGroup
}

interface Steps {
  derive: Step
  encrypt: Step
  absorb: Step
  seal: Step
  opening: { check: Step; decrypt: Step } | null
}

interface OwnBuffers {
  batch: GPUBuffer
  frames: GPUBuffer
  secrets: GPUBuffer
  partials: GPUBuffer
}

interface Bounds {
  blocksBytes: number
  maxFrames: number
  maxFrameBytes: number
}

/** One batch in a submission: the frames of a second one would take the place of those of the first. */
export class ChaCha20Poly1305Pass {
  readonly #device: Device
  readonly #own: OwnBuffers
  readonly #steps: Steps
  readonly #constants: Required<AeadConstants>
  readonly #bounds: Bounds

  /** Made by `ChaCha20Poly1305.bind`. */
  constructor(device: Device, own: OwnBuffers, steps: Steps, constants: Required<AeadConstants>, bounds: Bounds) {
    this.#device = device
    this.#own = own
    this.#steps = steps
    this.#constants = constants
    this.#bounds = bounds
  }

  /**
   * Encrypts the texts in place, and writes the tag of frame i to word 4i of `tags`. No byte beyond a text changes.
   * @param frames at most `maxFrames`, in any order, none over another; borrowed until return
   * @param key 32 bytes; borrowed until return
   * @throws {RangeError} a length is wrong, or a block is not where it may be
   */
  encodeSeal(pass: GPUComputePassEncoder, frames: readonly AeadFrame[], key: Uint8Array): void {
    const { derive, encrypt, absorb, seal } = this.#steps
    const { spans, segments } = this.#write(frames, key)
    run(pass, derive, Math.ceil(frames.length / FRAMES_PER_GROUP))
    run(pass, encrypt, spans)
    run(pass, absorb, segments)
    run(pass, seal, frames.length)
  }

  /**
   * Holds the tag of frame i against words 4i … 4i + 3 of `tags`, writes word i of `verdicts`, then decrypts the
   * texts whose tags are right, in place. The others are overwritten with zeros. No byte beyond a text changes.
   * @param frames at most `maxFrames`, in any order, none over another; borrowed until return
   * @param key 32 bytes; borrowed until return
   * @throws {RangeError} a length is wrong, or a block is not where it may be
   * @throws {TypeError} `bind` was given no buffer for verdicts
   */
  encodeOpen(pass: GPUComputePassEncoder, frames: readonly AeadFrame[], key: Uint8Array): void {
    const { derive, absorb, opening } = this.#steps
    if (!opening) throw new TypeError('there is no buffer for verdicts')
    const { spans, segments } = this.#write(frames, key)
    run(pass, derive, Math.ceil(frames.length / FRAMES_PER_GROUP))
    run(pass, absorb, segments)
    run(pass, opening.check, frames.length)
    run(pass, opening.decrypt, spans)
  }

  /**
   * Overwrites what holds the key or was derived from it with zeros, after all that was submitted before. What
   * Dawn copied on the way to the device is out of reach.
   */
  wipe(): void {
    for (const buffer of Object.values(this.#own) as GPUBuffer[]) {
      this.#device.device.queue.writeBuffer(buffer, 0, new Uint8Array(buffer.size))
    }
  }

  /** Wipes, and gives the buffers back. */
  destroy(): void {
    this.wipe()
    for (const buffer of Object.values(this.#own) as GPUBuffer[]) buffer.destroy()
  }

  /** Checks the frames and writes what the shader is told of them. */
  #write(frames: readonly AeadFrame[], key: Uint8Array): { spans: number; segments: number } {
    this.#check(frames, key)
    const aadUnits = Math.ceil(this.#constants.AAD_BYTES / UNIT_BYTES)
    const segmentBytes = segmentBytesOf(this.#constants)
    const descriptions = new Uint8Array(frames.length * FRAME_BYTES)
    let spans = 0
    let segments = 0
    frames.forEach(({ offset, length, nonce }, i) => {
      new Uint32Array(descriptions.buffer, i * FRAME_BYTES, 4).set([offset / UNIT_BYTES, length, spans, segments])
      descriptions.set(nonce, i * FRAME_BYTES + 16)
      spans += Math.ceil(length / SPAN_BYTES)
      segments += Math.ceil((aadUnits * UNIT_BYTES + length) / segmentBytes)
    })
    // Views of memory of its own, since writeBuffer does not bear shared memory.
    const batch = new Uint8Array(BATCH_BYTES)
    batch.set(key)
    new Uint32Array(batch.buffer, KEY_BYTES, 3).set([frames.length, spans, segments])
    const { queue } = this.#device.device
    queue.writeBuffer(this.#own.batch, 0, batch)
    queue.writeBuffer(this.#own.frames, 0, descriptions)
    batch.fill(0)
    return { spans, segments }
  }

  #check(frames: readonly AeadFrame[], key: Uint8Array): void {
    const { blocksBytes, maxFrames, maxFrameBytes } = this.#bounds
    if (key.length !== KEY_BYTES) throw new RangeError('wrong length of the key')
    if (frames.length > maxFrames) throw new RangeError('too many frames')
    for (const { offset, length, nonce } of frames) {
      if (nonce.length !== NONCE_BYTES) throw new RangeError('wrong length of a nonce')
      if (!Number.isSafeInteger(length) || length < 0 || length > maxFrameBytes) throw new RangeError('a text is too long')
      if (!Number.isSafeInteger(offset) || offset < 0 || offset % ALIGN_BYTES !== 0) throw new RangeError('a block is not aligned')
      if (endOf({ offset, length }) > blocksBytes) throw new RangeError('a block is not inside the buffer')
    }
    const ascending = [...frames].sort((a, b) => a.offset - b.offset)
    if (ascending.some(({ offset }, i) => i > 0 && endOf(ascending[i - 1]!) > offset)) throw new RangeError('blocks overlap')
  }
}

/** Where the next block may begin. */
function endOf({ offset, length }: { offset: number; length: number }): number {
  return Math.ceil((offset + BLOCK_HEADER_BYTES + length) / ALIGN_BYTES) * ALIGN_BYTES
}

function run(pass: GPUComputePassEncoder, { pipeline, group }: Step, count: number): void {
  pass.setPipeline(pipeline)
  pass.setBindGroup(0, group)
  dispatch(pass, count)
}
