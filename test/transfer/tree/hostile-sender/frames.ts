/** Frames that are not what was asked for, and an end that is none. */
import t from 'tap'
import { hash } from '../../../../src/codec/blake3.ts'
import { sealEncoded } from '../../../../src/engine/block.ts'
import { CODEC, KIND as BLOCK } from '../../../../src/format/block.ts'
import { MESSAGE } from '../../../../src/transfer/messages.ts'
import { zstdOf } from '../../../adversarial/support/archives.ts'
import { bytesOf, directory, file, listing, part, type Listing } from '../../support/hostile-listings.ts'
import { OFFER_ID, demandRefusal, type HostileSender } from '../../support/hostile-sender.ts'

const MIB = 2 ** 20
const data = bytesOf('data', 5000)
const one = listing([file('d/a', [data]), file('f', [bytesOf('more', 3000)])])
const SEALING = { archiveId: OFFER_ID.subarray(0, 16), sealingKey: null }

/** A block whose payload need not be what its header says. */
function encoded(plainLength: number, codec: number, payload: Uint8Array): Buffer {
  const out = Buffer.alloc(payload.length + 80)
  return out.subarray(0, sealEncoded(SEALING, { kind: BLOCK.frame, ordinal: 0, codec, plainLength }, payload, out))
}

function changed(block: Buffer, at: number): Buffer {
  const copy = Buffer.from(block)
  copy[at < 0 ? copy.length + at : at]! ^= 1
  return copy
}

/** Answers what is wanted of one listing with what `make` gives instead of the frame. */
async function answered(name: string, make: (sender: HostileSender, plain: Buffer) => Uint8Array[], what: Listing = one): Promise<void> {
  await demandRefusal(t, name, async (sender) => {
    await sender.offer()
    await sender.list(0, what)
    const [runs] = await sender.wanted(0)
    for (const frame of make(sender, sender.plain(0, runs!))) await sender.send(MESSAGE.frame, frame)
  })
}

await answered('a frame of nothing', () => [Buffer.alloc(0)])
await answered('a frame of 47 bytes', () => [Buffer.alloc(47)])
await answered('a header alone', (sender, plain) => [sender.block(plain).subarray(0, 64)])
await answered('a frame without its end', (sender, plain) => [sender.block(plain).subarray(0, -1)])
await answered('a frame that goes on', (sender, plain) => [Buffer.concat([sender.block(plain), Buffer.alloc(1)])])
await answered('a frame of less', (sender, plain) => [sender.block(plain.subarray(0, -1))])
await answered('a frame of more', (sender, plain) => [sender.block(Buffer.concat([plain, Buffer.alloc(1)]))])
await answered('noise', (_, plain) => [bytesOf('noise', plain.length + 80)])
await answered('a wrong tag', (sender, plain) => [changed(sender.block(plain), -1)])
await answered('a changed header', (sender, plain) => [changed(sender.block(plain), 30)])
await answered('a changed payload', (sender, plain) => [changed(sender.block(plain), 100)])
await answered('of another archive', (sender, plain) => [sender.block(plain, { archiveId: Buffer.alloc(16, 1) })])
await answered('of another ordinal', (sender, plain) => [sender.block(plain, { ordinal: 1 })])
await answered('of the largest ordinal', (sender, plain) => [sender.block(plain, { ordinal: Number.MAX_SAFE_INTEGER })])
await answered('a page in place of a frame', (sender, plain) => [sender.block(plain, { kind: BLOCK.page })])
await answered('chunks that are not their ids', (sender, plain) => [sender.block(Buffer.alloc(plain.length, 1))])
await answered('one changed byte in the last chunk', (sender, plain) => [sender.block(changed(plain, -1))])
await answered('chunks in another order', (sender, plain) => [sender.block(Buffer.concat([plain.subarray(5000), plain.subarray(0, 5000)]))])
await answered('chunks that are not their ids, packed', (sender, plain) => [sender.block(Buffer.alloc(plain.length, 1), { compression: 'zstd' })])
await answered('LZ4 that is none', (_, plain) => [encoded(plain.length, CODEC.lz4, bytesOf('noise', 2000))])
await answered('zstd that is none', (_, plain) => [encoded(plain.length, CODEC.zstd, bytesOf('noise', 2000))])
await answered('1 GiB from little', (_, plain) => [encoded(plain.length, CODEC.zstd, zstdOf(Buffer.from('x'), 1024 * MIB).subarray(0, plain.length - 1))])
await answered('a frame that decodes to less', (_, plain) => [encoded(plain.length, CODEC.zstd, zstdOf(plain.subarray(0, 1), plain.length - 1))])
await answered('a frame that decodes to more', (_, plain) => [encoded(plain.length, CODEC.zstd, zstdOf(plain.subarray(0, 1), plain.length + 1))])
await answered('a frame too many', (sender, plain) => [sender.block(plain), sender.block(plain)])
await answered('an id of something else', (sender, plain) => [sender.block(plain)], listing([file('f', [{ length: data.length, id: Buffer.alloc(32, 7), data }])]))
// In a file of several chunks, what is right of it does not help.
await answered('one wrong chunk among many', (sender, plain) => [sender.block(plain)], listing([
  file('f', [...Array.from({ length: 20 }, (_, i) => bytesOf(`${i}`, 4096)), { length: data.length, id: hash(Buffer.from('other')), data }]),
]))

