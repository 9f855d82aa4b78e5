/** Names of the receiver's own, and a target that changes under it. */
import fs from 'node:fs'
import path from 'node:path'
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { MESSAGE } from '../../../../src/transfer/messages.ts'
import { TargetTree } from '../../../../src/archive/os/target-tree.ts'
import { Staging } from '../../../../src/transfer/tree/staging.ts'
import { makeDirectory, openDescriptors } from '../../../archive/support/trees.ts'
import { bytesOf, directory, file, listing, symlink } from '../../support/hostile-listings.ts'
import { OFFER_ID, STAGING, contentsOf, demandRefusal, makeGround, receiveFrom, type HostileSender } from '../../support/hostile-sender.ts'

const OTHER = `.warp-receive-${'ab'.repeat(16)}`

/** Another transfer into the same target, as far as it has come. */
function plantOther(target: string): void {
  fs.mkdirSync(path.join(target, OTHER, 'tree'), { recursive: true })
  fs.writeFileSync(path.join(target, OTHER, 'journal'), 'as it was')
}

// Whatever comes of it, nobody may write into what another transfer goes on with.
for (const [what, row] of Object.entries({
  'its own staging directory': directory(STAGING), 'its own journal': file(`${STAGING}/journal`, [Buffer.from('forged')]), 'its own lock': file(`${STAGING}/lock`),
  'its own tree': symlink(`${STAGING}/tree`, '../outside'), 'the journal of another': file(`${OTHER}/journal`, [Buffer.from('forged')]),
  'what another has received': file(`${OTHER}/tree/new`, [Buffer.from('planted')]), 'a file like a staging directory': file(OTHER),
})) {
  for (const overwrite of ['never', 'always'] as const) {
    await demandRefusal(t, `an entry with the name of ${what}, overwrite ${overwrite}`, async (sender) => {
      await sender.offer()
      await sender.list(0, listing([row]))
    }, { ways: ['directory'], options: { overwrite }, before: plantOther })
  }
}

/** A session that is cut when its first listing is restored. */
async function interrupted(target: string): Promise<void> {
  await receiveFrom(async (sender) => {
    await sender.offer()
    await sender.give(0, listing([directory('d'), file('d/a', [Buffer.from('a')]), file('d/b', [bytesOf('b', 30_000).subarray(0, 16_000)])]))
    await sender.give(1, listing([file('f', [Buffer.from('f')])]))
    await sender.channel.end()
  }, { target })
}

const whole = [
  listing([directory('d'), file('d/a', [Buffer.from('a')]), file('d/b', [bytesOf('b', 30_000).subarray(0, 16_000)])]),
  listing([file('f', [Buffer.from('f')])]),
]
const expected = { 'd/': '', 'd/a': 'a', 'd/b': bytesOf('b', 16_000).toString('latin1'), f: 'f' }

