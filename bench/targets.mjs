/** What warp is to reach on the reference machine of two cores, as issue 3 sets it; each is measured in one run. */

/**
 * @typedef {object} Target
 * @property {string} job
 * @property {string} [input]
 * @property {string} [tool] the contender of this repository; default: warp
 * @property {'time' | 'size' | 'rate'} of
 * @property {string[]} [against] contenders: the limit is a factor of the least of theirs. None: it is absolute
 * @property {number} limit of time: a factor, or seconds; of size: a factor, or bytes; of rate: bytes a second, at least
 */

const PIPELINE = 'tar + zstd -3 + age'

/** @type {Target[]} of `bench:compare` */
export const COMPARE_TARGETS = [
  { job: 'create', input: 'linux', of: 'time', against: [PIPELINE], limit: 0.5 },
  { job: 'create', input: 'linux', of: 'time', against: ['restic'], limit: 0.3 },
  { job: 'create', input: 'linux', of: 'size', limit: 190e6 },
  { job: 'create', input: 'elf', of: 'time', against: [PIPELINE], limit: 0.6 },
  { job: 'create', input: 'elf', of: 'size', against: [PIPELINE], limit: 1 },
  { job: 'create', input: 'random', of: 'time', against: [PIPELINE], limit: 0.35 },
  { job: 'create', input: 'random', of: 'rate', limit: 0.8e9 },
  { job: 'create', input: 'releases', of: 'size', limit: 12e6 },
  { job: 'again', input: 'linux', tool: 'warp --base', of: 'time', against: ['restic'], limit: 0.3 },
  { job: 'extract', input: 'linux', of: 'time', against: [PIPELINE, 'restic'], limit: 0.9 },
  { job: 'verify', input: 'linux', of: 'time', against: ['restic'], limit: 0.5 },
  { job: 'verify', input: 'linux', of: 'time', against: ['its stages alone'], limit: 1.15 },
  { job: 'cat', input: 'linux', tool: 'warp, not encrypted', of: 'time', limit: 0.12 },
  { job: 'list', input: 'linux', tool: 'warp, not encrypted', of: 'time', limit: 0.25 },
  { job: 'version', of: 'time', limit: 0.06 },
]

/** GB/s at least, of `bench:micro`: what is named by its stage and whether on one core or on all. */
export const MICRO_TARGETS = [
  { stage: 'cuts and holes, files of 1 MiB', cores: 'one', limit: 1.5 },
  { stage: 'BLAKE3 ids, 64 KiB chunks', cores: 'all', limit: 5 },
  { stage: 'zstd -3', cores: 'all', limit: 0.5 },
  { stage: 'LZ4', cores: 'all', limit: 2 },
]

/** Of the peak RSS of warp: the default of --memory, and what may come on top of it. */
export const MEMORY_BYTES = 512 * 1024 * 1024
export const MEMORY_TOLERANCE = 1.25
