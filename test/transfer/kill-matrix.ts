/**
 * Either side is killed at moments that a seed chooses, and run again: what arrives is what was sent, little of it
 * was sent twice, and nothing else is left. WARP_LONG=1 kills a hundred times.
 */
import t from 'tap'
import path from 'node:path'
import { lookAtAll, makeDirectory, MIB, noise, plant, type Plan } from '../archive/support/trees.ts'
import { randomSequence } from '../support/impaired/line.ts'
import { KillableTransfer, otherRole, type Role } from './support/killable.ts'

const IS_LONG = process.env['WARP_LONG'] === '1'

/** What a killed side may have to send again. */
const LOST_BYTES = 64 * MIB
/** What meeting again, offering and listing what is there takes, beside the content. */
const OVERHEAD = 1.1
const PER_RUN_BYTES = 2 * MIB

/** Some large files, and many small ones. */
function treeOf(mib: number): Plan {
  const small: Plan = {}
  for (let i = 0; i < 300; i++) small[`${i}`] = noise(1000 + i, (i * 37) % 5000)
  return { large: noise(1, mib * MIB / 2), middle: { a: noise(2, mib * MIB / 4), b: noise(3, mib * MIB / 4 - 1) }, small, empty: null }
}

/** Slow enough to be met under way. */
const NETWORK = { rate: 30 * MIB }

interface Case {
  seed: number
  kills: number
  listener: Role
  transport: 'quic' | 'tls' | 'webtransport'
}

const CASES: Case[] = IS_LONG
  ? Array.from({ length: 20 }, (_, i) => ({
      seed: i + 1, kills: 5, listener: i % 2 === 0 ? 'receive' : 'send', transport: (['quic', 'tls', 'quic', 'webtransport'] as const)[(i >> 1) % 4],
    }))
  : [
      { seed: 101, kills: 2, listener: 'receive', transport: 'tls' },
      { seed: 102, kills: 2, listener: 'send', transport: 'tls' },
    ]

const source = path.join(makeDirectory(t), 'tree')
plant(source, treeOf(IS_LONG ? 200 : 24))
const sourceBytes = (IS_LONG ? 200 : 24) * MIB
const expected = lookAtAll(source)

for (const { seed, kills, listener, transport } of CASES) {
  t.test(`seed ${seed}: ${kills} kills, ${listener} listens, ${transport}`, async t => {
    const random = randomSequence(seed)
    const transfer = await KillableTransfer.open(t, { source, listener, transport, network: NETWORK })
    const killed: string[] = []
    for (let i = 0; i < kills; i++) {
      // One in four before anything is known of the tree, the others anywhere in what is left of it.
      const left = Math.max(0, sourceBytes - transfer.carriedBytes)
      const more = random() < 0.25 ? random() * 20_000 : random() * 2 * left / (kills - i)
      const restMs = random() * 40
      const role = random() < 0.5 ? 'send' : 'receive'
      const isUnderWay = await transfer.reach(transfer.carriedBytes + more)
      await new Promise(resolve => setTimeout(resolve, restMs))
      if (!isUnderWay) break
      await transfer.kill(role)
      killed.push(`${role} after ${transfer.carriedBytes}`)
      if (transfer.endOf(role) === undefined && transfer.endOf(otherRole(role))?.status !== 0) transfer.start(role)
    }
    t.comment(killed.join(', '))
    const ends = await transfer.over()
    // A side that was killed when the other had all it needed is not asked.
    for (const role of ['send', 'receive'] as const) t.equal(ends[role]?.status ?? 0, 0, `${role}: ${ends[role]?.stderr ?? ''}`)
    t.same(lookAtAll(path.join(transfer.target, path.basename(source))), expected)
    t.same(transfer.leftovers(), [])
    t.ok(transfer.hasOneTicket)
    const allowed = sourceBytes * OVERHEAD + (killed.length + 1) * PER_RUN_BYTES + killed.length * LOST_BYTES
    t.ok(transfer.carriedBytes <= allowed, `${transfer.carriedBytes} of ${allowed}`)
  })
}
