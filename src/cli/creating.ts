/** Options of commands that store trees: how content is packed, what is left out, who can read it. */
import { WarpError } from '../base/errors.ts'
import { MAX_AVERAGE_BYTES, MIN_AVERAGE_BYTES } from '../base/limits.ts'
import { ENGINES } from './options.ts'
import { readNamedFile } from './output.ts'
import { parseCount, parseSize } from './sizes.ts'
import type { Context } from './context.ts'
import type { OptionSpec } from './spec.ts'
import type { Compression, CreateOptions } from '../index.ts'

const COMPRESSIONS = ['auto', 'zstd', 'lz4', 'none'] as const
const MAX_LEVEL = 19

export const PACKING: readonly OptionSpec[] = [
  {
    name: 'compress', value: 'HOW', completes: COMPRESSIONS,
    help: 'auto (zstd, but store what looks incompressible, and take higher levels while a pipe is slower '
      + 'than the CPU), zstd, lz4 or none; default: auto',
  },
  { name: 'level', value: 'N', help: `level of zstd, 1 to ${MAX_LEVEL}, held even into a slow pipe; default: 3` },
  {
    name: 'chunk-size', value: 'SIZE',
    help: 'average size of a chunk, a power of two from 4K to 4M; default: 8K below 256 MiB of input, '
      + '64K below 64 GiB, then more',
  },
]

export const STDIN_NAME: OptionSpec = {
  name: 'stdin-name', value: 'NAME', help: 'path of the file that standard input becomes; default: stdin',
}

export const LEFT_OUT: readonly OptionSpec[] = [
  {
    name: 'exclude', value: 'PATTERN', repeatable: true,
    help: 'leave out what matches this gitignore pattern; may be given more than once',
  },
  {
    name: 'exclude-from', value: 'FILE', completes: 'file', repeatable: true,
    help: 'leave out what matches a pattern of FILE, one a line; these come before those of --exclude',
  },
]

export const WALKING: readonly OptionSpec[] = [
  { name: 'one-file-system', help: 'do not go into directories on other file systems' },
  { name: 'follow-symlinks', help: 'store what symlinks point to instead of the symlinks' },
]

export const SEALING: readonly OptionSpec[] = [
  { name: 'passphrase', help: 'encrypt with WARP_PASSPHRASE, or else ask for a passphrase on the terminal' },
  {
    name: 'passphrase-file', value: 'FILE', completes: 'file',
    help: 'encrypt with the first line of FILE; - is standard input',
  },
  {
    name: 'recipient', value: 'KEY', repeatable: true,
    help: 'encrypt to a public key (warp-recipient1...); may be given more than once',
  },
  { name: 'sign', value: 'FILE', completes: 'file', help: 'sign with the identity in FILE' },
]

/** How content is to be cut and compressed, and by what. */
export function readPacking({ args }: Context): Pick<CreateOptions, 'compress' | 'level' | 'chunkSize' | 'engine' | 'gpuMemory'> {
  const compress = parseCompression(args.text('compress'))
  const level = args.text('level')
  return {
    compress,
    level: level === undefined ? undefined : parseCount(level, '--level', 1, MAX_LEVEL),
    chunkSize: parseChunkSize(args.text('chunk-size')),
    engine: parseEngine(args.text('engine')),
    gpuMemory: parseGpuMemory(args.text('gpu-memory')),
  }
}

function parseCompression(text: string | undefined): Compression | undefined {
  if (text === undefined) return undefined
  const compression = COMPRESSIONS.find(name => name === text)
  if (compression === undefined) {
    throw new WarpError('ERR_WARP_USAGE', `--compress takes ${COMPRESSIONS.join(', ')}, not '${text}'`)
  }
  return compression
}

function parseEngine(text: string | undefined): CreateOptions['engine'] {
  if (text === undefined) return undefined
  const engine = ENGINES.find(name => name === text)
  if (engine === undefined) throw new WarpError('ERR_WARP_USAGE', `--engine takes ${ENGINES.join(', ')}, not '${text}'`)
  return engine
}

function parseGpuMemory(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseSize(text, '--gpu-memory')
}

function parseChunkSize(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const bytes = parseSize(text, '--chunk-size')
  if (bytes < MIN_AVERAGE_BYTES || bytes > MAX_AVERAGE_BYTES || !Number.isInteger(Math.log2(bytes))) {
    throw new WarpError('ERR_WARP_USAGE', `--chunk-size takes a power of two from 4K to 4M, not '${text}'`)
  }
  return bytes
}

/** What is left out: patterns of files, then those of the command line. */
export function readPatterns({ args }: Context): string[] {
  const lines = args.texts('exclude-from').flatMap(path => {
    return readNamedFile(path, 'list of patterns').toString().split(/\r?\n/)
  })
  return [...lines.filter(line => line.trim() !== '' && !line.startsWith('#')), ...args.texts('exclude')]
}
