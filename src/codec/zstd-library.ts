/**
 * zstd's own functions, which the native package exports beside its interface for Node: one call a frame,
 * straight from and into the caller's memory. The contexts live in buffers of this thread, so they go with it.
 */
import { loadKoffi } from '../base/koffi.ts'
import { isBinary } from './entropy.ts'
import { addonPath } from './native.ts'
import type { Zstd } from './zstd-frame.ts'

/** Errors are numbers just below 2⁶⁴. */
function isError(result: number | bigint): boolean {
  return typeof result === 'bigint' && result > 1n << 63n
}

function check(result: number | bigint): void {
  if (isError(result)) throw new Error('zstd does not take a parameter')
}

type Call<T> = (...args: unknown[]) => T

/** ZSTD_cParameter of zstd.h. */
const PARAMETER = { level: 100, windowLog: 101, hashLog: 102, chainLog: 103, contentSizeFlag: 200 } as const

/** A window of MAX_FRAME_BYTES: matches reach as far back as the frame does. */
const WINDOW_LOG = 24

/**
 * The tables of the default level. For text 288 KiB instead of 768 KiB, so that they stay in a core's second-level cache
 * beside the data, and the smaller one in the first. Over the Linux tree in frames of 8 MiB that takes a sixth less time
 * for 1.9 % more bytes, about what the long frames and the wide window take off. Programs have more strings that are worth
 * remembering: there 1.25 MiB give 4.3 % fewer bytes than 320 KiB, for a third more time (bench/micro/zstd-tables.mjs).
 */
const TABLES = {
  text: new Map([[3, { hashLog: 16, chainLog: 13 }]]),
  binary: new Map([[3, { hashLog: 18, chainLog: 16 }]]),
}

interface Context {
  /** What `pointer` points to. */
  memory: Buffer
  pointer: unknown
}

/** @returns null where koffi or the functions cannot be had */
export function openLibrary(): Zstd | null {
  const koffi = loadKoffi()
  const path = addonPath()
  if (koffi === null || path === null) return null
  try {
    return bind(koffi.load(path))
  } catch {
    return null
  }
}

function bind(library: ReturnType<NonNullable<ReturnType<typeof loadKoffi>>['load']>): Zstd {
  const declare = <T>(prototype: string) => library.func(prototype) as unknown as Call<T>
  const createParameters = declare<unknown>('void *ZSTD_createCCtxParams()')
  const freeParameters = declare<number>('size_t ZSTD_freeCCtxParams(void *parameters)')
  const setParameter = declare<number | bigint>('size_t ZSTD_CCtxParams_setParameter(void *parameters, int parameter, int value)')
  const estimateCompressor = declare<number>('size_t ZSTD_estimateCCtxSize_usingCCtxParams(void *parameters)')
  const initCompressor = declare<unknown>('void *ZSTD_initStaticCCtx(void *memory, size_t size)')
  const applyParameters = declare<number | bigint>('size_t ZSTD_CCtx_setParametersUsingCCtxParams(void *context, void *parameters)')
  const compress = declare<number | bigint>('size_t ZSTD_compress2(void *context, void *out, size_t room, const void *bytes, size_t length)')
  const estimateDecompressor = declare<number>('size_t ZSTD_estimateDCtxSize()')
  const initDecompressor = declare<unknown>('void *ZSTD_initStaticDCtx(void *memory, size_t size)')
  const decompress = declare<number | bigint>('size_t ZSTD_decompressDCtx(void *context, void *out, size_t room, const void *frame, size_t length)')

  /** By level, or by the tables of a level that has some of its own. */
  const compressors = new Map<number | object, Context>()
  let decompressor: Context | null = null

  function openContext(size: number, init: Call<unknown>): Context {
    const memory = Buffer.allocUnsafeSlow(size)
    const pointer = init(memory, size)
    if (pointer === null) throw new Error('zstd takes no context of the size that it asked for')
    return { memory, pointer }
  }

  function compressorOf(level: number, kind: keyof typeof TABLES): Context {
    const tables = TABLES[kind].get(level)
    let context = compressors.get(tables ?? level)
    if (!context) {
      const parameters = createParameters()
      try {
        const wanted = { level, windowLog: WINDOW_LOG, contentSizeFlag: 1, ...tables }
        for (const [name, value] of Object.entries(wanted)) check(setParameter(parameters, PARAMETER[name as keyof typeof wanted], value))
        context = openContext(estimateCompressor(parameters), initCompressor)
        check(applyParameters(context.pointer, parameters))
      } finally {
        freeParameters(parameters)
      }
      compressors.set(tables ?? level, context)
    }
    return context
  }

  return {
    compressInto: (bytes, level, out) => {
      const length = compress(compressorOf(level, isBinary(bytes) ? 'binary' : 'text').pointer, out, out.length, bytes, bytes.length)
      // The only error that can come is that `out` is too small.
      return isError(length) ? 0 : Number(length)
    },
    decompressInto: (frame, out) => {
      decompressor ??= openContext(estimateDecompressor(), initDecompressor)
      const length = decompress(decompressor.pointer, out, out.length, frame, frame.length)
      if (Number(length) !== out.length) throw new Error('the frame does not give what it declares')
    },
  }
}
