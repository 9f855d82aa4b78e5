/** Archives for tests of their transfer. */
import fs from 'node:fs'
import path from 'node:path'
import type { Test } from 'tap'
import type { CreateOptions } from '../../../src/index.ts'
import { FileSource } from '../../../src/archive/source.ts'
import { ArchiveCheck } from '../../../src/transfer/archive/archive-check.ts'
import { ARCHIVE_MESSAGE, writeArchiveOffer, type ArchiveOffer } from '../../../src/transfer/archive/archive-messages.ts'
import type { ArchiveReceiveOptions } from '../../../src/transfer/archive/archive-receiver.ts'
import type { Channel } from '../../../src/transfer/channel/channel.ts'
import { checkComplete } from '../../../src/transfer/archive/complete-archive.ts'
import { archiveOf } from '../../archive/support/archives.ts'
import { makeDirectory, noise, plant } from '../../archive/support/trees.ts'
import { take, u64 } from './channels.ts'

/** An archive of `fileBytes` that do not compress and some small files. */
export async function makeArchive(directory: string, fileBytes: number, options: Partial<CreateOptions> = {}): Promise<string> {
  const tree = plant(path.join(directory, 'tree'), { big: noise(fileBytes, fileBytes), small: 'small', deep: { er: 'deeper' } })
  const file = path.join(directory, 'made.warp')
  await archiveOf(tree, file, { threads: 1, ...options })
  return file
}

export async function offerOf(file: string): Promise<ArchiveOffer> {
  const source = new FileSource(file)
  try {
    return { ...await checkComplete(source), mtimeNs: fs.statSync(file, { bigint: true }).mtimeNs, name: Buffer.from(path.basename(file)) }
  } finally {
    source.close()
  }
}

/** Ends of all blocks, and what a check knows there. */
export function boundaries(offer: ArchiveOffer, bytes: Uint8Array): ArchiveCheck['soFar'][] {
  const check = new ArchiveCheck(offer)
  const ends: ArchiveCheck['soFar'][] = []
  for (let at = 0; at < bytes.length; at++) {
    const { position } = check.soFar
    check.push(bytes.subarray(at, at + 1))
    if (check.soFar.position > position) ends.push({ ...check.soFar })
  }
  return ends
}

/** An archive, and a directory to receive into. */
export interface Setting {
  file: string
  bytes: Buffer
  offered: ArchiveOffer
  target: string
  into: ArchiveReceiveOptions
}

export async function setting(t: Test, fileBytes: number, options: Partial<CreateOptions> = {}): Promise<Setting> {
  const directory = makeDirectory(t)
  const file = await makeArchive(directory, fileBytes, options)
  const target = path.join(directory, 'target')
  const into: ArchiveReceiveOptions = { into: { kind: 'directory', path: target }, transferId: Buffer.alloc(16, 0xab) }
  return { file, target, into, bytes: fs.readFileSync(file), offered: await offerOf(file) }
}

/** Plays a sender up to the first byte; @returns its position */
export async function begin(channel: Channel, offered: ArchiveOffer): Promise<number> {
  await channel.send(ARCHIVE_MESSAGE.offer, [writeArchiveOffer(offered)])
  const { type, payload } = await take(channel)
  if (type !== ARCHIVE_MESSAGE.from) throw new Error(`type ${type}`)
  const position = Number(payload.readBigUInt64LE())
  await channel.send(ARCHIVE_MESSAGE.start, [u64(position)])
  return position
}
