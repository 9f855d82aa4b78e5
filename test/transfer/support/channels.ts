/** Channels over connections in memory, which a test can break. */
import type { Message } from '../../../src/transfer/channel/channel.ts'
import { Channel, type ChannelOptions } from '../../../src/transfer/channel/channel.ts'
import { memoryPair } from '../../../src/transfer/transports/memory.ts'

export interface Link {
  a: Channel
  b: Channel
  /** As if both processes lost the network: what was not read is lost. */
  cut: () => void
  /** As if the process of `a` was killed: what it wrote may still be read. */
  kill: () => void
}

const OPTIONS: ChannelOptions = { windowBytes: 2 * 1024 * 1024, seal: null, maxMessageBytes: 1024 * 1024 }

export function link(options: Partial<ChannelOptions> = {}): Link {
  const [left, right] = memoryPair()
  const open = (connection: typeof left): Channel => new Channel({ connection, leftover: new Uint8Array() }, { ...OPTIONS, ...options })
  const a = open(left)
  const b = open(right)
  return { a, b, cut: () => { left.close(); right.close() }, kill: () => left.close() }
}

/** The next message, released. */
export async function take(channel: Channel): Promise<Message> {
  const message = await channel.receive()
  if (message === null) throw new Error('the end, not a message')
  message.release()
  return message
}

export function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

/** Numbers in [0, 1) that are the same on every run. Source: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
