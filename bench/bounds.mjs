/** Ratios of `npm run bench` above which something has got slower: what was measured on two cores, and about a third more. */

/** Which baseline the cost of a byte in each stage is compared with. */
export const STAGE_BASELINES = {
  'cuts and holes, files of 1 MiB': 'memcpy',
  'BLAKE3 ids, 64 KiB chunks': 'memcpy',
  'BLAKE3 ids, 2 KiB chunks': 'blake3',
  'zstd -3': 'memcpy',
  'zstd -3, decode': 'zstd',
  LZ4: 'zstd',
  'ChaCha20-Poly1305, seal': 'blake3',
}

/** The bounds are for this tree alone. */
export const BOUNDED_TREE = 'linux-source-6.1'

export const BOUNDS = {
  // Promised: no slower and no larger than what it replaces.
  'create / tar, zstd, age: time': 1,
  'create / tar, zstd, age: size': 1,
  'create / zstd alone: CPU': 3.7,
  'verify / BLAKE3 alone: CPU': 14,
  'extract / zstd alone: CPU': 11,
  'create, random / BLAKE3 alone: CPU': 36,
  'cuts and holes, files of 1 MiB / memcpy': 8,
  'BLAKE3 ids, 64 KiB chunks / memcpy': 4.5,
  'BLAKE3 ids, 2 KiB chunks / blake3': 7.5,
  'zstd -3 / memcpy': 36,
  'zstd -3, decode / zstd': 0.35,
  'LZ4 / zstd': 1.2,
  'ChaCha20-Poly1305, seal / blake3': 2.8,
}
