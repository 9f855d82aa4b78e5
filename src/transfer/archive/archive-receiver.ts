/**
 * Receives a whole archive, byte for byte: has it checked and written as it arrives, remembers in a journal what is durable,
 * and gives it its name when it is complete. Source: warp-transfer, whole archives.
 */
import { WarpError, asWarpError } from '../../base/errors.ts'
import { MIB } from '../../base/limits.ts'
import type { Problem } from '../../archive/types.ts'
import { MIN_ARCHIVE_BYTES, NOTHING_CHECKED, type CheckedSoFar } from './archive-check.ts'
import type { IntakeStart } from './archive-intake.ts'
import {
  ARCHIVE_MESSAGE, isSameOffer, readArchiveOffer, tailDigest, writeArchiveFrom, type ArchiveOffer,
} from './archive-messages.ts'
import { ArchiveTarget, type ArchiveInto } from './archive-target.ts'
import { IntakeThread } from './intake-thread.ts'
import { outputError } from '../../archive/sink.ts'
import type { Channel, Message } from '../channel/channel.ts'
import { brokenProtocol } from '../channel/credit.ts'
import { interruptible } from '../interruptible.ts'
import { readCount, writeCount } from '../live/live-messages.ts'

/** A record is due when so much more is checked, bytes. */
const RECORD_BYTES = 8 * MIB
/**
 * What may have come since the last record: what a kill makes come twice, with what the channel's window holds. At
 * least a record and a block more, or there would be nothing to record.
 */
const MAX_UNRECORDED_BYTES = 24 * MIB

export interface ArchiveReceiveOptions {
  into: ArchiveInto
  /** 16 bytes: under which a later run finds what this one has left. */
  transferId: Uint8Array
  signal?: AbortSignal
  /** Called with the bytes of the archive that are there so far. */
  onBytes?: (bytes: number, totalBytes: number) => void
  onProblem?: (problem: Problem) => void
}

export interface ArchiveReceived {
  /** Of the whole archive. */
  bytes: number
  /** Bytes that a run before has left. */
  resumedBytes: number
  archiveId: Uint8Array
}

/** The archive on one connection. */
interface Run {
  channel: Channel
  reject: (error: unknown) => void
}

export class ArchiveReceiver {
  readonly #options: ArchiveReceiveOptions
  #run: Run | null = null
  #offer: ArchiveOffer | null = null
  #target: ArchiveTarget | null = null
  #intake: IntakeThread | null = null
  /** Bytes that were handed to the intake, and those before. */
  #arrived = 0
  /** What is checked and written. */
  #soFar: CheckedSoFar = NOTHING_CHECKED
  #failure: WarpError | null = null
  #resumedBytes = 0
  #recordedBytes = 0
  #recording: Promise<void> | null = null

  constructor(options: ArchiveReceiveOptions) {
    this.#options = options
  }

