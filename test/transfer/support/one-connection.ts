/** Streams and archives over one connection alone: what `send` and `receive` do over as many as it takes. */
import type { Readable, Writable } from 'node:stream'
import type { WarpError } from '../../../src/base/errors.ts'
import { ArchiveReceiver, type ArchiveReceiveOptions, type ArchiveReceived } from '../../../src/transfer/archive/archive-receiver.ts'
import { ArchiveSender, type ArchiveSendOptions, type ArchiveSent } from '../../../src/transfer/archive/archive-sender.ts'
import type { Channel } from '../../../src/transfer/channel/channel.ts'
import { LiveReceiver } from '../../../src/transfer/live/live-receiver.ts'
import { LiveSender, type LiveOptions, type LiveResult, type LiveSenderOptions } from '../../../src/transfer/live/live-sender.ts'

/** Sends `stream` over one connection. @throws {WarpError} as `LiveSender.run` */
export async function sendLive(channel: Channel, stream: Readable, options: LiveSenderOptions = {}): Promise<LiveResult> {
  const sender = new LiveSender(stream, options)
  try {
    return await sender.run(channel)
  } finally {
    sender.close()
  }
}

/** Receives one stream over one connection. @throws {WarpError} as `LiveReceiver.run` */
export async function receiveLive(channel: Channel, output: Writable | number, options: LiveOptions = {}): Promise<LiveResult> {
  const receiver = new LiveReceiver(output, options)
  try {
    return await receiver.run(channel)
  } catch (error) {
    await receiver.close(error as WarpError)
    throw error
  }
}

/** Sends the archive `file` over one connection. @throws {WarpError} as `ArchiveSender.open` and `run` */
export async function sendArchive(channel: Channel, file: string, options: ArchiveSendOptions = {}): Promise<ArchiveSent> {
  const sender = await ArchiveSender.open(file, options)
  try {
    return await sender.run(channel)
  } finally {
    await sender.close()
  }
}

/** Receives one archive over one connection. @throws {WarpError} as `ArchiveReceiver.run` */
export async function receiveArchive(channel: Channel, options: ArchiveReceiveOptions): Promise<ArchiveReceived> {
  const receiver = new ArchiveReceiver(options)
  try {
    const received = await receiver.run(channel)
    await receiver.close(false)
    return received
  } catch (error) {
    await receiver.close(true)
    throw error
  }
}
