/** A sender that says nothing more, or is gone, in every state; and floods. */
import t from 'tap'
import { writeListing, MESSAGE } from '../../../../src/transfer/messages.ts'
import { bytesOf, file, listing, part } from '../../support/hostile-listings.ts'
import { HeldMemory } from '../../support/hostile-memory.ts'
import { demandRefusal, type Demand, type HostileSender } from '../../support/hostile-sender.ts'

const MIB = 2 ** 20
const SILENCE_MS = 200
const first = listing([file('d/a', [bytesOf('first', 5000)])])
const second = listing([file('f', [bytesOf('second', 5000)]), part('g', [bytesOf('third', 3000)])])

/** What an honest sender does, step by step. */
const steps: [state: string, step: (sender: HostileSender) => Promise<unknown>][] = [
  ['after the offer', (sender) => sender.offer()],
  ['after a listing', (sender) => sender.list(0, first)],
  ['before a frame', (sender) => sender.wanted(0)],
  ['after a frame', (sender) => sender.send(MESSAGE.frame, sender.block(first.chunks[0]!))],
  ['after the last listing, in the midst of a file', (sender) => sender.give(1, second)],
]

for (const [i, [state]] of steps.entries()) {
  const upTo = async (sender: HostileSender): Promise<void> => {
    for (const [, step] of steps.slice(0, i + 1)) await step(sender)
  }
  await demandRefusal(t, `it is silent ${state}`, async (sender) => {
    await upTo(sender)
    sender.freeze()
  }, { code: 'ERR_WARP_PEER_SILENT', silenceMs: SILENCE_MS })
  await demandRefusal(t, `it ends ${state}`, async (sender) => {
    await upTo(sender)
    await sender.channel.end()
  }, { code: 'ERR_WARP_PEER_LOST' })
  await demandRefusal(t, `its connection breaks ${state}`, async (sender) => {
    await upTo(sender)
    sender.cut()
  }, { code: 'ERR_WARP_PEER_LOST' })
}

/** Holds that it ends early, and that what was held does not grow with what comes. */
async function flood(name: string, most: number, script: (sender: HostileSender, sent: () => void) => Promise<void>, demand: Demand = {}): Promise<void> {
  let sent = 0
  let memory: HeldMemory
  await demandRefusal(t, name, async (sender) => {
    sent = 0
    memory = new HeldMemory(200)
    await sender.offer()
    await script(sender, () => {
      sent++
      memory.look()
    })
  }, {
    windowBytes: 20 * MIB, ...demand,
    after: (t) => {
      t.ok(sent < most, `${sent} of ${most} were taken`)
      t.ok(memory.peakBytes < 100 * MIB, `${Math.round(memory.peakBytes / MIB)} MiB at most`)
    },
  })
}

const name = (i: number): string => `f${String(i).padStart(8, '0')}`

await flood('listings without end, and no frames', 100_000, async (sender, sent) => {
  for (let i = 0; i < 100_000; i++, sent()) await sender.send(MESSAGE.listing, ...writeListing(i, listing([file(name(i), [bytesOf(`${i}`, 10)])]).content))
})

await flood('listings without end and no frames, each once the last is answered', 5000, async (sender, sent) => {
  for (let i = 0; i < 5000; i++, sent()) {
    await sender.list(i, listing([file(name(i), [bytesOf(`${i}`, 10)])]))
    await sender.wanted(i)
  }
})

await flood('frames without end', 1000, async (sender, sent) => {
  await sender.list(0, first)
  await sender.wanted(0)
  for (let i = 0; i < 1000; i++, sent()) await sender.send(MESSAGE.frame, sender.block(first.chunks[0]!))
})
