/** The small transfer that format-spec/warp-transfer.md shows byte by byte: nothing in it depends on this host or on time. */
import { CpuEngine } from '../../../src/engine/cpu.ts'
import { InlinePool } from '../../../src/engine/pool.ts'
import type { SourceEntry } from '../../../src/archive/batch.ts'
import { slabBytesFor } from '../../../src/archive/batcher.ts'
import { planMemory } from '../../../src/archive/memory.ts'
import { tasks } from '../../../src/archive/worker.ts'
import type { Metadata } from '../../../src/format/entry.ts'
import { Channel } from '../../../src/transfer/channel/channel.ts'
import type { Connection } from '../../../src/transfer/transports/connection.ts'
import { KIND, MAX_MESSAGE_BYTES, MESSAGE, readAccept, readOffer, writeOffer, writeDone } from '../../../src/transfer/messages.ts'
import { receiveTree } from '../../../src/transfer/tree/receive-tree.ts'
import { RECEIVE_WINDOW_BYTES, SEND_WINDOW_BYTES } from '../../../src/transfer/sessions.ts'
import { memoryPair } from '../../../src/transfer/transports/memory.ts'
import { TreeSender, next } from '../../../src/transfer/tree/tree-sender.ts'

const MIB = 2 ** 20
const AVERAGE = 8192
export const CONTENT = Buffer.from('Hello, world!\n')
const OFFER_ID = Uint8Array.from({ length: 16 }, (_, i) => i)

const NAMES = { ...MESSAGE, credit: 0, ping: 1, pong: 2, close: 3, end: 4, ended: 5 }
const nameOf = new Map(Object.entries(NAMES).map(([name, type]) => [type, name.toUpperCase()]))

/** A message as it stands on the wire. */
export interface Shown {
  name: string
  header: Uint8Array
  payload: Uint8Array
}

function metadata(mode: number): Metadata {
  return {
    unstable: false, mode, uid: 1000, gid: 1000, user: Buffer.from('ann'), group: Buffer.from('ann'), mtimeSeconds: 1_700_000_000, mtimeNanoseconds: 0, xattrs: [],
  }
}

async function* tree(): AsyncGenerator<SourceEntry[]> {
  async function* content(): AsyncGenerator<Buffer> {
    yield CONTENT
  }
  yield [
    { kind: 'record', path: 'd', inode: null, record: { type: 'directory', path: Buffer.from('d'), metadata: metadata(0o755) } },
    { kind: 'content', path: 'd/f', inode: null, metadata: metadata(0o644), content: content() },
  ]
}

/** `connection`, and all that is written to it. */
function recorded(connection: Connection): { connection: Connection; written: Uint8Array[] } {
  const written: Uint8Array[] = []
  const write = connection.write.bind(connection)
  connection.write = (pieces) => {
    written.push(...pieces.map((piece) => Uint8Array.from(piece)))
    return write(pieces)
  }
  return { connection, written }
}

async function send(channel: Channel): Promise<Uint8Array> {
  const offer = { kind: KIND.tree, offerId: OFFER_ID, average: AVERAGE, name: new Uint8Array(), totals: { bytes: CONTENT.length, entries: 2 } }
  await channel.send(MESSAGE.offer, [writeOffer(offer)])
  const message = await next(channel)
  const { have, average, chunkIdKey } = readAccept(message.payload)
  message.release()
  const engine = new CpuEngine(new InlinePool(tasks), slabBytesFor(average), 1, {
    average, chunkIdKey, sealing: { archiveId: OFFER_ID, sealingKey: null }, compression: 'none', level: () => 1,
  })
  const sender = new TreeSender({
    channel, entries: tree(), have, slabs: 1, average, engine, problems: () => 0,
    onReport: () => {}, onAllOffered: () => {}, onOffered: () => {}, onProblem: () => {},
  })
  return (await sender.run()).root
}

async function receive(channel: Channel, directory: string): Promise<void> {
  const message = await next(channel)
  const offer = readOffer(message.payload)
  message.release()
  const { root } = await receiveTree({
    channel, offer, directory, options: { sameOwner: false }, pool: new InlinePool(tasks), indexBytes: planMemory(undefined, 32 * MIB, 1).indexBytes,
    report: () => {}, onProgress: () => {}, onReceiver: () => {}, complete: async () => {}, stateDir: null,
  })
  await channel.send(MESSAGE.done, [writeDone({ root, problems: 0 })])
}

/** Runs it. @returns what each side has written after the handshake, and the root */
export async function workedTransfer(directory: string): Promise<{ sender: Shown[]; receiver: Shown[]; root: Uint8Array }> {
  const [near, far] = memoryPair().map(recorded)
  const options = { seal: null, maxMessageBytes: MAX_MESSAGE_BYTES, leftover: new Uint8Array() }
  const sender = new Channel({ connection: near!.connection, leftover: new Uint8Array() }, { ...options, windowBytes: SEND_WINDOW_BYTES })
  const receiver = new Channel({ connection: far!.connection, leftover: new Uint8Array() }, { ...options, windowBytes: RECEIVE_WINDOW_BYTES })
  const [root] = await Promise.all([send(sender), receive(receiver, directory)])
  // One after the other: which END comes first is nobody's concern.
  await receiver.end()
  await sender.end()
  await Promise.all([sender.close(), receiver.close()])
  return { sender: shown(near!.written), receiver: shown(far!.written), root }
}

/** The messages, but for what comes when it comes: answers to pings, further pings, how far it is before the end. */
function shown(written: Uint8Array[]): Shown[] {
  const bytes = Buffer.concat(written)
  const all: Shown[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 5 + bytes.readUInt32LE(at)
    all.push({ name: nameOf.get(bytes[at + 4]!)!, header: bytes.subarray(at, at + 5), payload: bytes.subarray(at + 5, end) })
    at = end
  }
  const last = all.findLast(({ name }) => name === 'PROGRESS')
  const firstPing = all.find(({ name }) => name === 'PING')
  return all.filter((one) => one.name !== 'PONG' && (one.name !== 'PING' || one === firstPing) && (one.name !== 'PROGRESS' || one === last))
}

/** As the specification shows it: the header on the line of the name, then the payload, 16 bytes a line. */
export function dump(messages: Shown[]): string {
  const indent = ' '.repeat(10)
  return messages.map(({ name, header, payload }) => {
    const lines = [name.padEnd(10) + hex(header)]
    for (let at = 0; at < payload.length; at += 16) lines.push(indent + hex(payload.subarray(at, at + 16)))
    return lines.join('\n')
  }).join('\n')
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(' ')
}
