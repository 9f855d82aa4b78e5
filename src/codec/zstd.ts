/**
 * zstd frames as §7 wants them: one frame, content size present, window no larger than a block. What a
 * decoder is given was walked first, so that it can be no other kind of frame.
 */
import { WarpError } from '../base/errors.ts'
import { KIB, MAX_FRAME_BYTES, MIB } from '../base/limits.ts'
import { choose, loadPortable } from './native.ts'
import { readZstdFrame, rewriteZstdHeader } from './zstd-frame.ts'

/** Levels above want windows of more than MAX_FRAME_BYTES. */
export const MAX_LEVEL = 19

/** Makes and reads single frames; what is not a frame of the length given makes it throw. */
export interface Zstd {
  compress(bytes: Uint8Array, level: number): Uint8Array
  decompress(frame: Uint8Array, plainLength: number): Uint8Array
}

interface NativeStream {
  data(bytes: Buffer, take: (piece: Buffer) => void): void
  end(take: (piece: Buffer) => void): void
}

interface NativePackage {
  Compressor: new(level: number) => NativeStream
  Decompressor: new() => NativeStream
}

/**
 * The package's one-shot functions work on one context for the whole process, and two threads that use
 * them at once corrupt it. A stream owns its context and starts a new frame after each end, so each
 * thread keeps one a level.
 */
function openNative(module: unknown): Zstd {
  const { Compressor, Decompressor } = module as NativePackage
  const compressors = new Map<number, NativeStream>()
  let decompressor: NativeStream | null = null
  return {
    compress: (bytes, level) => {
      const compressor = compressors.get(level) ?? new Compressor(level)
      // Kept only once it has ended its frame.
      compressors.delete(level)
      const pieces: Buffer[] = []
      const take = (piece: Buffer) => { pieces.push(piece) }
      compressor.data(asBuffer(bytes), take)
      compressor.end(take)
      compressors.set(level, compressor)
      return Buffer.concat(pieces)
    },
    decompress: (frame, plainLength) => {
      const stream = decompressor ?? new Decompressor()
      decompressor = null
      const plain = Buffer.allocUnsafeSlow(plainLength)
      let at = 0
      // `set` throws once the frame gives more than it declares.
      const take = (piece: Buffer) => {
        plain.set(piece, at)
        at += piece.length
      }
      stream.data(asBuffer(frame), take)
      stream.end(take)
      if (at !== plainLength) throw new Error('the frame gave too few bytes')
      decompressor = stream
      return plain
    },
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

interface Vector {
  resize(length: number, fill: number): void
  delete(): void
}

interface PortableModule {
  ZstdCodec: new() => {
    compressBound(length: number): number
    compress(target: Vector, source: Vector, level: number): number
    decompress(target: Vector, source: Vector): number
  }
  VectorU8: new() => Vector
  cloneToVector(vector: Vector, bytes: Uint8Array): void
  cloneAsTypedArray(vector: Vector): Uint8Array
}

function openPortable(): Zstd {
  const module = instantiatePortable()
  const codec = new module.ZstdCodec()
  const run = (
    bytes: Uint8Array, room: number, work: (target: Vector, source: Vector) => number,
  ): Uint8Array => {
    const source = new module.VectorU8()
    const target = new module.VectorU8()
    try {
      module.cloneToVector(source, bytes)
      target.resize(room, 0)
      const length = work(target, source)
      if (length < 0) throw new Error('zstd failed')
      target.resize(length, 0)
      return module.cloneAsTypedArray(target)
    } finally {
      source.delete()
      target.delete()
    }
  }
  return {
    compress: (bytes, level) => run(bytes, codec.compressBound(bytes.length),
      (target, source) => codec.compress(target, source, level)),
    decompress: (frame, plainLength) => {
      const plain = run(frame, plainLength, (target, source) => codec.decompress(target, source))
      if (plain.length !== plainLength) throw new Error('the frame gave too few bytes')
      return plain
    },
  }
}

type Instance = { exports: object }

// The part of the global that is used here; the compiler's library without a DOM has none of it.
declare const WebAssembly: {
  Module: new(binary: Uint8Array) => object
  Instance: new(code: object, imports: object) => Instance
}

const PORTABLE_MEMORY_BYTES = 256 * MIB

/**
 * The WebAssembly module of zstd-codec, synchronously. Its own loader only works asynchronously and
 * keeps the binary to itself, so that is read out of the text of the function that holds it.
 */
function instantiatePortable(): PortableModule {
  const start = loadPortable('zstd-codec/lib/zstd-codec-binding-wasm.js') as (module: object) => void
  const binary = /data:application\/octet-stream;base64,([A-Za-z0-9+/=]+)/.exec(start.toString())
  if (binary === null) throw new WarpError('ERR_WARP_INTERNAL', 'zstd-codec has changed its form')
  const code = new WebAssembly.Module(allowMemory(Buffer.from(binary[1], 'base64')))
  const module = {
    TOTAL_MEMORY: PORTABLE_MEMORY_BYTES,
    instantiateWasm: (imports: object, receive: (instance: Instance) => void) => {
      const instance = new WebAssembly.Instance(code, imports)
      receive(instance)
      return instance.exports
    },
  }
  start(module)
  return module as unknown as PortableModule
}

/**
 * Raises the limit that the binary sets for the memory that it imports, 256 pages of 64 KiB, to
 * PORTABLE_MEMORY_BYTES: too little is left in it to decode a block of MAX_FRAME_BYTES.
 */
function allowMemory(binary: Buffer): Buffer {
  // Import of kind 2 (memory), limits with a maximum: minimum, maximum as LEB128.
  const limits = Buffer.of(0x02, 0x01, 0x80, 0x02, 0x80, 0x02)
  const name = Buffer.from('memory')
  const at = binary.indexOf(Buffer.concat([name, limits]))
  if (at < 0) throw new WarpError('ERR_WARP_INTERNAL', 'zstd-codec has changed its form')
  binary[at + name.length + limits.length - 1] = PORTABLE_MEMORY_BYTES / (64 * KIB) >>> 7
  return binary
}

export const { native, portable, chosen } = choose('zstd', openNative, openPortable)

/**
 * One zstd frame that obeys §7; it can be longer than the input.
 * @param bytes 1 … MAX_FRAME_BYTES
 * @param level 1 … MAX_LEVEL
 * @throws {RangeError} length or level out of range
 */
export function compress(bytes: Uint8Array, level: number, zstd: Zstd = chosen()): Uint8Array {
  checkLength(bytes.length)
  if (!Number.isInteger(level) || level < 1 || level > MAX_LEVEL) throw new RangeError('no such level')
  return rewriteZstdHeader(zstd.compress(bytes, level), bytes.length)
}

/**
 * The content of a frame.
 * @param plainLength what it must be, 1 … MAX_FRAME_BYTES
 * @throws {WarpError} ERR_WARP_MALFORMED: not a single frame as of §7; ERR_WARP_BLOCK_DAMAGED: the
 * decoder does not accept it
 * @throws {RangeError} `plainLength` out of range
 */
export function decompress(encoded: Uint8Array, plainLength: number, zstd: Zstd = chosen()): Uint8Array {
  checkLength(plainLength)
  readZstdFrame(encoded, plainLength)
  try {
    return zstd.decompress(encoded, plainLength)
  } catch (cause) {
    throw new WarpError('ERR_WARP_BLOCK_DAMAGED', 'zstd frame cannot be decoded', { cause })
  }
}

function checkLength(plainLength: number): void {
  if (plainLength < 1 || plainLength > MAX_FRAME_BYTES) throw new RangeError('not the length of a block')
}
