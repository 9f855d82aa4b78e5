/**
 * A source that changes: between an interrupted run and the next, of which the receiver tells and after which the
 * target is as the source is then; and while it is read, which the sender tells.
 */
import t, { type Test } from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { spawn } from 'node:child_process'
import { lookAtAll, makeDirectory, MIB, noise, plant } from '../../archive/support/trees.ts'
import { KillableTransfer, type Role } from '../../transfer/support/killable.ts'
import { warp } from '../support/run.ts'
import { side } from '../support/sides.ts'
import { LISTEN, Place } from './support/place.ts'

const IS_LONG = process.env['WARP_LONG'] === '1'

const FILE_BYTES = (IS_LONG ? 64 : 8) * MIB
/** Slow enough to be met under way, with much of the first files durable and the last ones not begun. */
const NETWORK = { delayMs: 1, rate: FILE_BYTES }

type Change = (file: string) => void

const CHANGES: Record<string, Change> = {
  grows: (file) => fs.appendFileSync(file, noise(99, 100_000)),
  shrinks: (file) => fs.truncateSync(file, Math.floor(FILE_BYTES / 3)),
  'is replaced': (file) => {
    fs.writeFileSync(`${file}.new`, noise(98, FILE_BYTES - 5))
    fs.renameSync(`${file}.new`, file)
  },
  'is written to in the middle': (file) => {
    const fd = fs.openSync(file, 'r+')
    fs.writeSync(fd, 'other bytes', FILE_BYTES >> 1)
    fs.closeSync(fd)
  },
  vanishes: (file) => fs.rmSync(file),
  'becomes a directory': (file) => {
    fs.rmSync(file)
    plant(file, { within: 'it' })
  },
}

/** The first is there by then, the last is not. */
const FILES = ['a', 'b', 'c', 'd']

/** The others only tell more of the same. */
const SHORT = ['shrinks', 'becomes a directory', 'is written to']

for (const [what, change] of Object.entries(CHANGES).filter(([name]) => IS_LONG || SHORT.includes(name))) {
  for (const killed of IS_LONG ? (['send', 'receive'] as Role[]) : [what === 'shrinks' ? 'receive' : 'send'] as Role[]) {
    t.test(`a file ${what} after ${killed} was killed`, async t => {
      const source = path.join(makeDirectory(t), 'tree')
      plant(source, Object.fromEntries(FILES.map((name, i) => [name, noise(i, FILE_BYTES)])))
      const transfer = await KillableTransfer.open(t, { source, listener: 'receive', transport: 'tls', network: NETWORK })
      t.ok(await transfer.reach(2.5 * FILE_BYTES), 'it was under way')
      await transfer.kill('send')
      if (killed === 'receive') await transfer.kill('receive')
      for (const name of ['a', 'd']) change(path.join(source, name))
      fs.writeFileSync(path.join(source, 'e'), 'new')
      const before = transfer.carriedBytes
      if (killed === 'receive') transfer.start('receive')
      transfer.start('send')
      const ends = await transfer.over()
      t.same([ends.send?.status, ends.receive?.status], [0, 0], `${ends.send?.stderr} ${ends.receive?.stderr}`)
      t.match(ends.receive?.stderr, /the source has changed since the last run/)
      t.same(lookAtAll(path.join(transfer.target, 'tree')), lookAtAll(source))
      t.same(transfer.leftovers(), [])
      t.comment(`${before} bytes went before, ${transfer.carriedBytes - before} after`)
    })
  }
}

/** Changes `file` all the time, from before this resolves until it is called again. */
function disturb(t: Test, file: string, script: string): () => Promise<void> {
  const child = spawn(process.execPath, ['-e', `const fs = require('fs'); const file = process.argv[1]; setInterval(() => { ${script} }, 1)`, file], {
    stdio: 'inherit',
  })
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  t.teardown(stop)
  return stop
}

const WHILE_READ: Record<string, string> = {
  grows: `fs.appendFileSync(file, 'more')`,
  'is written to': `const fd = fs.openSync(file, 'r+'); fs.writeSync(fd, String(Date.now()), ${MIB}); fs.closeSync(fd)`,
  'shrinks and grows': `fs.truncateSync(file, fs.statSync(file).size > 40e6 ? ${32 * MIB} + 1 : ${48 * MIB})`,
}

for (const [what, script] of Object.entries(WHILE_READ).filter(([name]) => IS_LONG || SHORT.includes(name))) {
  t.test(`a file ${what} while it is read`, async t => {
    const place = new Place(t)
    // Longer than a batch.
    plant(place.at('src'), { before: 'it', large: noise(5, 48 * MIB), other: noise(6, 100_000) })
    const file = place.at('src/large')
    const { mtimeMs } = fs.statSync(file)
    const stop = disturb(t, file, script)
    while (fs.statSync(file).mtimeMs === mtimeMs) await new Promise(resolve => setTimeout(resolve, 10))
    const receiver = side(['receive', '-C', 'out', ...LISTEN], place.here)
    const sent = await warp(['send', 'src', '--to', await receiver.firstLine], place.here)
    await stop()
    const received = await receiver.ended
    t.equal(sent.status, 3, sent.stderr)
    t.match(sent.stderr, /^warp: src\/large: .*changed while it was read/m)
    t.comment(`receiver: ${received.status} ${received.stderr}`)
    for (const name of ['before', 'other']) t.ok(fs.readFileSync(place.at(`out/src/${name}`)).equals(fs.readFileSync(place.at(`src/${name}`))), name)
    t.ok(fs.existsSync(place.at('out/src/large')), 'as it was read')
    t.same(place.leftovers(), [])

    // Undisturbed, and sent again.
    const next = side(['receive', '-C', 'out', '--overwrite', 'always', ...LISTEN], place.here)
    const { status, stderr } = await warp(['send', 'src', '--to', await next.firstLine], place.here)
    t.equal(status, 0, stderr)
    t.equal((await next.ended).status, 0)
    t.same(lookAtAll(place.at('out/src')), lookAtAll(place.at('src')))
  })
}