/** What is done to staging between two runs; whatever it is, the second ends right or says what is wrong, and nothing outside is touched. */
const between: Record<string, (staged: string, outside: string) => void> = {
  nothing: () => {},
  'a staged file is gone': (staged) => fs.rmSync(path.join(staged, 'tree/d/a')),
  'all staged files are gone': (staged) => fs.rmSync(path.join(staged, 'tree/d'), { recursive: true }),
  'the staged tree is gone': (staged) => fs.rmSync(path.join(staged, 'tree'), { recursive: true }),
  'the journal is gone': (staged) => fs.rmSync(path.join(staged, 'journal')),
  'the journal is empty': (staged) => fs.truncateSync(path.join(staged, 'journal')),
  'the lock is gone': (staged) => fs.rmSync(path.join(staged, 'lock')),
  'a symlink out in place of a directory': (staged, outside) => {
    fs.rmSync(path.join(staged, 'tree/d'), { recursive: true })
    fs.symlinkSync(path.join(outside, 'directory'), path.join(staged, 'tree/d'))
  },
  'a symlink out in place of a file': (staged, outside) => {
    fs.rmSync(path.join(staged, 'tree/d/a'))
    fs.symlinkSync(path.join(outside, 'file'), path.join(staged, 'tree/d/a'))
  },
  'a symlink out in place of the tree': (staged, outside) => {
    fs.rmSync(path.join(staged, 'tree'), { recursive: true })
    fs.symlinkSync(path.join(outside, 'directory'), path.join(staged, 'tree'))
  },
  'a symlink out in place of the journal': (staged, outside) => {
    fs.rmSync(path.join(staged, 'journal'))
    fs.symlinkSync(path.join(outside, 'file'), path.join(staged, 'journal'))
  },
  'a symlink out in place of the lock': (staged, outside) => {
    fs.rmSync(path.join(staged, 'lock'))
    fs.symlinkSync(path.join(outside, 'file'), path.join(staged, 'lock'))
  },
  'a symlink out in place of staging': (staged, outside) => {
    fs.rmSync(staged, { recursive: true })
    fs.symlinkSync(path.join(outside, 'directory'), staged)
  },
  'a file in place of staging': (staged) => {
    fs.rmSync(staged, { recursive: true })
    fs.writeFileSync(staged, 'x')
  },
}
for (const [name, act] of Object.entries(between)) {
  t.test(`between two runs: ${name}`, async (t) => {
    const { target, outside } = makeGround(t)
    const untouched = contentsOf(outside)
    const fds = openDescriptors()
    await interrupted(target)
    act(path.join(target, STAGING), outside)
    for (let run = 0; run < 2; run++) {
      const ended = await receiveFrom((sender) => resume(sender), { target })
      t.ok(ended.inTime)
      t.strictSame(contentsOf(outside), untouched)
      t.strictSame(openDescriptors(), fds)
      const found = contentsOf(target)
      if (ended.error === null) {
        t.strictSame(found, expected)
        t.strictSame(ended.problems.filter(({ kind }) => kind !== 'note'), [])
        return
      }
      // Who changes what is another's gets told what is in the way.
      t.match(ended.error, { class: 'output' }, `${ended.error.stack}`)
      t.strictSame(Object.keys(found).filter((at) => !at.startsWith(STAGING)), [], 'nothing has a final name')
    }
  })
}

/** Sends the whole tree, as to a receiver that may have listings. */
async function resume(sender: HostileSender): Promise<void> {
  const { have } = await sender.offer()
  for (const [number, what] of whole.entries()) await sender.giveOrSame(number, what, number < have)
  await sender.finish()
  await sender.next(MESSAGE.done)
}

t.test('symlinks out of the target where directories and files are to be', async (t) => {
  for (const overwrite of ['never', 'always'] as const) {
    const { target, outside } = makeGround(t)
    fs.symlinkSync(path.join(outside, 'directory'), path.join(target, 'd'))
    fs.symlinkSync(path.join(outside, 'file'), path.join(target, 'f'))
    const untouched = contentsOf(outside)
    const ended = await receiveFrom((sender) => sender.sendTree(whole), { target, options: { overwrite } })
    t.equal(ended.error, null, `${ended.error?.stack}`)
    t.strictSame(contentsOf(outside), untouched)
    t.ok(ended.problems.some(({ kind, path: at }) => kind === 'unrestored' && at === 'd'))
    const found = contentsOf(target)
    t.equal(found.d, `-> ${outside}/directory`, 'a directory does not take the place of what is there')
    t.equal(found.f, overwrite === 'always' ? 'f' : `-> ${outside}/file`)
  }
})

t.test('a symlink that is swapped in while it is received', async (t) => {
  const { target, outside } = makeGround(t)
  const untouched = contentsOf(outside)
  const ended = await receiveFrom(async (sender) => {
    await sender.offer()
    await sender.give(0, listing([directory('d'), directory('d/e'), file('d/e/a', [Buffer.from('a')])]))
    await sender.list(1, listing([file('d/e/b', [Buffer.from('b')]), file('d/e/c', [bytesOf('c', 16_000), bytesOf('d', 16_000)])]))
    const [runs] = await sender.wanted(1)
    fs.renameSync(path.join(target, STAGING, 'tree/d'), path.join(target, 'moved'))
    fs.symlinkSync(path.join(outside, 'directory'), path.join(target, STAGING, 'tree/d'))
    fs.symlinkSync(path.join(outside, 'directory'), path.join(target, 'd'))
    await sender.send(MESSAGE.frame, sender.block(sender.plain(1, runs!)))
    await sender.give(2, listing([file('d/f', [Buffer.from('f')]), symlink('d/link', '../../outside'), file('g', [Buffer.from('g')])]))
    await sender.finish()
    await sender.next(MESSAGE.done)
  }, { target })
  t.ok(ended.inTime)
  t.strictSame(contentsOf(outside), untouched)
  t.ok(ended.error === null || ended.error.class === 'output', `${ended.error?.stack}`)
})

