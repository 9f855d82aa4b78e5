/** Receivers that want what there is not, say that they have what nobody told them, or say nothing. */
import t from 'tap'
import { MESSAGE, writeWant } from '../../../src/transfer/messages.ts'
import { lines, noise } from '../../archive/support/trees.ts'
import { HeldMemory } from '../support/hostile-memory.ts'
import { demandRefusal, type HostileReceiver } from '../support/hostile-receiver.ts'

const MIB = 2 ** 20
const SILENCE_MS = 200
const accepted = (act: (receiver: HostileReceiver) => Promise<unknown>) => async (receiver: HostileReceiver): Promise<void> => {
  await receiver.accept()
  await act(receiver)
}

// The answer to the offer.
await demandRefusal(t, 'an answer that is none', async (receiver) => {
  await receiver.next(MESSAGE.offer)
  await receiver.send(MESSAGE.accept, Buffer.alloc(3))
})
await demandRefusal(t, 'no chunk size', (receiver) => receiver.accept({ average: 0 }))
await demandRefusal(t, 'a chunk size that there is not', (receiver) => receiver.accept({ average: 5000 }))
await demandRefusal(t, '2^53-1 listings that it has', (receiver) => receiver.accept({ have: Number.MAX_SAFE_INTEGER }))
for (const [what, digests] of Object.entries({ 'too many': 64, none: 0, 'torn ones': 33 })) {
  await demandRefusal(t, `digests of listings: ${what}`, async (receiver) => {
    await receiver.accept({ have: 1 })
    await receiver.send(MESSAGE.have, Buffer.alloc(digests))
  })
}
await demandRefusal(t, 'a wish before the digests', async (receiver) => {
  await receiver.accept({ have: 1 })
  await receiver.want(0, [])
})
await demandRefusal(t, 'digests that were not announced', accepted((receiver) => receiver.send(MESSAGE.have, Buffer.alloc(32))))
// It may be wrong about what it has: then it is told.
await demandRefusal(t, 'digests of something else', async (receiver) => {
  await receiver.accept({ have: 2 })
  await receiver.send(MESSAGE.have, Buffer.alloc(64, 7))
  await receiver.done(await receiver.refuseAll())
}, { code: null })

// Wishes.
const wishes: Record<string, (number: number, refs: number) => [number, Uint8Array]> = {
  'of a listing that was not offered': (number) => [MESSAGE.want, writeWant(number + 1, [])],
  'of listing 2^53-1': () => [MESSAGE.want, writeWant(Number.MAX_SAFE_INTEGER, [])],
  'for what the listing does not have': (number, refs) => [MESSAGE.want, writeWant(number, [[[refs, 1]]])],
  'for more than the listing has': (number, refs) => [MESSAGE.want, writeWant(number, [[[0, refs + 1]]])],
  'for nothing': (number) => [MESSAGE.want, writeWant(number, [[]])],
  'that are cut': (number, refs) => [MESSAGE.want, writeWant(number, [[[0, refs]]]).subarray(0, -1)],
}
for (const [what, make] of Object.entries(wishes)) {
  await demandRefusal(t, `wishes ${what}`, accepted(async (receiver) => {
    const { number, refs } = await receiver.listing()
    await receiver.send(...make(number, refs))
  }))
}
await demandRefusal(t, 'wishes twice for one listing', accepted(async (receiver) => {
  const { number } = await receiver.listing()
  await receiver.want(number, [])
  await receiver.want(number, [])
}))
await demandRefusal(t, 'wishes before any listing', accepted((receiver) => receiver.want(0, [])))
await demandRefusal(t, 'a frame that is longer than any', accepted(async (receiver) => {
  const { number, refs } = await receiver.listing()
  await receiver.want(number, [[[0, refs]]])
}), { plan: { large: noise(1, 20 * MIB) } })
// In the midst of a file that is open, with more batches under way.
await demandRefusal(t, 'wishes in the midst of a large file', accepted(async (receiver) => {
  const { number, refs } = await receiver.listing()
  await receiver.want(number, [[[0, 1]], [[refs - 1, 1]]])
  await receiver.next(MESSAGE.frame)
  await receiver.want(number, [])
}), { plan: { large: lines(1, 48 * MIB) } })

// The end.
await demandRefusal(t, 'done before the end', accepted((receiver) => receiver.done(Buffer.alloc(32))))
await demandRefusal(t, 'done before the last answer', accepted(async (receiver) => {
  await receiver.listing()
  await receiver.done(Buffer.alloc(32))
}))
await demandRefusal(t, 'done with another root', accepted(async (receiver) => {
  await receiver.refuseAll()
  await receiver.done(Buffer.alloc(32))
}))
await demandRefusal(t, 'a root that is cut', accepted(async (receiver) => {
  await receiver.send(MESSAGE.done, (await receiver.refuseAll()).subarray(0, 31))
}))
await demandRefusal(t, 'wishes after the end', accepted(async (receiver) => {
  await receiver.refuseAll()
  await receiver.want(0, [])
}))
await demandRefusal(t, 'messages after it is done', accepted(async (receiver) => {
  await receiver.done(await receiver.refuseAll())
  for (let i = 0; i < 100; i++) await receiver.send(MESSAGE.want, Buffer.alloc(100))
}), { code: null })

for (const [what, type] of Object.entries({ offer: MESSAGE.offer, accept: MESSAGE.accept, listing: MESSAGE.listing, same: MESSAGE.same, frame: MESSAGE.frame, finish: MESSAGE.finish, unknown: 255 })) {
  await demandRefusal(t, `a message that has no place: ${what}`, accepted((receiver) => receiver.send(type, Buffer.alloc(40))))
}
await demandRefusal(t, 'progress that is none', accepted((receiver) => receiver.send(MESSAGE.progress, Buffer.alloc(4, 255))))

t.test('progress without end takes no memory', async (t) => {
  const memory = new HeldMemory(1000)
  await demandRefusal(t, '20,000 times', accepted(async (receiver) => {
    for (let i = 0; i < 20_000; i++) {
      await receiver.progress()
      memory.look()
    }
    await receiver.done(await receiver.refuseAll())
  }), { code: null })
  t.ok(memory.peakBytes < 100 * MIB, `${Math.round(memory.peakBytes / MIB)} MiB`)
})

// Nothing more, in every state.
const steps: [state: string, step: (receiver: HostileReceiver) => Promise<unknown>][] = [
  ['before the answer to the offer', (receiver) => receiver.next(MESSAGE.offer)],
  ['before the digests', async (receiver) => receiver.send(MESSAGE.accept, Buffer.from('01000001000001', 'hex'))],
  ['before a wish', async (receiver) => receiver.send(MESSAGE.have, Buffer.alloc(32))],
  ['before it is done', (receiver) => receiver.refuseAll()],
]
for (const [i, [state]] of steps.entries()) {
  const upTo = async (receiver: HostileReceiver): Promise<void> => {
    for (const [, step] of steps.slice(0, i + 1)) await step(receiver)
  }
  await demandRefusal(t, `it is silent ${state}`, async (receiver) => {
    await upTo(receiver)
    receiver.freeze()
  }, { code: 'ERR_WARP_PEER_SILENT', silenceMs: SILENCE_MS })
  await demandRefusal(t, `it ends ${state}`, async (receiver) => {
    await upTo(receiver)
    await receiver.channel.end()
  }, { code: 'ERR_WARP_PEER_LOST' })
  await demandRefusal(t, `its connection breaks ${state}`, async (receiver) => {
    await upTo(receiver)
    receiver.cut()
  }, { code: 'ERR_WARP_PEER_LOST' })
}
