/** Takes an archive as it arrives: checks each piece, then writes it, so that nothing is read back to be checked. */
import fs from 'node:fs'
import { ArchiveCheck, type CheckedSoFar } from './archive-check.ts'
import type { ArchiveOffer } from './archive-messages.ts'

export interface IntakeStart {
  fd: number
  offer: ArchiveOffer
  /** Where a run before has come to, and the first bytes of the archive, at least its header and key slots; null: it begins. */
  resumed: { head: Uint8Array; soFar: CheckedSoFar } | null
}

export class ArchiveIntake {
  readonly #fd: number
  readonly #check: ArchiveCheck
  #failure: Error | null = null

  /** @throws {WarpError} as `ArchiveCheck.resume` */
  constructor({ fd, offer, resumed }: IntakeStart) {
    this.#fd = fd
    this.#check = resumed ? ArchiveCheck.resume(offer, resumed.head, resumed.soFar) : new ArchiveCheck(offer)
  }

  /**
   * @param bytes that follow those before
   * @returns where the last complete block ends
   * @throws {WarpError} as `ArchiveCheck.push`, and Node's system error; from then on each call throws the same
   */
  take(bytes: Uint8Array): CheckedSoFar {
    // What comes behind a piece that was refused is not where the archive has it.
    if (this.#failure) throw this.#failure
    try {
      const position = this.#check.arrived
      this.#check.push(bytes)
      for (let done = 0; done < bytes.length; ) done += fs.writeSync(this.#fd, bytes, done, bytes.length - done, position + done)
      return { ...this.#check.soFar }
    } catch (error) {
      this.#failure = error as Error
      throw error
    }
  }

  /** All was taken. @throws {WarpError} ERR_WARP_TRUNCATED, or what `take` has thrown */
  finish(): void {
    if (this.#failure) throw this.#failure
    this.#check.finish()
  }
}
