/**
 * Sends a whole archive, byte for byte, from where the receiver has it: large reads run ahead of sending, and nothing
 * is copied. Source: warp-transfer, whole archives.
 */
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { WarpError } from '../../base/errors.ts'
import { MAX_NAME_BYTES } from '../../base/limits.ts'
import { FileSource } from '../../archive/source.ts'
import { equalBytes } from '../../format/cursor.ts'
import {
  ARCHIVE_DATA_BYTES, ARCHIVE_MESSAGE, ARCHIVE_TAIL_BYTES, readArchiveFrom, tailDigest, writeArchiveOffer, type ArchiveOffer,
} from './archive-messages.ts'
import type { Channel, Message } from '../channel/channel.ts'
import { checkComplete, type CompleteArchive } from './complete-archive.ts'
import { brokenProtocol } from '../channel/credit.ts'
import { interruptible } from '../interruptible.ts'
import { readCount, writeCount } from '../live/live-messages.ts'

const read = promisify(fs.read)

/** Buffers that are read into or sent from: enough that neither waits for the other. */
const BUFFERS = 6
/** Messages that are handed to the channel at once. */
const SENDING = 2

export interface ArchiveSendOptions {
  signal?: AbortSignal
  /** Called with the bytes of the archive that the receiver has or that are on their way to it. */
  onBytes?: (bytes: number, totalBytes: number) => void
}

export interface ArchiveSent {
  /** Of the whole archive. */
  bytes: number
  /** Bytes that the receiver had already when it was first asked. */
  resumedBytes: number
  archiveId: Uint8Array
}

export class ArchiveSender {
  readonly offer: ArchiveOffer
  readonly #path: string
  readonly #source: FileSource
  readonly #options: ArchiveSendOptions
  readonly #version: string
  readonly #reads = new Set<Promise<unknown>>()
  #run: Channel | null = null
  #resumedBytes: number | null = null
  #isClosed = false

  private constructor(file: string, source: FileSource, archive: CompleteArchive, options: ArchiveSendOptions) {
    this.#path = file
    this.#source = source
    this.#options = options
    const stats = fs.fstatSync(source.fd, { bigint: true })
    this.#version = versionOf(stats)
    const name = Buffer.from(path.basename(file)).subarray(0, MAX_NAME_BYTES)
    this.offer = { ...archive, mtimeNs: BigInt.asUintN(64, stats.mtimeNs), name }
  }

  /** @throws {WarpError} class malformed, unsupported or damaged: it is no archive, or not a complete one; ERR_WARP_ARCHIVE_UNREADABLE */
  static async open(file: string, options: ArchiveSendOptions = {}): Promise<ArchiveSender> {
    const source = new FileSource(file)
    try {
      return new ArchiveSender(file, source, await checkComplete(source), options)
    } catch (error) {
      source.close()
      throw error
    }
  }

