/** Options that several commands share. */
import type { OptionGroup, OptionSpec } from './spec.ts'

/** Of every command. */
export const GENERAL: OptionGroup = {
  title: 'General',
  options: [
    {
      name: 'json',
      help: 'print results as JSON on stdout; progress, problems and errors as NDJSON on stderr',
    },
    {
      name: 'quiet', letter: 'q',
      help: 'print no summary, notes or progress; errors and problems still show',
    },
    { name: 'verbose', letter: 'v', help: 'print the code of an error and where in the program it arose' },
    { name: 'no-progress', help: 'show no progress' },
    { name: 'help', letter: 'h', help: 'print this text' },
    { name: 'version', help: 'print the version' },
  ],
}

export const OUTPUT_ARCHIVE: OptionSpec = {
  name: 'output', letter: 'o', value: 'ARCHIVE', completes: 'file',
  help: 'the archive to write; a file of that name is replaced once the new one is complete',
}

/** What opens an encrypted archive. */
export const KEYS: OptionGroup = {
  title: 'Keys',
  options: [
    {
      name: 'passphrase-file', value: 'FILE', completes: 'file',
      help: 'the first line of FILE is the passphrase; - is standard input',
    },
    {
      name: 'identity', value: 'FILE', completes: 'file', repeatable: true,
      help: 'an identity made by `warp keygen`; may be given more than once',
    },
  ],
}

/** Where the content of a thin archive comes from. */
export const BASE: OptionGroup = {
  title: 'Thin archives',
  options: [
    {
      name: 'base', value: 'OLD', completes: 'file',
      help: 'the archive that a thin one was made on; default: the one beside it that has the right id and '
        + 'whose name ends in .warp',
    },
    {
      name: 'base-passphrase-file', value: 'FILE', completes: 'file',
      help: 'the first line of FILE opens OLD; - is standard input; default: what opens the archive itself',
    },
  ],
}

/** Parts of an archive. */
export const SELECTION: readonly OptionSpec[] = [
  {
    name: 'include', value: 'PATTERN', repeatable: true,
    help: 'take only what matches this gitignore pattern; may be given more than once',
  },
  {
    name: 'exclude', value: 'PATTERN', repeatable: true,
    help: 'leave out what matches this gitignore pattern; may be given more than once',
  },
]

export const THREADS: OptionSpec = {
  name: 'threads', value: 'N', help: 'worker threads; default: one for each processor',
}

export const MEMORY: OptionSpec = {
  name: 'memory', value: 'SIZE', help: 'bound on the data in flight; default: 512M',
}

export const ENGINES = ['auto', 'cpu', 'gpu'] as const

export const ENGINE: OptionSpec = {
  name: 'engine', value: 'NAME', completes: ENGINES,
  help: 'what cuts, hashes, compresses and seals: cpu, gpu, or auto, the GPU for large jobs where it is faster; '
    + 'zstd of the GPU has no levels: with --level the CPU compresses, with auto it does in any case; default: auto',
}

export const GPU_MEMORY: OptionSpec = {
  name: 'gpu-memory', value: 'SIZE', help: 'bound on the memory of the GPU that batches take, at least 160M, with zstd 420M; default: 1G',
}

export const TEMP_DIR: OptionSpec = {
  name: 'temp-dir', value: 'DIR', completes: 'directory',
  help: 'where data of an archive from standard input is kept meanwhile; default: that of the system',
}

export const INDEX_TEMP_DIR: OptionSpec = {
  name: 'temp-dir', value: 'DIR', completes: 'directory',
  help: 'where the index of chunks goes when it outgrows its share of the memory; default: that of the system',
}

export const PASSPHRASE_VARIABLE = {
  name: 'WARP_PASSPHRASE', help: 'the passphrase, where no option gives one',
}

export const READING_EXITS = ['output', 'malformed', 'unsupported', 'key', 'damaged'] as const
/** Of commands that read content, which a thin archive has elsewhere. */
export const CONTENT_EXITS = [...READING_EXITS, 'base'] as const