  /**
   * Receives what is missing; resolves when the archive has its name and the sender is told so. It may not arrive:
   * `run` then says it again on another channel.
   * @throws {WarpError} ERR_WARP_PEER_LOST, ERR_WARP_PEER_SILENT: to be called again with the next channel; all others are final: of
   *   class output; malformed, unsupported, damaged: what is wrong with the archive; ERR_WARP_INTERRUPTED, other codes of class 'peer'
   */
  async run(channel: Channel): Promise<ArchiveReceived> {
    if (this.#failure) throw this.#failure
    const running = new Promise<ArchiveReceived>((resolve, reject) => {
      const run: Run = { channel, reject }
      this.#run = run
      this.#receive(run).then(resolve, (error: unknown) => {
        const failure = asWarpError(error)
        if (failure.class !== 'peer' && run === this.#run) this.#failure ??= failure
        reject(failure)
      })
    })
    try {
      return await interruptible(this.#options.signal, running)
    } finally {
      this.#run = null
    }
  }

  /**
   * Ends it: after success nothing but the archive stays.
   * @param keep what has arrived so far, for a later run; what is no archive is never kept
   */
  async close(keep: boolean): Promise<void> {
    this.#run = null
    const target = this.#target
    if (!target) return
    this.#target = null
    const isKept = keep && !target.isCommitted && (this.#failure === null || this.#failure.class === 'output')
    await this.#intake?.settled()
    await this.#recording
    // A kill would lose the same: nothing to fail for.
    if (isKept) await this.#record(target).catch(() => {})
    await this.#intake?.close()
    await target.close(isKept && this.#failure?.class !== 'damaged')
  }

  async #receive(run: Run): Promise<ArchiveReceived> {
    const { channel } = run
    const offer = await this.#takeOffer(await this.#next(run, ARCHIVE_MESSAGE.offer))
    const target = this.#target!
    // What the connection before has brought is on its way to the file.
    await this.#intake!.settled()
    const position = this.#arrived
    await channel.send(ARCHIVE_MESSAGE.from, [writeArchiveFrom({ position, digest: tailDigest(target.tail(position)) })])
    channel.receiveInto((_, lengthBytes) => this.#intake!.memoryFor(lengthBytes))
    await this.#takeStart(await this.#next(run, ARCHIVE_MESSAGE.start), position)
    for (;;) {
      const message = await this.#next(run, ARCHIVE_MESSAGE.data, ARCHIVE_MESSAGE.end)
      if (message.type === ARCHIVE_MESSAGE.end) {
        const length = readCount(message.payload)
        message.release()
        if (length !== offer.length || this.#arrived !== length) throw brokenProtocol('the archive has another length than it says')
        break
      }
      this.#take(message)
      while (this.#recording && this.#arrived - this.#recordedBytes > MAX_UNRECORDED_BYTES) await this.#recording
    }
    await this.#commit()
    await channel.send(ARCHIVE_MESSAGE.done, [writeCount(offer.length)])
    return { bytes: offer.length, resumedBytes: this.#resumedBytes, archiveId: offer.archiveId }
  }

  /** The next message of the sender. @throws {WarpError} ERR_WARP_PEER_PROTOCOL: it is of no type that may come */
  async #next(run: Run, ...types: number[]): Promise<Message> {
    const message = await run.channel.receive()
    if (run !== this.#run) throw new WarpError('ERR_WARP_INTERNAL', 'an archive is received that was given up')
    if (!message) throw brokenProtocol('it ends before the archive does')
    if (!types.includes(message.type)) throw brokenProtocol(`a message of type ${message.type} out of turn`)
    return message
  }

  /** Opens the file on the first connection; on the others, holds the offer against the first. */
  async #takeOffer({ payload, release }: Message): Promise<ArchiveOffer> {
    const offer = readArchiveOffer(payload)
    release()
    if (offer.length < MIN_ARCHIVE_BYTES) throw brokenProtocol('the archive is too short to be one')
    if (this.#offer && isSameOffer(offer, this.#offer)) return this.#offer
    let isAnother = this.#offer !== null
    if (this.#target) {
      if (this.#target.isCommitted) throw another()
      await this.#intake?.close()
      await this.#recording
      await this.#target.close(false)
      this.#target = null
    }
    const { into, transferId } = this.#options
    const { target, resumed, wasOther } = await ArchiveTarget.open(into, transferId, offer)
    isAnother ||= wasOther
    if (isAnother) this.#tellRestart()
    this.#offer = offer
    this.#target = target
    this.#begin(resumed)
    return offer
  }

  async #takeStart({ payload, release }: Message, asked: number): Promise<void> {
    const position = readCount(payload)
    release()
    if (position === asked) return
    if (position !== 0) throw brokenProtocol('it begins at another position than it was asked to')
    if (this.#target!.isCommitted) throw another()
    this.#tellRestart()
    await this.#intake!.close()
    await this.#recording
    await this.#target!.restart()
    this.#begin(null)
  }

  #begin(resumed: IntakeStart['resumed']): void {
    const [{ fd, name }, offer] = [this.#target!, this.#offer!]
    this.#intake = new IntakeThread({ fd, offer, resumed }, (error) => this.#fail(outputError(error, name)))
    this.#soFar = resumed?.soFar ?? NOTHING_CHECKED
    this.#arrived = this.#recordedBytes = this.#resumedBytes = this.#soFar.position
  }

  #tellRestart(): void {
    this.#options.onProblem?.({ kind: 'note', message: 'the archive at the other side is not the one that was begun: it is received from its beginning' })
  }

  #take({ payload, release }: Message): void {
    if (payload.length === 0) throw brokenProtocol('a message of no data')
    const [target, offer, length] = [this.#target!, this.#offer!, payload.length]
    this.#arrived += length
    const arrived = this.#arrived
    if (arrived > offer.length) throw brokenProtocol('the archive is longer than it says')
    void this.#intake!.take(payload).then((soFar) => {
      release()
      if (soFar === null) return
      this.#soFar = soFar
      target.wrote(arrived)
      this.#options.onBytes?.(arrived, offer.length)
      this.#recordIfDue()
    })
  }

  #recordIfDue(): void {
    if (this.#recording || this.#soFar.position - this.#recordedBytes < RECORD_BYTES) return
    this.#recording = this.#record(this.#target!).catch((error: unknown) => this.#fail(error)).finally(() => {
      this.#recording = null
    })
  }

  /** Remembers what is checked and written, once it is durable. */
  async #record(target: ArchiveTarget): Promise<void> {
    const soFar = this.#soFar
    if (soFar.position === this.#recordedBytes) return
    await target.record(soFar)
    this.#recordedBytes = soFar.position
  }

  #fail(error: unknown): void {
    this.#failure ??= asWarpError(error)
    this.#run?.reject(this.#failure)
  }

  async #commit(): Promise<void> {
    const target = this.#target!
    if (target.isCommitted) return
    await this.#intake!.finish()
    await this.#recording
    if (this.#failure) throw this.#failure
    await this.#record(target)
    await target.commit()
  }
}

function another(): WarpError {
  return new WarpError('ERR_WARP_PEER_FAILED', 'the archive at the other side is not the one that was received before', {
    hint: 'it was replaced there meanwhile: send it anew',
  })
}
