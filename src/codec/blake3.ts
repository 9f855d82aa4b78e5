/** BLAKE3 in its three modes. Source: format-spec §3; https://github.com/BLAKE3-team/BLAKE3-specs. */
import { ID_BYTES } from '../base/limits.ts'
import { choose, loadPortable } from './native.ts'

/** A hash in progress; `reset` goes back to the state after creation, with the same key. */
export interface Blake3State {
  update(bytes: Uint8Array): void
  digest(): Uint8Array
  /** Writes the digest to `out` at `at`. */
  digestInto(out: Buffer, at: number): void
  reset(): void
}

/** One implementation of BLAKE3. All digests are 32 bytes. */
export interface Blake3 {
  hash(bytes: Uint8Array): Uint8Array
  keyedHash(key: Uint8Array, bytes: Uint8Array): Uint8Array
  deriveKey(context: string, bytes: Uint8Array): Uint8Array
  /** A new hash in progress, keyed if `key` (32 bytes) is given. */
  open(key: Uint8Array | null): Blake3State
}

interface NativeHasher {
  update(bytes: Uint8Array): unknown
  digestBuffer(): Uint8Array
  digest(encoding: 'hex'): string
  reset(): void
}

interface NativePackage {
  blake3(bytes: Uint8Array): Uint8Array
  Blake3Hasher: {
    new(): NativeHasher
    newKeyed(key: Uint8Array): NativeHasher
    deriveKey(context: string, bytes: Uint8Array): Uint8Array
  }
}

function openNative(module: unknown): Blake3 {
  const { blake3, Blake3Hasher } = module as NativePackage
  const open = (key: Uint8Array | null): Blake3State => {
    const hasher = key === null ? new Blake3Hasher() : Blake3Hasher.newKeyed(asBuffer(key))
    return {
      update: (bytes) => { hasher.update(bytes) },
      digest: () => hasher.digestBuffer(),
      // Text spares a Buffer of its own, which is memory outside the heap with a finalizer.
      digestInto: (out, at) => { out.write(hasher.digest('hex'), at, 'hex') },
      reset: () => hasher.reset(),
    }
  }
  return {
    hash: (bytes) => blake3(bytes),
    keyedHash: (key, bytes) => {
      const hasher = Blake3Hasher.newKeyed(asBuffer(key))
      hasher.update(bytes)
      return hasher.digestBuffer()
    },
    deriveKey: (context, bytes) => Blake3Hasher.deriveKey(context, bytes),
    open,
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function openPortable(): Blake3 {
  const { blake3 } = loadPortable('@noble/hashes/blake3.js') as typeof import('@noble/hashes/blake3.js')
  const open = (key: Uint8Array | null): Blake3State => {
    const start = () => blake3.create(key === null ? {} : { key })
    let state = start()
    return {
      update: (bytes) => { state.update(bytes) },
      digest: () => state.clone().digest(),
      digestInto: (out, at) => { out.set(state.clone().digest(), at) },
      reset: () => { state = start() },
    }
  }
  return {
    hash: (bytes) => blake3(bytes),
    keyedHash: (key, bytes) => blake3(bytes, { key }),
    deriveKey: (context, bytes) => blake3(bytes, { context: new TextEncoder().encode(context) }),
    open,
  }
}

export const { native, portable, chosen } = choose('blake3', openNative, openPortable)

/** @returns 32 bytes */
export function hash(bytes: Uint8Array): Uint8Array {
  return chosen().hash(bytes)
}

/**
 * @param key 32 bytes
 * @returns 32 bytes
 */
export function keyedHash(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return chosen().keyedHash(key, bytes)
}

/**
 * `derive` of format-spec §3.
 * @param context ASCII
 * @returns 32 bytes
 */
export function deriveKey(context: string, bytes: Uint8Array): Uint8Array {
  return chosen().deriveKey(context, bytes)
}

/** Chunk ids (§4.5) of one archive. */
export class ChunkHasher {
  readonly #state: Blake3State

  /** @param key the chunk-id key of an encrypted archive, else null */
  constructor(key: Uint8Array | null) {
    this.#state = chosen().open(key)
  }

  /** Writes the 32 bytes of the id of `chunk` to `out` at `at`. */
  write(chunk: Uint8Array, out: Buffer, at: number): void {
    this.#state.reset()
    this.#state.update(chunk)
    this.#state.digestInto(out, at)
  }
}

/**
 * Chunk ids of many chunks of one buffer.
 * @param chunks pairs of offset and length, bytes
 * @param key as for ChunkHasher
 * @param out receives 32 bytes for each chunk
 * @throws {RangeError} a chunk outside `bytes`, or `out` too small
 */
export function hashChunks(
  bytes: Uint8Array, chunks: Uint32Array, key: Uint8Array | null, out: Uint8Array,
): void {
  const count = chunks.length >>> 1
  if (out.length < count * ID_BYTES) throw new RangeError('no room for the digests')
  const hasher = new ChunkHasher(key)
  const ids = asBuffer(out)
  for (let i = 0; i < count; i++) {
    const offset = chunks[2 * i]
    const length = chunks[2 * i + 1]
    if (offset + length > bytes.length) throw new RangeError('chunk outside the buffer')
    hasher.write(bytes.subarray(offset, offset + length), ids, i * ID_BYTES)
  }
}

/** A streaming hash, keyed if a key of 32 bytes is given; `digest` may be called at any time. */
export class Hasher {
  readonly #state: Blake3State

  constructor(key: Uint8Array | null = null) {
    this.#state = chosen().open(key)
  }

  update(bytes: Uint8Array): this {
    this.#state.update(bytes)
    return this
  }

  /** @returns 32 bytes: the digest of all since creation or `reset` */
  digest(): Uint8Array {
    return this.#state.digest()
  }

  reset(): this {
    this.#state.reset()
    return this
  }
}
