// The five ways in which an archive can fail a reader, by their names in §13.

/** An archive that cannot be read; `class` is malformed, unsupported, key, damaged or base (§13). */
export class ReaderError extends Error {
  constructor(errorClass, message) {
    super(message)
    this.name = 'ReaderError'
    this.class = errorClass
  }
}

export const malformed = message => new ReaderError('malformed', message)
export const unsupported = message => new ReaderError('unsupported', message)
export const keyError = message => new ReaderError('key', message)
export const damaged = message => new ReaderError('damaged', message)
export const baseError = message => new ReaderError('base', message)
