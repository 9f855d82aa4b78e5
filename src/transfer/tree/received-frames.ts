/**
 * Where a restorer gets frames from while they arrive: those that were asked for, as they come, and those that are
 * made of chunks which stand on this side already. All are numbered in one sequence, in the order of their listings.
 */
import fs from 'node:fs'
import { WarpError } from '../../base/errors.ts'
import type { FramePlace } from '../../archive/frame-reader.ts'
import { readFully } from '../../archive/os/file-reader.ts'
import type { RestoreFrames } from '../../archive/restorer.ts'
import type { Sealing } from '../../engine/block.ts'
import type { Message } from '../channel/channel.ts'
import { broken } from '../messages.ts'

/** A chunk on this side, looked for when the frame is made: in a file, or as bytes. Both throw the system's error. */
export type LocalPiece = { length: number } & ({ open: () => Promise<{ fd: number; offset: number }> } | { read: () => Uint8Array })

interface Wanted {
  frame: number
  ordinal: number
  plainLength: number
  place: Promise<FramePlace>
  resolve: (place: FramePlace) => void
  reject: (error: unknown) => void
}

/** What is done with one frame: mostly by one job, by more if some had to begin before all was wanted. */
interface Jobs {
  running: number
  isSealed: boolean
  haveBegun: boolean
  /** Open for the jobs. */
  fds: number[]
}

export class ReceivedFrames implements RestoreFrames {
  readonly #sealing: Sealing
  readonly #onDone: (frame: number, message: Message | null, bytes: number) => void
  /** Asked for and not there yet, in order. */
  readonly #expected: Wanted[] = []
  readonly #wanted = new Map<number, Wanted>()
  /** With their lengths, which they lose to the threads that open them. */
  readonly #messages = new Map<number, { message: Message; bytes: number }>()
  readonly #local = new Map<number, LocalPiece[]>()
  readonly #jobs = new Map<number, Jobs>()
  #nextFrame = 0
  #nextOrdinal = 0
  #failure: { error: unknown } | null = null

  /** @param onDone a frame's chunks are restored; the message that brought it is to be released some time */
  constructor(sealing: Sealing, onDone: (frame: number, message: Message | null, bytes: number) => void) {
    this.#sealing = sealing
    this.#onDone = onDone
  }

  /** Asked for, and not there yet. */
  get expected(): number {
    return this.#expected.length
  }

