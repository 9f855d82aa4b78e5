/**
 * The receiver's memory while much more is offered than it can put away: its consumer reads nothing, or its disk takes
 * nothing, for as long as it takes until the sender is held back. WARP_LONG=1 offers 10 GiB.
 */
import t, { type Test } from 'tap'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { PROGRAM } from '../support/run.ts'
import { side } from '../support/sides.ts'
import { LISTEN, Place, shown } from './support/place.ts'

const MIB = 1024 * 1024
const IS_LONG = process.env['WARP_LONG'] === '1'
const OFFERED_BYTES = IS_LONG ? 10 * 1024 * MIB : 768 * MIB
const LIMIT_MS = IS_LONG ? 60 * 60_000 : 240_000

const MEMORY = ['--memory', '384M']
/** As in the tests of what `create` takes. */
const BUDGET_BYTES = 384 * MIB * 1.25

const skip = process.platform === 'linux' ? false : 'reads /proc'

/** Most memory that a process has held until now, bytes; null once it has ended. */
function peakOf({ pid }: ChildProcess): number | null {
  try {
    const peak = /VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return peak === undefined ? null : Number(peak) * 1024
  } catch {
    return null
  }
}

/** Bytes that do not compress and do not repeat, a MiB at a time. */
function* content(length: number): Generator<Buffer> {
  const block = randomBytes(MIB)
  for (let i = 0; i < length / MIB; i++) {
    // Other bytes each time, without asking the system for gigabytes of them.
    for (let at = 0; at < MIB; at += 2048) block.writeUInt32LE((i * 2_654_435_761 + at) >>> 0, at)
    yield block
  }
}

/** What a process reads of its own, to wake up, in the time of one look at it. */
const IDLE_BYTES = 64 * 1024

/** Until a count of bytes that has begun to grow does so no more: all there is on the way is full. */
async function standstill(count: () => number): Promise<void> {
  for (let still = 0, before = 0; still < 10;) {
    await new Promise(resolve => setTimeout(resolve, 300))
    const now = count()
    still = now > 0 && now - before < IDLE_BYTES ? still + 1 : 0
    before = now
  }
}

t.test('a consumer that reads nothing for a while', { skip }, async t => {
  const place = new Place(t)
  const receiver = spawn(process.execPath, [PROGRAM, 'receive', '-', '--json', ...MEMORY, ...LISTEN], {
    cwd: place.cwd, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...place.env },
  })
  t.teardown(() => receiver.kill('SIGKILL'))
  const told = once(receiver, 'close')
  const ticket = await new Promise<string>(resolve => {
    let text = ''
    receiver.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const found = text.split('\n').slice(0, -1).find(line => line.includes('"ticket"'))
      if (found) resolve(JSON.parse(found).ticket)
    })
  })
  const sender = side(['send', '-', ...MEMORY], { cwd: place.cwd, env: { ...place.env, WARP_TICKET: ticket }, input: undefined, limitMs: LIMIT_MS })
  const offered = createHash('sha1')
  let written = 0
  const producing = (async () => {
    for (const block of content(OFFERED_BYTES)) {
      offered.update(block)
      if (!sender.child.stdin!.write(Buffer.from(block))) await once(sender.child.stdin!, 'drain')
      written += block.length
    }
    sender.child.stdin!.end()
  })()
  await standstill(() => written)
  t.ok(written < OFFERED_BYTES / 4, `the producer is held back after ${written / MIB} MiB`)
  const stalled = [peakOf(receiver)!, peakOf(sender.child)!]
  t.ok(stalled[0]! <= BUDGET_BYTES, `receiver, stalled: ${(stalled[0]! / MIB).toFixed(0)} MiB`)
  t.ok(stalled[1]! <= BUDGET_BYTES, `sender, stalled: ${(stalled[1]! / MIB).toFixed(0)} MiB`)

  const arrived = createHash('sha1')
  let peak = 0
  let bytes = 0
  for await (const chunk of receiver.stdout as AsyncIterable<Buffer>) {
    if ((bytes += chunk.length) % (64 * MIB) < chunk.length) peak = Math.max(peak, peakOf(receiver) ?? 0)
    arrived.update(chunk)
  }
  await producing
  const [status] = await told as [number]
  t.equal(status, 0)
  t.equal((await sender.ended).status, 0)
  t.equal(bytes, OFFERED_BYTES)
  t.equal(arrived.digest('hex'), offered.digest('hex'))
  t.ok(peak <= BUDGET_BYTES, `receiver, at the end: ${(peak / MIB).toFixed(0)} MiB`)
  t.comment(`receiver: ${(stalled[0]! / MIB).toFixed(0)} MiB stalled, ${(peak / MIB).toFixed(0)} MiB in all; held back after ${written / MIB} MiB`)
})