t.test('two receivers of the same offer', async (t) => {
  const { target } = makeGround(t)
  const one = receiveFrom(async (sender) => {
    await sender.offer()
    const other = await receiveFrom((second) => second.sendTree(whole), { target })
    t.match(other.error, { code: 'ERR_WARP_PEER_REFUSED', class: 'peer' })
    for (const [number, what] of whole.entries()) await sender.give(number, what)
    await sender.finish()
    await sender.next(MESSAGE.done)
  }, { target })
  t.equal((await one).error, null, `${(await one).error?.stack}`)
  t.strictSame(contentsOf(target), expected, 'the first is not disturbed')
})

t.test('what was being received is not removed while another waits for it', async (t) => {
  const { target } = makeGround(t)
  const tree = new TargetTree(target)
  const held = Staging.open(tree, OFFER_ID, 4096)
  const other = new TargetTree(target)
  t.throws(() => Staging.open(other, OFFER_ID, 4096), { code: 'ERR_WARP_PEER_REFUSED' })
  held.remove()
  t.strictSame(contentsOf(target), {})
  const later = new TargetTree(target)
  const again = Staging.open(later, OFFER_ID, 4096)
  t.notOk(again.isResumed)
  again.remove()
  for (const one of [tree, other, later]) one.close()
})

await demandRefusal(t, 'the same as in another run, of a listing that was not there', async (sender) => {
  await sender.offer()
  await sender.give(0, whole[0]!)
  await sender.send(MESSAGE.same, Buffer.from([1]))
}, { ways: ['directory'] })

t.test('a target that is full', async (t) => {
  const disk = path.join(makeDirectory(t), 'disk')
  fs.mkdirSync(disk)
  const mount = (options: string): boolean => spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'warp', disk]).status === 0
  if (!mount('size=256k')) return void t.pass('skipped: tmpfs cannot be mounted here')
  t.teardown(() => spawnSync('umount', ['-l', disk]))
  const large = Array.from({ length: 40 }, (_, i) => listing([file(`f${String(i).padStart(2, '0')}`, [bytesOf(`${i}`, 16_000)])]))
  const fds = openDescriptors()
  const ended = await receiveFrom((sender) => sender.sendTree(large), { target: disk })
  t.ok(ended.inTime)
  t.match(ended.error, { code: 'ERR_WARP_NO_SPACE', class: 'output' }, `${ended.error?.stack}`)
  t.strictSame(openDescriptors(), fds)
  t.strictSame(fs.readdirSync(disk), [STAGING])
  mount('remount,size=8m')
  const again = await receiveFrom(async (sender) => {
    const { have } = await sender.offer()
    t.ok(have > 0, 'what was received by then is known')
    for (const [number, what] of large.entries()) await sender.giveOrSame(number, what, number < have)
    await sender.finish()
    await sender.next(MESSAGE.done)
  }, { target: disk })
  t.equal(again.error, null, `${again.error?.stack}`)
  t.equal(fs.readdirSync(disk).length, large.length)
  for (const [i, { chunks }] of large.entries()) t.ok(fs.readFileSync(path.join(disk, `f${String(i).padStart(2, '0')}`)).equals(chunks[0]!))
})

// The last frame fails, and nothing comes after it.
t.test('a target that is full at the last frame', async (t) => {
  const disk = path.join(makeDirectory(t), 'disk')
  fs.mkdirSync(disk)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'warp', disk]).status !== 0) return void t.pass('skipped: tmpfs cannot be mounted here')
  t.teardown(() => spawnSync('umount', ['-l', disk]))
  const ended = await receiveFrom(async (sender) => {
    await sender.offer()
    await sender.give(0, listing([file('f', Array.from({ length: 10 }, (_, i) => bytesOf(`${i}`, 16_000)))]))
  }, { target: disk })
  t.ok(ended.inTime, 'it does not wait for more')
  t.match(ended.error, { code: 'ERR_WARP_NO_SPACE' }, `${ended.error?.stack}`)
})