  /**
   * Sends what the receiver lacks; resolves when it has the archive under its name.
   * @throws {WarpError} ERR_WARP_PEER_LOST, ERR_WARP_PEER_SILENT: to be called again with the next channel; all others are final:
   *   ERR_WARP_INPUT_UNREADABLE (it changed while it was read, or cannot be read), ERR_WARP_INTERRUPTED, other codes of class 'peer'
   */
  async run(channel: Channel): Promise<ArchiveSent> {
    this.#run = channel
    try {
      return await interruptible(this.#options.signal, this.#send(channel))
    } finally {
      this.#run = null
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await Promise.all(this.#reads)
    this.#source.close()
  }

  async #send(channel: Channel): Promise<ArchiveSent> {
    const { length, archiveId } = this.offer
    this.#checkUnchanged()
    await channel.send(ARCHIVE_MESSAGE.offer, [writeArchiveOffer(this.offer)])
    const from = await next(channel, ARCHIVE_MESSAGE.from)
    const { position, digest } = readArchiveFrom(from.payload)
    from.release()
    if (position > length) throw brokenProtocol('it has more of the archive than there is')
    const start = equalBytes(tailDigest(await this.#tail(position)), digest) ? position : 0
    this.#resumedBytes ??= start
    await channel.send(ARCHIVE_MESSAGE.start, [writeCount(start)])
    await this.#sendFrom(channel, start)
    this.#checkUnchanged()
    await channel.send(ARCHIVE_MESSAGE.end, [writeCount(length)])
    const done = await next(channel, ARCHIVE_MESSAGE.done)
    if (readCount(done.payload) !== length) throw brokenProtocol('it has written another archive than it was sent')
    done.release()
    return { bytes: length, resumedBytes: this.#resumedBytes, archiveId }
  }

  async #sendFrom(channel: Channel, start: number): Promise<void> {
    const { length } = this.offer
    const free = Array.from({ length: BUFFERS }, () => Buffer.allocUnsafeSlow(Math.min(ARCHIVE_DATA_BYTES, length)))
    const reading: Promise<Buffer>[] = []
    const sending: Promise<void>[] = []
    let next = start
    const readAhead = (): void => {
      while (next < length && free.length > 0) {
        const into = free.pop()!
        const piece = this.#readFully(into.subarray(0, Math.min(into.length, length - next)), next)
        piece.catch(() => {})
        reading.push(piece)
        next += into.length
      }
    }
    readAhead()
    for (let position = start; position < length; ) {
      const piece = await reading.shift()!
      position += piece.length
      const end = position
      const sent = channel.send(ARCHIVE_MESSAGE.data, [piece]).then(() => {
        free.push(Buffer.from(piece.buffer as ArrayBuffer))
        this.#options.onBytes?.(end, length)
      })
      sent.catch(() => {})
      sending.push(sent)
      if (sending.length >= SENDING) await sending.shift()
      if (this.#run !== channel) throw new WarpError('ERR_WARP_INTERNAL', 'an archive is sent that was given up')
      readAhead()
    }
    await Promise.all(sending)
  }

  async #tail(position: number): Promise<Uint8Array> {
    const from = Math.max(0, position - ARCHIVE_TAIL_BYTES)
    return this.#readFully(Buffer.allocUnsafeSlow(position - from), from)
  }

  /** Fills `into`. @throws {WarpError} ERR_WARP_INPUT_UNREADABLE */
  async #readFully(into: Buffer, position: number): Promise<Buffer> {
    for (let done = 0; done < into.length; ) {
      if (this.#isClosed) throw new WarpError('ERR_WARP_INTERNAL', 'an archive is read that was closed')
      const reading = read(this.#source.fd, into, done, into.length - done, position + done)
      const ended = reading.catch(() => {}).finally(() => this.#reads.delete(ended))
      this.#reads.add(ended)
      const { bytesRead } = await reading.catch((error: Error) => {
        throw new WarpError('ERR_WARP_INPUT_UNREADABLE', `${this.#path}: ${error.message}`, { cause: error, path: this.#path })
      })
      if (bytesRead === 0) throw this.#changed()
      done += bytesRead
    }
    return into
  }

  #checkUnchanged(): void {
    if (versionOf(fs.fstatSync(this.#source.fd, { bigint: true })) !== this.#version) throw this.#changed()
  }

  #changed(): WarpError {
    return new WarpError('ERR_WARP_INPUT_UNREADABLE', `${this.#path} changed while it was sent`, { path: this.#path, hint: 'send it again' })
  }
}

function versionOf({ size, mtimeNs, ctimeNs }: fs.BigIntStats): string {
  return `${size} ${mtimeNs} ${ctimeNs}`
}

/** The next message of the receiver. @throws {WarpError} ERR_WARP_PEER_PROTOCOL: it is of no type that may come */
async function next(channel: Channel, type: number): Promise<Message> {
  const message = await channel.receive()
  if (!message) throw brokenProtocol('it ends before it has the archive')
  if (message.type !== type) throw brokenProtocol(`a message of type ${message.type} out of turn`)
  return message
}