/** A file system of its own that can be made to take nothing; null where that cannot be had. */
function freezable(t: Test, place: Place): { directory: string; freeze: () => void; thaw: () => void } | null {
  const [image, directory] = [place.at('image'), place.at('disk')]
  fs.writeFileSync(image, '')
  fs.truncateSync(image, OFFERED_BYTES * 1.25 + 256 * MIB)
  fs.mkdirSync(directory)
  const run = (command: string, ...args: string[]): boolean => spawnSync(command, args, { stdio: 'ignore' }).status === 0
  if (!run('mkfs.ext4', '-q', '-m', '0', image) || !run('mount', '-o', 'loop', image, directory)) return null
  t.teardown(() => {
    run('fsfreeze', '-u', directory)
    run('umount', '-l', directory)
  })
  if (!run('fsfreeze', '-f', directory) || !run('fsfreeze', '-u', directory)) return null
  // What writes there cannot even be killed: it must not outlive these tests, however they end.
  let guard: ChildProcess | undefined
  return {
    directory,
    freeze: () => {
      guard = spawn('sh', ['-c', 'sleep 120; exec fsfreeze -u "$0"', directory], { stdio: 'ignore', detached: true })
      guard.unref()
      run('fsfreeze', '-f', directory)
    },
    thaw: () => {
      run('fsfreeze', '-u', directory)
      process.kill(-guard!.pid!, 'SIGKILL')
    },
  }
}

/** Bytes that a process has read from files, so far. */
function readBy({ pid }: ChildProcess): number {
  return Number(/rchar: (\d+)/.exec(fs.readFileSync(`/proc/${pid}/io`, 'utf8'))![1])
}

t.test('a disk that takes nothing for a while', { skip }, async t => {
  const place = new Place(t)
  const disk = freezable(t, place)
  if (!disk) return void t.pass('skipped: no file system can be mounted and frozen here')
  fs.mkdirSync(place.at('src'))
  const names = ['a', 'b', 'c', 'd'].map(name => place.at(`src/${name}`))
  for (const name of names) {
    const fd = fs.openSync(name, 'w')
    for (const block of content(OFFERED_BYTES / names.length)) fs.writeSync(fd, block)
    fs.closeSync(fd)
  }
  const target = path.join(disk.directory, 'out')
  const receiver = side(['receive', '--json', '-C', target, ...MEMORY, ...LISTEN], { ...place.here, limitMs: LIMIT_MS })
  const isWriting = shown(receiver, 'stderr', /"bytes":[1-9]/)
  const ticket = JSON.parse(await receiver.firstLine).ticket as string
  const sender = side(['send', 'src', ...MEMORY], { cwd: place.cwd, env: { ...place.env, WARP_TICKET: ticket }, limitMs: LIMIT_MS })
  await isWriting
  const frozenAt = readBy(sender.child)
  disk.freeze()
  let held = 0
  try {
    await standstill(() => readBy(sender.child))
    held = readBy(sender.child) - frozenAt
    const peak = peakOf(receiver.child)!
    t.ok(peak <= BUDGET_BYTES, `receiver, stalled: ${(peak / MIB).toFixed(0)} MiB`)
  } finally {
    disk.thaw()
  }
  t.ok(held < OFFERED_BYTES / 2, `${held / MIB} MiB were read on`)
  let peak = 0
  const watch = setInterval(() => (peak = Math.max(peak, peakOf(receiver.child) ?? 0)), 100)
  const ends = await Promise.all([sender.ended, receiver.ended])
  clearInterval(watch)
  for (const { status, stderr } of ends) t.equal(status, 0, stderr.slice(-300))
  t.ok(peak <= BUDGET_BYTES, `receiver, at the end: ${(peak / MIB).toFixed(0)} MiB`)
  t.comment(`receiver: ${(peak / MIB).toFixed(0)} MiB; ${(held / MIB).toFixed(0)} MiB were read on`)
  for (const name of names) t.equal(spawnSync('cmp', [name, path.join(target, 'src', path.basename(name))]).status, 0)
  t.same(fs.readdirSync(target), ['src'])
  t.same(place.leftovers(), [])
})
