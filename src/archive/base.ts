/** The archive that a new one is made on (`create --base`): what is unchanged since is taken over from it. */
import fs from 'node:fs'
import { WarpError, inBase } from '../base/errors.ts'
import type { Pool } from '../engine/pool.ts'
import type { Sealing } from '../engine/block.ts'
import type { Inheritance } from '../format/inheritance.ts'
import { BaseFrames } from './base-frames.ts'
import { BaseMerge, type Section } from './base-merge.ts'
import { BaseWindow } from './base-window.ts'
import type { SourceEntry } from './batch.ts'
import { readFrameHeader } from './frame-reader.ts'
import { open, type Archive } from './open.ts'
import { TakenOver } from './taken-over.ts'
import type { CreateOptions } from './types.ts'

/** Frames of the base that are remembered: of a larger archive, chunks that come again far apart are stored again. */
const MAX_FRAMES = 2 ** 18

export class Base {
  readonly #archive: Archive
  readonly #frames: BaseFrames
  /** The new archive refers to its frames instead of copying them. */
  readonly isThin: boolean
  #merge: BaseMerge | null = null

  private constructor(archive: Archive, thin: boolean) {
    this.#archive = archive
    this.isThin = thin
    this.#frames = new BaseFrames(MAX_FRAMES, !thin)
  }

  /**
   * @throws {WarpError} as `open`, told of the base; ERR_WARP_USAGE: one of the two archives is encrypted and the
   *   other is not, the base is thin, or a thin archive would replace it
   */
  static async open(options: CreateOptions): Promise<Base | null> {
    const { base: path, baseKeys, passphrase, recipients = [], thin = false, output } = options
    if (path === undefined) return null
    let archive: Archive
    try {
      archive = await open(path, baseKeys ?? { passphrase })
    } catch (error) {
      throw inBase(error)
    }
    try {
      checkPair(archive, passphrase !== undefined || recipients.length > 0, thin, typeof output === 'string' ? output : null)
      return new Base(archive, thin)
    } catch (error) {
      await archive.close()
      throw error
    }
  }

  get average(): number {
    return this.#archive.unlocked.header.average
  }

  /** What the header of the new archive says of it; null if nothing. */
  get inheritance(): Inheritance | null {
    const { archiveId, root, unlocked: { chunkIdKey } } = this.#archive
    const base = this.isThin ? { archiveId, root } : null
    return chunkIdKey || base ? { chunkIdKey, base } : null
  }

  /** Regular files that were not read, and their bytes. */
  get kept(): { files: number; bytes: number } {
    return { files: this.#merge?.keptFiles ?? 0, bytes: this.#merge?.keptBytes ?? 0 }
  }

  /** The entries that a walk found, with what of them the base has unchanged in their place. */
  async *merge(groups: AsyncIterable<SourceEntry[]>): AsyncGenerator<SourceEntry[]> {
    const sections = this.#sections(groups)
    if (this.isThin) for await (const { entries } of sections) yield entries
    else yield* new BaseWindow({ frames: this.#frames, average: this.average, plainLengthOf: this.#plainLengthOf }).of(sections)
  }

  takenOver(pool: Pool, to: Sealing): TakenOver {
    const { fd, unlocked: { sealing, chunkIdKey } } = this.#archive
    return new TakenOver({ fd, sealing, chunkIdKey, frames: this.#frames, plainLengthOf: this.#plainLengthOf, thin: this.isThin, pool, to })
  }

  close(): Promise<void> {
    return this.#archive.close()
  }

  async *#sections(groups: AsyncIterable<SourceEntry[]>): AsyncGenerator<Section> {
    this.#merge = new BaseMerge(this.#archive)
    yield* this.#merge.of(groups)
  }

  readonly #plainLengthOf = (offset: number): number => {
    try {
      return readFrameHeader(this.#archive.fd, offset, this.#archive.unlocked.sealing).plainLength
    } catch (error) {
      throw inBase(error)
    }
  }
}

function checkPair(base: Archive, encrypted: boolean, thin: boolean, output: string | null): void {
  const refuse = (message: string, hint: string) => {
    throw new WarpError('ERR_WARP_USAGE', message, { hint })
  }
  // Ids of chunks are keyed in one and not in the other, so none of the base's could be taken over.
  if (base.encrypted && !encrypted) {
    refuse('the base is encrypted: the new archive must be too', 'give a passphrase or a recipient for it, or leave out --base')
  }
  if (!base.encrypted && encrypted) {
    refuse('the base is not encrypted: the new archive cannot be', 'make an encrypted archive without --base, and take that as the base from then on')
  }
  if (base.unlocked.base) refuse('the base is itself a thin archive', 'take the archive that it was made on as the base')
  if (!thin || output === null) return
  const [of, replaced] = [fs.fstatSync(base.fd, { bigint: true }), fs.statSync(output, { bigint: true, throwIfNoEntry: false })]
  if (of.ino === replaced?.ino && of.dev === replaced.dev) {
    refuse('a thin archive would replace the base that it needs', 'name another file to write, or leave out --thin')
  }
}
