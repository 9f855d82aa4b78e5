/**
 * zstd frames as §7 wants them: one frame, content size present, window no larger than a block. What a
 * decoder is given was walked first, so that it can be no other kind of frame.
 */
import { WarpError } from '../base/errors.ts'
import { KIB, MAX_FRAME_BYTES, MIB } from '../base/limits.ts'
import { choose, loadPortable } from './native.ts'
import { readZstdFrame, rewriteZstdHeader, type Zstd } from './zstd-frame.ts'
import { openLibrary } from './zstd-library.ts'

export type { Zstd }

/** Levels above want windows of more than MAX_FRAME_BYTES. */
export const MAX_LEVEL = 19

interface NativeStream {
  data(bytes: Buffer, take: (piece: Buffer) => void): void
  end(take: (piece: Buffer) => void): void
}

export interface NativePackage {
  Compressor: new(level: number) => NativeStream
  Decompressor: new() => NativeStream
}

function openNative(module: unknown): Zstd {
  return openLibrary() ?? openStreams(module as NativePackage)
}

/**
 * The package's own interface. Its one-shot functions work on one context for the whole process, and two
 * threads that use them at once corrupt it. A stream owns its context and starts a new frame after each
 * end, so each thread keeps one a level.
 */
export function openStreams({ Compressor, Decompressor }: NativePackage): Zstd {
  const compressors = new Map<number, NativeStream>()
  let decompressor: NativeStream | null = null
  return {
    compressInto: (bytes, level, out) => {
      const compressor = compressors.get(level) ?? new Compressor(level)
      // Kept only once it has ended its frame.
      compressors.delete(level)
      const pieces: Buffer[] = []
      const take = (piece: Buffer) => { pieces.push(piece) }
      compressor.data(asBuffer(bytes), take)
      compressor.end(take)
      compressors.set(level, compressor)
      return place(rewriteZstdHeader(Buffer.concat(pieces), bytes.length), out)
    },
    decompressInto: (frame, out) => {
      const stream = decompressor ?? new Decompressor()
      decompressor = null
      let at = 0
      // `set` throws once the frame gives more than it declares.
      const take = (piece: Buffer) => {
        out.set(piece, at)
        at += piece.length
      }
      stream.data(asBuffer(frame), take)
      stream.end(take)
      if (at !== out.length) throw new Error('the frame gave too few bytes')
      decompressor = stream
    },
  }
}

function place(frame: Uint8Array, out: Uint8Array): number {
  if (frame.length > out.length) return 0
  out.set(frame)
  return frame.length
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
    compressInto: (bytes, level, out) => {
      const frame = run(bytes, codec.compressBound(bytes.length), (target, source) => codec.compress(target, source, level))
      return place(rewriteZstdHeader(frame, bytes.length), out)
    },
    decompressInto: (frame, out) => {
      const plain = run(frame, out.length, (target, source) => codec.decompress(target, source))
      if (plain.length !== out.length) throw new Error('the frame gave too few bytes')
      out.set(plain)
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
 * Writes one zstd frame that obeys §7.
 * @param bytes 1 … MAX_FRAME_BYTES
 * @param level 1 … MAX_LEVEL
 * @param out must not overlap `bytes`
 * @returns bytes written, 0 if `out` has too little room: some bytes more than are written may be needed
 * @throws {RangeError} length or level out of range
 */
export function compressInto(bytes: Uint8Array, level: number, out: Uint8Array, zstd: Zstd = chosen()): number {
  checkLength(bytes.length)
  if (!Number.isInteger(level) || level < 1 || level > MAX_LEVEL) throw new RangeError('no such level')
  return zstd.compressInto(bytes, level, out)
}

/**
 * Decodes a frame.
 * @param out receives the content, 1 … MAX_FRAME_BYTES: as many bytes as the frame must hold
 * @throws {WarpError} ERR_WARP_MALFORMED: not a single frame as of §7; ERR_WARP_BLOCK_DAMAGED: the
 * decoder does not accept it
 * @throws {RangeError} length of `out` out of range
 */
export function decompressInto(encoded: Uint8Array, out: Uint8Array, zstd: Zstd = chosen()): void {
  checkLength(out.length)
  readZstdFrame(encoded, out.length)
  try {
    zstd.decompressInto(encoded, out)
  } catch (cause) {
    throw new WarpError('ERR_WARP_BLOCK_DAMAGED', 'zstd frame cannot be decoded', { cause })
  }
}

function checkLength(plainLength: number): void {
  if (plainLength < 1 || plainLength > MAX_FRAME_BYTES) throw new RangeError('not the length of a block')
}
