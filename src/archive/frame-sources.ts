/** Where the frames of an archive are read from: the archive itself and, of a thin one, its base. */
import { inBase } from '../base/errors.ts'
import type { Sealing } from '../engine/block.ts'
import { openBase, type OpenBase } from './find-base.ts'
import type { ArchiveSource } from './source.ts'
import type { BaseOptions, Keys } from './types.ts'
import type { Unlocked } from './unlock.ts'

/** A frame of an open archive, as tasks are told of it. */
export interface ArchiveFrame {
  fd: number
  offset: number
  sealing: Sealing
}

export class FrameSources {
  readonly #own: ArchiveSource
  readonly #unlocked: Unlocked
  readonly #path: string | null
  readonly #options: Keys & BaseOptions
  #base: Promise<OpenBase> | null = null

  /** @param path of the archive, beside which its base may lie; null for a stream */
  constructor(own: ArchiveSource, unlocked: Unlocked, path: string | null, options: Keys & BaseOptions) {
    this.#own = own
    this.#unlocked = unlocked
    this.#path = path
    this.#options = options
  }

  /** Makes sure that all frames can be read. @throws {WarpError} as `openBase` */
  async demandAll(): Promise<void> {
    if (this.#unlocked.base) await this.#openBase()
  }

  /**
   * @param frame as pages state it: negative in the base
   * @throws {WarpError} as `openBase`
   */
  async at(frame: number): Promise<ArchiveFrame> {
    if (frame >= 0) return { fd: this.#own.fd, offset: frame, sealing: this.#unlocked.sealing }
    const { source, unlocked } = await this.#openBase()
    return { fd: source.fd, offset: -frame, sealing: unlocked.sealing }
  }

  /** What went wrong with a frame, told of the archive that it lies in. */
  explain(frame: number, error: unknown): unknown {
    return frame < 0 ? inBase(error) : error
  }

  /** Closes the base; the archive itself belongs to whoever opened it. */
  async close(): Promise<void> {
    const base = await this.#base?.catch(() => null)
    this.#base = null
    if (!base) return
    base.source.close()
    base.unlocked.sealing.sealingKey?.fill(0)
    base.unlocked.chunkIdKey?.fill(0)
  }

  #openBase(): Promise<OpenBase> {
    return (this.#base ??= openBase(this.#unlocked, this.#unlocked.base!, this.#path, this.#options))
  }
}
