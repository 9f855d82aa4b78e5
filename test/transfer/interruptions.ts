/** What happens to a transfer while it is under way, but for the end of a process: a network that goes and comes, a full disk. */
import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { lookAtAll, makeDirectory, MIB, noise, plant } from '../archive/support/trees.ts'
import { randomSequence } from '../support/impaired/line.ts'
import { KillableTransfer } from './support/killable.ts'

const SOURCE_MIB = 24

const source = path.join(makeDirectory(t), 'tree')
plant(source, {
  large: noise(1, SOURCE_MIB / 2 * MIB), middle: { a: noise(2, SOURCE_MIB / 2 * MIB - 12_345) },
  small: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${i}`, noise(i, i * 40)])),
})
const sourceBytes = SOURCE_MIB * MIB
const expected = lookAtAll(source)

/** Slow enough to be met under way. */
const NETWORK = { delayMs: 1, rate: 20 * MIB }

// That a peer is gone shows over UDP, and through HTTP/2, only after some time.
for (const transport of process.env['WARP_LONG'] === '1' ? (['quic', 'tls', 'webtransport'] as const) : (['tls'] as const)) {
  t.test(`a network that is cut or stalls three times, ${transport}`, async t => {
    const random = randomSequence(7)
    const transfer = await KillableTransfer.open(t, { source, listener: 'receive', transport, network: NETWORK })
    for (let i = 0; i < 3; i++) {
      if (!await transfer.reach(transfer.carriedBytes + random() * sourceBytes / 3)) break
      if (i === 1) transfer.proxy.stall()
      else transfer.proxy.cut()
      await sleep(random() * 1000)
      transfer.proxy.restore()
    }
    const ends = await transfer.over()
    t.same([ends.send?.status, ends.receive?.status], [0, 0], `${ends.send?.stderr} ${ends.receive?.stderr}`)
    t.same(lookAtAll(path.join(transfer.target, 'tree')), expected)
    t.same(transfer.leftovers(), [])
  })
}

t.test('a disk that is full, and later has room', async t => {
  const disk = path.join(makeDirectory(t), 'disk')
  fs.mkdirSync(disk)
  const mount = (options: string) => spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'warp', disk]).status === 0
  if (!mount('size=12m')) return void t.pass('skipped: tmpfs cannot be mounted here')
  t.teardown(() => spawnSync('umount', ['-l', disk]))
  const target = path.join(disk, 'target')
  const transfer = await KillableTransfer.open(t, { source, listener: 'receive', transport: 'tls', network: NETWORK, target })
  const failed = await transfer.over()
  t.same([failed.send?.status, failed.receive?.status], [15, 4], `${failed.send?.stderr} ${failed.receive?.stderr}`)
  t.notOk(fs.existsSync(path.join(target, 'tree')), 'nothing unfinished under its name')
  mount('remount,size=100m')
  transfer.start('receive')
  transfer.start('send')
  const ends = await transfer.over()
  t.same([ends.send?.status, ends.receive?.status], [0, 0], `${ends.send?.stderr} ${ends.receive?.stderr}`)
  t.same(lookAtAll(path.join(target, 'tree')), expected)
  t.same(transfer.leftovers(), [])
})
