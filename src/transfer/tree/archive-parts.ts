/**
 * What runs of a receiver into an archive have left beside it: each wrote a part of its own, an archive up to its last
 * page, with the same archive key and a salt of its own. A later run takes over what they hold instead of having it
 * sent again. The key lies beside them until the archive is complete: whoever only has public keys could not read
 * them otherwise.
 */
import fs from 'node:fs'
import path from 'node:path'
import { randomBytes } from 'node:crypto'
import { KEY_BYTES, MAX_NAME_BYTES, maxChunkBytes } from '../../base/limits.ts'
import { hash } from '../../codec/blake3.ts'
import { subKeys } from '../../codec/keys.ts'
import { outputError } from '../../archive/sink.ts'
import type { FileSource } from '../../archive/source.ts'
import type { Unlocked } from '../../archive/unlock.ts'
import { HEADER_BYTES } from '../../base/limits.ts'
import { readHeader, readHeaderSize } from '../../format/header.ts'

interface State {
  average: number
  /** Hexadecimal; null: not encrypted. */
  archiveKey: string | null
}

export class ArchiveParts {
  readonly average: number
  readonly archiveKey: Uint8Array | null
  /** Parts that are there, the oldest first. */
  readonly earlier: string[]
  /** Where the next is written. */
  readonly next: string
  readonly #statePath: string

  private constructor(statePath: string, state: State, earlier: string[], next: string) {
    this.#statePath = statePath
    this.average = state.average
    this.archiveKey = state.archiveKey === null ? null : Buffer.from(state.archiveKey, 'hex')
    this.earlier = earlier
    this.next = next
  }

  /**
   * @param final where the archive is to stand
   * @throws {WarpError} class output
   */
  static open(final: string, offerId: Uint8Array, average: number, isEncrypted: boolean): ArchiveParts {
    try {
      const { dir, base } = path.parse(final)
      const suffix = `.receiving-${Buffer.from(offerId).toString('hex').slice(0, 8)}`
      const stem = path.join(dir, `.${Buffer.from(base).subarray(0, MAX_NAME_BYTES - suffix.length - 8).toString()}${suffix}`)
      const statePath = `${stem}.key`
      let state = readState(statePath)
      if (state && (state.archiveKey !== null) !== isEncrypted) state = null
      const numbers = fs.readdirSync(dir === '' ? '.' : dir).flatMap((name) => {
        const start = `${path.basename(stem)}.`
        const number = name.startsWith(start) ? Number(name.slice(start.length)) : NaN
        return Number.isInteger(number) && number > 0 ? [number] : []
      }).sort((a, b) => a - b)
      const parts = numbers.map((number) => `${stem}.${number}`)
      if (!state) {
        // Without its key a part is of no use.
        for (const part of parts) fs.rmSync(part, { force: true })
        state = { average, archiveKey: isEncrypted ? randomBytes(KEY_BYTES).toString('hex') : null }
        fs.rmSync(statePath, { force: true })
        fs.writeFileSync(statePath, JSON.stringify(state), { mode: 0o600, flag: 'wx', flush: true })
        return new ArchiveParts(statePath, state, [], `${stem}.1`)
      }
      return new ArchiveParts(statePath, state, parts, `${stem}.${(numbers.at(-1) ?? 0) + 1}`)
    } catch (error) {
      throw outputError(error, final)
    }
  }

  /** Opens one of them with the key that they have in common. */
  async unlock(source: FileSource): Promise<Unlocked> {
    const firstBlock = readHeaderSize(await source.read(0, HEADER_BYTES))
    const { header } = readHeader(await source.read(0, firstBlock), hash)
    const pageOptions = { maxChunk: maxChunkBytes(header.average), thin: false }
    const common = { header, firstBlock, base: null, pageOptions }
    if (this.archiveKey === null) return { ...common, sealing: { archiveId: header.archiveId, sealingKey: null }, chunkIdKey: null }
    const keys = subKeys(this.archiveKey, header.segmentSalt)
    return { ...common, sealing: { archiveId: header.archiveId, sealingKey: keys.sealing }, chunkIdKey: keys.chunkId }
  }

  /** The archive is complete: nothing is left. */
  remove(): void {
    for (const part of this.earlier) fs.rmSync(part, { force: true })
    fs.rmSync(this.#statePath, { force: true })
  }

  close(): void {
    this.archiveKey?.fill(0)
  }
}

function readState(file: string): State | null {
  try {
    const { average, archiveKey } = JSON.parse(fs.readFileSync(file, 'utf8')) as State
    return typeof average === 'number' && (archiveKey === null || /^[0-9a-f]{64}$/.test(archiveKey)) ? { average, archiveKey } : null
  } catch {
    return null
  }
}