  /** @returns its number */
  addWanted(plainLength: number): number {
    const frame = this.#nextFrame++
    let settle!: Pick<Wanted, 'resolve' | 'reject'>
    const place = new Promise<FramePlace>((resolve, reject) => (settle = { resolve, reject }))
    place.catch(() => {})
    const wanted: Wanted = { frame, ordinal: this.#nextOrdinal++, plainLength, place, ...settle }
    if (this.#failure) wanted.reject(this.#failure.error)
    this.#expected.push(wanted)
    this.#wanted.set(frame, wanted)
    return frame
  }

  /** @returns its number */
  addLocal(pieces: LocalPiece[]): number {
    const frame = this.#nextFrame++
    this.#local.set(frame, pieces)
    return frame
  }

  /** Whether it is made of what is here. */
  isLocal(frame: number): boolean {
    return this.#local.has(frame)
  }

  /** Takes the next frame that was asked for. @throws {WarpError} ERR_WARP_PEER_PROTOCOL */
  arrive(message: Message): void {
    const [wanted] = this.#expected
    if (!wanted) throw broken('a frame that nobody asked for')
    const { payload } = message
    // What is not in the block's header as expected, the thread that opens it finds.
    if (payload.length < 48 || payload.readUInt32LE(36) !== wanted.plainLength) throw broken('a frame of another length than was asked for')
    this.#expected.shift()
    this.#messages.set(wanted.frame, { message, bytes: payload.length })
    wanted.resolve({ block: payload, ordinal: wanted.ordinal, sealing: this.#sealing })
  }

  /** Nothing more comes. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    for (const wanted of this.#expected.splice(0)) wanted.reject(error)
  }

  /**
   * All that is wanted of these was said, but for what is held back until the next jobs begin: each has one job more
   * at most.
   */
  seal(frames: number[]): void {
    for (const frame of frames) this.#jobsOf(frame).isSealed = true
  }

  /** Every job on these has begun. What nobody wanted, since a file could not be made, is done with too. */
  begun(frames: number[]): void {
    for (const frame of frames) {
      this.#jobsOf(frame).haveBegun = true
      this.#finishIfDone(frame)
    }
  }

  async at(frame: number): Promise<FramePlace> {
    const jobs = this.#jobsOf(frame)
    jobs.running++
    const wanted = this.#wanted.get(frame)
    if (wanted) {
      const place = await wanted.place
      // Whoever gets it takes it away.
      return 'block' in place && !jobs.isSealed ? { ...place, block: new Uint8Array(place.block) } : place
    }
    const pieces = this.#local.get(frame)
    if (!pieces) throw new WarpError('ERR_WARP_INTERNAL', `there is no frame ${frame}`)
    if (pieces.some((piece) => 'read' in piece)) return { plain: await this.plainOf(frame) }
    const triples = new Float64Array(3 * pieces.length)
    for (const [i, piece] of pieces.entries()) {
      if (!('open' in piece)) throw new WarpError('ERR_WARP_INTERNAL', 'a piece that is neither in a file nor as bytes')
      const { fd, offset } = await piece.open()
      jobs.fds.push(fd)
      triples.set([fd, offset, piece.length], 3 * i)
    }
    return { pieces: triples }
  }

  /** The plaintext of a frame that is made of what is here. */
  async plainOf(frame: number): Promise<Uint8Array> {
    const pieces = this.#local.get(frame)!
    const plain = Buffer.allocUnsafeSlow(pieces.reduce((sum, { length }) => sum + length, 0))
    let end = 0
    for (const piece of pieces) {
      const into = plain.subarray(end, (end += piece.length))
      if ('read' in piece) {
        into.set(piece.read())
        continue
      }
      const { fd, offset } = await piece.open()
      try {
        // What is short is found by its id.
        readFully(fd, into, offset)
      } finally {
        fs.closeSync(fd)
      }
    }
    return plain
  }

  wrong(frame: number): void {
    if (this.#wanted.has(frame)) throw broken('a chunk that is not what its id says')
    throw new WarpError('ERR_WARP_OUTPUT', 'a file in the target has changed while it was copied from', { hint: 'run the same command again' })
  }

  done(frame: number): void {
    this.#jobsOf(frame).running--
    this.#finishIfDone(frame)
  }

  /** Closes what is open, after a failure. */
  close(): void {
    for (const { fds } of this.#jobs.values()) for (const fd of fds.splice(0)) fs.closeSync(fd)
  }

  #jobsOf(frame: number): Jobs {
    let jobs = this.#jobs.get(frame)
    if (!jobs) this.#jobs.set(frame, (jobs = { running: 0, isSealed: false, haveBegun: false, fds: [] }))
    return jobs
  }

  #finishIfDone(frame: number): void {
    const jobs = this.#jobs.get(frame)
    if (!jobs || !jobs.haveBegun || jobs.running > 0) return
    const wanted = this.#wanted.get(frame)
    if (wanted && !this.#messages.has(frame)) {
      wanted.place.then(() => this.#finishIfDone(frame), () => {})
      return
    }
    this.#jobs.delete(frame)
    for (const fd of jobs.fds) fs.closeSync(fd)
    this.#local.delete(frame)
    this.#wanted.delete(frame)
    const arrived = this.#messages.get(frame)
    this.#messages.delete(frame)
    this.#onDone(frame, arrived?.message ?? null, arrived?.bytes ?? 0)
  }
}
