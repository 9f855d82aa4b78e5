/** The constants of the format: sizes, counts and bounds. Source: format-spec/warp-archive.md §4–§12. */

export const KIB = 1024
export const MIB = 1024 * KIB
export const GIB = 1024 * MIB
export const TIB = 1024 * GIB

// §5.1, §5.2
export const HEADER_BYTES = 256
export const SLOT_BYTES = 96
export const MAX_SLOTS = 64
export const MAX_PASSPHRASE_SLOTS = 8
export const ARGON2_MAX_ITERATIONS = 16
export const ARGON2_MIN_MEMORY_KIB = 8
export const ARGON2_MAX_MEMORY_KIB = 1_048_576
export const ARGON2_MAX_TOTAL_KIB = 16_777_216

// §6.5
/** What is inherited from a base, and with the tag of its seal. */
export const INHERITANCE_BYTES = 80
export const INHERITANCE_FIELD_BYTES = 96

// §5.3
export const BLOCK_HEADER_BYTES = 64
export const TAG_BYTES = 16
export const CHECKSUM_BYTES = 16
export const ARCHIVE_ID_BYTES = 16
export const KEY_BYTES = 32
export const ID_BYTES = 32
export const FOOTER_BODY_BYTES = 232
export const FOOTER_BLOCK_BYTES = BLOCK_HEADER_BYTES + FOOTER_BODY_BYTES + TAG_BYTES
export const MAX_FRAME_BYTES = 16 * MIB
export const MAX_PAGE_BYTES = 4 * MIB
/** §5.4: frames between two pages, bytes before compression. */
export const MAX_FRAMES_BETWEEN_PAGES_BYTES = 128 * MIB

// §4
export const MIN_AVERAGE_BYTES = 4 * KIB
export const MAX_AVERAGE_BYTES = 4 * MIB
/** §4.1: a chunk that is not the last of its region is at least this long. */
export function minChunkBytes(average: number): number {
  return average / 2
}

/** §4.1: no chunk is longer. */
export function maxChunkBytes(average: number): number {
  return average * 4
}

/** §4.2: the bits of a digest that are 0 at a candidate. */
export function candidateMask(average: number): number {
  return average / 2 - 1
}

export const HOLE_ALIGN_BYTES = 4 * KIB
export const HOLE_MIN_BYTES = 64 * KIB

// §7
export const LZ4_PART_BYTES = 64 * KIB

// §8
export const PAGE_CLOSE_CONTENT_BYTES = 1 * MIB
export const PAGE_CLOSE_LOGICAL_BYTES = 64 * MIB
export const PAGE_CLOSE_ENTRIES = 8192
export const MAX_PATH_BYTES = 4096
export const MAX_NAME_BYTES = 255
export const MAX_TARGET_BYTES = 4095
export const MAX_XATTRS = 1024
export const MAX_XATTR_VALUE_BYTES = 64 * KIB
export const MAX_XATTR_TOTAL_BYTES = 256 * KIB
export const MAX_OWNER_NAME_BYTES = 255

// §9
export const INDEX_FAN_OUT = 128
export const MAX_LEVEL = 8

/**
 * Plaintext that a writer puts into a frame before it starts the next. Twice as much makes the Linux tree
 * another percent smaller, but gives fewer tasks to many threads and costs more for one file out of a frame.
 */
export const FRAME_TARGET_BYTES = 8 * MIB
/** Input that an engine works on at once. */
export const BATCH_BYTES = 32 * MIB
