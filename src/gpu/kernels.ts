/** The kernels that a batch needs, compiled for one device. */
import { Blake3 } from './blake3.ts'
import { Buzhash } from './buzhash.ts'
import { ChaCha20Poly1305 } from './chacha20poly1305.ts'
import type { Device } from './device.ts'
import { Entropy } from './entropy.ts'
import { Gather } from './gather.ts'
import { Lz4 } from './lz4.ts'
import { Zeros } from './zeros.ts'
import { Zstd } from './zstd.ts'

export type Encoder = 'store' | 'lz4' | 'zstd'

/** What is done to frames; each kernel takes its time to compile, so only what is needed is. */
export interface SealPlan {
  /** With what they are compressed. */
  encoder: Encoder
  /** Which frames are worth compressing is estimated. */
  estimates: boolean
  isEncrypted: boolean
}

export interface SealKernels {
  gather: Gather
  /** Null: frames are stored. */
  encoder: Lz4 | Zstd | null
  entropy: Entropy | null
  aead: ChaCha20Poly1305 | null
}

export interface Kernels {
  buzhash: Buzhash
  zeros: Zeros
  blake3: Blake3
  seal: SealKernels | null
}

const ENCODERS = { store: null, lz4: Lz4, zstd: Zstd } as const

/**
 * @param table T of spec §4.2, u32[256]
 * @param plan null: frames are sealed elsewhere
 * @throws {WarpError} ERR_WARP_GPU_FAILED: one does not compile
 */
export async function compileKernels(device: Device, table: Uint32Array, plan: SealPlan | null): Promise<Kernels> {
  const [buzhash, zeros, blake3, seal] = await Promise.all([
    Buzhash.create(device, table), Zeros.create(device), Blake3.create(device), plan && compileSealKernels(device, plan),
  ])
  return { buzhash, zeros, blake3, seal }
}

async function compileSealKernels(device: Device, { encoder: name, estimates, isEncrypted }: SealPlan): Promise<SealKernels> {
  const [gather, encoder, entropy, aead] = await Promise.all([
    Gather.create(device), ENCODERS[name]?.create(device) ?? null, estimates ? Entropy.create(device) : null,
    isEncrypted ? ChaCha20Poly1305.create(device) : null,
  ])
  return { gather, encoder, entropy, aead }
}