await demandRefusal(t, 'a frame before any listing', async (sender) => {
  await sender.offer()
  await sender.send(MESSAGE.frame, sender.block(data))
})

await demandRefusal(t, 'a frame for what needs none', async (sender) => {
  await sender.offer()
  await sender.list(0, listing([directory('d'), file('empty')]))
  await sender.wanted(0)
  await sender.send(MESSAGE.frame, sender.block(data))
})

await demandRefusal(t, 'frames the other way round', async (sender) => {
  await sender.offer()
  const second = listing([file('g', [bytesOf('second', 4000)])])
  await sender.list(0, one)
  await sender.list(1, second)
  const [wanted] = await sender.wanted(0)
  await sender.wanted(1)
  await sender.send(MESSAGE.frame, sender.block(second.chunks[0]!, { ordinal: 0 }))
  await sender.send(MESSAGE.frame, sender.block(sender.plain(0, wanted!), { ordinal: 1 }))
})

const right = async (sender: HostileSender): Promise<void> => {
  await sender.offer()
  await sender.give(0, one)
}

await demandRefusal(t, 'an end with another root', async (sender) => {
  await right(sender)
  await sender.finish({ root: Buffer.alloc(32, 1) })
})
await demandRefusal(t, 'an end that counts listings that did not come', async (sender) => {
  await right(sender)
  await sender.finish({ listings: 2 })
})
await demandRefusal(t, 'an end that counts fewer listings than came', async (sender) => {
  await right(sender)
  await sender.finish({ listings: 0 })
})
await demandRefusal(t, 'an end that counts 2^53-1 listings', async (sender) => {
  await right(sender)
  await sender.finish({ listings: Number.MAX_SAFE_INTEGER })
})
await demandRefusal(t, 'an end before the last frame', async (sender) => {
  await sender.offer()
  await sender.list(0, one)
  await sender.wanted(0)
  await sender.finish()
})
await demandRefusal(t, 'an end in the midst of a file', async (sender) => {
  await sender.offer()
  const begun = listing([part('f', [data])])
  await sender.give(0, begun)
  await sender.finish({ root: Buffer.alloc(32) })
})
await demandRefusal(t, 'an end of nothing with a root', async (sender) => {
  await sender.offer()
  await sender.finish({ root: Buffer.alloc(32, 1), listings: 0 })
})
await demandRefusal(t, 'an end that is cut', async (sender) => {
  await right(sender)
  await sender.send(MESSAGE.finish, Buffer.alloc(33))
})
// Together they are more bytes than can be told, which each of them is not.
await demandRefusal(t, 'listings larger than any tree', async (sender) => {
  await sender.offer()
  for (const [number, name] of ['a', 'b', 'c'].entries()) await sender.list(number, listing([file(name, [2 ** 52])]))
  await sender.finish({ root: Buffer.alloc(32), listings: 3 })
})
