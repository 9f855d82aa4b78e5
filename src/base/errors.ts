/**
 * Every failure that warp can name: one class of error, one table from its code to a class and from
 * the class to the exit status.
 */

/** Exit status of each class of outcome. */
export const EXIT = {
  ok: 0,
  internal: 1,
  usage: 2,
  incomplete: 3,
  output: 4,
  different: 5,
  malformed: 10,
  unsupported: 11,
  key: 12,
  damaged: 13,
  gpu: 14,
  peer: 15,
  base: 16,
  interrupted: 130,
} as const

export type ErrorClass = keyof typeof EXIT

/** Class of each error code. */
const CLASS_OF = {
  ERR_WARP_INTERNAL: 'internal',
  ERR_WARP_WORKER_LOST: 'internal',
  ERR_WARP_USAGE: 'usage',
  ERR_WARP_INPUT_COLLISION: 'usage',
  ERR_WARP_INCOMPLETE: 'incomplete',
  ERR_WARP_INPUT_UNREADABLE: 'incomplete',
  ERR_WARP_NOT_FOUND: 'incomplete',
  ERR_WARP_OUTPUT: 'output',
  ERR_WARP_NO_SPACE: 'output',
  ERR_WARP_PIPE_CLOSED: 'output',
  ERR_WARP_ARCHIVE_UNREADABLE: 'malformed',
  ERR_WARP_NOT_AN_ARCHIVE: 'malformed',
  ERR_WARP_TRUNCATED: 'malformed',
  ERR_WARP_TRAILING_BYTES: 'malformed',
  ERR_WARP_HEADER_DAMAGED: 'malformed',
  ERR_WARP_MALFORMED: 'malformed',
  ERR_WARP_LIMIT: 'malformed',
  ERR_WARP_PATH_UNSAFE: 'malformed',
  ERR_WARP_ENTRY_ORDER: 'malformed',
  ERR_WARP_NOT_A_DIRECTORY: 'malformed',
  ERR_WARP_HARD_LINK_TARGET: 'malformed',
  ERR_WARP_NAME_COLLISION: 'malformed',
  ERR_WARP_VERSION: 'unsupported',
  ERR_WARP_FEATURE: 'unsupported',
  ERR_WARP_KEY_NEEDED: 'key',
  ERR_WARP_KEY_WRONG: 'key',
  ERR_WARP_BLOCK_DAMAGED: 'damaged',
  ERR_WARP_CHUNK_DAMAGED: 'damaged',
  ERR_WARP_DIGEST_MISMATCH: 'damaged',
  ERR_WARP_COUNT_MISMATCH: 'damaged',
  ERR_WARP_COMMITMENT_MISMATCH: 'damaged',
  ERR_WARP_SIGNATURE: 'damaged',
  ERR_WARP_GPU_UNAVAILABLE: 'gpu',
  ERR_WARP_GPU_FAILED: 'gpu',
  ERR_WARP_PEER_UNREACHABLE: 'peer',
  ERR_WARP_PEER_LOST: 'peer',
  ERR_WARP_PEER_SILENT: 'peer',
  ERR_WARP_PEER_AUTH: 'peer',
  ERR_WARP_PEER_UNKNOWN: 'peer',
  ERR_WARP_PEER_PROTOCOL: 'peer',
  ERR_WARP_PEER_VERSION: 'peer',
  ERR_WARP_PEER_FAILED: 'peer',
  ERR_WARP_PEER_REFUSED: 'peer',
  ERR_WARP_TICKET_USED: 'peer',
  ERR_WARP_TICKET_EXPIRED: 'peer',
  ERR_WARP_TICKET_BUSY: 'peer',
  ERR_WARP_CODE_WRONG: 'peer',
  ERR_WARP_TRANSPORT_UNAVAILABLE: 'peer',
  ERR_WARP_BASE_NEEDED: 'base',
  ERR_WARP_BASE_MISMATCH: 'base',
  ERR_WARP_INTERRUPTED: 'interrupted',
} as const satisfies Record<string, ErrorClass>

export type ErrorCode = keyof typeof CLASS_OF

/** The codes of one class. */
export type CodeOf<Class extends ErrorClass> = { [Code in ErrorCode]: (typeof CLASS_OF)[Code] extends Class ? Code : never }[ErrorCode]

export interface ErrorDetails {
  /** What the user can do next. */
  hint?: string
  /** The path concerned, for display. */
  path?: string
  /** Position in the archive, bytes. */
  offset?: number
  cause?: unknown
}

/** A failure with a stable `code`, and the context needed to act on it. */
export class WarpError extends Error {
  override readonly name = 'WarpError'
  readonly code: ErrorCode
  readonly hint?: string
  readonly path?: string
  readonly offset?: number

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    if (details.hint !== undefined) this.hint = details.hint
    if (details.path !== undefined) this.path = details.path
    if (details.offset !== undefined) this.offset = details.offset
  }

  get class(): ErrorClass {
    return CLASS_OF[this.code]
  }

  get exitCode(): number {
    return EXIT[this.class]
  }

  /** Plain data that survives a message to another thread; `fromData` is its inverse. */
  toData(): ErrorData {
    const { code, message, hint, path, offset } = this
    return { code, message, hint, path, offset }
  }

  static fromData(data: ErrorData): WarpError {
    return new WarpError(data.code, data.message, data)
  }
}

export interface ErrorData {
  code: ErrorCode
  message: string
  hint?: string
  path?: string
  offset?: number
}

/** What `read` gives; what it throws gets the position of the structure that it reads, unless it has one. */
export function atOffset<T>(offset: number, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof WarpError) || error.offset !== undefined) throw error
    const { code, message, hint, path } = error
    throw new WarpError(code, message, { hint, path, offset, cause: error })
  }
}

/** `error` as it is told of the base of an archive, whose own name and offsets would mislead. */
export function inBase(error: unknown): unknown {
  if (!(error instanceof WarpError)) return error
  const { code, message, hint, path, offset } = error
  return new WarpError(code, `the base: ${message}`, { hint, path, offset, cause: error })
}

/** `error` as a WarpError: itself, or wrapped as an internal fault. */
export function asWarpError(error: unknown): WarpError {
  if (error instanceof WarpError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new WarpError('ERR_WARP_INTERNAL', message, { cause: error })
}
